"""Who receives traffic where nothing but Services shares it: blue-green by one selector, canary by instances. Pure.

The danger: a Service's selector that was written is not yet a way that requests take. The endpoints follow it a moment
later, from another controller, and until then they hold the pods of before. So a step counts as done when the
EndpointSlices hold exactly the ready pods of the group asked for, in each family of addresses.

Without a mesh requests follow instances, and one in four can be no tenth. What was asked for and what the instances
give is told before a release begins.
"""

from collections.abc import Iterable, Mapping, Sequence

from engine.model import Json

_SERVICE_NAME = "kubernetes.io/service-name"
_STABLE = "stable"
_WHOLE = 100
_NEAR_ENOUGH = 5
"""Points between the ratio asked for and the one that instances give, of which nobody need be told."""
_WAYS_OUT = (
    "Write strategy: istio where Istio runs, let an HTTPRoute of the Gateway API lead to the Service, or leave the "
    "ratio to the instances"
)


def selector_of(group: str, labels: Mapping[str, str], found: Mapping[str, str] | None) -> dict[str, str]:
    """The selector by which a Service leads to `group` alone.

    `labels` are those that only pods of this group carry; `found` is the selector of a Service that was adopted, which
    leads to the pods that were there before, and they carry no label of ours.
    """
    return dict(found) if group == _STABLE and found is not None else dict(labels)


def in_effect(service: Json, slices: Iterable[Json], selector: Mapping[str, str], pods: Sequence[Json]) -> bool:
    """Whether the Service selects by `selector`, and its endpoints are exactly those of `pods` that are ready.

    `pods` are all the pods of the group asked for. `slices` may hold those of other Services, too.
    """
    if service.get("spec", {}).get("selector") != dict(selector):
        return False
    everyone = bool(service["spec"].get("publishNotReadyAddresses"))
    wanted = [pod for pod in pods if is_ready(pod) or (everyone and not _is_over(pod))]
    found = _endpoints(service, slices)
    families = service["spec"].get("ipFamilies") or found.keys() or ("IPv4",)
    return all(
        found.get(family, set()) == {pod["metadata"]["name"] for pod in wanted if family in _families(pod)}
        for family in families
    )


def leads_to(service: Json, slices: Iterable[Json], selector: Mapping[str, str], pod: Json) -> bool:
    """Whether the Service selects by `selector`, and one of its endpoints that get requests is that pod."""
    if service.get("spec", {}).get("selector") != dict(selector):
        return False
    return any(pod["metadata"]["name"] in names for names in _endpoints(service, slices).values())


def is_ready(pod: Json) -> bool:
    """Whether a pod may receive requests: ready, with an address, and not on its way out."""
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and bool(_families(pod)) and "deletionTimestamp" not in pod["metadata"]


def feasible(share: int, gray: int, total: int, beside: int | None = None) -> str:
    """What stands against giving gray `share` percent by `gray` of `total` instances; empty when nothing does.

    `beside` is how many others there are, where they do not become fewer for gray.
    """
    if share == 0:
        return f"Without a mesh gray is shown to everybody as soon as it is ready, and 0 % was asked for. {_WAYS_OUT}."

    def given(count: int) -> float:
        return _percent(count, total if beside is None else beside + count)

    if abs(given(gray) - share) <= _NEAR_ENOUGH:
        return ""
    said = _said(share, gray, total if beside is None else beside + gray)
    nearest = min(range(1, total), key=lambda count: (abs(given(count) - share), count), default=gray)
    reached = given(nearest)
    if nearest != gray and abs(reached - share) <= _NEAR_ENOUGH:
        return f"{said} Write gray_instances: {nearest}, which gives {_shown(reached)} %."
    where = f"of {total} instances" if beside is None else f"below {total}, beside {beside} that stay,"
    return f"{said} No number {where} comes nearer than {_shown(reached)} %. {_WAYS_OUT}."


def otherwise(share: int, gray: int, beside: int) -> str:
    """What share `gray` instances beside others really give, where it is not `share`; empty where it is."""
    given = _percent(gray, gray + beside)
    return "" if abs(given - share) < 1 else _said(share, gray, gray + beside)


def _said(share: int, gray: int, total: int) -> str:
    given = _shown(_percent(gray, total))
    return f"Without a mesh requests follow instances: {gray} gray of {total} get {given} %, not {share} %."


def _endpoints(service: Json, slices: Iterable[Json]) -> dict[str, set[str]]:
    """The pods that get requests, by family of addresses. While no endpoint is ready, those that end serve on."""
    ready: dict[str, set[str]] = {}
    serving: dict[str, set[str]] = {}
    for each in slices:
        if not _belongs(each, service):
            continue
        family = each.get("addressType", "IPv4")
        for endpoint in each.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            if conditions.get("ready") is not False:
                ready.setdefault(family, set()).add(_target(endpoint))
            elif conditions.get("serving") and conditions.get("terminating"):
                serving.setdefault(family, set()).add(_target(endpoint))
    return {family: ready.get(family) or serving.get(family, set()) for family in ready.keys() | serving.keys()}


def _belongs(endpoint_slice: Json, service: Json) -> bool:
    metadata, owner = endpoint_slice["metadata"], service["metadata"]
    named = (metadata.get("labels") or {}).get(_SERVICE_NAME) == owner["name"]
    return bool(named and metadata.get("namespace") == owner.get("namespace"))


def _target(endpoint: Json) -> str:
    """The pod behind an endpoint. One that leads elsewhere (written by hand) has its addresses for a name."""
    target = endpoint.get("targetRef") or {}
    return str(target["name"]) if target.get("kind") == "Pod" else ", ".join(endpoint.get("addresses", ()))


def _is_over(pod: Json) -> bool:
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def _families(pod: Json) -> set[str]:
    """The families of addresses that a pod has one of."""
    status = pod.get("status", {})
    addresses = [each.get("ip", "") for each in status.get("podIPs") or ()] or [status.get("podIP", "")]
    return {"IPv6" if ":" in address else "IPv4" for address in addresses if address}


def _percent(count: int, total: int) -> float:
    return _WHOLE * count / total if total else 0.0


def _shown(percent: float) -> str:
    return f"{percent:.1f}".removesuffix(".0")

"""What the API server refuses in a pod template: two kinds of one thing, names that lead nowhere, figures that clash.

Most of it happens when an apply is merged into what somebody else wrote: his kind of volume, of probe or of hook stays
beside ours, because nobody said that it should go.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.kube_kinds import Json
from tests.support.kube_quantities import amount, canonical

Cause = tuple[str, str, str]
WRONG, NEEDED = "FieldValueInvalid", "FieldValueRequired"
FORBIDDEN, MISSING, DUPLICATE = "FieldValueForbidden", "FieldValueNotFound", "FieldValueDuplicate"
_VOLUMES = ("emptyDir", "hostPath", "secret", "persistentVolumeClaim", "downwardAPI", "configMap", "projected")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def strategies(spec: Json) -> Iterator[Cause]:
    """A Deployment's strategy: whoever recreates rolls nothing."""
    strategy = spec["strategy"]
    if strategy["type"] == "Recreate" and strategy.get("rollingUpdate") is not None:
        said = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        yield FORBIDDEN, said, "spec.strategy.rollingUpdate"
    rolling = strategy.get("rollingUpdate") or {}
    if rolling and not any(str(rolling[one]).rstrip("%").lstrip("0") for one in ("maxSurge", "maxUnavailable")):
        said = "Invalid value: 0: may not be 0 when `maxSurge` is 0"
        yield WRONG, said, "spec.strategy.rollingUpdate.maxUnavailable"


def pods(spec: Json, at: str) -> Iterator[Cause]:
    """The volumes and the containers of a pod."""
    names = []
    for number, volume in enumerate(spec.get("volumes") or ()):
        wrong = list(_one_of(_VOLUMES, volume, f"{at}.volumes[{number}]", "volume"))
        names += [] if wrong else [volume.get("name")]
        yield from wrong
    grace = spec.get("terminationGracePeriodSeconds", 30)
    for word in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(word) or ()):
            yield from _container(container, f"{at}.{word}[{number}]", names, grace)


def _container(container: Json, at: str, volumes: Sequence[Any], grace: int) -> Iterator[Cause]:
    yield from _names(container, at)
    for number, env in enumerate(container.get("env") or ()):
        if env.get("value") and env.get("valueFrom"):
            said = 'Invalid value: "": may not be specified when `value` is not empty'
            yield WRONG, said, f"{at}.env[{number}].valueFrom"
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            yield MISSING, f'Not found: "{mount.get("name")}"', f"{at}.volumeMounts[{number}].name"
    yield from _figures(container.get("resources") or {}, f"{at}.resources")
    for word, hook in (container.get("lifecycle") or {}).items():
        wrong = list(_one_of(_HANDLERS, hook, f"{at}.lifecycle.{word}", "handler"))
        yield from wrong or _sleeps(hook, f"{at}.lifecycle.{word}", grace)
    for word in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(word) is not None:
            yield from _one_of(_HANDLERS, container[word], f"{at}.{word}", "handler")


def _names(container: Json, at: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for number, port in enumerate(container.get("ports") or ()):
        if port.get("name") in seen:
            yield DUPLICATE, f'Duplicate value: "{port["name"]}"', f"{at}.ports[{number}].name"
        seen |= {port["name"]} if "name" in port else set()


def _one_of(words: Sequence[str], thing: Json, at: str, what: str) -> Iterator[Cause]:
    there = [word for word in words if thing.get(word) is not None]
    for word in there[1:]:
        yield FORBIDDEN, f"Forbidden: may not specify more than 1 {what} type", f"{at}.{word}"
    if not there and not set(thing) - {"name"} and what == "volume":
        yield NEEDED, "Required value: must specify a volume type", at
    elif not there and what == "handler":
        yield NEEDED, "Required value: must specify a handler type", at


def _sleeps(hook: Json, at: str, grace: int) -> Iterator[Cause]:
    seconds = (hook.get("sleep") or {}).get("seconds", 0)
    if seconds < 0 or seconds > grace:
        said = f"Invalid value: {seconds}: must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        yield WRONG, said, f"{at}.sleep"


def _figures(resources: Json, at: str) -> Iterator[Cause]:
    limits = resources.get("limits") or {}
    for name, asked in (resources.get("requests") or {}).items():
        if name in limits and amount(asked) > amount(limits[name]):
            said = f"must be less than or equal to {name} limit of {canonical(limits[name])}"
            yield WRONG, f'Invalid value: "{canonical(asked)}": {said}', f"{at}.requests"


def ports(spec: Json) -> Iterator[Cause]:
    """A Service's ports: several need names, each its own."""
    listed, seen = spec.get("ports") or (), set[str]()
    for number, one in enumerate(listed):
        name = one.get("name")
        if not name and len(listed) > 1:
            yield NEEDED, "Required value", f"spec.ports[{number}].name"
        if name in seen:
            yield DUPLICATE, f'Duplicate value: "{name}"', f"spec.ports[{number}].name"
        seen |= {name} if name else set()

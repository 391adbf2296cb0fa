"""The objects of a workload as Sluice applies them: Deployments, Services, and what a manifest brings along. Pure.

What is made here is the whole of what Sluice says about an object, because server-side apply takes away what is not
said again. Of an adopted object that is little: what the release needs and nothing else. What was said once and is held
by nobody else must be said again, or it would vanish from the live object; so a field that was taken stays taken.

`sluice.dev/applied` keeps what was said, so that a count can be changed and a drift be seen without making it anew.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from engine.deployment import FOUND, Deployment
from engine.errors import StageFailure
from engine.manifest import QUIETLY, container_of, has_stop_hook
from engine.model import Json, Release
from engine.targets.kubernetes import found, manifests, names, standard
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, Kind
from engine.targets.kubernetes.names import Place, short
from engine.targets.kubernetes.overlay import laid_over, without_ours

_KEPT_REVISIONS = 2
_TYPES = {"node": "NodePort", "balancer": "LoadBalancer"}
_NAMING = ("app", names.APP, "app.kubernetes.io/instance", "k8s-app", "name", "app.kubernetes.io/component", "tier")
"""Labels by which much is selected, the most usual first."""
_PORT_KEYS = ("name", "protocol", "targetPort", "appProtocol")


def deployment(
    place: Place,
    group: str,
    release: Release,
    count: int,
    *,
    spec: Deployment,
    base: Json | None,
    registry: str,
    selected: Mapping[str, str],
    apart: bool,
    max_unavailable: int,
    recreate: bool,
    marks: Mapping[str, str],
) -> dict[str, Any]:
    """What to apply for `group` so that it becomes `count` instances of `release`, whose settings are `spec`.

    `base` is the adopted Deployment as it is live, None for a workload that is wholly Sluice's. `selected` are the
    labels that the workload's own Service selects by; `apart` says that gray, blue and green must not have them.
    `marks` are annotations. Raises `StageFailure` when what is there and what is wanted cannot be one object.
    """
    written = _written(place, release, spec, base, registry)
    written["spec"]["replicas"] = count
    if spec.creation not in ("yaml", FOUND):
        written["spec"]["strategy"] = standard.strategy(count, max_unavailable, recreate=recreate)
    notes = {**marks, names.RELEASE: release.id, names.COUNT: str(count)}
    notes[QUIETLY] = "true" if _leaves_quietly(place, release, spec, written, base) else "false"
    if base is not None and group == names.STABLE:
        return _partial(place, release, written, base, notes)
    if base is not None and spec.creation not in ("yaml", FOUND):
        written["spec"] = _copied(written["spec"], base, spec)
    elif spec.creation not in ("yaml", FOUND):
        written["spec"] |= _unhurried(spec)
    labels = _labels(place, group, selected, apart=apart and group != names.STABLE)
    return _whole(place, group, release, written, labels=labels, notes=notes)


def service(
    place: Place,
    spec: Deployment,
    *,
    name: str,
    selector: Mapping[str, str],
    port: int,
    marks: Mapping[str, str],
    base: Json | None = None,
) -> dict[str, Any]:
    """What to apply for the Service `name`, which leads from `port` to the pods that `selector` names.

    `base` is the workload's own Service as somebody else made it: of that one nothing is said but the annotations, and
    others lead to the same port of the pods as it does. Only the workload's own Service is reached from outside.
    """
    metadata: dict[str, Any] = {"name": name, "namespace": place.namespace, "labels": {names.WORKLOAD: place.name}}
    metadata["annotations"] = dict(marks)
    made: dict[str, Any] = {"apiVersion": SERVICE.api_version, "kind": SERVICE.kind, "metadata": metadata}
    written, own = _service_of_manifest(spec), name == spec.service.name
    if base is not None and base["metadata"]["name"] == name:
        return made if written is None else {**made, "spec": _but_selector(written)}
    metadata["labels"][names.MANAGED] = "sluice"
    if own and written is not None:
        return laid_over(written, {**made, "spec": {**_but_selector(written), "selector": dict(selector)}})
    model = base if base is not None else written
    kind = _TYPES.get(spec.service.access or "", "ClusterIP") if own else "ClusterIP"
    made["spec"] = {"type": kind, "selector": dict(selector), "ports": [_port(spec, port, model)]}
    return made


def selects(place: Place, spec: Deployment) -> dict[str, str]:
    """By which labels the workload's own Service selects when Sluice makes it."""
    model = _service_of_manifest(spec)
    return dict(model["spec"]["selector"]) if model is not None else {names.APP: place.name}


def extra_objects(release: Release, place: Place) -> tuple[dict[str, Any], ...]:
    """What a manifest brings along beside its workload and its service, with Sluice's labels."""
    if not release.settings.get("manifest"):
        return ()
    labels = {names.MANAGED: "sluice", names.WORKLOAD: place.name}
    additions = {"metadata": {"namespace": place.namespace, "labels": labels}}
    return tuple(laid_over(each, additions) for each in manifests.parse(release.settings["manifest"]).beside)


def label_apart(group: str, selected: Mapping[str, str]) -> dict[str, str]:
    """The one label in which the pods of a group differ from those that the workload's own Service selects.

    The more a key is used to name an application, the more of others' policies select by it: another one is taken.
    """
    used = {key: number for number, key in enumerate(_NAMING)}
    key = max(sorted(selected), key=lambda key: used.get(key, len(used)), default=None)
    return {} if key is None else {key: short(f"{selected[key]}-{group}")}


def with_applied(thing: Json) -> dict[str, Any]:
    """`thing` with a note of itself, so that what was applied can be read from the live object."""
    bare_thing = without_applied(thing)
    note = json.dumps(bare_thing, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return laid_over(bare_thing, {"metadata": {"annotations": {names.APPLIED: note}}})


def with_notes(thing: Json, notes: Mapping[str, str]) -> dict[str, Any]:
    """`thing` with more annotations, noted as well."""
    return with_applied(laid_over(without_applied(thing), {"metadata": {"annotations": dict(notes)}}))


def without_applied(thing: Json) -> dict[str, Any]:
    """`thing` without that note."""
    plain = deepcopy(dict(thing))
    notes = plain["metadata"].get("annotations") or {}
    if names.APPLIED in notes:
        plain["metadata"]["annotations"] = {key: value for key, value in notes.items() if key != names.APPLIED}
    return plain


def applied_of(live: Json) -> dict[str, Any] | None:
    """What Sluice applied last of this object; None when it never did, or when the note cannot be read."""
    try:
        kept = json.loads(names.annotation(live, names.APPLIED) or "null")
    except ValueError:
        return None
    metadata = kept.get("metadata") if isinstance(kept, dict) else None
    is_one = isinstance(metadata, dict) and all(
        isinstance(metadata.get(key) or {}, dict) for key in ("annotations", "labels")
    )
    return kept if is_one else None


def workload_of(live: Json) -> str:
    """The workload that Sluice wrote the object for; empty when it never did. Its label may have been taken off."""
    labels = (applied_of(live) or {"metadata": {}})["metadata"].get("labels") or {}
    return names.label(live, names.WORKLOAD) or str(labels.get(names.WORKLOAD, ""))


def scaled(applied: Json, count: int) -> dict[str, Any]:
    """What was applied, for another number of instances."""
    notes = {names.COUNT: str(count)}
    return laid_over(applied, {"metadata": {"annotations": notes}, "spec": {"replicas": count}})


def bare(kind: Kind, live: Json) -> dict[str, Any]:
    """The least that can be applied of an object: that it is this one."""
    named = {"name": live["metadata"]["name"], "namespace": live["metadata"]["namespace"]}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": named}


def _written(place: Place, release: Release, spec: Deployment, base: Json | None, registry: str) -> dict[str, Any]:
    """The Deployment that the release's author wrote, its image put in: `metadata` and `spec`."""
    if spec.creation == FOUND:
        return found.recorded(release)
    image = standard.image_of(release, registry)
    if spec.creation == "yaml":
        written = manifests.parse(spec.manifest or "").workload
        containers = written["spec"]["template"]["spec"]["containers"]
        chosen = _chosen(containers, place, release, spec)
        next(each for each in containers if each["name"] == chosen)["image"] = image
        if base is not None:
            _check_said(place, _stranded(without_ours(base)["spec"]["template"]), containers)
    elif base is None:
        written = {"spec": {"template": standard.template(spec, spec.container or place.name, image)}}
    else:
        theirs = without_ours(base)["spec"]["template"]
        released = _released(base, theirs)
        chosen = _chosen(base["spec"]["template"]["spec"]["containers"], place, release, spec, released)
        _check_still(place, released, chosen)
        written = {"spec": {"template": standard.template(spec, chosen, image, theirs)}}
    if spec.container:
        _note(written["spec"]["template"], names.CONTAINER, spec.container)
    return written


def _leaves_quietly(place: Place, release: Release, spec: Deployment, written: Json, base: Json | None) -> bool:
    """Whether the pods that result answer on while visitors leave them, or their owner wants nothing waited for."""
    template, serving = written["spec"]["template"], spec.container or ""
    if base is not None:
        if spec.creation not in ("yaml", FOUND):
            serving = template["spec"]["containers"][0]["name"]
        template = laid_over(without_ours(base)["spec"]["template"], template)
    quiet = has_stop_hook(template, place.name, release.image, serving)
    return (spec.creation == "standard" and not spec.drain) or quiet


def _chosen(
    containers: Sequence[Json], place: Place, release: Release, spec: Deployment, before: Sequence[str] = ()
) -> str:
    """The container that the release replaces. `before`: those that releases have replaced until now.

    An older version that comes back says nothing of what has come to stand beside its container since.
    """
    chosen = container_of(containers, place.name, release.image, spec.container or "")
    if chosen:
        return chosen
    known = [str(each["name"]) for each in containers]
    if spec.container is None and len(before) == 1 and before[0] in known:
        return before[0]
    there, listed = f"The Deployment {place.namespace}/{place.name}", ", ".join(known)
    what = f"has the containers {listed}, and nobody can tell which of them {release.image} replaces"
    if spec.container:
        what = f"has no container {spec.container}. It has {listed}"
    cure = f"Write container: and one of {listed} in the definition; the next run has it."
    raise StageFailure(f"{there} {what}.", cure)


def _released(base: Json, theirs: Json) -> list[str]:
    """The containers of somebody else's Deployment that releases have replaced. `theirs`: its pods without our fields.

    A way back, or a manifest, says every container; then those are meant whose image nobody else says any more.
    """
    template = (applied_of(base) or {}).get("spec", {}).get("template") or {}
    said = [str(each["name"]) for each in template.get("spec", {}).get("containers", ())]
    return said if len(said) == 1 else _stranded(theirs)


def _stranded(theirs: Json) -> list[str]:
    """The containers that would be left without an image if Sluice said none."""
    return [str(each["name"]) for each in theirs["spec"].get("containers") or () if "image" not in each]


def _check_still(place: Place, released: Sequence[str], chosen: str) -> None:
    """Another container cannot take over: the one that was released would be left without an image."""
    if len(released) > 1:
        _check_said(place, released, [{"name": chosen}])
    elif released and chosen not in released:
        raise StageFailure(
            f"The container {released[0]} of the Deployment {place.namespace}/{place.name} is what releases replace; "
            f"it cannot become {chosen} once one is in effect.",
            f"Write container: {released[0]} in the definition, or release under another workload name.",
        )


def _check_said(place: Place, stranded: Sequence[str], containers: Sequence[Json]) -> None:
    """Of an image that Sluice alone has said, more must be said, or the container would be left without one."""
    said = {str(each["name"]) for each in containers}
    left = next((each for each in stranded if each not in said), None)
    if left is not None:
        raise StageFailure(
            f"The image of the container {left} of the Deployment {place.namespace}/{place.name} comes from releases "
            "alone, and this one says none.",
            f"Write a manifest that has {left}, too, or release under another workload name.",
        )


def _partial(
    place: Place, release: Release, written: dict[str, Any], base: Json, notes: Mapping[str, str]
) -> dict[str, Any]:
    """Of the adopted Deployment, only what the release needs."""
    metadata = {"name": place.name, "namespace": place.namespace, "labels": {names.WORKLOAD: place.name}}
    made: dict[str, Any] = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind}
    made["metadata"] = {**metadata, "annotations": dict(notes)}
    spec = written["spec"]
    said = manifests.parse(release.settings["manifest"]).workload if release.settings.get("manifest") else {}
    made["metadata"] = laid_over(said.get("metadata", {}), made["metadata"])
    if release.settings.get("creation") == FOUND:
        if not has_template(base) and found.is_same(base, release):
            return {**made, "spec": {"replicas": spec["replicas"]}}
        spec = {key: spec[key] for key in ("replicas", "strategy", "template", *said.get("spec", ())) if key in spec}
        if release.adopted_by:
            _note(spec["template"], names.RELEASE, release.id)
    else:
        _note(spec["template"], names.RELEASE, release.id)
    _check_same(place, base, spec)
    return {**made, "spec": spec}


def has_template(base: Json) -> bool:
    """Whether anything of the pod template was applied by Sluice: then it has to be said again."""
    return "template" in (applied_of(base) or {}).get("spec", {})


def _check_same(place: Place, base: Json, spec: Json) -> None:
    wanted = spec.get("selector")
    if wanted is not None and wanted != base["spec"]["selector"]:
        raise StageFailure(
            f"The Deployment {place.namespace}/{place.name} selects its pods by other labels than the manifest, and no "
            "Deployment can change that.",
            "Write the selector that it has, or release under another workload name.",
        )
    if base["spec"].get("paused"):
        raise StageFailure(
            f"The Deployment {place.namespace}/{place.name} is paused: it would start nothing.",
            "Resume it (kubectl rollout resume), then retry.",
        )


def _copied(spec: dict[str, Any], base: Json, settings: Deployment) -> dict[str, Any]:
    """A copy of the adopted Deployment's pods with what the release writes."""
    theirs = without_ours(base)["spec"]
    template = laid_over(theirs["template"], spec["template"])
    template["metadata"].pop("creationTimestamp", None)
    kept = {key: theirs[key] for key in ("minReadySeconds",) if key in theirs}
    return {**spec, **_unhurried(settings), **kept, "template": template}


def _unhurried(spec: Deployment) -> dict[str, Any]:
    revisions = {"minReadySeconds": 0, "revisionHistoryLimit": _KEPT_REVISIONS}
    return {**revisions, "progressDeadlineSeconds": standard.patience(spec)}


def _whole(
    place: Place,
    group: str,
    release: Release,
    written: dict[str, Any],
    *,
    labels: Mapping[str, str],
    notes: Mapping[str, str],
) -> dict[str, Any]:
    """A Deployment that is Sluice's. `labels` are those of its pods beside what their template has."""
    ours = {names.WORKLOAD: place.name, names.GROUP: group}
    spec = written["spec"]
    spec.pop("paused", None)
    if group != names.STABLE or "selector" not in spec:
        spec["selector"] = {"matchLabels": dict(ours)}
    metadata = spec["template"].setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    _note(spec["template"], names.RELEASE, release.id)
    above = {
        "metadata": {
            "name": place.deployment(group),
            "namespace": place.namespace,
            "labels": {names.MANAGED: "sluice", **ours},
            "annotations": dict(notes),
        },
        "spec": spec,
    }
    # What others keep track of by labels of its Deployment is not theirs in a copy: they would remove it.
    theirs = release.settings.get("creation") == FOUND and group != names.STABLE
    head = {"metadata": {} if theirs else written.get("metadata", {})}
    return laid_over({"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, **head}, above)


def _labels(place: Place, group: str, selected: Mapping[str, str], *, apart: bool) -> dict[str, str]:
    """By what the pods of a group are found. Those that are apart differ in one label of the own Service's selector."""
    changed = label_apart(group, selected) if apart else {}
    return {**selected, **changed, names.WORKLOAD: place.name, names.GROUP: group}


def _note(template: dict[str, Any], key: str, value: str) -> None:
    metadata = template.setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), key: value}


def _but_selector(written: Json) -> dict[str, Any]:
    return {key: value for key, value in written["spec"].items() if key != "selector"}


def _service_of_manifest(spec: Deployment) -> dict[str, Any] | None:
    return manifests.parse(spec.manifest).service if spec.manifest else None


def _port(spec: Deployment, port: int, model: Json | None) -> dict[str, Any]:
    """One port of a Service, like that of the `model` if there is one."""
    ports = model["spec"].get("ports", ()) if model is not None else ()
    like = next((each for each in ports if each["port"] == spec.service.port), None)
    if like is not None:
        kept = {key: like[key] for key in _PORT_KEYS if key in like}
        return {"protocol": "TCP", "targetPort": like["port"], **kept, "port": port}
    protocol = spec.service.protocol
    made: dict[str, Any] = {"name": protocol, "port": port, "targetPort": standard.container_port(spec)}
    made["protocol"] = "UDP" if protocol == "udp" else "TCP"
    return made if protocol == "udp" else {**made, "appProtocol": protocol}

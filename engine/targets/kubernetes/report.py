"""A workload's Deployments and pods as the engine and people want to hear of them.

The danger: a status is what a controller thought a moment ago. After a Deployment was written it still says for a while
that all of its instances are ready, those of the release before; and a strategy that believed it would end gray while
stable is old.

The promise: a group counts as settled only if the pods themselves say so, each with the release in its own template,
and if the controller has seen the Deployment as it is now and holds no pod for outdated. Numbers in a status are never
counted; they can only take away: where the pods would make a group settled and the status does not agree, those that
may be of an earlier template count as ones of no known release.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from engine.manifest import container_of
from engine.model import Json
from engine.ports import Instance
from engine.rollout.fleet import Group, ReleaseId
from engine.targets.kubernetes import names, quantities, stalls
from engine.targets.kubernetes.found import without_registry
from engine.targets.kubernetes.label_selectors import selects
from engine.targets.kubernetes.lines import moment, sentence
from engine.targets.kubernetes.sight import is_over, is_ready, state_of

__all__ = ["UNKNOWN", "group_of", "instances_of", "is_ready", "pods_of", "split_of"]

UNKNOWN = ReleaseId("")
"""What a pod runs of which nobody can tell: no annotation, or a template that is no longer the Deployment's."""
_REVISION = "deployment.kubernetes.io/revision"
_GRAY = "gray"


def group_of(  # noqa: PLR0917 - what a Deployment is seen by, in the order in which it is found
    name: str,
    live: Json,
    pods: Sequence[Json],
    found: ReleaseId | None,
    events: Sequence[Json],
    now: datetime,
    *,
    replica_sets: Sequence[Json] = (),
) -> Group | None:
    """What a strategy sees of one Deployment; None when it is to have no instances and has none left.

    `found` is the release that runs where neither the Deployment nor a pod names one. With `replica_sets` it is certain
    which pods are of an earlier template; without, the Deployment's status says how many may be.
    """
    here = [pod for pod in pods if not is_over(pod, now)]
    present = [pod for pod in here if not pod["metadata"].get("deletionTimestamp")]
    asked = names.annotation(live, names.COUNT)
    count = int(asked) if asked.isdecimal() else int(live["spec"].get("replicas", 1))
    if not count and not here:
        return None
    hot = names.hotfix_of(live)
    group = _counted(
        Group(
            name=name,
            release=_release(live, found),
            count=count,
            draining=len(here) - len(present),
            unrouted_since=moment(names.annotation(live, names.UNROUTED)),
        ),
        present,
        found,
        _outdated(live, present, replica_sets),
        hot,
    )
    if group.is_settled():
        group = _counted(group, present, found, _doubtful(live, present), hot)
    lacking = group.ready.get(group.release, 0) < group.count
    return replace(group, trouble=_trouble(live, pods, events, now)) if lacking else group


def instances_of(
    pods: Iterable[Json],
    groups: Mapping[str, str],
    found: ReleaseId | None,
    events: Iterable[Json],
    now: datetime,
    *,
    name: str = "",
    lives: Mapping[str, Json] = {},
) -> tuple[Instance, ...]:
    """What people see of each pod that `groups` names a group for, by group and name.

    `name` is the workload's, `lives` are its Deployments by group.
    """
    said, hot = _by_pod(events), {group: names.hotfix_of(live) for group, live in lives.items()}
    known = [(pod, groups[_name(pod)]) for pod in pods if _name(pod) in groups]
    seen = [(pod, _instance(pod, group, _release(pod, found, hot.get(group)), said, now)) for pod, group in known]
    shown = [replace(one, image=_image(pod, name)) for pod, one in seen]
    return tuple(sorted(shown, key=lambda each: (each.group, each.name)))


def pods_of(live: Json, pods: Iterable[Json], replica_sets: Sequence[Json] = ()) -> tuple[Json, ...]:
    """Which pods belong to a Deployment: its ReplicaSets' own.

    Where no ReplicaSet is known that owns a pod, those that the selector names and that are of no other group.
    """
    mine = {each["metadata"]["uid"] for each in replica_sets if _owner(each).get("uid") == live["metadata"].get("uid")}
    known = {each["metadata"]["uid"] for each in replica_sets}
    return tuple(
        pod
        for pod in pods
        if (_owner(pod).get("uid") in mine if _owner(pod).get("uid") in known else _seems_of(live, pod))
    )


def split_of(groups: Mapping[str, Group]) -> str:
    """The split that ready instances give: ``4 stable, 1 gray (20 %)``."""
    ready = {name: group.ready_now() for name, group in groups.items()}
    whole = sum(ready.values())
    order = sorted(ready, key=lambda name: (name == _GRAY, name != names.STABLE, name))
    said = [f"{ready[name]} {name}" for name in order]
    if _GRAY in ready and whole:
        percent = 100 * ready[_GRAY] / whole
        said[-1] += f" ({percent:.1f} %)" if 0 < percent < 1 else f" ({percent:.0f} %)"
    return ", ".join(said)


def _counted(
    group: Group, present: Sequence[Json], found: ReleaseId | None, not_known: frozenset[str], hot: names.Hot | None
) -> Group:
    runs = {_name(pod): UNKNOWN if _name(pod) in not_known else _release(pod, found, hot) for pod in present}
    ready = Counter(runs[_name(pod)] for pod in present if is_ready(pod))
    return replace(group, ready=ready, present=Counter(runs.values()))


def _outdated(live: Json, present: Sequence[Json], replica_sets: Sequence[Json]) -> frozenset[str]:
    """Name the pods that were made from an earlier template of the Deployment, as far as `replica_sets` tell."""
    revision, uid = names.annotation(live, _REVISION), live["metadata"].get("uid")
    current = {
        names.label(each, names.TEMPLATE_HASH)
        for each in replica_sets
        if revision and names.annotation(each, _REVISION) == revision and _owner(each).get("uid") == uid
    }
    return frozenset(_name(pod) for pod in present if current and names.label(pod, names.TEMPLATE_HASH) not in current)


def _doubtful(live: Json, present: Sequence[Json]) -> frozenset[str]:
    """Name the pods that may be of an earlier template, though they say that they run what is asked for."""
    status = live.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int(live["metadata"].get("generation") or 0):
        return frozenset(_name(pod) for pod in present)
    surplus = len(present) - int(status.get("updatedReplicas") or 0)
    oldest = sorted(present, key=lambda pod: (str(pod["metadata"].get("creationTimestamp")), _name(pod)))
    return frozenset(_name(pod) for pod in oldest[: max(0, surplus)])


def _trouble(live: Json, pods: Sequence[Json], events: Sequence[Json], now: datetime) -> str:
    """The sentence that matters most: what keeps pods from being made, else what most pods say, the newest first."""
    refused = stalls.refused(live, events)
    if refused:
        return f"{sentence(_name(live))} {refused}"
    said = _by_pod(events)
    newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    running = _worst((pod for pod in newest if not is_over(pod, now)), said, now)
    late = stalls.late(live)
    return (
        running
        or _worst((pod for pod in newest if is_over(pod, now)), said, now)
        or (f"{sentence(_name(live))} {late}" if late else "")
    )


def _worst(pods: Iterable[Json], said: Mapping[str, Sequence[Json]], now: datetime) -> str:
    told: defaultdict[str, list[str]] = defaultdict(list)
    for pod in pods:
        trouble = state_of(pod, _about(pod, said), now).trouble
        if trouble:
            told[trouble].append(_name(pod))
    if not told:
        return ""
    trouble = max(told, key=lambda each: len(told[each]))
    others = sum(len(each) for each in told.values()) - 1
    more = f" (and {others} more in trouble)" if others else ""
    return f"{sentence(told[trouble][0])} {trouble}{more}"


def _instance(pod: Json, group: str, release: ReleaseId, said: Mapping[str, Sequence[Json]], now: datetime) -> Instance:
    seen = state_of(pod, _about(pod, said), now)
    status = pod.get("status") or {}
    return Instance(
        name=_name(pod),
        group=group,
        release=release,
        status=seen.status,
        event=seen.event,
        node=sentence(pod["spec"].get("nodeName") or ""),
        address=_address(pod),
        started_at=moment(status.get("startTime") or pod["metadata"].get("creationTimestamp")),
        cpu=quantities.cpus(_requests(pod, "cpu")),
        memory=quantities.memory(_requests(pod, "memory")),
    )


def _image(pod: Json, workload: str) -> str:
    containers = pod["spec"].get("containers") or ()
    chosen = container_of(containers, workload, "", names.annotation(pod, names.CONTAINER))
    return next((without_registry(str(each.get("image", ""))) for each in containers if each["name"] == chosen), "")


def _by_pod(events: Iterable[Json]) -> Mapping[str, Sequence[Json]]:
    said: defaultdict[str, list[Json]] = defaultdict(list)
    for event in events:
        said[str((event.get("involvedObject") or {}).get("name"))].append(event)
    return said


def _about(pod: Json, said: Mapping[str, Sequence[Json]]) -> Sequence[Json]:
    return said.get(_name(pod), ())


def _requests(pod: Json, resource: str) -> Iterator[object]:
    """What a pod has set aside: its own figure, else those of all the containers that go on running."""
    whole = ((pod["spec"].get("resources") or {}).get("requests") or {}).get(resource)
    if whole is not None:
        yield whole
        return
    beside = (each for each in pod["spec"].get("initContainers") or () if each.get("restartPolicy") == "Always")
    for each in (*pod["spec"].get("containers", ()), *beside):
        yield ((each.get("resources") or {}).get("requests") or {}).get(resource)


def _address(pod: Json) -> str:
    where = str((pod.get("status") or {}).get("podIP") or "")
    meant = names.annotation(pod, names.CONTAINER)
    containers = sorted(pod["spec"].get("containers", ()), key=lambda each: str(each["name"]) != meant)
    ports = [port["containerPort"] for each in containers for port in each.get("ports") or ()]
    if not where or not ports:
        return where
    return f"[{where}]:{ports[0]}" if ":" in where else f"{where}:{ports[0]}"


def _release(thing: Json, found: ReleaseId | None, hot: names.Hot | None = None) -> ReleaseId:
    if hot is not None and hot.is_on(thing):
        return hot.release
    return ReleaseId(names.annotation(thing, names.RELEASE)) or found or UNKNOWN


def _name(thing: Json) -> str:
    return str(thing["metadata"]["name"])


def _owner(thing: Json) -> Json:
    every = thing["metadata"].get("ownerReferences") or ()
    return next((each for each in every if each.get("controller")), {})


def _seems_of(live: Json, pod: Json) -> bool:
    labels, selector = pod["metadata"].get("labels") or {}, live["spec"].get("selector") or {}
    template = live["spec"].get("template", {}).get("metadata", {}).get("labels") or {}
    if labels.get(names.GROUP) != template.get(names.GROUP):
        return False
    by_name = f"{_name(live)}-{labels.get(names.TEMPLATE_HASH)}"
    if _owner(pod) and names.TEMPLATE_HASH in labels and _owner(pod).get("name") != by_name:
        return False
    return selects(names.selector_text(selector), labels)

"""Which policies of others cover a workload's pods and not those that a release puts beside them.

The danger: the pods of gray, blue and green must not be selected by the workload's own Service, so they differ from the
others in one of its labels. A NetworkPolicy that selects by it no longer limits them, an AuthorizationPolicy no longer
guards them, a PodDisruptionBudget no longer keeps them. Nobody would hear of it: so a plan says so.
"""

from collections.abc import Sequence

from engine.errors import SluiceError
from engine.model import Json
from engine.rollout.fleet import Launch, Move
from engine.targets.kubernetes import names, objects
from engine.targets.kubernetes.kinds import AUTHORIZATION_POLICY, BUDGET, NETWORK_POLICY, Kind
from engine.targets.kubernetes.label_selectors import selects
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site

_SELECTORS = {NETWORK_POLICY: "podSelector", BUDGET: "selector", AUTHORIZATION_POLICY: "selector"}


async def uncovered(site: Site, scene: Scene, moves: Sequence[Move]) -> tuple[str, ...]:
    """A sentence for each group that these moves bring beside the stable one; none where their pods are not apart."""
    groups = dict.fromkeys(move.group for move in moves if isinstance(move, Launch))
    beside = [group for group in groups if group != names.STABLE and scene.apart]
    found = {kind: await _listed(site, kind, scene.place.namespace) for kind in (_SELECTORS if beside else ())}
    return tuple(sentence for group in beside if (sentence := _said(scene, group, found)))


async def _listed(site: Site, kind: Kind, namespace: str) -> Sequence[Json] | None:
    """The policies of a kind; None where Sluice may not look."""
    if kind is AUTHORIZATION_POLICY and not await site.cluster.serves(kind):
        return ()
    try:
        return (await site.cluster.list(kind, namespace)).items
    except SluiceError:
        return None


def _said(scene: Scene, group: str, found: dict[Kind, Sequence[Json] | None]) -> str:
    changed = objects.label_apart(group, scene.selected)
    if not changed:
        return ""
    [(key, value)] = changed.items()
    before = _labels(scene)
    lost = [
        f"{kind.kind} {each['metadata']['name']}"
        for kind, every in found.items()
        for each in every or ()
        if _selects(kind, each, before) and not _selects(kind, each, {**before, **changed})
    ]
    unseen = [kind.plural for kind, every in found.items() if every is None]
    said = f"The pods of {group} carry {key}={value} instead of {key}={scene.selected[key]}"
    if lost:
        return f"{said}: {', '.join(lost)} select by it and do not cover them."
    return f"{said}; Sluice may not look which {' and '.join(unseen)} select by it." if unseen else ""


def _labels(scene: Scene) -> dict[str, str]:
    """The labels of the pods that are there, as far as others may know them."""
    live = scene.deployments.get(names.STABLE)
    template = live["spec"].get("template", {}) if live is not None else {}
    return {**scene.selected, **(template.get("metadata", {}).get("labels") or {})}


def _selects(kind: Kind, policy: Json, labels: dict[str, str]) -> bool:
    selector = policy.get("spec", {}).get(_SELECTORS[kind]) or {}
    return selects(names.selector_text(selector), labels)

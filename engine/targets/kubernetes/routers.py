"""What others change of VirtualServices and HTTPRoutes that Sluice has split for the time of a release.

The danger: such an object is one list with one manager, and everybody writes all of it. To write the split again over
what somebody has just written loses that one's routes; and a tool that puts back what it had does so for ever.

The promise: a route of others that is changed during a release stays changed, and is put back so at its end. Where our
part was changed nobody writes: it is a dispute like any other, and a person decides. What comes after that decision
keeps the newest routes of the others as well.

Why it holds: what was found is written down on the object, and so is what was made of it, entry by entry. So it can be
told which entries are ours and whether these are still as they were written, or at least as they were found.
"""

from collections.abc import Iterator
from dataclasses import replace

from engine.model import Json
from engine.ports import Dispute, Placement
from engine.routing.split_lists import SplitList
from engine.targets.kubernetes import differences, names, objects, ways, writing
from engine.targets.kubernetes.kinds import Kind
from engine.targets.kubernetes.objects import applied_of
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.writes import Apply


def disputes(site: Site, scene: Scene, kind: Kind, live: Json) -> tuple[Dispute, ...]:
    """What somebody has to be asked about of an object that Sluice has written, of whatever kind."""
    found = writing.drift_of(site, live)
    if kind not in ways.LANGUAGES:
        return found
    if names.is_ours(live):
        return tuple(replace(each, decided=True) for each in found)
    return () if _is_kept(site, scene, kind, live, found) else found


def changed(site: Site, scene: Scene) -> list[tuple[Kind, Json]]:
    """The VirtualServices and HTTPRoutes of which somebody has changed what Sluice wrote."""
    return [(kind, live) for kind, live in scene.all() if kind in ways.LANGUAGES and writing.drift_of(site, live)]


def kept(scene: Scene, kind: Kind, live: Json, marks: ways.Marks) -> Iterator[Apply]:
    """Take the routes of others as they are now for what was found, and see that ours lead where they should."""
    split = _split_list(scene, kind, live)
    found = split.unsplit() if split else None
    if split is None or found is None:
        return
    if split.is_split:
        yield _noted(kind, live, split.said, found)
    else:
        yield from ways.again(scene, kind, live, found, marks)


def restored(scene: Scene, kind: Kind, live: Json, marks: ways.Marks) -> Iterator[Apply]:
    """What was written last of an object of whatever kind, once more; our routes among those of others as they are now.

    Nothing if that must wait.
    """
    said, split = applied_of(live), _split_list(scene, kind, live)
    if said is None:
        return
    found = split.unsplit() if split else None
    if found is None:
        yield Apply(kind, objects.with_applied(said))
    else:
        yield from ways.again(scene, kind, live, found, marks)


def adopted(scene: Scene, kind: Kind, live: Json) -> Json | None:
    """What to apply so that what others have changed of our routes stays, now and after the release."""
    split = _split_list(scene, kind, live)
    found = split.unsplit(theirs=True) if split else None
    return None if split is None or found is None else _noted(kind, live, split.said, found).thing


def news(site: Site, scene: Scene, placement: Placement, kind: Kind, live: Json) -> tuple[str, ...]:
    """Say that somebody has changed routes of others, which are kept. Nothing, if they are as they were found."""
    split, memory = _split_list(scene, kind, live), ways.LANGUAGES[kind].memory
    now = split.unsplit() if split else None
    if split is None or now is None or memory(split.found) == memory(now):
        return ()
    who = ", ".join(sorted({each.manager for each in writing.drift_of(site, live)}))
    thing = writing.thing_of(kind, scene, live["metadata"]["name"])
    return (f"{thing} was changed by {who} during {placement.run}: the new routes of others are kept.",)


def _is_kept(site: Site, scene: Scene, kind: Kind, live: Json, found: tuple[Dispute, ...]) -> bool:
    """Whether the change is to stay without anybody being asked."""
    if applied_of(live) is None or not all(each.field.startswith("spec.") for each in found):
        return False
    is_split = ways.LANGUAGES[kind].is_split(live, scene.ways)
    if not is_split and ways.goes_home(scene, live):
        return True  # somebody has written already what is wanted
    known = {differences.NOBODY, *site.before, *names.adopted_from(live)}
    split = _split_list(scene, kind, live)
    return bool(split and split.is_unchanged() and (is_split or {each.manager for each in found} <= known))


def _split_list(scene: Scene, kind: Kind, live: Json) -> SplitList | None:
    """What is split of the object; None when it has no such list, or what was found or written is not known."""
    said = applied_of(live)
    return (
        None if said is None or kind not in ways.LANGUAGES else ways.LANGUAGES[kind].split_list(live, said, scene.ways)
    )


def _noted(kind: Kind, live: Json, said: Json, found: Json) -> Apply:
    """The object as it is, with `found` written down on it."""
    spec = {key: live["spec"][key] for key in said.get("spec", {}) if key in live["spec"]}
    memory = ways.LANGUAGES[kind].memory(found)
    return Apply(kind, objects.with_notes({**said, "spec": spec}, {names.FOUND: memory}))

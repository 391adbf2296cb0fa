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
    said = applied_of(live)
    found = ways.LANGUAGES[kind].unsplit(live, said, scene.ways) if said is not None else None
    if said is None or found is None:
        return
    if ways.LANGUAGES[kind].is_split(live, scene.ways):
        yield _noted(kind, live, said, found)
    else:
        yield from ways.again(scene, kind, live, found, marks)


def restored(scene: Scene, kind: Kind, live: Json, marks: ways.Marks) -> Iterator[Apply]:
    """What was written last of an object of whatever kind, once more; our routes among those of others as they are now.

    Nothing if that must wait.
    """
    said, language = applied_of(live), ways.LANGUAGES.get(kind)
    if said is None:
        return
    found = None if language is None else language.unsplit(live, said, scene.ways)
    if found is None:
        yield Apply(kind, objects.with_applied(said))
    else:
        yield from ways.again(scene, kind, live, found, marks)


def adopted(scene: Scene, kind: Kind, live: Json) -> Json | None:
    """What to apply so that what others have changed of our routes stays, now and after the release."""
    said = applied_of(live)
    if kind not in ways.LANGUAGES or said is None:
        return None
    found = ways.LANGUAGES[kind].unsplit(live, said, scene.ways, theirs=True)
    return None if found is None else _noted(kind, live, said, found).thing


def news(site: Site, scene: Scene, placement: Placement, kind: Kind, live: Json) -> tuple[str, ...]:
    """Say that somebody has changed routes of others, which are kept. Nothing, if they are as they were found."""
    language, said = ways.LANGUAGES[kind], applied_of(live) or {}
    found, now = language.remembered(live), language.unsplit(live, said, scene.ways)
    if found is None or now is None or language.memory(found) == language.memory(now):
        return ()
    who = ", ".join(sorted({each.manager for each in writing.drift_of(site, live)}))
    thing = writing.thing_of(kind, scene, live["metadata"]["name"])
    return (f"{thing} was changed by {who} during {placement.run}: the new routes of others are kept.",)


def _is_kept(site: Site, scene: Scene, kind: Kind, live: Json, found: tuple[Dispute, ...]) -> bool:
    """Whether the change is to stay without anybody being asked."""
    said, language = applied_of(live), ways.LANGUAGES[kind]
    if said is None or not all(each.field.startswith("spec.") for each in found):
        return False
    is_split = language.is_split(live, scene.ways)
    if not is_split and ways.goes_home(scene, live):
        return True  # somebody has written already what is wanted
    known = {differences.NOBODY, *site.before, *names.adopted_from(live)}
    return language.only_others(live, said, scene.ways) and (is_split or {each.manager for each in found} <= known)


def _noted(kind: Kind, live: Json, said: Json, found: Json) -> Apply:
    """The object as it is, with `found` written down on it."""
    spec = {key: live["spec"][key] for key in said.get("spec", {}) if key in live["spec"]}
    memory = ways.LANGUAGES[kind].memory(found)
    return Apply(kind, objects.with_notes({**said, "spec": spec}, {names.FOUND: memory}))

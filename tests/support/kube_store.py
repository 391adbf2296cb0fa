"""What the Kubernetes API stand-in keeps: every object as it is now, and every change with its version.

One number grows with every write, as in etcd; it is the `resourceVersion` of the object and of lists. Objects are
never changed in place: a write puts a new one, so whoever holds an old one may go on reading it.
"""

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.kube_kinds import Json, Resource
from tests.support.kube_refusals import too_large, too_old

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
_FIRST = 1000
"""The version of an empty store: nobody can resume from before it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `now` is the object after it (for a removal: as it was last), `before` is None for a new one."""

    version: int
    kind: str
    now: Json
    before: Json | None


class Store:
    """The objects of a cluster."""

    def __init__(self) -> None:
        self.version = _FIRST
        self._forgotten: dict[Resource, int] = {}
        self._kept: dict[Resource, dict[str, dict[str, Json]]] = defaultdict(lambda: defaultdict(dict))
        self._changes: dict[Resource, list[Change]] = defaultdict(list)
        self._owned: dict[str, dict[tuple[Resource, str, str], None]] = defaultdict(dict)
        self._waiting: set[asyncio.Event] = set()

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        return self._kept[resource][namespace].get(name)

    def all(self, resource: Resource, namespace: str = "") -> list[Json]:
        """Every object of a kind, by namespace and name."""
        spaces = self._kept[resource]
        chosen = [namespace] if namespace else sorted(spaces)
        return [spaces[space][name] for space in chosen if space in spaces for name in sorted(spaces[space])]

    def owned_by(self, uid: str) -> list[tuple[Resource, Json]]:
        """What names the object with this uid as an owner."""
        return [(one[0], self._kept[one[0]][one[1]][one[2]]) for one in self._owned.get(uid, ())]

    def owners(self) -> list[str]:
        """The uids of all that owns something."""
        return list(self._owned)

    def put(self, resource: Resource, thing: Json) -> Json:
        """Keep `thing` with a new version, in place of the one with its name."""
        meta = thing["metadata"]
        place = self._kept[resource][meta.get("namespace", "")]
        before = place.get(meta["name"])
        self.version += 1
        kept = {**thing, "metadata": {**meta, "resourceVersion": str(self.version)}}
        place[meta["name"]] = kept
        if before is None or before["metadata"].get("ownerReferences") != meta.get("ownerReferences"):
            self._disown(resource, before)
            for uid in _owners(kept):
                self._owned[uid][resource, meta.get("namespace", ""), meta["name"]] = None
        self._tell(resource, Change(self.version, MODIFIED if before else ADDED, kept, before))
        return kept

    def remove(self, resource: Resource, thing: Json) -> Json:
        """Take an object away. Returns it as watchers see it last."""
        meta = thing["metadata"]
        before = self._kept[resource][meta.get("namespace", "")].pop(meta["name"])
        self._disown(resource, before)
        self.version += 1
        last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.version)}}
        self._tell(resource, Change(self.version, DELETED, last, before))
        return last

    def _disown(self, resource: Resource, thing: Json | None) -> None:
        if thing is None:
            return
        place = (resource, thing["metadata"].get("namespace", ""), thing["metadata"]["name"])
        for uid in _owners(thing):
            self._owned[uid].pop(place, None)
            if not self._owned[uid]:
                del self._owned[uid]

    def _tell(self, resource: Resource, change: Change) -> None:
        self._changes[resource].append(change)
        self.wake()

    def wake(self) -> None:
        """Let everybody look who waits for a change."""
        for one in self._waiting:
            one.set()

    def listen(self) -> asyncio.Event:
        """An event that is set at each change, until `ignore`."""
        bell = asyncio.Event()
        self._waiting.add(bell)
        return bell

    def ignore(self, bell: asyncio.Event) -> None:
        self._waiting.discard(bell)

    def since(self, resource: Resource, version: int) -> list[Change]:
        """The changes of a kind after a version, 0 for all. Refuses one that is forgotten or has not been yet."""
        oldest = self._forgotten.get(resource, _FIRST if version else 0)
        if version < oldest:
            raise too_old(version, oldest)
        if version > self.version:
            raise too_large(version, self.version)
        changes = self._changes[resource]
        return changes[bisect_right(changes, version, key=lambda one: one.version) :]

    def compact(self) -> None:
        """Forget every change until now: who resumes from an older version is sent away."""
        self._forgotten |= {resource: changes[-1].version for resource, changes in self._changes.items() if changes}
        self._changes.clear()


def _owners(thing: Json) -> Iterator[str]:
    return (one["uid"] for one in thing["metadata"].get("ownerReferences") or ())

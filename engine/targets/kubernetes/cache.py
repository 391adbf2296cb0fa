"""What is known of one list of objects: the list itself, what a watch told since, and what Sluice wrote meanwhile.

The danger: a thread brings events, coroutines bring lists and their own writes, and all of them may be late. Three
rules keep the picture from going back. An event that is older than what is known of its object is dropped. What was
written while a list was under way outlives that list. Events belong to the list that their watch began from: those of
an earlier watch mean nothing any more.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from engine.model import Json
from engine.targets.kubernetes.label_selectors import selects

_DELETED, _BOOKMARK = "DELETED", "BOOKMARK"


@dataclass(frozen=True, slots=True)
class _Written:
    """An own write, made in `turn`: the object, or with `is_removed` the one that there was."""

    turn: int
    thing: Json
    is_removed: bool = False

    def outdates(self, thing: Json) -> bool:
        """Whether `thing` is from before it, or is what was removed."""
        same = self.is_removed and _uid(thing) == _uid(self.thing)
        return same or _is_older(_version(thing), _version(self.thing))


class Cache:
    """Objects by name. May be used from any thread. `slim` leaves out who holds which field: half of an object."""

    def __init__(self, labels: str, *, slim: bool) -> None:
        self._labels = labels
        self._slim = slim
        self._lock = threading.Lock()
        self._things: dict[str, Json] = {}
        self._written: dict[str, _Written] = {}
        self._turn = 0
        self._list = 0

    def things(self) -> dict[str, Json]:
        """What is known now."""
        with self._lock:
            return dict(self._things)

    def turn(self) -> int:
        """A number for `replace`: to be asked for before a list is."""
        with self._lock:
            self._turn += 1
            return self._turn

    def replace(self, things: Iterable[Json], version: str, began: int) -> int:
        """Take a list as of `version`, asked for at `began`. Returns its number, for the events that follow it."""
        listed = {_name(thing): self._kept(thing) for thing in things}
        with self._lock:
            self._written = {name: one for name, one in self._written.items() if one.turn >= began}
            for name, one in self._written.items():
                there = listed.get(name)
                is_later = one.outdates(there) if there else not _is_older(_version(one.thing), version)
                if is_later and one.is_removed:
                    listed.pop(name, None)
                elif is_later:
                    listed[name] = one.thing
            self._things = listed
            self._list += 1
            return self._list

    def take(self, number: int, word: str, thing: Json) -> None:
        """Take an event of the watch that follows list `number`."""
        if word == _BOOKMARK:
            return
        name, kept = _name(thing), self._kept(thing)
        with self._lock:
            known, written = self._things.get(name), self._written.get(name)
            if number != self._list or (known is not None and _is_older(_version(thing), _version(known))):
                return
            if written is not None and written.outdates(thing):
                return
            if word != _DELETED:
                self._things[name] = kept
                return
            self._things.pop(name, None)
            if written is not None:
                self._written[name] = _Written(written.turn, kept, is_removed=True)

    def note(self, thing: Json) -> None:
        """Take what an own write returned, if it belongs here and nothing newer is known."""
        name, kept = _name(thing), self._kept(thing)
        with self._lock:
            known = self._things.get(name)
            if known is not None and _is_older(_version(thing), _version(known)):
                return
            if not selects(self._labels, thing["metadata"].get("labels") or {}):
                self._things.pop(name, None)
                return
            self._things[name] = kept
            self._written[name] = _Written(self._turn, kept)

    def forget(self, name: str) -> None:
        """Take that an own write removed the object; late events of it will not bring it back."""
        with self._lock:
            known = self._things.pop(name, None)
            if known is not None:
                self._written[name] = _Written(self._turn, known, is_removed=True)

    def _kept(self, thing: Json) -> Json:
        metadata = thing["metadata"]
        if not self._slim or "managedFields" not in metadata:
            return thing
        return {**thing, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _name(thing: Json) -> str:
    return str(thing["metadata"]["name"])


def _uid(thing: Json) -> str:
    return str(thing["metadata"].get("uid", ""))


def _version(thing: Json) -> str:
    return str(thing["metadata"].get("resourceVersion", ""))


def _is_older(version: str, than: str) -> bool:
    """Whether it is surely older: versions grow, where they are numbers at all."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)

"""The lists of routes that were split, as they would be had they never been. Pure.

Whoever writes such a list writes all of it: their own routes, and ours among them. What was found and what was made of
it are both known, so of each entry it can be told whether it is ours, and what it was before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.model import Json
from engine.routing.ways import Made, outline


@dataclass(frozen=True, slots=True)
class SplitList:
    """The list `key` of an object: as it was `found`, as it was `said` when it was written last, and as it is `live`.

    An entry names its destinations under `shares`. It `is_ours` if the own Service or one of a group is among them; the
    live list `is_split` if one of a group is.
    """

    key: str
    shares: str
    found: Json
    said: Json
    live: Json
    is_ours: Callable[[Json], bool]
    is_split: bool

    def is_unchanged(self) -> bool:
        """Whether our entries are still as they were written; without the split, whether they are as they were found.

        Then something else must have changed, for a tool that only puts back what it had would do so for ever.
        """
        if self.is_split:
            return self._ours(self.live) == self._ours(self.said) and self._entries(theirs=False) is not None
        return self._ours(self.live) == self._ours(self.found) and self._all(self.live) != self._all(self.found)

    def unsplit(self, *, theirs: bool = False) -> Made | None:
        """The live object as it would be had its list never been split; None when that cannot be told.

        Entries of others are as they are live; ours are as they were found or, with `theirs`, with all that was changed
        of them but where they lead to.
        """
        entries = self._entries(theirs=theirs)
        if entries is None:
            return None
        others = {key: value for key, value in self.live["spec"].items() if key != self.key}
        return {**outline(self.live), "spec": {**others, **({self.key: entries} if entries else {})}}

    def _entries(self, *, theirs: bool) -> list[Json] | None:
        if not self.is_split:
            return self._all(self.live) if theirs else self._with_ours()
        wrote, pending, made = self._ours(self.said), self._ours(self.found), list[Json]()
        if len(wrote) != len(self._ours(self.live)):
            return None
        for entry in self._all(self.live):
            if not self.is_ours(entry):
                made.append(entry)
            elif self._is_same(wrote.pop(0), pending[:1]):  # else it is a copy of that one, for some requests
                was = pending.pop(0)
                made.append({**entry, self.shares: was[self.shares]} if theirs else was)
        return None if pending else made

    def _with_ours(self) -> list[Json]:
        """The live list with our entries as they were found, if there are as many."""
        ours = self._ours(self.found)
        if len(ours) != len(self._ours(self.live)):
            return self._all(self.live)
        return [ours.pop(0) if self.is_ours(each) else each for each in self._all(self.live)]

    def _ours(self, one: Json) -> list[Json]:
        return [each for each in self._all(one) if self.is_ours(each)]

    def _all(self, one: Json) -> list[Json]:
        return list(one.get("spec", {}).get(self.key) or ())

    def _is_same(self, entry: Json, found: Sequence[Json]) -> bool:
        """Whether it is the one in `found`, wherever it leads to."""
        return any({**entry, self.shares: ()} == {**each, self.shares: ()} for each in found)

"""What a person sees and may do, read from the grants. Changes nothing.

A group in which nobody was ever granted anything is open to everybody whom Sluice knows. What somebody has no right in
is not there for them: neither its pipelines, nor their runs and workloads, nor its name.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bot.rights.reviewers import asks, asks_in
from engine.errors import Refused
from engine.model import PersonId, Run, RunId
from storage.book import SqlBook
from storage.grants import Right

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMBERED = re.compile(r"(.+)-[0-9]+")


@dataclass(frozen=True, slots=True)
class Holder:
    """What a person was granted, by group, and which groups are closed at all."""

    person: PersonId
    closed: frozenset[str] = frozenset()
    granted: Mapping[str, Right] = field(default_factory=dict)

    def on(self, group: str) -> Right:
        """The right in a group, without what reviewers may."""
        return self.granted.get(group, Right.NONE) if group in self.closed else Right.MANAGE

    @property
    def in_words(self) -> str:
        """What the person may do, in a line."""
        if not self.closed:
            return "everything: no group is closed"
        own = [f"{right} {group}" for group, right in sorted(self.granted.items()) if group in self.closed]
        return "; ".join([*own, "everything in groups that nobody has closed"])

    @property
    def shut(self) -> frozenset[str]:
        """The groups in which the person has no right at all."""
        return frozenset(group for group in self.closed if self.on(group) is Right.NONE)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a person does not see: these pipelines, and in other people's words these names (of workloads, groups)."""

    person: PersonId
    hidden: frozenset[str] = frozenset()
    unsaid: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is hidden."""
        return not self.hidden and not self.unsaid

    def sees(self, run: Run) -> bool:
        """Whether the person sees a run: as a reviewer also one of an earlier definition."""
        return run.pipeline not in self.hidden or asks(run, self.person)

    def may_read(self, text: str) -> bool:
        """Whether a text names nothing that is hidden. It may be too careful: a name can be an ordinary word."""
        if self.is_whole:
            return True
        words = {word.rstrip(".") for word in _WORD.findall(text)}
        words |= {numbered[1] for word in words if (numbered := _NUMBERED.fullmatch(word))}
        return words.isdisjoint(self.hidden) and words.isdisjoint(self.unsaid)


def holder_of(book: SqlBook, person: PersonId) -> Holder:
    """Read what a person was granted."""
    closed = book.grants.closed()
    return Holder(person, closed, book.grants.of_person(person) if closed else {})


def sight_of(book: SqlBook, person: PersonId) -> Sight:
    """Read what a person does not see."""
    return _sight(book, holder_of(book, person))


def sight_of_pipelines(book: SqlBook, names: Collection[str]) -> Sight:
    """Read what those do not see who have to do with these pipelines alone: nobody certain, but a room.

    To hear of one pipeline takes no right to its group: everything else of a closed group is hidden.
    """
    closed = book.grants.closed()
    if not closed:
        return Sight(PersonId(""))
    hidden = frozenset(book.grants.texts_in(closed)).difference(names)
    released = book.grants.released()
    own = {workload for workload, pipeline in released if pipeline in names}
    others = {workload for workload, pipeline in released if pipeline in hidden} - own
    groups = closed.difference(str(book.grants.group_of(name)) for name in names)
    return Sight(PersonId(""), hidden, groups | {workload.rpartition("/")[2] for workload in others})


def _sight(book: SqlBook, holder: Holder) -> Sight:
    shut = holder.shut
    if not shut:
        return Sight(holder.person)
    hidden = hidden_pipelines(book, holder)
    released = {workload for workload, pipeline in book.grants.released() if pipeline in hidden}
    return Sight(holder.person, hidden, shut | {workload.rpartition("/")[2] for workload in released})


def right_on(book: SqlBook, holder: Holder, pipeline: str) -> Right:
    """What the person may do with a pipeline; reviewers whom it names see it. `NONE` when there was never one."""
    group = book.grants.group_of(pipeline)
    right = Right.NONE if group is None else holder.on(group)
    if right is not Right.NONE or group is None:
        return right
    return Right.SEE if asks_in(book.grants.text_of(pipeline), holder.person) else Right.NONE


def rights_by_name(book: SqlBook, holder: Holder, name: str) -> dict[str, Right]:
    """Every pipeline that the name of a run or a pipeline means, with the right on it; none if there is no such thing.

    An older store may have a run and a pipeline of one name, see `check_name`. Then both are meant.
    """
    run, found = book.runs.find(RunId(name)), dict[str, Right]()
    for pipeline in (name, *((run.pipeline,) if run is not None else ())):
        if book.grants.group_of(pipeline) is not None:
            found[pipeline] = right_on(book, holder, pipeline)
    if run is not None and found.get(run.pipeline) is Right.NONE and asks(run, holder.person):
        found[run.pipeline] = Right.SEE
    return found


def check_name(book: SqlBook, name: str) -> None:
    """Raise `Refused` when a new pipeline of that name would have the name of a run, or its runs that of a pipeline."""
    numbered = _NUMBERED.fullmatch(name)
    if numbered is not None and book.grants.group_of(numbered[1]) is not None:
        raise Refused(f"{name} is how a run of {numbered[1]} is called.", "Give it a name that ends otherwise.")
    taken = (other for other in book.pipelines.names() if (of := _NUMBERED.fullmatch(other)) and of[1] == name)
    if any(taken):
        raise Refused(f"Runs of {name} would be called like a pipeline that there is.", "Choose another name.")


def hidden_pipelines(book: SqlBook, holder: Holder) -> frozenset[str]:
    """The pipelines that a person does not see, those that were deleted among them."""
    shut = holder.shut
    texts = book.grants.texts_in(shut) if shut else {}
    return frozenset(name for name, text in texts.items() if not asks_in(text, holder.person))


def seen_groups(book: SqlBook, holder: Holder) -> list[str]:
    """The groups that a person sees, by name: those that they have a right in, and the open ones."""
    every = sorted({*book.grants.made(), *book.grants.used()})
    return [group for group in every if holder.on(group) is not Right.NONE]


def no_pipeline(book: SqlBook, holder: Holder, name: str) -> Refused:
    """There is no such pipeline, as far as the person is concerned; what is near is one that they see."""
    hidden = hidden_pipelines(book, holder)
    near = _near(name, (one for one in book.pipelines.names() if one not in hidden))
    return Refused(f"There is no pipeline {name}.", near or "`list` shows every pipeline, `define` makes one.")


def no_run(book: SqlBook, holder: Holder, name: str) -> Refused:
    """There is no such run, as far as the person is concerned."""
    hidden = hidden_pipelines(book, holder)
    near = _near(name, (run.id for run in book.runs.latest(None, 200) if run.pipeline not in hidden))
    return Refused(f"There is no run {name}.", near or "`runs` lists the latest ones.")


def no_group(book: SqlBook, holder: Holder, name: str) -> Refused:
    """There is no such group, as far as the person is concerned."""
    hint = _near(name, seen_groups(book, holder)) or "`groups` lists yours, `group create NAME` makes one."
    return Refused(f"There is no group {name}.", hint)


def no_template(name: str) -> Refused:
    """There is no such template, as far as the person is concerned."""
    return Refused(f"There is no template {name}.", "`templates` lists them.")


def who_grants(book: SqlBook, group: str, person: PersonId, needed: Right) -> str:
    """Say who can grant a right in a group, and how."""
    line = f"`grant {person} {needed} on {group}`"
    known = set(book.people.names())
    managers = [one.person for one in book.grants.of_group(group) if one.right is Right.MANAGE and one.person in known]
    if not managers:
        return f"Whoever runs Sluice can grant it in a terminal on its machine: {line}."
    return f"{' or '.join(managers)} can grant it: {line}."


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"Did you mean {near[0]}?" if near else ""

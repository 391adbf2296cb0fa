"""May they? One question, asked of every line before anything is looked at, and again where something is changed.

The danger is a way around: a button, a form, a yes that comes late, a run that is meant by its pipeline's name, a
complaint that names what nobody told. The promise: whoever has no right changes nothing and learns nothing, not even a
name. It holds because every chat hands its lines to `Dispatch`, which asks `check` first; because `Acting.once` asks it
again inside the transaction that does the thing, for what was confirmed as it was said; and because what somebody may
not see is refused in the words of what there is not.

Hooks, the clock and the worker act by the authority of the pipeline: nobody asks here for them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bot.chat import Incoming
from bot.rights.access import About, Line, Need, need_of, wanted
from bot.rights.holders import (
    Holder,
    holder_of,
    no_group,
    no_pipeline,
    no_run,
    no_template,
    right_on,
    rights_by_name,
    who_grants,
)
from bot.ways_back import workload_of
from engine.complaints import Complaints
from engine.errors import Refused
from engine.freezes import FreezeId, Reach
from engine.model import PersonId, RoomId
from engine.pipeline import parse, resolve
from engine.variables import merge
from storage.book import SqlBook
from storage.grants import Right

ON_THE_MACHINE = "terminal:"
"""How the rooms of the terminal begin. Its socket opens for nobody but whoever runs Sluice."""
REPAIRS = ("groups", "group", "grant", "revoke")
_BY_PIPELINE = ("status", "plan", "rollback", "yaml")
"""Verbs about runs that call what they do not know a pipeline."""
_ALL = ("", "all", "everything", "*")
"""How a freeze is called that is about everything; its scope has no name."""
_PREFIXES = (Reach.GROUP, Reach.PIPELINE, Reach.WORKLOAD)
_NUMBERED = re.compile(r"[fo][0-9]+")
"""How freezes, and what is asked for in spite of them, are numbered."""
_FENCE = re.compile(r"\A\s*```(?:ya?ml(?=\s))?(?:[ \t\r]*\n)?|```\s*\Z", re.IGNORECASE)
_Unknown = Callable[[SqlBook, Holder, str], Refused]


def is_repair(room: RoomId, verb: str) -> bool:
    """Whether this is said by whoever runs Sluice, about who may do what."""
    return room.startswith(ON_THE_MACHINE) and verb in REPAIRS


def check(book: SqlBook, incoming: Incoming) -> None:
    """Let a line pass, or raise `Refused`: with who can grant what it needs, or as if there were no such thing."""
    line = wanted(incoming.line)
    need = need_of(line) if line else None
    if line is None or need is None or need.about in (About.NOTHING, About.EVERYTHING):
        return
    if is_repair(incoming.room, line.verb):
        return
    demand(book, incoming.person, line, need)


def demand(book: SqlBook, person: PersonId, line: Line, need: Need) -> None:
    """Let a person do this, or refuse as `check` does: for lines whose words do not say what they are about."""
    holder = holder_of(book, person)
    if holder.closed:
        _CHECKS[need.about](_Question(book, holder, line, need))


@dataclass(frozen=True, slots=True)
class _Question:
    """A line that is asked about."""

    book: SqlBook
    holder: Holder
    line: Line
    need: Need

    @property
    def name(self) -> str:
        """What the line names; empty when it names nothing."""
        return self.line.words[self.need.word] if len(self.line.words) > self.need.word else ""

    def must(self, right: Right, group: str, what: str = "", needed: Right | None = None) -> None:
        """Refuse unless the right is enough. Who sees nothing of the group is not told who can grant it."""
        wants = self.need.right if needed is None else needed
        if right >= wants:
            return
        asked = what or " ".join((self.line.verb, *self.line.words[: self.need.word + 1]))
        if right is Right.NONE:
            raise Refused(f"You may not {asked}.", "Choose a group of yours; `groups` lists them.")
        has = "you are only asked as a reviewer" if right is Right.SEE else f"you have {right}"
        hint = who_grants(self.book, group, self.holder.person, wants)
        raise Refused(f"You may not {asked}: that needs {wants} on the group {group}, and {has}.", hint)


def _pipeline(question: _Question) -> None:
    _named(question, [question.name], no_pipeline)


def _start(question: _Question) -> None:
    """Starting: also what the run would release must be theirs to release, if a variable decides it."""
    _pipeline(question)
    if any("=" in word for word in question.line.words[1:]):
        _theirs(question, _released_by(question), question.name)


def _run(question: _Question) -> None:
    name = question.name
    if question.line.verb == "split" and len(question.line.words) == 1:
        active = [run for run in question.book.runs.active() if run.workload]
        if len(active) != 1:
            return  # which run is meant is not known, and that is what is said
        name = active[0].id
    _named(question, [name], no_pipeline if question.line.verb in _BY_PIPELINE else no_run)


def _workload(question: _Question) -> None:
    book, name = question.book, question.name
    own = workload_of(book, book.pipelines.load(name)) if name in book.pipelines.names() else ""
    _named(question, [name, *pipelines_of(book, name), *(pipelines_of(book, own) if own else ())], no_pipeline)


def _named(question: _Question, names: Iterable[str], unknown: _Unknown) -> None:
    """Each pipeline that the line may mean: what is not seen is not there, and what is seen needs the right."""
    book, holder = question.book, question.holder
    known = dict[str, Right]()
    for name in names:
        known |= rights_by_name(book, holder, name)
    if not any(right >= Right.SEE for right in known.values()):
        raise unknown(book, holder, question.name)
    for pipeline, right in known.items():
        question.must(right, book.grants.group_of(pipeline) or "")


def _definition(question: _Question) -> None:
    """Making a pipeline needs edit in its group; changing one manage in the group it is in, and edit where it goes."""
    book, holder = question.book, question.holder
    try:
        made = parse(unfenced(question.line.text)).pipeline
    except Complaints:
        return  # nothing comes of it; the complaints are what is said
    there = book.grants.group_of(made.pipeline)
    if there is not None:
        right = right_on(book, holder, made.pipeline)
        if right is Right.NONE:
            raise Refused(f"The name {made.pipeline} is taken.", "Choose another one.")
        question.must(right, there, f"change {made.pipeline}", Right.MANAGE)
    if made.group != there:
        question.must(holder.on(made.group), made.group, f"make a pipeline in {made.group}")
    _theirs(question, made.workload, made.pipeline)


def _theirs(question: _Question, workload: str, pipeline: str) -> None:
    """What other pipelines release is not for somebody who has no right on these."""
    for other in pipelines_of(question.book, workload) - {pipeline} if workload else ():
        if right_on(question.book, question.holder, other) < question.need.right:
            hint = "Name another workload, or ask whoever manages that one."
            raise Refused(f"{workload} is another group's to release.", hint)


def _released_by(question: _Question) -> str:
    """The workload that a run with these values would release."""
    stored = question.book.pipelines.load(question.name)
    try:
        pairs = [word.partition("=") for word in question.line.words[1:]]
        changed = {name: value for name, sign, value in pairs if sign}
        return resolve(stored.text, merge(parse(stored.text).variables, changed)).workload
    except (Complaints, Refused):
        return ""  # no run comes of it


def pipelines_of(book: SqlBook, workload: str) -> set[str]:
    """Every pipeline that has released a workload or would, as far as its definition says."""
    found = {pipeline for released, pipeline in book.grants.released() if released == workload}
    last = workload.rpartition("/")[2]
    whole = re.compile(rf"(?<![A-Za-z0-9-]){re.escape(last)}(?![A-Za-z0-9-])")
    for name, text in book.grants.texts_with(last).items():
        if whole.search(text) and workload in (_written(text), *(run.workload for run in book.runs.latest(name, 1))):
            found.add(name)
    return found


@lru_cache(maxsize=1024)
def _written(text: str) -> str:
    """The workload of a definition, with the variables that it declares."""
    try:
        return parse(text).pipeline.workload
    except Complaints:
        return ""


def _group(question: _Question) -> None:
    right = question.holder.on(question.name)
    if right is Right.NONE:
        raise no_group(question.book, question.holder, question.name)
    question.must(right, question.name)


def _freeze(question: _Question) -> None:
    """A freeze, or what is asked of one: each thing that it may be about needs the right."""
    book, said = question.book, question.name
    plea = next((one for one in book.freezes.pleas() if one.id == said.lower()), None)
    freeze = book.freezes.find(FreezeId(plea.about if plea else said.lower()))
    if freeze is None and plea is None and _NUMBERED.fullmatch(said.lower()):
        return  # there is none, and that is what is said
    reach, name = (freeze.scope.reach, freeze.scope.name) if freeze else reach_in(plea.about if plea else said)
    if name.lower() in _ALL:
        _sluice(question)
        return
    is_group = reach in (None, Reach.GROUP) and name in {*book.grants.made(), *book.grants.used()}
    right = question.holder.on(name) if is_group else Right.NONE
    meant = {None: (name, *pipelines_of(book, name)), Reach.PIPELINE: (name,), Reach.WORKLOAD: pipelines_of(book, name)}
    names = [one for one in meant.get(reach, ()) if rights_by_name(book, question.holder, one)]
    if right is not Right.NONE:
        question.must(right, name)
    if names or right is Right.NONE:
        _named(question, names, no_pipeline)


def reach_in(word: str) -> tuple[Reach | None, str]:
    """Read what a freeze is said to be about: ``group:NAME`` and the like, or a name that may be of anything."""
    prefix, colon, name = word.partition(":")
    if not colon or prefix.lower() not in _PREFIXES:
        return None, word
    return Reach(prefix.lower()), name


def _template(question: _Question) -> None:
    kept = question.book.templates.find(question.name)
    if kept is None:
        return  # one that ships, or none
    right = question.holder.on(kept.group)
    if right is Right.NONE:
        raise no_template(question.name)
    question.must(right, kept.group)


def _sluice(question: _Question) -> None:
    """What no group is about is for whoever may do that in all of them."""
    wants = question.need.right
    if any(question.holder.on(group) < wants for group in question.holder.closed):
        hint = "Whoever runs Sluice can grant rights in a terminal on its machine: `sluice say grant ...`."
        raise Refused(f"You may not {question.line.verb}: that needs {wants} on every group that is closed.", hint)


def _nothing(_question: _Question) -> None:
    """Let it pass."""


def _organization(question: _Question) -> None:
    """A package's organization is decided about by the group of that name, if it is closed."""
    organization = question.name.partition("/")[0]
    if organization in question.holder.closed:
        question.must(question.holder.on(organization), organization)


_CHECKS: Mapping[About, Callable[[_Question], None]] = {
    About.NOTHING: _nothing,
    About.EVERYTHING: _nothing,
    About.PIPELINE: _pipeline,
    About.START: _start,
    About.RUN: _run,
    About.WORKLOAD: _workload,
    About.DEFINITION: _definition,
    About.GROUP: _group,
    About.FREEZE: _freeze,
    About.TEMPLATE: _template,
    About.ORGANIZATION: _organization,
    About.SLUICE: _sluice,
}


def unfenced(text: str) -> str:
    """A definition as it was meant, without the fence that chats put around code."""
    return _FENCE.sub("", text).strip("\n") + "\n"

"""What fits a command that names nothing: in a phone's menu a command is one bare word, and that is what is sent.

It is answered with the runs or pipelines that the person sees and that the command fits, as buttons. Nothing is done
before one is pressed, and each is the button of the run's card, or says the whole line: what destroys is shown or asked
about as ever. Commands about the room where they are said ask there; for the others the answer is a list.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from bot.cards import Button, Card, Table, Tone
from bot.chat import Incoming
from bot.frozen import confirm_button
from bot.grammar import bare
from bot.presenters import badge_of, moment_of, split_buttons, title_of
from bot.rights.grants import check
from bot.rights.holders import Sight, sight_of, sight_of_pipelines
from bot.rows import seen_page
from bot.verbs.verb import Verb
from engine import commands as c
from engine.deployment import target_of
from engine.errors import Refused
from engine.model import PersonId, Run, RunId, StageState, Verdict
from engine.transitions import decide, missing_reviewers, was_placed
from storage.book import SqlBook

MOST = 8
"""So many are offered at once."""
_LOOKED_THROUGH = 200
_TRIED = 40
"""Of so many it is asked at most whether the person may."""
_OF_THE_ROOM = ("run", "subscribe", "unsubscribe")
_OF_THE_PAST = ("logs", "timeline")
_OF_RELEASES = ("rollback", "redeploy", "retire")
_OF_NEITHER = ("unlock", "unfreeze", "confirm")
"""Commands that locks, freezes and what waits for a second person fit."""
_SAY_MORE = ("trigger", "redeploy")
"""Commands that need more than a name: their buttons say that, too, or show what there is to choose from."""
_DESTROYS = ("reject", "stop", "giveup", "rollback", "restore", "adopt", "retire", "delete")
_PRESSED = ("approve", "reject", "retry", "stop")
"""Commands whose button carries what it was made for, as on the run's card."""
_ASKS: Mapping[str, Callable[[RunId, PersonId], c.Command]] = {
    "approve": lambda run, by: c.CastVote(run=run, by=by, verdict=Verdict.APPROVE),
    "reject": lambda run, by: c.CastVote(run=run, by=by, verdict=Verdict.REJECT),
    "retry": lambda run, by: c.Retry(run=run, by=by),
    "stop": lambda run, by: c.Stop(run=run, by=by),
    "giveup": lambda run, by: c.GiveUp(run=run, by=by),
    "rollback": lambda run, by: c.RollBack(run=run, by=by),
}
_NOTHING = {
    "approve": "Nothing waits for your approval.",
    "reject": "Nothing waits that you could reject.",
    "confirm": "Nothing waits for your confirmation.",
    "unlock": "Nothing is locked.",
    "unfreeze": "Nothing is frozen.",
}
_SHOWN_BY = {"logs": "runs", "timeline": "runs", "unlock": "status", "unfreeze": "freezes", "confirm": "freezes"}


@dataclass(frozen=True, slots=True)
class _Question:
    """A bare command of somebody, and what they see."""

    book: SqlBook
    incoming: Incoming
    verb: Verb
    sight: Sight
    now: datetime

    @property
    def name(self) -> str:
        return self.verb.name

    @property
    def takes(self) -> Collection[str]:
        """What its first word may be, as its form says."""
        return self.verb.form.split()[1].split("|")

    @property
    def shown_by(self) -> str:
        """What shows all that it could be about."""
        return _SHOWN_BY.get(self.name, "list" if "PIPELINE" in self.takes else "status")


Fit = tuple[Button, Run | None]
"""A button, and the run that it is about."""


def fitting(book: SqlBook, incoming: Incoming, now: datetime) -> Card | None:
    """Return what fits a bare command; None when the line is none. Raises `Refused` when nothing fits."""
    verb = bare(incoming.line)
    if verb is None or (verb.least > 1 and verb.name not in _SAY_MORE):
        return None
    question = _Question(book, incoming, verb, _sight(book, incoming, verb.name), now)
    if not {"RUN", "PIPELINE", "OVERRIDE"}.intersection(question.takes):
        return None
    found = list(islice(_fits(question), _TRIED))
    fits = list(islice((fit for fit in found if _may(book, incoming, fit[0].line)), MOST + 1))
    if fits:
        return _card(question, fits)
    if found:
        raise Refused(f"You may not {verb.name} any of what there is.", "`whoami` says what you may.")
    waiting = _waiting(question) if verb.name in ("approve", "reject") else ""
    nothing = _NOTHING.get(verb.name, f"There is nothing for {verb.name} now.")
    raise Refused(nothing, waiting or f"`{question.shown_by}` shows what there is.")


def status_buttons(book: SqlBook, sight: Sight, among: Collection[str] | None = None) -> tuple[Button, ...]:
    """Return a way to the newest pipelines; with `among`, to the first of these."""
    names = _visible(book, sight) if among is None else [name for name in among if name not in sight.hidden]
    return tuple(Button(name, f"status {name}") for name in names[:MOST])


def _visible(book: SqlBook, sight: Sight) -> list[str]:
    """The newest pipelines that somebody sees; others too where they see few of those."""
    names = [name for name in book.pipelines.newest(_LOOKED_THROUGH) if name not in sight.hidden]
    more = seen_page(book, "", sight) if len(names) < MOST and sight.hidden else []
    return list(dict.fromkeys([*names, *(stored.name for stored in more)]))


def _card(question: _Question, fits: list[Fit]) -> Card:
    """Show them. Where buttons cannot be pressed, the list says what there is."""
    runs = {run.id: run for _, run in fits[:MOST] if run}
    rows = tuple((run.id, badge_of(run), run.requested_by) for run in runs.values())
    press = "Press one to see its versions" if question.name == "redeploy" else "Press one"
    more = f" These are the newest; `{question.shown_by}` shows all." if len(fits) > MOST else ""
    return Card(
        f"{question.name}: which one?",
        Tone.ASKING if question.name in _OF_THE_ROOM else Tone.PLAIN,
        f"{press}, or write `{question.verb.form}`.{more}",
        table=Table(("Run", "State", "By"), rows) if rows else None,
        buttons=tuple(button for button, _ in fits[:MOST]),
    )


def _sight(book: SqlBook, incoming: Incoming, verb: str) -> Sight:
    """Return what is not offered: what the person does not see, and in company what the room is told nothing of."""
    sight = sight_of(book, incoming.person)
    if incoming.is_alone or verb not in _OF_THE_ROOM:
        return sight
    told = {wish.pipeline for wish in book.subscriptions.of_room(incoming.room)}
    return replace(sight, hidden=sight.hidden | sight_of_pipelines(book, told).hidden)


def _may(book: SqlBook, incoming: Incoming, line: str) -> bool:
    try:
        check(book, replace(incoming, line=line))
    except Refused:
        return False
    return True


def _waiting(question: _Question) -> str:
    """Say whom open reviews wait for."""
    seen = (run for run in question.book.runs.active() if question.sight.sees(run))
    asked = ((run.id, missing_reviewers(run)) for run in seen if run.stage.state is StageState.AWAITING_REVIEW)
    return " ".join(islice((f"{run} waits for {', '.join(people)}." for run, people in asked if people), 3))


def _fits(question: _Question) -> Iterator[Fit]:
    """Find what it fits, newest first; what waits for the person comes before the rest."""
    if question.name in _OF_NEITHER:
        yield from ((button, None) for button in _others(question))
        return
    offered = set()
    for run in _runs(question) if "RUN" in question.takes else ():
        for button in _of_run(run, question):
            offered.add(run.pipeline)
            yield button, run
    if "PIPELINE" in question.takes and question.name != "restore":
        verb = "versions" if question.name == "redeploy" else question.name
        for name in _pipelines(question):
            if name not in offered:
                yield Button(name, f"{verb} {name}", danger=verb in _DESTROYS), None


def _others(question: _Question) -> Iterator[Button]:
    book, now = question.book, question.now
    if question.name == "unlock":
        yield from (Button(lock.workload, f"unlock {lock.workload}") for lock in book.locks.all())
    elif question.name == "unfreeze":
        kept = (one for one in book.freezes.all() if not one.is_over(now))
        yield from (Button(f"{one.id}: {one.scope}", f"unfreeze {one.id}") for one in kept)
    else:
        pleas = (one for one in book.freezes.pleas() if not one.confirmed_by and now < one.expires_at)
        yield from (confirm_button(one) for one in pleas if one.by != question.incoming.person)


def _runs(question: _Question) -> list[Run]:
    runs, person = question.book.runs, question.incoming.person
    found = runs.latest(None, _LOOKED_THROUGH) if question.name in _OF_THE_PAST else runs.active()[::-1]
    seen = [run for run in found if question.sight.sees(run)]
    return sorted(seen, key=lambda run: question.name == "reject" and person not in missing_reviewers(run))


def _pipelines(question: _Question) -> list[str]:
    book = question.book
    seen = _visible(book, question.sight)
    if question.name == "adopt":
        clusters = {pipeline for workload, pipeline in book.grants.released() if target_of(workload) == "kubernetes"}
        return [name for name in seen if name in clusters]
    if question.name in _OF_RELEASES:
        released = {pipeline for _, pipeline in book.grants.released()}
        return [name for name in seen if name in released]
    if question.name == "unsubscribe":
        told = {wish.pipeline for wish in book.subscriptions.of_room(question.incoming.room)}
        return [name for name in seen if name in told]
    return seen


def _of_run(run: Run, question: _Question) -> Iterator[Button]:
    """Return a command's buttons for one run; none when the run would refuse them."""
    if question.name == "split":
        buttons = split_buttons(run) if run.unwinding is None else ()
        yield from (replace(button, text=f"{run.id}: {button.text}") for button in buttons)
    elif question.name == "trigger":
        waits = run.stage.state is StageState.AWAITING_TRIGGER
        missing = [key for key in run.rule.conditions if key not in run.stage.conditions] if waits else []
        yield from (Button(f"{run.id}: {key}", f"trigger {run.id} {key}") for key in missing)
    else:
        verbs = ("approve", "retry") if question.name == "promote" else (question.name,)
        for verb in islice((verb for verb in verbs if _is_fit(run, verb, question)), 1):
            line = f"press {verb} {moment_of(run)}" if verb in _PRESSED else f"{verb} {run.id}"
            yield Button(title_of(run), line, danger=verb in _DESTROYS)


def _is_fit(run: Run, verb: str, question: _Question) -> bool:
    """Whether the run would do it now."""
    if verb in ("restore", "adopt"):
        return run.stage.state is StageState.HELD and verb in run.stage.outputs.get("ways", ())
    if verb == "rollback" and not was_placed(run):
        return False
    try:
        return verb not in _ASKS or bool(decide(run, _ASKS[verb](run.id, question.incoming.person), question.now))
    except Refused:
        return False

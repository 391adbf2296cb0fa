"""Which rooms are told what: the room where a run was asked for, those that follow its pipeline, those who decide.

Who follows a pipeline that they see no more goes on seeing the runs that they have been shown, and hears of no other.
Pure, but for reading what is stored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.cards import Button, Card, Tone
from bot.presenters import badge_of, gray_outcome, title_of
from bot.rooms.following import followers
from engine import events as e
from engine.model import PersonId, RoomId, Run, RunState, StageState
from engine.ports import Entry
from engine.transitions import missing_reviewers
from storage.accounts import Account
from storage.book import SqlBook
from storage.subscriptions import Wants

_LOUD = (
    e.ReviewOpened,
    e.Voted,
    e.VotesVoided,
    e.ReviewEscalated,
    e.StageFrozen,
    e.FreezeOverruled,
    e.StageHeld,
    e.StageRejected,
    e.ReturnedToStart,
    e.GrayKept,
    e.GrayEnded,
    e.UnwindingBegan,
    e.RunEnded,
)
FAILED = "failed-"
"""How the names of failures begin."""
_BAD = (RunState.FAILED, RunState.REJECTED, RunState.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told of a run: rooms, and accounts that are asked to decide, in rooms of their own."""

    rooms: tuple[RoomId, ...]
    accounts: tuple[Account, ...]


def audience_of(book: SqlBook, run: Run) -> Audience:
    """Who sees the run's card now: who saw it before goes on seeing it."""
    rooms = [run.room, *book.rooms.showing(run.id)]
    rooms += [wish.room for wish in followers(book, run.pipeline) if wish.wants is Wants.EVERYTHING]
    asked = missing_reviewers(run) if run.stage.state is StageState.AWAITING_REVIEW else []
    return Audience(tuple(dict.fromkeys(rooms)), tuple(_accounts(book, asked)))


def is_loud(entry: Entry) -> bool:
    """Whether people wait for this entry: a question, a vote, an outcome."""
    return isinstance(entry.event, _LOUD)


def notices(book: SqlBook, run: Run) -> dict[RoomId, Card]:
    """What rooms that asked for it are told of a run's end, in a message of its own."""
    wishes = followers(book, run.pipeline)
    return {wish.room: _ended(run) for wish in wishes if _is_wanted(wish.wants, run)}


def failure_of(run: Run) -> str:
    """The name of the failure that the run stands still for, another for each attempt; empty when there is none."""
    waits = run.paused or (run.stage.state is StageState.HELD and run.unwinding is None)
    return f"{FAILED}{run.position}-{run.stage.attempt}" if waits and not run.state.is_over else ""


def hear_failure(book: SqlBook, run: Run) -> tuple[list[RoomId], list[RoomId]]:
    """Who asked to hear of failures; and who follows the run's card, where an edit may make no sound."""
    wishes = followers(book, run.pipeline)
    asked = [wish.room for wish in wishes if wish.wants in (Wants.FAILURE, Wants.ENDS)]
    return asked, [run.room, *(wish.room for wish in wishes if wish.wants is Wants.EVERYTHING)]


def reminder(run: Run) -> Card:
    """What those are told who have not decided yet."""
    return Card(f"{run.id} still waits for {', '.join(missing_reviewers(run))}", Tone.ASKING)


def escalation(run: Run) -> Card:
    """What everybody is told when deputies may vote, too."""
    deputies = ", ".join(person for person in missing_reviewers(run) if person in run.rule.deputies)
    text = f"{run.stage.name} was not decided in its time. The reviewers may still vote."
    return Card(f"{run.id} waits for {deputies or 'votes'} now, too", Tone.ASKING, text)


def gray_reminder(book: SqlBook, run: Run, event: e.GrayReminded | e.GrayKept) -> Card:
    """What rooms are told of a gray release that nobody promotes: what becomes of it, and what can be done about it."""
    when = f"{event.until:%d %B, %H:%M} UTC"
    is_last = book.releases.deployed(run.workload) is None
    alone = " Nothing else of it is deployed: its address answers nothing then." if is_last else ""
    if isinstance(event, e.GrayKept):
        text = f"It has stood for as long as it may, and is kept until {when}, as the pipeline says."
    else:
        text = f"On {when} {gray_outcome(run)}.{alone}"
    back = Button("Take gray back", f"rollback {run.id}", danger=True)
    return Card(f"Nobody promotes the gray release of {run.id}", Tone.ASKING, text, buttons=(back,))


def _accounts(book: SqlBook, people: Sequence[PersonId]) -> Iterator[Account]:
    for person in people:
        yield from book.accounts.of(person)


def _is_wanted(wants: Wants, run: Run) -> bool:
    match wants:
        case Wants.SUCCESS:
            return run.state is RunState.SUCCEEDED
        case Wants.FAILURE:
            return run.state in _BAD
        case Wants.ENDS:
            return True
        case Wants.EVERYTHING:
            return False


def _ended(run: Run) -> Card:
    tone = Tone.GOOD if run.state is RunState.SUCCEEDED else Tone.BAD
    return Card(f"{title_of(run)}: {badge_of(run)}", tone, run.reason)

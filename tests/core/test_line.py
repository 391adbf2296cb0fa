"""A line keeps names, not cards: however much happens meanwhile, a run is shown once, and what matters goes first."""

import asyncio
from datetime import timedelta

import pytest

from bot.chat import Pace, RoomLost
from bot.rooms.line import Line, Name, Urgency, Words
from engine.errors import Broken, Interrupted, SluiceError
from engine.model import RoomId, RunId
from tests.support.eventually import eventually, passed
from tests.support.model_messenger import CHANNEL, ModelMessenger


class Shown:
    """Remembers what was shown, and fails while `is_down`."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.names: list[Name] = []
        self.is_down = False
        self.line = Line(CHANNEL, ModelMessenger(), self.show, self.lost)
        if pace is not None:
            self.line.chat = ModelMessenger(rate=pace)

    async def show(self, _room: RoomId, name: Name) -> bool:
        if self.is_down:
            raise Interrupted("The chat is away.")
        self.names.append(name)
        return True

    async def lost(self, room: RoomId, error: SluiceError) -> None:
        raise AssertionError(f"{room} is not lost: {error}")


def name(number: int) -> Name:
    return Name(RunId(f"shop-{number}"))


async def test_what_is_asked_for_a_thousand_times_is_shown_once() -> None:
    shown = Shown()
    for seq in range(1000):
        shown.line.ask(name(seq % 3), Urgency.PROGRESS, seq)
    await eventually(lambda: len(shown.names) == 3)
    assert shown.names == [name(0), name(1), name(2)]


async def test_votes_and_outcomes_overtake_progress() -> None:
    shown = Shown()
    for number in range(3):
        shown.line.ask(name(number), Urgency.PROGRESS, number)
    shown.line.ask(name(2), Urgency.OUTCOME, 9)
    await eventually(lambda: len(shown.names) == 3)
    assert shown.names[0] == name(2)


async def test_a_chat_that_is_away_holds_one_errand_for_each_run_and_forgets_none() -> None:
    shown = Shown()
    shown.is_down = True
    for seq in range(30_000):
        shown.line.ask(name(seq % 30), Urgency.PROGRESS, seq + 1)
        if seq % 1000 == 0:
            await eventually(lambda: True)
    await eventually(lambda: bool(shown.line.trouble))
    assert len(shown.line._errands) <= 30
    assert shown.line.oldest == 1
    shown.is_down = False
    await eventually(lambda: len(shown.names) == 30)
    assert shown.line.oldest is None
    assert shown.line.trouble == ""


async def test_a_moving_share_waits_until_nothing_else_does_and_holds_no_cursor_back() -> None:
    shown = Shown(Pace(timedelta(seconds=60), 2, timedelta(seconds=1)))
    shown.line.ask(name(1), Urgency.OUTCOME, 7)
    await eventually(lambda: len(shown.names) == 1)
    shown.line.ask(name(1), Urgency.MOVING, 8)
    assert shown.line.oldest is None
    shown.line.ask(name(1), Urgency.OUTCOME, 9)
    await eventually(lambda: len(shown.names) == 2)
    await shown.line.end()


@pytest.mark.parametrize("turns", range(5))
async def test_a_line_that_is_told_to_end_as_news_comes_ends(turns: int) -> None:
    shown = Shown(Pace(timedelta(seconds=60), 1, timedelta(seconds=1)))
    shown.line.ask(name(1), Urgency.OUTCOME, 1)
    await eventually(lambda: len(shown.names) == 1)
    shown.line.ask(name(2), Urgency.OUTCOME, 2)
    await passed(10)
    shown.line.ask(name(3), Urgency.OUTCOME, 3)
    await passed(turns)
    ending = asyncio.create_task(shown.line.end())
    ended, _ = await asyncio.wait([ending], timeout=5)
    assert ended == {ending}


class Refusing(Shown):
    """Cannot show some names, whatever is tried, for a reason that is their own."""

    def __init__(self, *broken: Name) -> None:
        super().__init__()
        self.broken = broken
        self.tries = 0

    async def show(self, room: RoomId, name: Name) -> bool:
        if name in self.broken:
            self.tries += 1
            raise Broken("That card breaks something.") if self.tries % 2 else KeyError("no such thing")
        return await super().show(room, name)


async def test_a_card_that_breaks_something_does_not_keep_the_others_from_being_shown() -> None:
    shown = Refusing(name(1))
    for number in (1, 2, 3):
        shown.line.ask(name(number), Urgency.OUTCOME, number)
    await eventually(lambda: shown.names == [name(2), name(3)])
    await eventually(lambda: shown.tries > 2)
    await shown.line.end()


async def test_an_answer_that_cannot_be_given_is_given_up_and_the_card_is_shown() -> None:
    shown, tries = Shown(), []

    async def words() -> None:
        tries.append(1)
        raise Broken("Nobody takes that.")

    shown.line.say(words)
    shown.line.ask(name(1), Urgency.OUTCOME, 1)
    await eventually(lambda: shown.names == [name(1)])
    await eventually(lambda: shown.line.is_idle)
    assert len(tries) == 3


async def test_an_outcome_is_shown_though_somebody_speaks_without_end() -> None:
    shown, said = Shown(), []

    async def words() -> None:
        said.append(len(shown.names))
        await passed(1)
        shown.line.say(words)

    shown.line.say(words)
    shown.line.ask(name(1), Urgency.OUTCOME, 1)
    await eventually(lambda: shown.names == [name(1)])
    assert said.count(0) <= 5
    await shown.line.end()


async def test_no_answer_that_was_taken_is_left_out() -> None:
    shown, said = Shown(Pace(timedelta(0), 1, timedelta(seconds=1))), []

    def numbered(number: int) -> Words:
        async def words() -> None:
            said.append(number)

        return words

    for number in range(250):
        shown.line.say(numbered(number))
    await eventually(lambda: shown.line.is_idle)
    assert said == list(range(200))


class Nowhere(Shown):
    """A room that Sluice is not in: whoever speaks there can still be answered."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[int] = []
        self.reasons: list[str] = []

    async def show(self, _room: RoomId, _name: Name) -> bool:
        raise RoomLost("Sluice is not in the channel.")

    async def lost(self, _room: RoomId, error: SluiceError) -> None:
        self.reasons.append(str(error))

    def answer(self, number: int) -> Words:
        async def say() -> None:
            self.said.append(number)

        return say


async def test_answers_are_given_though_the_room_turns_out_lost_between_them() -> None:
    shown = Nowhere()
    for number in range(12):
        shown.line.say(shown.answer(number))
    shown.line.ask(name(1), Urgency.OUTCOME, 1)
    await eventually(lambda: shown.line.is_idle)
    assert shown.said == list(range(12))
    assert shown.reasons == ["Sluice is not in the channel."]


async def test_an_answer_that_the_lost_room_alone_could_take_is_tried_once() -> None:
    shown, tries = Nowhere(), []

    async def refused() -> None:
        tries.append(1)
        raise RoomLost("The person has blocked the bot.")

    shown.line.say(refused)
    shown.line.say(shown.answer(1))
    await eventually(lambda: shown.line.is_idle)
    assert (len(tries), shown.said) == (1, [1])

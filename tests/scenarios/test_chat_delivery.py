"""What chats do to messages (deliver twice, limit, stall, go away) and what becomes of them."""

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from bot.cards import Card
from bot.chat import RoomLost, RoomMoved, Slower, Undeliverable
from bot.inbox.intake import Waiting
from engine.errors import SluiceError
from engine.model import RoomId, RunState
from tests.support.bot import a_bot
from tests.support.eventually import eventually
from tests.support.messaging import Talk, button, talking
from tests.support.model_messenger import CHANNEL, SWIFT, ModelMessenger, unreachable
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop

OTHER = RoomId("model:c2")
ANNS = RoomId("model:direct-ann")
RELEASES = 30


async def waiting(talk: Talk, root: Path) -> str:
    """A run that was asked for in the channel and waits for its review."""
    await talk.bot.say(f"define\n{notes(root)}")
    asked = await talk.say("ann", "run notes")
    run = (await talk.press("ann", button(asked, "Start"))).title.split()[0]
    await talk.shows(run, "waits for review")
    return run


async def test_what_is_delivered_three_times_at_once_has_one_effect_and_one_line_in_the_audit(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await waiting(talk, tmp_path)
        card = talk.chat.showing(CHANNEL, run)[0]
        press = await talk.pressed("ann", button(card, "Approve"))
        for update in (talk.update("ann", "run notes tag=v2"), talk.update("ann", "yes"), press):
            fresh = await asyncio.gather(*(talk.bot.app.intake.accept(update) for _ in range(3)))
            assert sorted(fresh) == [False, False, True]
            await talk.say("ann", "whoami")
            assert len(talk.answers_to(update)) == 1
            assert [deed.outcome for deed in await talk.audited() if deed.key == update.key] == ["done"]
        await talk.bot.ends(run, RunState.SUCCEEDED)
        assert len(await talk.bot.runs("notes")) == 2


async def test_what_was_acknowledged_is_carried_out_after_a_restart_once(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        run = await waiting(talk, tmp_path)
        await talk.bot.app.intake.accept(talk.update("ann", f"approve {run}"))
    chat = ModelMessenger()
    async with a_bot(tmp_path / "home", messengers={"model": chat}) as bot:
        await bot.ends(run, RunState.SUCCEEDED)
        await eventually(lambda: _is(len(chat.answers), 1), "it is answered")
        assert [answer.card.title for _, answer in chat.answers] == [f"Your approval of {run} is counted."]
        assert [vote.person for vote in (await bot.run(run)).stage.votes] == ["ann"]
    async with a_bot(tmp_path / "home", messengers={"model": chat}) as bot:
        await bot.say("list")
        assert len(chat.answers) == 1


@pytest.mark.parametrize(
    ("point", "answered"), [("kept", "Your approval of notes-1 is counted."), ("done", "That was taken in before.")]
)
async def test_a_bot_that_is_killed_before_it_has_answered_does_what_it_acknowledged_once(
    tmp_path: Path, point: str, answered: str
) -> None:
    home = tmp_path / "home"
    async with talking(home, "ann") as talk:
        run = await waiting(talk, tmp_path)
    killed = await asyncio.to_thread(_in_a_process, home, f"approve {run}", point)
    assert killed.returncode == -signal.SIGKILL
    again = await asyncio.to_thread(_in_a_process, home, f"approve {run}", "-")
    assert json.loads(again.stdout.splitlines()[-1]) == [answered]
    async with a_bot(home) as bot:
        ended = await bot.ends(run, RunState.SUCCEEDED)
        assert [vote.person for vote in ended.stage.votes] == ["ann"]
        deeds = await bot.app.store.read(lambda book: book.audit.latest(5))
        assert [deed.outcome for deed in deeds if deed.key == "d-killed"] == ["done"]


async def test_after_a_restart_the_same_card_is_edited(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        run = await waiting(talk, tmp_path)
        rooms = talk.chat.rooms
    chat = ModelMessenger(rooms=rooms)
    async with a_bot(tmp_path / "home", messengers={"model": chat}) as bot:
        await bot.say(f"approve {run}")
        await eventually(lambda: _is([card.badge for card in chat.showing(CHANNEL, run)], ["succeeded"]), "is shown")
        assert ("post", CHANNEL) not in chat.calls


async def test_what_happened_while_the_bot_was_away_from_the_chat_is_shown_when_it_is_back(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        run = await waiting(talk, tmp_path)
        talk.chat.fails = unreachable
        await talk.bot.say(f"approve {run}")
        await talk.bot.ends(run, RunState.SUCCEEDED)
        await talk.bot.shows(run, lambda card: card.badge == "succeeded", "is over")
        await eventually(lambda: _is(bool(talk.bot.app.feed.troubles()), True), "the trouble is noticed")
        assert "The model chat does not answer." in await talk.bot.say("status")
        rooms = talk.chat.rooms
    chat = ModelMessenger(rooms=rooms)
    async with a_bot(tmp_path / "home", messengers={"model": chat}):
        await eventually(lambda: _is([card.badge for card in chat.showing(CHANNEL, run)], ["succeeded"]), "is shown")
        assert chat.calls.count(("edit", CHANNEL)) == 1


async def test_thirty_releases_at_once_end_visibly_though_a_third_of_the_calls_are_limited(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("ann", "subscribe notes on everything")
        chance = random.Random(7)
        limited = _Limited()

        def fails(call: str, room: RoomId) -> SluiceError | None:
            limited.check(room)
            return limited.slower(room) if chance.random() < 1 / 3 else None

        talk.chat.fails = fails
        runs = [await talk.bot.start("run notes") for _ in range(RELEASES)]
        for run in runs:
            await talk.bot.asks(run)
            await talk.bot.say(f"approve {run}")
        for run in runs:
            await talk.bot.ends(run, RunState.SUCCEEDED)
        for run in runs:
            await talk.shows(run, "succeeded")
        assert limited.count > 20
        for message in talk.chat.rooms[CHANNEL].values():
            states = [_RANK[card.badge] for card in message.cards if card.key]
            assert states == sorted(states), "a card never goes back to an earlier state"


async def test_a_chat_that_was_away_shows_every_final_state_when_it_is_back_and_nothing_piled_up(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("ann", "subscribe notes on everything")
        talk.chat.fails = unreachable
        runs = [await talk.bot.start("run notes") for _ in range(RELEASES)]
        for run in runs:
            await talk.bot.asks(run)
            await talk.bot.say(f"approve {run}")
            await talk.bot.ends(run, RunState.SUCCEEDED)
        await eventually(lambda: _is(talk.chat.calls.count(("post", CHANNEL)) > 3, True), "it was tried again")
        before = len(talk.chat.calls)
        talk.chat.fails = lambda _call, _room: None
        for run in runs:
            await talk.shows(run, "succeeded")
        posts = talk.chat.calls[before:].count(("post", CHANNEL))
        assert posts == RELEASES, "what piled up is one message for each run"


async def test_the_wait_that_a_chat_asks_for_is_kept_to_and_votes_go_first(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await waiting(talk, tmp_path)
        loop = asyncio.get_running_loop()
        asked: list[float] = []

        def fails(_call: str, room: RoomId) -> SluiceError | None:
            if room != CHANNEL:
                return None
            asked.append(loop.time())
            return Slower("The model chat", timedelta(seconds=1.2)) if len(asked) == 1 else None

        talk.chat.fails = fails
        await talk.bot.say(f"approve {run}")
        await talk.shows(run, "succeeded")
        assert asked[1] - asked[0] >= 1.2


async def test_a_room_that_is_gone_is_reported_and_bothers_nobody_until_it_is_back(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await waiting(talk, tmp_path)
        await talk.say("ann", "subscribe notes on everything")
        talk.chat.fails = lambda _call, room: RoomLost("The bot was sent away.") if room == CHANNEL else None
        await talk.bot.say(f"approve {run}")
        await talk.bot.ends(run, RunState.SUCCEEDED)
        await eventually(
            lambda: _said(talk, f"{CHANNEL} is not told anything more: The bot was sent away."), "it is said"
        )
        calls = _calls(talk)
        again = await talk.bot.start("run notes")
        await talk.shows(again, "waits for review", ANNS)
        assert _calls(talk) == calls
        talk.chat.fails = lambda _call, _room: None
        await talk.say("ann", "subscriptions")
        await talk.bot.say(f"approve {again}")
        await talk.shows(again, "succeeded")


async def test_a_room_that_is_gone_is_not_asked_again_though_the_share_moves(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with talking(tmp_path / "home", "ann", target=target) as talk:
        await talk.bot.say(f"define\n{shop.gray()}")
        await talk.bot.release("run hello tag=v1")
        await talk.say("ann", "subscribe hello on everything")
        run = await talk.bot.start("run hello tag=v2")
        await talk.shows(run, "waits for review")
        talk.chat.fails = lambda _call, room: RoomLost("The bot was sent away.") if room == CHANNEL else None
        await talk.bot.say(f"split {run} 35")
        await eventually(
            lambda: _said(talk, f"{CHANNEL} is not told anything more: The bot was sent away."), "it is said"
        )
        calls, again = _calls(talk), _clock() + 2.5
        await eventually(lambda: _is(_clock() > again, True), "two refreshes have passed")
        assert _calls(talk) == calls
        assert sum("is not told anything more" in card.title for card in await talk.bot.cards()) == 1


async def test_a_room_that_is_back_shows_what_ended_meanwhile(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await waiting(talk, tmp_path)
        talk.chat.fails = lambda _call, room: RoomLost("The bot was sent away.") if room == CHANNEL else None
        await talk.bot.say(f"approve {run}")
        await talk.bot.ends(run, RunState.SUCCEEDED)
        await eventually(
            lambda: _said(talk, f"{CHANNEL} is not told anything more: The bot was sent away."), "it is said"
        )
        talk.chat.fails = lambda _call, _room: None
        await talk.say("ann", "whoami")
        await talk.shows(run, "succeeded")


async def test_an_answer_that_could_not_be_given_is_given_after_a_restart(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        talk.chat.fails = unreachable
        update = talk.update("ann", "run notes tag=v2")
        await talk.bot.app.intake.accept(update)
        await eventually(lambda: _is(("answer", CHANNEL) in talk.chat.calls[3:], True), "it was tried")
    chat = ModelMessenger()
    async with a_bot(tmp_path / "home", messengers={"model": chat}) as bot:
        await eventually(
            lambda: _is([answer.card.title for _, answer in chat.answers], ["Start notes?"]), "it is asked"
        )
        assert chat.answers[0][1].card.buttons[0].line.startswith("yes ")
        assert await bot.app.store.read(lambda book: book.updates.open()) == []


async def test_a_command_that_meets_a_locked_database_is_carried_out_when_it_is_free(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        run = await waiting(talk, tmp_path)
        update = talk.update("ann", f"approve {run}")
        await talk.bot.app.intake._keep(update)
        lock = sqlite3.connect(tmp_path / "home/sluice.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        talk.bot.app.intake._queue(Waiting(update))
        await eventually(lambda: _is(len(talk.answers_to(update)), 1), "it is said to wait", 30)
        assert "locked by another program" in talk.answers_to(update)[0].title
        lock.execute("ROLLBACK")
        lock.close()
        await talk.bot.ends(run, RunState.SUCCEEDED)
        await eventually(lambda: _is(len(talk.answers_to(update)), 2), "it is answered")
        assert "is counted" in talk.answers_to(update)[1].title


async def test_a_room_that_moved_takes_its_runs_and_its_wishes_along(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        run = await waiting(talk, tmp_path)
        await talk.say("ann", "subscribe notes on failure")
        talk.chat.fails = lambda _call, room: RoomMoved(CHANNEL, OTHER) if room == CHANNEL else None
        await talk.bot.say(f"reject {run}")
        await talk.shows(run, "rejected", OTHER)
        await eventually(lambda: _is(len(talk.chat.rooms[OTHER]), 2), "the card and the notice are there")
        chat = talk.chat
    async with a_bot(tmp_path / "home", messengers={"model": chat}) as bot:
        again = await bot.start("run notes")
        await bot.asks(again)
        await bot.say(f"reject {again}")
        await eventually(lambda: _is(len(chat.rooms[OTHER]), 3), "and so it is after a restart")


async def test_whoever_speaks_where_a_room_moves_just_then_is_answered(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        talk.chat.rate = replace(SWIFT, every=timedelta(seconds=0.2), burst=2)
        run = await waiting(talk, tmp_path)
        talk.chat.fails = lambda call, room: RoomMoved(CHANNEL, OTHER) if (call, room) == ("edit", CHANNEL) else None
        asked = [talk.update("ann", "whoami") for _ in range(12)]
        for update in asked:
            await talk.bot.app.intake.accept(update)
        await talk.bot.say(f"reject {run}")
        await talk.shows(run, "rejected", OTHER)
        await eventually(lambda: _is([len(talk.answers_to(update)) for update in asked], [1] * 12), "all are answered")


async def test_an_alarm_follows_a_room_that_has_moved(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("ann", "subscribe notes on everything")
        talk.chat.fails = lambda _call, room: RoomMoved(CHANNEL, OTHER) if room == CHANNEL else None
        await talk.bot.app.keeper.announce("The mail server takes nothing.")
        await eventually(
            lambda: _is(
                [one.card.title for one in talk.chat.rooms.get(OTHER, {}).values()], ["The mail server takes nothing."]
            ),
            "it is said there",
        )


async def test_a_card_that_was_deleted_is_posted_anew(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await waiting(talk, tmp_path)
        talk.chat.rooms[CHANNEL].clear()
        await talk.bot.say(f"approve {run}")
        await talk.shows(run, "succeeded")


async def test_a_card_that_the_chat_does_not_take_is_shown_plainly(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await waiting(talk, tmp_path)
        refused = count()

        def fails(call: str, _room: RoomId) -> SluiceError | None:
            return Undeliverable("Too long.") if call == "edit" and next(refused) < 50 else None

        talk.chat.fails = fails
        await talk.bot.say(f"approve {run}")
        await eventually(lambda: _is(_badges(talk, run)[-1:], ["succeeded"]), "the end is visible")


def _in_a_process(home: Path, line: str, point: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.support.intake_until_killed", str(home), line, point]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)


async def _is(found: object, wanted: object) -> bool:
    return found == wanted


def _clock() -> float:
    return asyncio.get_running_loop().time()


async def _said(talk: Talk, sentence: str) -> bool:
    return any(card.title == sentence for card in await talk.bot.cards())


def _calls(talk: Talk) -> int:
    return sum(room == CHANNEL for _, room in talk.chat.calls)


def _badges(talk: Talk, run: str) -> list[str]:
    cards: list[Card] = [message.card for message in talk.chat.rooms[CHANNEL].values()]
    return [card.badge for card in cards if card.key == run]


_RANK = {"queued": 0, "running": 1, "waits for review": 2, "succeeded": 4}


class _Limited:
    """Asks rooms to wait, and sees that they do."""

    def __init__(self) -> None:
        self.count = 0
        self._until: dict[RoomId, float] = {}

    def slower(self, room: RoomId) -> Slower:
        self.count += 1
        self._until[room] = asyncio.get_running_loop().time() + 0.1
        return Slower("The model chat", timedelta(seconds=0.1))

    def check(self, room: RoomId) -> None:
        assert asyncio.get_running_loop().time() >= self._until.get(room, 0.0) - 0.001, "the wait was not kept"

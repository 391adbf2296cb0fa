"""The App Home: what waits for its owner, what can be begun there, and where a press there is answered."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bot.terminal.client import Client
from engine.model import RunState
from tests.support.notes import notes
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, in_slack, user, words
from tests.support.slack_wire import SlackWire

ANN = "U00ANN"


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with a_slack() as wire:
        yield wire
        assert wire.bad_answers == []
        assert [call for call in wire.calls if call.answer in ("invalid_blocks", "invalid_arguments")] == []


async def opened(talk: SlackTalk, holds: str) -> dict[str, object]:
    await talk.deliver(talk.people.home_opened(ANN))
    return await talk.home("ann", holds)


async def test_the_home_shows_what_waits_and_a_press_there_is_answered_there(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        run = await talk.bot.start("run notes")
        await talk.bot.asks(run)
        await opened(talk, run)
        await talk.deliver(talk.people.press_at_home(ANN, "Approve"))
        shown = words(await talk.home("ann", f"Your approval of {run} is counted."))
        assert "Nothing waits for you." in shown
        await talk.bot.ends(run, RunState.SUCCEEDED)
        await talk.deliver(talk.people.home_opened(ANN))
        homes = slack.space.homes
        await talk.until(lambda: "is counted" not in words(homes[ANN]), "when it is opened anew the answer is gone")


async def test_a_dangerous_press_at_home_asks_for_the_reason_in_a_form(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        run = await talk.bot.start("run notes")
        await talk.bot.asks(run)
        await opened(talk, run)
        await talk.deliver(talk.people.press_at_home(ANN, "Reject"))
        await talk.form("ann")
        await talk.deliver(talk.people.submit(ANN, {"reason": "not today"}))
        assert (await talk.bot.ends(run, RunState.REJECTED)).reason == "ann refused: not today"
        await talk.home("ann", f"Your rejection of {run} is counted.")


async def test_when_no_form_opens_at_home_the_question_stands_on_top_and_its_button_works(
    tmp_path: Path, slack: SlackWire
) -> None:
    slack.space.trigger_seconds = -1.0
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await opened(talk, "notes")
        await talk.deliver(talk.people.press_at_home(ANN, "open:run", "notes"))
        await talk.home("ann", "Start notes?")
        await talk.deliver(talk.people.press_at_home(ANN, "Start"))
        await talk.home("ann", "notes-1 is on its way.")
        await talk.bot.asks("notes-1")
        # Whoever asked for it at home follows it where they are alone with Sluice.
        await talk.card("notes-1", "waits for review", slack.space.direct(ANN))


async def test_a_run_and_a_definition_are_begun_from_the_home(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await opened(talk, "There are none yet.")
        await talk.deliver(talk.people.press_at_home(ANN, "Define a pipeline"))
        await talk.form("ann")
        await talk.deliver(talk.people.submit(ANN, {"definition": notes(tmp_path)}))
        await talk.home("ann", "notes is defined, version 1")
        await opened(talk, "notes")
        await talk.deliver(talk.people.press_at_home(ANN, "open:run", "notes"))
        await talk.form("ann")
        await talk.deliver(talk.people.submit(ANN, {"variable:tag": "v2"}))
        await talk.home("ann", "notes-1 is on its way.")
        assert (await talk.bot.asks("notes-1")).variables["tag"] == "v2"


async def test_a_stranger_sees_nothing_at_home_and_gets_in_there(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack) as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        assert "notes" not in words(await opened(talk, "does not know you yet"))
        await talk.deliver(talk.people.press_at_home(ANN, "Link my account"))
        await talk.form("ann")
        code = (await talk.bot.say("link", "ann")).splitlines()[-1].removeprefix("link ")
        await talk.deliver(talk.people.submit(ANN, {"code": code}))
        assert "notes" in words(await talk.home("ann", "Welcome, ann."))


async def test_the_home_of_an_account_that_is_nobodys_any_more_shows_nothing(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", "bob") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        for person in ("ann", "bob"):
            await talk.deliver(talk.people.home_opened(user(person)))
            await talk.home(person, "notes")
        await talk.alone("ann", "unlink")
        assert "notes" not in words(await talk.home("ann", "does not know you yet"))
        assert await asyncio.to_thread(Client(talk.bot.app.settings.socket).remove_person, "bob")
        assert "notes" not in words(await talk.home("bob", "does not know you yet"))


async def test_a_button_of_the_home_is_good_for_its_owner_alone(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", "bob") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        run = await talk.bot.start("run notes")
        await talk.bot.asks(run)
        await opened(talk, run)
        press = talk.people.press_at_home(ANN, "Approve")
        channel = talk.slack.people.command("U00BOB", ROOM, "x").payload
        stolen = {
            **press.payload,
            "user": {**press.payload["user"], "id": "U00BOB"},
            "container": {"type": "message", "message_ts": "1.1", "channel_id": ROOM},
            "channel": {"id": ROOM, "name": channel["channel_name"]},
        }
        del stolen["view"]
        before = len(talk.whispers("bob"))
        await talk.deliver(type(press)(press.kind, stolen))
        assert "not one that this room was shown" in words(await talk.whisper("bob", before))
        assert (await talk.bot.run(run)).stage.votes == ()

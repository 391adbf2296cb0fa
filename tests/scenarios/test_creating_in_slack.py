"""In Slack a pipeline is made in one form; where it does not open, question by question."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.slack_talk import ROOM, a_slack, in_slack, words
from tests.support.slack_wire import SlackWire

ANN = "U00ANN"
CODE = "https://git.example.org/shop/api.git"


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with a_slack() as wire:
        yield wire
        assert wire.bad_answers == []
        assert [call for call in wire.calls if call.answer in ("invalid_blocks", "invalid_arguments")] == []


async def test_one_form_asks_everything_complains_at_its_fields_and_shows_the_whole(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        shelf = await talk.command("ann", "create")
        assert "Build only" in words(shelf)
        await talk.deliver(talk.people.press(ANN, ROOM, shelf["ts"], "Build and gray-release"))
        await talk.form("ann")
        wrong = {"name": "Not A Name", "repository": CODE, "port": "99999"}
        refused = await talk.deliver(talk.people.submit(ANN, wrong))
        assert set(refused.body["errors"]) == {"name", "port"}
        assert "is not a name" in refused.body["errors"]["name"]
        right = {"name": "api", "repository": CODE, "strategy": "blue_green", "reviewers": "ann"}
        before = len(talk.whispers("ann"))
        assert (await talk.deliver(talk.people.submit(ANN, right))).body is None
        whole = await talk.whisper("ann", before)
        assert "Create api?" in words(whole)
        assert "strategy: blue_green" in words(whole)
        assert await talk.bot.app.store.read(lambda book: book.pipelines.names()) == []
        await talk.deliver(talk.people.press(ANN, ROOM, whole["ts"], "Create"))
        await talk.until(lambda: "api is defined, version 1" in words(slack.messages(ROOM)), "everybody is told")


async def test_where_no_form_opens_the_questions_come_one_by_one(tmp_path: Path, slack: SlackWire) -> None:
    slack.space.trigger_seconds = -1.0
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        assert "What shall it be called?" in words(await talk.alone("ann", "create build"))
        assert "Which group" in words(await talk.alone("ann", "api"))
        assert "Where is its code?" in words(await talk.alone("ann", "default"))
        assert "Which branch?" in words(await talk.alone("ann", CODE))
        assert "Create api?" in words(await talk.alone("ann", "main"))

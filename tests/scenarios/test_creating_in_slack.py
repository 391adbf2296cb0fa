"""In Slack a pipeline is made in one form; where it does not open, question by question."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.forge_flavours import GITLAB_TOKEN, gitlab
from tests.support.repository import Repository
from tests.support.slack_talk import ROOM, a_slack, in_slack, words
from tests.support.slack_wire import SlackWire

ANN = "U00ANN"
PRIVATE = {"plain_git": True, "private_forges": ["127.0.0.0/8"]}
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


async def test_with_a_code_account_the_form_asks_the_rest_and_what_the_forge_has_is_chosen_after_it(
    tmp_path: Path, slack: SlackWire
) -> None:
    Repository(tmp_path / "forge" / "shop" / "api").commit()
    with gitlab(tmp_path / "forge") as forge:
        async with in_slack(tmp_path / "home", slack, "ann", settings=PRIVATE) as talk:
            await talk.bot.say(f"account bind gitlab as forge at {forge.origin} {GITLAB_TOKEN}")
            await talk.deliver(talk.people.command(ANN, ROOM, "create build"))
            form = await talk.form("ann")
            asked = [block["block_id"] for block in form["blocks"] if block["type"] == "input"]
            assert asked == ["name", "group"]
            before = len(talk.whispers("ann"))
            await talk.deliver(talk.people.submit(ANN, {"name": "api"}))
            card = await talk.whisper("ann", before)
            for question, choice in (
                ("With which code account?", "forge"),
                ("Where is its code?", forge.url("shop/api")),
                ("Which branch?", "main"),
                ("Does it start by itself?", "on a push"),
            ):
                assert question in words(card)
                seen = len(slack.responses)
                await talk.deliver(talk.people.press(ANN, ROOM, card["ts"], choice))
                await talk.until(lambda: len(slack.responses) > seen, "the next question takes its place")  # noqa: B023
                card.update(slack.responses[-1][1])
            assert "Create api?" in words(card)
            assert "auto_build: {branches: [main]}" in words(card)


async def test_where_no_form_opens_the_questions_come_one_by_one(tmp_path: Path, slack: SlackWire) -> None:
    slack.space.trigger_seconds = -1.0
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        assert "What shall it be called?" in words(await talk.alone("ann", "create build"))
        assert "Which group" in words(await talk.alone("ann", "api"))
        assert "Where is its code?" in words(await talk.alone("ann", "default"))
        assert "Which branch?" in words(await talk.alone("ann", CODE))
        assert "Create api?" in words(await talk.alone("ann", "main"))

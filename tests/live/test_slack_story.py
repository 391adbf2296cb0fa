"""A release, told once from its definition to the way back, by people who have nothing but Slack.

Everything under it is real: git, the build, supervisord and Envoy on this machine. Only Slack is a stand-in.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine.model import RunState
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, in_slack, user, words
from tests.support.traffic import steady
from tests.support.workload import Shop, versions_served

pytestmark = pytest.mark.live


@pytest_asyncio.fixture
async def root() -> AsyncIterator[Path]:
    """A path that is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-"))
    yield folder
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def run(talk: SlackTalk, person: str, tag: str) -> str:
    """Start a run by its form; returns its name."""
    await talk.deliver(talk.people.command(user(person), ROOM, "run hello"))
    await talk.form(person)
    before = len(talk.whispers(person))
    await talk.deliver(talk.people.submit(user(person), {"variable:tag": tag}))
    return words(await talk.whisper(person, before)).split()[1]


async def approve(talk: SlackTalk, name: str, *persons: str) -> None:
    """Press Approve on the one card in the room."""
    for person in persons:
        card = await talk.card(name, "waits for review")
        before = len(talk.whispers(person))
        await talk.press(person, card, "Approve")
        assert "is counted" in words(await talk.whisper(person, before))


@pytest.mark.timeout(240)
async def test_a_team_releases_and_goes_back_without_leaving_slack(root: Path) -> None:
    shop = Shop(root, policy="{ratio: 30}")
    definition = shop.gray().replace("reviewers: [ann]", "reviewers: [ann, bob], mode: all")
    async with a_slack() as slack, in_slack(root / "home", slack, "ann", "bob") as talk:
        # Ann defines the pipeline in a form, and everybody in the room is told.
        await talk.deliver(talk.people.command("U00ANN", ROOM, "define"))
        await talk.form("ann")
        await talk.deliver(talk.people.submit("U00ANN", {"definition": definition}))
        await talk.until(lambda: "hello is defined, version 1" in words(slack.messages(ROOM)), "it is defined")
        # The first version goes to everybody.
        first = await run(talk, "ann", "v1")
        await approve(talk, first, "ann", "bob")
        await talk.card(first, "succeeded")
        assert await versions_served(shop) == {"v1"}
        async with steady(shop.port, rate=120) as load:
            # The second gets a share first, and the card shows the share that it really gets.
            second = await run(talk, "bob", "v2")
            card = await talk.card(second, "waits for review")
            await talk.until(lambda: "wanted 30 %" in words(slack.space.said[ROOM, card["ts"]]), "the split is shown")
            await talk.until(
                lambda: "nothing yet" not in words(slack.space.said[ROOM, card["ts"]]), "the observed share is shown"
            )
            # One approval is not enough; with the other it goes to everybody, on the same card.
            await approve(talk, second, "ann")
            await talk.until(lambda: "ann passed" in words(slack.space.said[ROOM, card["ts"]]), "who is missing")
            assert "bob not yet" in words(slack.space.said[ROOM, card["ts"]])
            await approve(talk, second, "bob")
            done = await talk.card(second, "succeeded")
            assert done["ts"] == card["ts"]
            assert await versions_served(shop) == {"v2"}
            # Two taps take it back; between them stands what will happen.
            before = len(talk.whispers("ann"))
            await talk.press("ann", done, "Roll back")
            asked = await talk.whisper("ann", before)
            assert "from shop/hello:v2 to shop/hello:v1" in words(asked)
            await talk.deliver(talk.people.press("U00ANN", ROOM, asked["ts"], "Roll back"))
            await talk.until(lambda: bool(slack.responses), "the second tap is answered in place of the question")
            back = words(slack.responses[-1][1]).split()[1]
            await talk.bot.ends(back, RunState.SUCCEEDED)
            await talk.card(back, "succeeded")
            assert await versions_served(shop) == {"v1"}
        assert load.failures == []
        assert load.total > 500
        assert slack.bad_answers == []
        assert {call.answer for call in slack.calls} == {"ok"}

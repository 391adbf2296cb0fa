"""A release by two people who never meet in one chat: Ann has Slack (and Telegram on her phone), Bob only Telegram.

Everything under it is real: git, the build, supervisord and Envoy on this machine. Only the two chats are stand-ins.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from bot.slack.chat import SlackChat
from bot.slack.ears import SlackEars
from bot.telegram.inbound import TelegramEars
from bot.telegram.outbound import TelegramChat
from engine.model import RunState
from tests.support.bot import a_bot
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, settings_of, words
from tests.support.telegram_house import ANN, BOB, OnTelegram
from tests.support.telegram_wire import TOKEN, telegram_wire
from tests.support.traffic import steady
from tests.support.workload import Shop, versions_served

pytestmark = pytest.mark.live


@pytest_asyncio.fixture
async def root() -> AsyncIterator[Path]:
    """A path that is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-"))
    yield folder
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@asynccontextmanager
async def in_both(home: Path) -> AsyncIterator[tuple[SlackTalk, OnTelegram]]:
    """One bot in a Slack and a Telegram, connected as its settings say."""
    async with a_slack() as slack, telegram_wire() as telegram:
        settings = settings_of(slack).model_dump(include={"slack_bot_token", "slack_app_token", "slack_api"})
        settings |= {"telegram_token": TOKEN, "telegram_api": f"http://127.0.0.1:{telegram.port}"}
        async with a_bot(home, settings=settings) as bot:
            chats, ears = bot.app.feed.chats, bot.app.switchboard.ears
            at_slack = SlackTalk(bot, slack, cast("SlackChat", chats["slack"]), cast("SlackEars", ears["slack"]))
            on_telegram = OnTelegram(
                bot, telegram, cast("TelegramChat", chats["telegram"]), cast("TelegramEars", ears["telegram"])
            )
            await at_slack.until(lambda: bool(slack.called("apps.connections.open")), "Slack is connected")
            await at_slack.link("ann")
            await on_telegram.links("bob")
            yield at_slack, on_telegram


@pytest.mark.timeout(240)
async def test_two_people_on_different_chats_release_and_go_back_together(root: Path) -> None:
    shop = Shop(root, policy="{ratio: 30}")
    definition = shop.gray().replace("reviewers: [ann]", "reviewers: [ann, bob], mode: all")
    async with in_both(root / "home") as (slack, telegram):
        bobs, anns = telegram.alone(BOB), telegram.alone(ANN)
        await slack.bot.say(f"define\n{definition}")
        await slack.bot.say("run hello tag=v1")
        await slack.bot.say("yes")
        for person in ("ann", "bob"):
            await slack.bot.asks("hello-1")
            await slack.bot.say("approve hello-1", person)
        await slack.bot.ends("hello-1", RunState.SUCCEEDED)
        async with steady(shop.port, rate=100) as load:
            # Ann starts it in Slack, by a question with buttons; Bob gets the card alone, on his phone.
            before = len(slack.whispers("ann"))
            await slack.deliver(slack.people.mention("U00ANN", ROOM, "run hello tag=v2"))
            asked = await slack.whisper("ann", before)
            await slack.press("ann", asked, "Start")
            card = await slack.card("hello-2", "waits for review")
            await telegram.shows(bobs, "hello-2", "waits for review")
            # Ann's phone becomes hers with a code that Slack gave her: she is still one person.
            code = words(await slack.alone("ann", "link")).split("link ")[1].split()[0]
            await telegram.asks(ANN, anns, f"/link {code}", "Welcome, ann.")
            # Both of her accounts approve, which is one vote: it still waits for Bob.
            before = len(slack.whispers("ann"))
            await slack.press("ann", card, "Approve")
            assert "is counted" in words(await slack.whisper("ann", before))
            await telegram.asks(ANN, anns, "/approve hello-2", "it is counted once")
            run = await slack.bot.run("hello-2")
            assert ([vote.person for vote in run.stage.votes], run.state) == (["ann"], RunState.WAITING)
            # Bob sees in Telegram that Ann has passed it, and his vote in Telegram ends it in Slack.
            await telegram.reads(bobs, "ann")
            await telegram.is_told(telegram.presses(BOB, bobs, "Approve"))
            done = await slack.card("hello-2", "succeeded")
            assert done["ts"] == card["ts"]
            await telegram.shows(bobs, "hello-2", "succeeded")
            assert await versions_served(shop) == {"v2"}
            # At night Bob takes it back with two taps on his phone; Slack shows it.
            await telegram.is_told(telegram.presses(BOB, bobs, "⚠️ Roll back"))
            question = await telegram.reads(bobs, "from shop/hello:v2 to shop/hello:v1")
            assert "1. " in question.text
            await telegram.is_told(telegram.presses(BOB, bobs, "Roll back"))
            await slack.bot.ends("hello-3", RunState.SUCCEEDED)
            assert await versions_served(shop) == {"v1"}
        assert load.failures == []
        assert slack.slack.bad_answers == []
        assert {call.answer for call in slack.slack.calls} == {"ok"}

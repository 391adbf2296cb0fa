"""A bot in the Slack that others wrote, with strict scopes: what it posts there, edits, says in threads and alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from bot.front import Front
from bot.hooks import door
from bot.settings import Settings
from bot.slack.connect import connect
from bot.slack.scopes import SCOPES
from tests.support.bot import a_bot
from tests.support.eventually import eventually
from tests.support.notes import notes
from tests.support.slack_emulate import READER, TOKEN, SlackWorld, slack_world
from tests.support.slack_talk import words
from tests.support.slack_wire import SECRET, slack_wire

pytestmark = pytest.mark.live


@pytest_asyncio.fixture
async def world() -> AsyncIterator[SlackWorld]:
    async with slack_world(SCOPES) as world:
        yield world


async def test_a_room_there_shows_one_card_its_thread_and_the_reviewer_the_same_alone(
    tmp_path: Path, world: SlackWorld
) -> None:
    settings = Settings(
        slack_bot_token=SecretStr(TOKEN), slack_signing_secret=SecretStr(SECRET), slack_api=f"{world.url}/api/"
    )
    made = connect(settings)
    assert made is not None
    chat, ears = made
    room, ann = world.channels["releases"], world.users["ann"]
    await world.call("conversations.invite", channel=room, users="U000000009")
    async with a_bot(tmp_path / "home", messengers={"slack": chat}) as bot, slack_wire() as people:
        chat.pressing = bot.app.intake.pressing
        ears.front = Front(bot.app.store, bot.app.dispatch.desk)
        people.space.people[ann] = people.space.people[people.add_person("ann")]
        people.space.channels[room] = people.space.channels[people.add_channel("releases")]
        assert ears.web is not None
        async with ears.listening(bot.app.intake), door("127.0.0.1", 0, {"slack": ears.web}) as port:
            people.app_url = f"http://127.0.0.1:{port}/slack/events"
            await bot.say(f"define\n{notes(tmp_path)}")
            code = (await bot.say("link", "ann")).splitlines()[-1]
            assert (await people.send(people.people.command(ann, room, code))).status == 200

            async def linked() -> bool:
                return f"/{ann}" in await bot.say("whoami", "ann")

            await eventually(linked, "ann is known there")
            assert (await people.send(people.people.command(ann, room, "subscribe notes on everything"))).status == 200

            async def subscribed() -> bool:
                return "is told about notes" in words(await world.messages(room))

            await eventually(subscribed, "the room is told of runs")
            run = await bot.start("run notes")

            async def shows(badge: str, channel: str) -> bool:
                shown = await world.messages(channel, TOKEN if channel == direct else READER)
                return [badge in words(one) for one in shown if run in one["text"]] == [True]

            direct = (await world.call("conversations.open", TOKEN, users=ann))["channel"]["id"]
            await eventually(lambda: shows("waits for review", room), "the room shows the card")
            await eventually(lambda: shows("waits for review", direct), "ann is asked alone")
            await bot.say(f"approve {run}")
            await eventually(lambda: shows("succeeded", room), "the same card shows the end")
            await eventually(lambda: shows("succeeded", direct), "and so does ann's")
            [card] = [one for one in await world.messages(room) if run in one["text"]]

            async def thread() -> bool:
                return "ann approved review" in words(await world.thread(room, card["ts"]))

            await eventually(thread, "the thread tells who approved")

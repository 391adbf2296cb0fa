"""A bot that is in Slack: what people do there is delivered to it, and what they see is read where they look."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.chat import Messenger
from bot.front import Front
from bot.hooks import door
from bot.settings import Settings
from bot.slack.chat import SlackChat
from bot.slack.connect import connect
from bot.slack.ears import SlackEars
from engine.model import RoomId
from engine.ports import Target
from storage.audit import Deed
from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.slack_deliveries import Acknowledged, Delivery, People
from tests.support.slack_wire import APP_TOKEN, BOT_TOKEN, SECRET, SlackWire, slack_wire
from tests.support.slack_workspace import TEAM, Json

ROOM = "C00RELEASES"
WITHIN = 30.0
_CODE = re.compile(r"link ([A-Z2-9]{4}-[A-Z2-9]{4})")


@dataclass(repr=False)
class SlackTalk:
    """Speaks in `slack` with a bot."""

    bot: Bot
    slack: SlackWire
    chat: SlackChat
    ears: SlackEars

    @property
    def people(self) -> People:
        return self.slack.people

    async def deliver(self, delivery: Delivery, retry: int = 0) -> Acknowledged:
        """Deliver something, which has to be acknowledged in time."""
        acknowledged = await self.slack.send(delivery, retry)
        assert acknowledged.status == 200, acknowledged
        return acknowledged

    async def command(self, person: str, text: str, room: str = ROOM) -> Json:
        """Type a slash command; returns the message that only this person sees then."""
        before = len(self.whispers(person))
        await self.deliver(self.people.command(user(person), room, text))
        return await self.whisper(person, before)

    async def whisper(self, person: str, after: int) -> Json:
        """The first message that only this person sees, of those after so many."""
        await self.until(lambda: len(self.whispers(person)) > after, f"{person} is told something")
        return self.whispers(person)[after]

    def whispers(self, person: str) -> list[Json]:
        """What only this person was told in channels, oldest first."""
        return [one for one in self.slack.space.whispered if one["user"] == user(person)]

    async def alone(self, person: str, text: str) -> Json:
        """Say something to the bot alone; returns its answer."""
        direct = self.slack.space.direct(user(person))
        before = len(self.slack.messages(direct)) + 1
        await self.deliver(self.people.message(user(person), direct, text))
        await self.until(lambda: len(self.slack.messages(direct)) > before, f"{person} is answered: {text}")
        return self.slack.messages(direct)[before]

    async def link(self, *persons: str) -> None:
        """Make these people known in Slack, each by a code from the console."""
        for person in persons:
            found = _CODE.search(await self.bot.say("link", person))
            assert found
            assert "Welcome" in words(await self.alone(person, f"link {found.group(1)}"))

    async def card(self, run: str, badge: str, room: str = ROOM) -> Json:
        """Wait until the room shows the run's one card with this badge."""

        def shown() -> list[Json]:
            return [one for one in self.slack.messages(room) if run in one.get("text", "") and badge in words(one)]

        await self.until(lambda: len(shown()) == 1, f"{room} shows {run} as {badge}")
        return shown()[0]

    async def press(self, person: str, message: Json, button: str, room: str = ROOM) -> Acknowledged:
        """Press a button that a message shows."""
        return await self.deliver(self.people.press(user(person), room, message["ts"], button))

    async def form(self, person: str) -> Json:
        """Wait until the person has a form open."""
        await self.until(lambda: bool(self.slack.space.forms.get(user(person))), f"{person} has a form")
        return self.slack.space.forms[user(person)][-1]

    async def home(self, person: str, holds: str) -> Json:
        """Wait until the person's App Home holds these words."""
        homes = self.slack.space.homes
        await self.until(lambda: holds in words(homes.get(user(person), {})), f"{person}'s home holds {holds}")
        return homes[user(person)]

    async def until(self, holds: Callable[[], bool], what: str, within: float = WITHIN) -> None:
        """Wait until something can be seen."""

        async def look() -> bool:
            return holds()

        try:
            await eventually(look, what, within)
        except AssertionError as error:
            raise AssertionError(f"{error}; the latest calls: {self._latest()}") from None

    async def until_true(self, look: Callable[[], Awaitable[object]], what: str) -> None:
        """Wait until something that has to be asked for holds."""

        async def holds() -> bool:
            return bool(await look())

        await eventually(holds, what, WITHIN)

    async def audited(self) -> list[Deed]:
        """The audit, oldest first."""
        return (await self.bot.app.store.read(lambda book: book.audit.latest(500)))[::-1]

    def room(self, channel: str = ROOM) -> RoomId:
        """How Sluice calls a channel."""
        return RoomId(f"slack:{TEAM}/{channel}")

    def _latest(self) -> list[str]:
        calls = [f"{one.method} {one.answer}: {one.arguments.get('text', '')[:80]}" for one in self.slack.calls[-8:]]
        return [*calls, *(f"response: {body.get('text', '')[:80]}" for _, body in self.slack.responses[-3:])]


def user(person: str) -> str:
    """How Slack calls somebody."""
    return f"U00{person.upper()}"


def words(shown: Any) -> str:
    """All the text of a message or a view, as people read it."""
    if isinstance(shown, str):
        return ""
    if isinstance(shown, list):
        return "\n".join(filter(None, map(words, shown)))
    if not isinstance(shown, dict):
        return ""
    if shown.get("type") == "rich_text_section":
        return "".join(one["text"] for one in shown["elements"])
    own = shown["text"] if isinstance(shown.get("text"), str) and "type" in shown and "blocks" not in shown else ""
    return "\n".join(filter(None, [own, *(words(value) for name, value in shown.items() if name != "state")]))


def settings_of(slack: SlackWire, *, http: bool = False) -> Settings:
    """The settings of a bot in this Slack."""
    return Settings(
        slack_bot_token=BOT_TOKEN,
        slack_app_token=None if http else APP_TOKEN,
        slack_signing_secret=SECRET,
        slack_api=slack.url,
    )


@asynccontextmanager
async def in_slack(
    home: Path,
    slack: SlackWire,
    *persons: str,
    http: bool = False,
    target: Target | None = None,
    settings: Mapping[str, object] | None = None,
) -> AsyncIterator[SlackTalk]:
    """Run a bot in `home` that is in this Slack, over Socket Mode or `http`, and knows these people there.

    `settings` are more of the bot's.
    """
    made = connect(settings_of(slack, http=http))
    assert made is not None
    chat, ears = made
    messengers: dict[str, Messenger] = {"slack": chat}
    async with a_bot(home, target, messengers, settings) as bot, AsyncExitStack() as after:
        chat.pressing = bot.app.intake.pressing
        chat.carry(bot.app.packages.files)
        ears.front = Front(bot.app.store, bot.app.dispatch.desk)
        bot.app.dispatch.linking.left.append(chat.leave)
        await after.enter_async_context(ears.listening(bot.app.intake))
        if http:
            assert ears.web is not None
            bot.app.doorkeeper.doors.append(ears.web.knocks)
            port = await after.enter_async_context(door("127.0.0.1", 0, {"slack": ears.web}))
            slack.app_url = f"http://127.0.0.1:{port}/slack/events"
        talk = SlackTalk(bot, slack, chat, ears)
        await talk.link(*persons)
        yield talk


@asynccontextmanager
async def a_slack(*scopes: str) -> AsyncIterator[SlackWire]:
    """Run a Slack with three people and two channels; with `scopes`, the bot's token has only these."""
    async with slack_wire(scopes) if scopes else slack_wire() as slack:
        for name in ("ann", "bob", "cleo", "mallory"):
            slack.add_person(name)
        slack.add_channel("RELEASES")
        slack.add_channel("OTHER")
        yield slack

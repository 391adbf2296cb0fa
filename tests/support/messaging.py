"""A bot with a model chat: who speaks there, what is delivered, and what the chat shows."""

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.cards import Button, Card
from bot.chat import Update
from engine.model import RoomId
from engine.ports import Target
from storage.audit import Deed
from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.model_messenger import CHANNEL, ModelMessenger

_CODE = re.compile(r"link ([A-Z2-9]{4}-[A-Z2-9]{4})")


@dataclass
class Talk:
    """Speaks in the model chat, where `ann`'s account is ``model:ann``."""

    bot: Bot
    chat: ModelMessenger
    _keys: "itertools.count[int]" = field(default_factory=itertools.count)

    def update(
        self, account: str, line: str = "", *, room: RoomId = CHANNEL, token: str = "", bot: bool = False
    ) -> Update:
        """A delivery under a key of its own."""
        is_alone = "direct" in room
        return Update(f"d{next(self._keys)}", room, f"model:{account}", line, token, account, bot, is_alone)

    async def deliver(self, update: Update) -> list[Card]:
        """Deliver it; returns the cards that it was answered with."""
        await self.bot.app.intake.accept(update)
        await eventually(lambda: _true(bool(self.answers_to(update))), f"{update.line or update.token} is answered")
        return self.answers_to(update)

    def answers_to(self, update: Update) -> list[Card]:
        """The cards that a delivery was answered with."""
        return [answer.card for told, answer in self.chat.answers if told.key == update.key]

    async def say(self, account: str, line: str, room: RoomId = CHANNEL) -> Card:
        """Say a line; returns the first card of the answer."""
        return (await self.deliver(self.update(account, line, room=room)))[0]

    async def press(self, account: str, button: Button, room: RoomId = CHANNEL) -> Card:
        """Press a button that the room shows."""
        return (await self.deliver(await self.pressed(account, button, room)))[0]

    async def pressed(self, account: str, button: Button, room: RoomId = CHANNEL) -> Update:
        """The delivery of a press."""
        return self.update(account, room=room, token=await self.chat.token(room, button))

    async def link(self, *people: str) -> None:
        """Make these people known in the chat, each by a code from the console."""
        for person in people:
            found = _CODE.search(await self.bot.say("link", person))
            assert found
            card = await self.say(person, f"link {found.group(1)}", RoomId(f"model:direct-{person}"))
            assert card.title == f"Welcome, {person}."

    async def shows(self, run: str, what: str, room: RoomId = CHANNEL) -> Card:
        """Wait until the room's one card of the run has this badge."""
        await eventually(
            lambda: _true([card.badge for card in self.chat.showing(room, run)] == [what]),
            f"{room} shows {run} as {what}; it shows {[card.badge for card in self.chat.showing(room, run)]}",
        )
        return self.chat.showing(room, run)[0]

    async def audited(self) -> list[Deed]:
        """The audit, oldest first."""
        return (await self.bot.app.store.read(lambda book: book.audit.latest(500)))[::-1]


async def _true(holds: bool) -> bool:  # noqa: FBT001 - what `eventually` asks
    return holds


def button(card: Card, text: str) -> Button:
    """The card's button with this text."""
    found = [one for one in card.buttons if one.text == text]
    assert found, f"{card.title} has no button {text}: {[one.text for one in card.buttons]}"
    return found[0]


@asynccontextmanager
async def talking(home: Path, *people: str, target: Target | None = None) -> AsyncIterator[Talk]:
    """A bot in `home` with a model chat that knows these people."""
    chat = ModelMessenger()
    async with a_bot(home, target, {"model": chat}) as bot:
        chat.pressing = bot.app.intake.pressing
        talk = Talk(bot, chat)
        await talk.link(*people)
        yield talk

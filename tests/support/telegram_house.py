"""A bot in Telegram: the adapter as the settings make it, against the stand-in that speaks the wire format.

Rooms are quick here, unless a test is about the pace: then it asks for the real one.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.chat import Pace
from bot.hooks import door
from bot.settings import Settings
from bot.telegram.connect import connect
from bot.telegram.inbound import TelegramEars
from bot.telegram.limits import Limits
from bot.telegram.outbound import TelegramChat
from engine.ports import Target
from storage.audit import Deed
from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.telegram_chats import Account, Chat, Shown
from tests.support.telegram_methods import Toast
from tests.support.telegram_wire import TOKEN, TelegramWire

ANN, BOB, EVE = Account(7, "Ann", "ann_b"), Account(8, "Bob"), Account(66, "Eve")
ACCOUNTS = {"ann": ANN, "bob": BOB}
SECRET = "s3cret_of-the-hook"
QUICK = Pace(every=timedelta(0), burst=5, refresh=timedelta(seconds=1))
UNLIMITED = 1_000_000
_CODE = re.compile(r"link ([A-Z2-9]{4}-[A-Z2-9]{4})")


@dataclass(repr=False)
class OnTelegram:
    """Acts in Telegram as people do, and reads what they read."""

    bot: Bot
    wire: TelegramWire
    chat: TelegramChat
    ears: TelegramEars
    hooks: int = 0

    def says(self, who: Account, chat: Chat, text: str, **more: Any) -> int:
        """Say something that the bot gets to hear; returns the update's id."""
        update = self.wire.people.says(who, chat, text, **more)
        assert update is not None, f"the bot does not hear {text!r}"
        return update

    def presses(self, who: Account, chat: Chat, text: str) -> int:
        """Press a button; returns the update's id."""
        update = self.wire.people.presses(who, chat, text)
        assert update is not None
        return update

    async def reads(self, chat: Chat, words: str, within: float = 10.0) -> Shown:
        """Wait until a message of the bot has these words; returns the newest."""
        await self._until(lambda: bool(self._having(chat, words)), f"{chat.title} reads {words!r}", chat, within)
        return self._having(chat, words)[-1]

    async def asks(self, who: Account, chat: Chat, text: str, words: str, **more: Any) -> Shown:
        """Say something and wait for a message that was not there before."""
        before = {shown.id for shown in self.wire.shows(chat)}
        self.says(who, chat, text, **more)
        await self._until(
            lambda: any(shown.id not in before for shown in self._having(chat, words)), f"{text!r}: {words!r}", chat
        )
        return next(shown for shown in self._having(chat, words) if shown.id not in before)

    async def is_told(self, update: int) -> Toast:
        """Wait for the answer to a press; there is only one."""
        query = self.wire.people.query_of(update)
        await self.wire.until(lambda: any(toast.query == query for toast in self.wire.methods.toasts))
        [toast] = [toast for toast in self.wire.methods.toasts if toast.query == query]
        return toast

    async def shows(self, chat: Chat, run: str, badge: str, within: float = 30.0) -> Shown:
        """Wait until the chat's one card of the run says so."""
        await self._until(
            lambda: [badge in shown.text for shown in self.cards(chat, run)] == [True],
            f"{chat.title} shows {run} as {badge!r}",
            chat,
            within,
        )
        return self.cards(chat, run)[0]

    def cards(self, chat: Chat, run: str) -> list[Shown]:
        """The messages that are the run's card: its name stands in the first line, and nothing is asked there."""
        return [shown for shown in self.wire.shows(chat) if re.search(rf"^\W*{run} · ", shown.text)]

    async def begins(self, who: Account, chat: Chat, line: str, **more: Any) -> str:
        """Start a run with a command and a button; returns its name."""
        pipeline = line.split(maxsplit=1)[0]
        known = {run.id for run in await self.bot.runs(pipeline)}
        await self.asks(who, chat, f"/run {line}", "Start ", **more)
        await self.is_told(self.presses(who, chat, "Start"))

        async def is_begun() -> bool:  # a press that takes long is answered before it is carried out
            return len(await self.bot.runs(pipeline)) > len(known)

        await eventually(is_begun, "the run is begun")
        [run] = [run.id for run in await self.bot.runs(pipeline) if run.id not in known]
        return run

    async def links(self, *people: str) -> None:
        """Make these people's accounts known, each by a link with a code from the console."""
        for person in people:
            found = _CODE.search(await self.bot.say("link", person))
            assert found
            account = ACCOUNTS[person]
            await self.asks(account, self.alone(account), f"/start {found.group(1)}", f"Welcome, {person}.")

    def alone(self, who: Account) -> Chat:
        """The chat that somebody has with the bot alone."""
        return self.wire.people.private(who)

    async def audited(self) -> list[Deed]:
        """The audit, oldest first."""
        return (await self.bot.app.store.read(lambda book: book.audit.latest(500)))[::-1]

    async def quiet(self, who: Account = ANN) -> None:
        """Wait until everything that was said before is carried out: whoever asks now is answered after it."""
        await self.asks(who, self.alone(who), "whoami", f"You are {who.first_name.lower()}")

    def _having(self, chat: Chat, words: str) -> list[Shown]:
        return [shown for shown in self.wire.shows(chat) if words in shown.text]

    async def _until(self, condition: Callable[[], bool], what: str, chat: Chat, within: float = 10.0) -> None:
        try:
            await self.wire.until(condition, within)
        except AssertionError:
            shown = "\n---\n".join(shown.text for shown in self.wire.shows(chat))
            raise AssertionError(f"{what}; it shows:\n{shown}") from None


def telegram_settings(home: Path, url: str, *, webhook: str = "", token: str = TOKEN, secret: str = SECRET) -> Settings:
    """What an operator sets."""
    return Settings.model_validate(
        {
            "home": home,
            "telegram_token": token,
            "telegram_api": url,
            "telegram_webhook": webhook,
            "telegram_secret": secret,
        }
    )


def both_sides(
    home: Path, wire: TelegramWire, *, webhook: str = "", quick: bool = True
) -> tuple[TelegramChat, TelegramEars]:
    """The adapter, made of settings."""
    made = connect(telegram_settings(home, f"http://127.0.0.1:{wire.port}", webhook=webhook))
    assert made is not None
    chat, _ = made
    if quick:
        chat.group = chat.private = QUICK
        chat.api.limits = Limits(most=UNLIMITED)
    return made


@asynccontextmanager
async def on_telegram(
    home: Path,
    wire: TelegramWire,
    *people: str,
    target: Target | None = None,
    webhook: bool = False,
    quick: bool = True,
    settings: Mapping[str, object] | None = None,
) -> AsyncIterator[OnTelegram]:
    """A bot in `home` that is in Telegram and knows these people there. With `webhook`, updates are delivered to it.

    `settings` are more of the bot's.
    """
    chat, ears = both_sides(home, wire, webhook="http://127.0.0.1:0" if webhook else "", quick=quick)
    async with a_bot(home, target, {"telegram": chat}, settings) as bot:
        chat.pressing = bot.app.intake.pressing
        chat.carry(bot.app.packages.files)
        bot.app.doorkeeper.doors.extend([ears.web.knocks] if ears.web else [])
        async with door("127.0.0.1", 0, {"telegram": ears.web} if ears.web else {}) as port:
            ears.webhook = f"http://127.0.0.1:{port}" if webhook else ""
            async with ears.listening(bot.app.intake):
                talk = OnTelegram(bot, wire, chat, ears, port or 0)
                await talk.links(*people)
                yield talk

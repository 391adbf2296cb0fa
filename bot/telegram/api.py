"""Telegram's Bot API, called: with time-outs, its limits kept, its errors and the network's translated.

Nothing is tried again here: whoever calls knows what is worth it. A chat that has asked to wait is not called before
the time is over: whoever asks earlier is told to wait, without a call.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, LinkPreviewOptions, ReplyParameters
from telegram.constants import ParseMode
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.chat import Slower
from bot.pacing import Bucket
from bot.telegram.faults import fault, is_unchanged
from bot.telegram.keyboard import Row
from bot.telegram.limits import OVERALL, Limits
from bot.telegram.names import chat_of, topic_of
from bot.telegram.secrecy import keep_secret
from engine.model import RoomId

SECONDS = 10.0
T = TypeVar("T")
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
"""Whoever writes a commit message would decide what stands under a release."""


@dataclass(frozen=True, slots=True)
class Me:
    """Who Sluice is in Telegram."""

    id: int
    username: str


@dataclass(slots=True)
class Api:
    """Calls with the bot's `token` at `url`."""

    token: str = field(repr=False)
    url: str
    limits: Limits = field(default_factory=Limits)
    _bot: Bot = field(init=False, repr=False)
    _calls: HTTPXRequest = field(init=False)
    _polls: HTTPXRequest = field(init=False)
    _bucket: Bucket = field(default_factory=lambda: Bucket.full(OVERALL, 0.0))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Make the client; long polls have a connection of their own."""
        keep_secret(self.token)
        base = self.url.rstrip("/")
        self._calls, self._polls = _request(), _request()
        self._bot = Bot(
            self.token, f"{base}/bot", f"{base}/file/bot", request=self._calls, get_updates_request=self._polls
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep connections inside the `async with`; afterwards nothing can be called."""
        await asyncio.gather(self._calls.initialize(), self._polls.initialize())
        try:
            yield
        finally:
            await asyncio.gather(self._calls.shutdown(), self._polls.shutdown())

    async def send(self, room: RoomId, text: str, keyboard: Sequence[Row] = (), *, below: str = "") -> str:
        """Post HTML; returns the message's id. `below`: the message that it answers, if that is still there."""
        sent = await self._write(
            "sendMessage",
            room,
            lambda chat: self._bot.send_message(
                chat,
                text,
                parse_mode=ParseMode.HTML,
                link_preview_options=_NO_PREVIEW,
                reply_markup=_markup(keyboard),
                reply_parameters=_below(below),
                message_thread_id=topic_of(room),
            ),
        )
        return str(sent.message_id)

    async def edit(self, room: RoomId, message: str, text: str, keyboard: Sequence[Row] = ()) -> None:
        """Show this where `message` was; that it was so already is fine."""
        await self._write("editMessageText", room, lambda chat: self._edit(chat, int(message), text, keyboard))

    async def attach(self, room: RoomId, name: str, content: bytes, *, below: str = "") -> None:
        """Post a file."""
        await self._write(
            "sendDocument",
            room,
            lambda chat: self._bot.send_document(
                chat,
                InputFile(content, filename=name),
                reply_parameters=_below(below),
                message_thread_id=topic_of(room),
            ),
        )

    async def toast(self, query: str, text: str, *, is_alert: bool) -> None:
        """Answer a press, which ends its waiting; raises `TooOld` when it waits no more."""
        await _translated(
            "answerCallbackQuery", self._bot.answer_callback_query(query, text or None, show_alert=is_alert)
        )

    async def me(self) -> Me:
        """Who Sluice is."""
        found = await _translated("getMe", self._bot.get_me())
        return Me(found.id, found.username or "")

    async def updates(self, offset: int | None, kinds: Sequence[str], wait: timedelta) -> list[Any]:
        """Wait for updates, as they come; those before `offset` are confirmed by this."""
        seconds = int(wait.total_seconds())
        asked = {"timeout": seconds, "allowed_updates": json.dumps(list(kinds))} | (
            {} if offset is None else {"offset": offset}
        )
        url = f"{self._bot.base_url}/getUpdates?{urlencode(asked)}"
        found = await _translated("getUpdates", self._polls.post(url, read_timeout=seconds + SECONDS))
        return found if isinstance(found, list) else []

    async def listen_at(self, url: str, secret: str, kinds: Sequence[str]) -> None:
        """Have updates brought to `url`, with the secret."""
        keep_secret(secret)
        call = self._bot.set_webhook(url, secret_token=secret, allowed_updates=list(kinds))
        await _translated("setWebhook", call)

    async def listen_nowhere(self) -> None:
        """Have updates brought nowhere, so that they can be asked for."""
        await _translated("deleteWebhook", self._bot.delete_webhook())

    async def offer(self, commands: Sequence[tuple[str, str]]) -> None:
        """Offer these commands, unless they are offered already."""
        found = await _translated("getMyCommands", self._bot.get_my_commands())
        if [(one.command, one.description) for one in found] != list(commands):
            await _translated("setMyCommands", self._bot.set_my_commands(list(commands)))

    async def file(self, file: str) -> bytes:
        """Return a file's content."""
        found = await _translated("getFile", self._bot.get_file(file))
        return bytes(await _translated("a download", found.download_as_bytearray()))

    async def _edit(self, chat: int, message: int, text: str, keyboard: Sequence[Row]) -> None:
        try:
            await self._bot.edit_message_text(
                text,
                chat,
                message,
                parse_mode=ParseMode.HTML,
                link_preview_options=_NO_PREVIEW,
                reply_markup=_markup(keyboard),
            )
        except TelegramError as error:
            if not is_unchanged(error):
                raise

    async def _write(self, method: str, room: RoomId, write: Callable[[int], Awaitable[T]]) -> T:
        """Write to a room's chat when it may be written to; raises `Slower` when that is later."""
        chat, clock = chat_of(room), asyncio.get_running_loop().time
        wait = self.limits.wait(chat, clock())
        if wait > 0:
            raise Slower("Telegram", timedelta(seconds=wait))
        self.limits.sent(chat, clock())
        await self._my_turn()
        try:
            return await _translated(method, write(chat), room)
        except Slower as error:
            self.limits.close(chat, clock() + error.after.total_seconds())
            raise

    async def _my_turn(self) -> None:
        """Wait until the bot as a whole may write; that is never long."""
        async with self._turn:
            clock = asyncio.get_running_loop().time
            await asyncio.sleep(self._bucket.delay(clock(), is_urgent=True))
            self._bucket.take(clock())


async def _translated(method: str, call: Awaitable[T], room: RoomId | None = None) -> T:
    try:
        return await call
    except TelegramError as error:
        raise fault(method, error, room) from error


def _request() -> HTTPXRequest:
    return HTTPXRequest(read_timeout=SECONDS, pool_timeout=SECONDS)


def _markup(keyboard: Sequence[Row]) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(text, callback_data=data) for text, data in row] for row in keyboard]
    return InlineKeyboardMarkup(rows) if rows else None


def _below(message: str) -> ReplyParameters | None:
    return ReplyParameters(int(message), allow_sending_without_reply=True) if message else None

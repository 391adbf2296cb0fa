"""Telegram's Bot API, called: with time-outs, its limits kept, its errors and the network's translated.

Nothing is tried again here: whoever calls knows what is worth it. A chat that has asked to wait is not called before
the time is over: whoever asks earlier is told to wait, without a call.
"""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, LinkPreviewOptions, ReplyParameters
from telegram.constants import ParseMode
from telegram.error import TelegramError

from bot.chat import Slower
from bot.rooms.pacing import Bucket
from bot.telegram.faults import fault, is_unchanged
from bot.telegram.keyboard import Row
from bot.telegram.limits import OVERALL, Limits
from bot.telegram.names import chat_of, topic_of
from bot.telegram.request import SECONDS, Request
from bot.telegram.secrecy import keep_secret
from engine.model import RoomId

GRACE = 3.0
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
    """Calls with the bot's `token` at `url`. Outside of `open` each call makes a connection of its own."""

    token: str = field(repr=False)
    url: str
    limits: Limits = field(default_factory=Limits)
    username: str = ""
    """What Telegram calls the bot, once it has been asked who that is."""
    _kept: Bot | None = field(default=None, repr=False)
    _under_way: int = 0
    _done: asyncio.Event = field(default_factory=asyncio.Event)
    _bucket: Bucket = field(default_factory=lambda: Bucket.full(OVERALL, 0.0))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _chats: defaultdict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def __post_init__(self) -> None:
        """Keep the token secret."""
        keep_secret(self.token)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep connections inside the `async with`. What is under way at its end is given a moment."""
        async with self._connected() as bot:
            self._kept = bot
            try:
                yield
            finally:
                self._kept = None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GRACE):
                        await self._nothing_under_way()

    async def send(self, room: RoomId, text: str, keyboard: Sequence[Row] = (), *, below: str = "") -> str:
        """Post HTML; returns the message's id. `below`: the message that it answers, if that is still there."""

        async def send(bot: Bot, chat: int) -> str:
            sent = await bot.send_message(
                chat,
                text,
                parse_mode=ParseMode.HTML,
                link_preview_options=_NO_PREVIEW,
                reply_markup=_markup(keyboard),
                reply_parameters=_below(below),
                message_thread_id=topic_of(room),
            )
            return str(sent.message_id)

        return await self._write("sendMessage", room, send)

    async def delete(self, room: RoomId, message: str) -> None:
        """Take a message away, of whomever it is. Raises `MessageLost` when it is gone."""

        async def delete(bot: Bot, chat: int) -> None:
            await bot.delete_message(chat, int(message))

        await self._write("deleteMessage", room, delete)

    async def edit(self, room: RoomId, message: str, text: str, keyboard: Sequence[Row] = ()) -> None:
        """Show this where `message` was; that it was so already is fine."""

        async def edit(bot: Bot, chat: int) -> None:
            try:
                await bot.edit_message_text(
                    text,
                    chat,
                    int(message),
                    parse_mode=ParseMode.HTML,
                    link_preview_options=_NO_PREVIEW,
                    reply_markup=_markup(keyboard),
                )
            except TelegramError as error:
                if not is_unchanged(error):
                    raise

        await self._write("editMessageText", room, edit)

    async def attach(self, room: RoomId, name: str, content: bytes, *, below: str = "") -> None:
        """Post a file."""

        async def attach(bot: Bot, chat: int) -> None:
            file, thread = InputFile(content, filename=name), topic_of(room)
            await bot.send_document(chat, file, reply_parameters=_below(below), message_thread_id=thread)

        await self._write("sendDocument", room, attach)

    async def toast(self, query: str, text: str, *, is_alert: bool) -> None:
        """Answer a press, which ends its waiting; raises `TooOld` when it waits no more."""
        await self._call("answerCallbackQuery", lambda bot: bot.answer_callback_query(query, text, show_alert=is_alert))

    async def me(self) -> Me:
        """Who Sluice is."""
        found = await self._call("getMe", lambda bot: bot.get_me())
        self.username = found.username or ""
        return Me(found.id, self.username)

    async def updates(self, offset: int | None, kinds: Sequence[str], wait: timedelta) -> list[Any]:
        """Wait for updates, as they come; those before `offset` are confirmed by this."""
        seconds = int(wait.total_seconds())
        asked: dict[str, object] = {"timeout": seconds, "allowed_updates": json.dumps(list(kinds))}
        words = urlencode(asked if offset is None else {**asked, "offset": offset})

        async def ask(bot: Bot) -> object:
            return await bot.request.post(f"{bot.base_url}/getUpdates?{words}", read_timeout=seconds + SECONDS)

        found = await self._call("getUpdates", ask)
        return found if isinstance(found, list) else []

    async def listen_at(self, url: str, secret: str, kinds: Sequence[str]) -> None:
        """Have updates brought to `url`, with the secret."""
        keep_secret(secret)
        await self._call(
            "setWebhook", lambda bot: bot.set_webhook(url, secret_token=secret, allowed_updates=list(kinds))
        )

    async def listen_nowhere(self) -> None:
        """Have updates brought nowhere, so that they can be asked for."""
        await self._call("deleteWebhook", lambda bot: bot.delete_webhook())

    async def offer(self, commands: Sequence[tuple[str, str]]) -> None:
        """Offer these commands, unless they are offered already."""
        found = await self._call("getMyCommands", lambda bot: bot.get_my_commands())
        if [(one.command, one.description) for one in found] != list(commands):
            await self._call("setMyCommands", lambda bot: bot.set_my_commands(list(commands)))

    async def file(self, file: str) -> bytes:
        """Return a file's content."""

        async def fetch(bot: Bot) -> bytes:
            return bytes(await (await bot.get_file(file)).download_as_bytearray())

        return await self._call("getFile", fetch)

    async def _write(self, method: str, room: RoomId, write: Callable[[Bot, int], Awaitable[T]]) -> T:
        """Write to a room's chat when it may be written to; raises `Slower` when that is later.

        One after another in each chat: only then is it known whether the chat wants more.
        """
        chat, clock = chat_of(room), asyncio.get_running_loop().time
        async with self._chats[chat]:
            wait = self.limits.wait(chat, clock())
            if wait > 0:
                raise Slower("Telegram", timedelta(seconds=wait))
            await self._my_turn()
            self.limits.sent(chat, clock())
            try:
                return await self._call(method, lambda bot: write(bot, chat), room)
            except Slower as error:
                self.limits.close(chat, clock() + error.after.total_seconds())
                raise

    async def _my_turn(self) -> None:
        """Wait until the bot as a whole may write; that is never long."""
        async with self._turn:
            clock = asyncio.get_running_loop().time
            await asyncio.sleep(self._bucket.delay(clock(), is_urgent=True))
            self._bucket.take(clock())

    async def _call(self, method: str, call: Callable[[Bot], Awaitable[T]], room: RoomId | None = None) -> T:
        self._under_way += 1
        try:
            async with contextlib.nullcontext(self._kept) if self._kept else self._connected() as bot:
                return await call(bot)
        except TelegramError as error:
            raise fault(method, error, room) from error
        finally:
            self._under_way -= 1
            self._done.set()

    async def _nothing_under_way(self) -> None:
        while self._under_way:
            self._done.clear()
            await self._done.wait()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Bot]:
        base = self.url.rstrip("/")
        async with Request() as request:
            yield Bot(self.token, f"{base}/bot", f"{base}/file/bot", request=request, get_updates_request=request)


def _markup(keyboard: Sequence[Row]) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(text, callback_data=data) for text, data in row] for row in keyboard]
    return InlineKeyboardMarkup(rows) if rows else None


def _below(message: str) -> ReplyParameters | None:
    return ReplyParameters(int(message), allow_sending_without_reply=True) if message else None

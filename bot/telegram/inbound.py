"""Telegram, as a chat that is listened to: it is asked for updates, or delivers them at the port for machines.

Either way an update is kept before Telegram is told that it has arrived. A press is answered within a second of that,
see `toasts.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import telegram

from bot.chat import Hearing, Update
from bot.telegram.api import Me
from bot.telegram.commands import commands
from bot.telegram.door import PATH, Door
from bot.telegram.names import CHAT
from bot.telegram.outbound import TelegramChat
from bot.telegram.polling import Polling
from bot.telegram.reading import KINDS, Heard, heard
from bot.telegram.remarks import refused
from engine.errors import Interrupted, Refused, SluiceError

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class TelegramEars:
    """Listens. With `webhook`, the public address of the port for machines, Telegram delivers there with `secret`."""

    chat: TelegramChat
    webhook: str = ""
    secret: str = field(default="", repr=False)
    web: Door | None = field(init=False)
    _me: Me | None = None
    _hearing: Hearing | None = None
    _polling: Polling | None = None

    def __post_init__(self) -> None:
        """Make the door, if there is to be one."""
        self.web = Door(self._hear, self.secret) if self.webhook else None

    @property
    def trouble(self) -> str:
        """What keeps updates from coming now; with a webhook nobody knows."""
        return "" if self._polling is None else self._polling.trouble

    @asynccontextmanager
    async def listening(self, hearing: Hearing) -> AsyncIterator[None]:
        """Take deliveries inside the `async with`. Raises what keeps them from coming, also while it listens."""
        api = self.chat.api
        async with api.open():
            self._me = await api.me()
            self._hearing = hearing
            if self.chat.carrier is not None:
                self.chat.carrier.onward.listen(hearing)
            try:
                await api.offer(commands())
                async with self._delivered():
                    yield
            finally:
                self._hearing = None
                if self.chat.carrier is not None:
                    self.chat.carrier.onward.end()
                await self.chat.toasts.end()

    @asynccontextmanager
    async def _delivered(self) -> AsyncIterator[None]:
        if self.webhook:
            await self.chat.api.listen_at(f"{self.webhook.rstrip('/')}/{CHAT}{PATH}", self.secret, KINDS)
            yield
            return
        await self.chat.api.listen_nowhere()
        self._polling = Polling(self.chat.api, KINDS, self._hear)
        async with _beside(self._polling.live()):
            yield

    async def _hear(self, delivered: Any) -> None:
        """Keep what was delivered, if it says anything to Sluice. Raises when it cannot be kept."""
        me, hearing = self._me, self._hearing
        if me is None or hearing is None:
            raise Interrupted("Sluice does not listen to Telegram yet.")
        said = _read(me, delivered)
        if said is None:
            return
        update = await self._whole(said)
        query = update.context.get("callback", "")
        try:
            await hearing.accept(update)
        except SluiceError:
            if query:
                await self.chat.toasts.put_off(query)
            raise
        if query:
            self.chat.toasts.expect(query)

    async def _whole(self, said: Heard) -> Update:
        """Return the update, with what is in its file."""
        if said.attached is None or said.update.is_bot:
            return said.update
        try:
            return replace(said.update, line=await self.chat.files.line(said.attached))
        except Refused as refusal:
            context = {**said.update.context, **refused(refusal)}
            return replace(said.update, line="define", context=context)


def _read(me: Me, delivered: Any) -> Heard | None:
    """Read an update. One that nobody understands is dropped with a word in the log: it would come again for ever."""
    try:
        update = telegram.Update.de_json(delivered, None)
        return heard(me, update)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _LOG.error("An update of Telegram is not understood: %s", type(error).__name__)
        return None


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do `work` beside the `async with`; what it raises ends that."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work, name="sluice-telegram")
            yield
            task.cancel()
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None

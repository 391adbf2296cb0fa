"""Finds the rooms where people are spoken to alone, beside everything else: a chat that stalls holds up no feed.

Whom a chat has not let us meet yet is tried again, with longer pauses, until there is a room or the chat says no.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.chat import Chat, Messenger, Slower
from engine.errors import Interrupted, SluiceError
from engine.model import RoomId, RunId
from storage.accounts import Account
from storage.store import SqlStore

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Meeting:
    """Meets accounts. `met` is told each run that waits for one, with the room, once there is one."""

    store: SqlStore
    chat_of: Callable[[RoomId], Chat | None]
    met: Callable[[RoomId, RunId], Awaitable[None]]
    _waiting: dict[str, set[RunId]] = field(default_factory=dict)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    def want(self, account: Account, run: RunId) -> None:
        """Tell the account of the run as soon as there is a room for it."""
        chat = self.chat_of(RoomId(account.id))
        if not isinstance(chat, Messenger):
            return
        if account.id in self._waiting:
            self._waiting[account.id].add(run)
            return
        self._waiting[account.id] = {run}
        task = asyncio.create_task(self._meet(chat, account.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Meet nobody any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, chat: Messenger, account: str) -> None:
        try:
            room = await _room(chat, account)
            await self.store.transact(lambda book: book.accounts.meet(account, room))
            for run in self._waiting.pop(account):
                await self.met(room, run)
        except SluiceError as error:
            _LOG.warning("%s cannot be spoken to alone: %s", account, error)
        finally:
            self._waiting.pop(account, None)


async def _room(chat: Messenger, account: str) -> RoomId:
    pause = FIRST_PAUSE
    while True:
        try:
            return await chat.direct(account)
        except Slower as error:
            await asyncio.sleep(error.after.total_seconds())
        except Interrupted as error:
            _LOG.warning("%s is met later: %s", account, error)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

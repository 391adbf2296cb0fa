"""What the Telegram stand-in delivers: updates with rising ids, polled for or brought to a webhook."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.telegram_chats import Json, Refusal

ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
"""Kinds that come only to bots that ask for them."""
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_IS_SET = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
TRIES = 3


class Bell:
    """Wakes whoever waits for something to happen."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def heard(self, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where updates go."""

    url: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to bring an update to the webhook. `status` is 0 when nobody answered."""

    update: int
    status: int


@dataclass(slots=True)
class Updates:
    """The queue of one bot. An update may stand in it more than once."""

    bell: Bell
    webhook: Webhook | None = None
    allowed: frozenset[str] | None = None
    made: dict[int, Json] = field(default_factory=dict)
    waiting: list[Json] = field(default_factory=list)
    once_more: list[Json] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    last_error: str = ""
    _polls: int = 0
    _next: int = 100_000
    _tasks: set["asyncio.Task[object]"] = field(default_factory=set)
    _order: asyncio.Lock = field(default_factory=asyncio.Lock)

    def make(self, kind: str, content: Mapping[str, object]) -> int | None:
        """Deliver something new; returns its id, or None when the bot does not ask for this kind."""
        wanted = kind not in ON_REQUEST if self.allowed is None else kind in self.allowed
        if not wanted:
            return None
        self._next += 1
        update: Json = {"update_id": self._next, kind: dict(content)}
        self.made[self._next] = update
        self.waiting.append(update)
        self._bring(update)
        self.bell.ring()
        return self._next

    def again(self, update: int, times: int = 1) -> None:
        """Deliver an update again, though it was confirmed, `times` times and all at once."""
        copies = [self.made[update]] * times
        if self.webhook is None:
            self.once_more += copies
            self.bell.ring()
            return
        for copy in copies:
            self._spawn(self._attempt(copy))

    async def poll(self, offset: int | None, limit: int, within: float) -> list[Json]:
        """Hand out what waits, as `getUpdates` does: what is below `offset` is confirmed and forgotten."""
        if self.webhook is not None:
            raise Refusal(409, WEBHOOK_IS_SET)
        self._polls += 1
        mine = self._polls
        self.bell.ring()
        self._confirm(offset)
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while not (self.waiting or self.once_more) and await self.bell.heard(until - loop.time()):
            if self._polls != mine:
                raise Refusal(409, CONFLICT)
        found = [*self.once_more, *self.waiting][:limit]
        self.once_more = self.once_more[limit:]
        return found

    def set_webhook(self, webhook: Webhook | None, *, drop: bool) -> None:
        """Bring updates there from now on, those that wait first."""
        self.webhook = webhook
        self.last_error = ""
        if drop:
            self.waiting.clear()
        for update in self.waiting:
            self._bring(update)
        self.bell.ring()

    def retry(self) -> None:
        """Bring what the webhook did not take again, as the real server does after a while."""
        for update in self.waiting:
            self._bring(update)

    async def settled(self) -> None:
        """Wait until nothing is on its way to the webhook."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _confirm(self, offset: int | None) -> None:
        if offset is None:
            return
        if offset < 0:
            self.waiting = self.waiting[offset:]
            return
        self.waiting = [one for one in self.waiting if int(str(one["update_id"])) >= offset]

    def _bring(self, update: Json) -> None:
        if self.webhook is not None:
            self._spawn(self._in_order(update))

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_order(self, update: Json) -> None:
        async with self._order:
            for _ in range(TRIES):
                if await self._attempt(update):
                    return

    async def _attempt(self, update: Json) -> bool:
        webhook = self.webhook
        if webhook is None:
            return True
        status = await _posted(webhook, update)
        self.deliveries.append(Delivery(int(str(update["update_id"])), status))
        took = 200 <= status < 300
        if took and update in self.waiting:
            self.waiting.remove(update)
        self.last_error = "" if took else f"Wrong response from the webhook: {status}"
        self.bell.ring()
        return took


async def _posted(webhook: Webhook, update: Json) -> int:
    headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret} if webhook.secret else {}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(webhook.url, json=update, headers=headers) as answer,
        ):
            return answer.status
    except aiohttp.ClientError:
        return 0

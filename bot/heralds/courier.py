"""Sends what is in the outbox: each message until it has arrived, or until its receiver will never take it.

The danger: a receiver that is slow holds up a release, one that is away loses messages, a bot that dies sends twice
or never. The promise: runs never wait; what is in the outbox is sent, as often as it takes within a day, at moments
that stand in the database; a message that was sent is sent again only if the bot died between the receiver's answer
and the commit, and then under the same `Idempotency-Key` (a mail under the same Message-ID). It holds because a
message is taken in a transaction before it is sent and settled in another one after, and is due again by itself if
that never comes.

What carries a whole way (the mail server, a gateway) and cannot be reached is said once, stands in `status`, and is
said again when it works.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.cards import Tone
from bot.heralds.faults import Away, NotEver, NotNow, NotSetUp, Unanswered
from bot.heralds.lanes import Lane
from bot.heralds.parcels import GATEWAY
from engine.errors import Broken, Interrupted, Refused, SluiceError
from engine.model import PersonId, RoomId
from engine.notifications import next_try
from engine.ports import Clock
from storage.audit import Deed
from storage.book import SqlBook
from storage.outbox import Busy, Parcel
from storage.store import SqlStore

AT_ONCE = 4
"""How many messages of one way are sent at once: a way that is slow keeps no other waiting."""
_MORE = {"webhook": 16}
"""Of these ways more, which lead to many places."""
AT_ONCE_TO_ONE = 2
LEASE = timedelta(seconds=90)
"""For how long a message is taken: longer than any try lasts."""
LONGEST_TRY = 75.0
"""How long any try may last, in seconds; most ways end theirs sooner, and say why."""
AT_LATEST = timedelta(minutes=1)
ROOM = RoomId("outbox:")
_NAMES = {"email": "Mail", "phone": "The phone gateway"}
_AGAIN = "Messages wait and are tried again for a day."
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Courier:
    """Sends by `lanes`, which are named by the ways of messages."""

    store: SqlStore
    clock: Clock
    lanes: Mapping[str, Lane]
    announce: Callable[[str, Tone], Awaitable[None]]
    _troubles: dict[str, str] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _sending: dict["asyncio.Task[None]", Parcel] = field(default_factory=dict)

    def hurry(self) -> None:
        """Something was put into the outbox."""
        self._news.set()

    def troubles(self) -> tuple[str, ...]:
        """What keeps messages from being sent now, a sentence for each way."""
        return tuple(self._troubles.values())

    async def recall(self) -> None:
        """What was taken before the bot ended is due now: for the sole process of a database."""
        now = self.clock.now()
        await self.store.transact(lambda book: book.outbox.abandon(now))

    async def live(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                try:
                    await self.send_what_is_due()
                    await self._rest()
                except SluiceError as error:
                    _LOG.warning("The outbox cannot be read: %s", error)
                    await asyncio.sleep(1)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def send_what_is_due(self) -> None:
        """Begin to send what is due now, as much as is sent at once: by each way, and to each."""
        while True:
            now, busy = self.clock.now(), self._busy()
            due = await self.store.read(lambda book: book.outbox.next_due(but=busy))  # noqa: B023 - read at once
            if due is None or due > now:
                return
            parcels = await self.store.transact(lambda book: book.outbox.claim(now, now + LEASE, 1, but=busy))  # noqa: B023 - too
            for parcel in parcels:
                self._begin(parcel)
            if not parcels:
                return

    def _busy(self) -> Busy:
        """What must wait: for a slow receiver or way that has enough, so that no other waits; and what is under way."""
        sending = self._sending.values()
        shown = [one for one, count in Counter(parcel.shown for parcel in sending).items() if count >= AT_ONCE_TO_ONE]
        ways = Counter(parcel.way for parcel in sending)
        full = [way for way, count in ways.items() if count >= _MORE.get(way, AT_ONCE)]
        return Busy(shown, full, [parcel.key for parcel in sending])

    def _begin(self, parcel: Parcel) -> None:
        task = asyncio.create_task(self._deliver(parcel), name=f"sluice-parcel-{parcel.key}")
        self._sending[task] = parcel
        task.add_done_callback(self._done)

    async def rest_is_sent(self) -> None:
        """Wait until every try that was begun is over."""
        await asyncio.gather(*self._sending)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._sending.pop(task, None)
        self._news.set()

    async def _rest(self) -> None:
        """Wait for news (what was sent is news, too), or for the next message that can be sent then."""
        busy = self._busy()
        due = await self.store.read(lambda book: book.outbox.next_due(but=busy))
        wait = AT_LATEST if due is None else min(AT_LATEST, due - self.clock.now())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, wait.total_seconds())):
                await self._news.wait()
        self._news.clear()

    async def _deliver(self, parcel: Parcel) -> None:
        """Send one message and write down what came of it. What cannot be written down is due again by itself."""
        tried = replace(parcel, attempts=parcel.attempts + 1)
        try:
            outcome = await self._tried(tried)
            await self.store.transact(lambda book: self._settle(book, tried, outcome))
            await self._say(tried, outcome)
        except SluiceError as error:
            _LOG.warning("%s: %s", parcel.key, error)

    async def _tried(self, parcel: Parcel) -> SluiceError | None:
        lane = self.lanes.get(parcel.way)
        try:
            if lane is None:
                return NotEver(f"Nothing here sends by {parcel.way}.")
            async with asyncio.timeout(LONGEST_TRY):
                await lane.send(parcel)
        except SluiceError as error:
            return error
        except TimeoutError:
            return NotNow(f"It took longer than {LONGEST_TRY:g} seconds.")
        except Exception as error:  # noqa: BLE001 - a worker's loop: one message that breaks must not end the others
            _LOG.exception("Sending %s", parcel.key)
            return NotNow(f"It went wrong inside Sluice ({type(error).__name__}); the log says how.")
        return None

    def _settle(self, book: SqlBook, parcel: Parcel, outcome: SluiceError | None) -> None:
        now = self.clock.now()
        if outcome is None:
            book.outbox.settle(parcel.key, "sent", now)
            _audit(book, parcel, now, "done", "sent")
            return
        said = f"{outcome} {outcome.hint}".strip()
        again = (
            next_try(parcel.attempts, now, getattr(outcome, "after", None))
            if isinstance(outcome, Interrupted | Broken)
            else None
        )
        if again is not None:
            book.outbox.postpone(parcel.key, again, said)
            return
        book.outbox.settle(parcel.key, "refused" if isinstance(outcome, Refused) else "failed", now, said)
        _audit(book, parcel, now, "refused" if isinstance(outcome, Refused) else "broke", said)

    async def _say(self, parcel: Parcel, outcome: SluiceError | None) -> None:
        """Say in the room, once, that a whole way is away, and that it works again; each gateway is a way."""
        way = f"Gateway {parcel.shown}" if parcel.way == GATEWAY else parcel.way
        name = _NAMES.get(parcel.way, way)
        if isinstance(outcome, Away | Broken | NotSetUp | Unanswered):
            then = outcome.hint if isinstance(outcome, NotEver) else f"{outcome.hint} {_AGAIN}".strip()
            sentence = f"{name}: {outcome} {then}"
            if self._troubles.get(way) is None:
                self._troubles[way] = sentence
                await self.announce(sentence, Tone.BAD)
        elif outcome is None and self._troubles.pop(way, ""):
            await self.announce(f"{name}: messages go out again.", Tone.GOOD)


def _audit(book: SqlBook, parcel: Parcel, now: datetime, outcome: str, said: str) -> None:
    line = f"tell {parcel.way} {parcel.shown}: {parcel.about}"
    book.audit.add(Deed(f"outbox:{parcel.key}", now, PersonId("sluice"), "", ROOM, line, outcome, said))

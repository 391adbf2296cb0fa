"""What forges deliver: kept first, acknowledged, and then carried out, once.

A forge waits some seconds and then gives up; some deliver again, some never do. So the delivery is in the database
before it is acknowledged, together with everything that names it, and the run is started in the transaction that
closes it: a bot that dies in between starts it after its next start, and starts it once.

Whether a second run waits, is refused or replaces the first is the pipeline's `concurrency`, as for everybody. A
refusal is no failure: it is what became of the push, stands in the audit, and is said in the rooms once. A delivery
that was refused is taken again when the forge delivers it again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.acting import Acting
from bot.delivered import HOOKS
from bot.pushes.delivered import LONGEST_PERSON, Delivered, delivered_of, own_logins, pusher, readable
from engine.control import Order
from engine.errors import Interrupted, Refused, SluiceError
from engine.forges.auto_build import Passes, Starts, because, decide, wanted_of
from engine.forges.payloads import Push
from engine.forges.proving import BRIEF, FRESH
from engine.freezes import Frozen
from engine.locks import Locked
from engine.model import PersonId, RoomId
from engine.pipeline import resolve
from storage.attached import Attached
from storage.audit import Deed
from storage.book import SqlBook
from storage.chats import SIGNED
from storage.codec import dump
from storage.faults import StoreUnavailable
from storage.pushes import KeptPush

AGAIN_SECONDS = 1.0
_BATCH = 20
_REMEMBERED = 50
_LOG = logging.getLogger(__name__)


class NotOpen(Refused):
    """The address has been taken out of use."""

    def __init__(self) -> None:
        super().__init__("Nobody is here.")


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a delivery: ``started``, ``passed`` (nothing was to be started), ``refused`` or ``broke``."""

    outcome: str
    said: str
    run: str = ""


@dataclass(slots=True)
class PushIntake:
    """Starts runs of what is pushed, told to `room` as those of the clock are.

    `tell` says in the rooms of a pipeline why it was not started; of a lock or a freeze, the run that it ended tells.
    """

    acting: Acting
    room: RoomId
    again: float = AGAIN_SECONDS
    tell: Callable[[str, str], Awaitable[None]] | None = None
    _told_last: dict[str, str] = field(default_factory=dict)
    _new: asyncio.Event = field(default_factory=asyncio.Event)

    async def accept(self, one: Attached, keys: tuple[str, ...], push: Push) -> bool:
        """Keep a delivery, and carry it out soon; False when it was delivered before.

        One that was refused, and comes again, is taken again. Raises `NotOpen` when the address was taken out of use,
        and `StoreUnavailable`.
        """
        document = dump(Delivered(one.forge, one.repository, one.account, push))
        now = self.acting.clock.now()
        names = [(_name(one, key), now - FRESH if key.startswith(BRIEF) else None) for key in keys]
        first = names[0][0]

        def keep(book: SqlBook) -> bool:
            is_now = book.attached.find(one.pipeline, one.repository)
            if is_now is None or not is_now.is_open or is_now.mark != one.mark:
                raise NotOpen
            known = [name for name, since in names if not book.chats.is_new(name, now, since)]
            before = book.pushes.named(one.pipeline, first) if known else None
            if known and (before is None or before.outcome != "refused"):
                return False
            book.pushes.keep(one.pipeline, first, now, document)
            return True

        is_new = await self.acting.store.transact(keep)
        self._new.set()
        return is_new

    async def live(self) -> None:
        """Carry out what is open, then what comes. Ends when it is cancelled."""
        self._new.set()
        while True:
            await self._new.wait()
            self._new.clear()
            try:
                while await self.work():
                    pass
            except (Interrupted, StoreUnavailable) as error:
                _LOG.warning("Pushes wait: %s", error)
                await self._rest()
            except Exception:  # noqa: BLE001 - a worker's loop: it would take the whole bot with it, at every start anew
                _LOG.exception("Pushes wait")
                await self._rest()

    async def _rest(self) -> None:
        await asyncio.sleep(self.again)
        self._new.set()

    async def work(self) -> bool:
        """Carry out some of what is open; False when nothing was."""
        found = await self.acting.store.read(lambda book: book.pushes.open(_BATCH))
        for kept in found:
            await self._carry_out(kept)
        return bool(found)

    async def _carry_out(self, kept: KeptPush) -> None:
        try:
            if await self.acting.store.transact(lambda book: self._begin(book, kept)):
                self._told_last.pop(kept.pipeline, None)
        except (Interrupted, StoreUnavailable):
            raise
        except Refused as refusal:
            said = f"{refusal} {refusal.hint}".strip()
            await self._close(kept, "refused", said, is_told=isinstance(refusal, Locked | Frozen))
        except SluiceError as error:
            await self._close(kept, "broke", str(error))
        except Exception as error:  # noqa: BLE001 - a worker's loop: one delivery that breaks must not stop the others
            _LOG.exception("Carrying out push %s of %s", kept.seq, kept.pipeline)
            await self._close(kept, "broke", f"It broke ({type(error).__name__}); the log says how.")

    async def _close(self, kept: KeptPush, outcome: str, said: str, *, is_told: bool = False) -> None:
        """Write down that nothing was started, of what was pushed too if that can be read; tell it unless it was."""
        delivered = readable(kept)
        became = Became(outcome, said)
        await self.acting.store.transact(lambda book: self._told(book, kept, delivered, became))
        if not is_told:
            await self._tell(kept, delivered, said)

    async def _tell(self, kept: KeptPush, delivered: Delivered | None, said: str) -> None:
        """Tell the rooms what was not told of this pipeline before."""
        if self.tell is None or self._told_last.get(kept.pipeline) == said:
            return
        self._told_last[kept.pipeline] = said
        what = f"a push to {delivered.push.kind} {delivered.push.ref}" if delivered else "a push"
        await self.tell(kept.pipeline, f"{kept.pipeline} was not started by {what}: {said}")

    def _begin(self, book: SqlBook, kept: KeptPush) -> bool:
        """Start what the push starts, and write down what became of it; False when nothing was started."""
        now_open = book.pushes.find(kept.seq)
        if now_open is None or not now_open.is_open:
            return False
        delivered = delivered_of(kept)
        wanted = wanted_of(resolve(book.pipelines.load(kept.pipeline).text, {}))
        if wanted is None or wanted.source.git != delivered.repository:
            raise Refused(f"{kept.pipeline} is not started by pushes to {delivered.repository} any more.")
        delivered = replace(delivered, account=delivered.account or wanted.source.account or "")
        decision = decide(delivered.push, wanted, own_logins(book, delivered))
        if isinstance(decision, Starts) and _comes_late(book, kept, delivered.push):
            decision = Passes(f"what was pushed on top of it to {delivered.push.ref} was here before it")
        if not isinstance(decision, Starts):
            self._told(book, kept, delivered, Became("passed", f"Nothing was started: {decision.why}."))
            return False
        order = Order(
            pipeline=kept.pipeline,
            by=pusher(book, delivered),
            room=self.room,
            changes=decision.changes,
            reason=because(delivered.push),
            by_itself=True,
            pushed=decision.pushed,
        )
        run = self.acting.control.start(book, order)
        became = Became("started", f"{run.id} was started.", run.id)
        if run.state.is_over:  # a lock or a freeze has turned it away
            became = Became("refused", run.reason, run.id)
        self._told(book, kept, delivered, became)
        return became.outcome == "started"

    def _told(self, book: SqlBook, kept: KeptPush, delivered: Delivered | None, became: Became) -> None:
        book.pushes.close(kept.seq, became.outcome, became.said, became.run)
        push = delivered.push if delivered else None
        what = f" {push.kind} {push.ref} {push.after[:12] or 'deleted'}" if push else ""
        deed = Deed(
            key=f"{kept.key} {kept.at.isoformat()}",  # not its number, which a database may give again
            at=self.acting.clock.now(),
            person=pusher(book, delivered) if delivered else PersonId(""),
            account=f"{delivered.forge}:{delivered.push.login}"[:LONGEST_PERSON] if delivered else "",
            room=HOOKS,
            line=f"push {kept.pipeline}{what}",
            outcome={"started": "done", "passed": "done"}.get(became.outcome, became.outcome),
            said=became.said,
        )
        book.audit.add(deed)


def _name(one: Attached, key: str) -> str:
    """Under what a delivery is remembered: what is signed for ever for as long as `SIGNED` says."""
    name = f"{one.mark[:24]}:{key}"
    return name if key.startswith(BRIEF) else f"{SIGNED}{name}"


def _comes_late(book: SqlBook, kept: KeptPush, push: Push) -> bool:
    """Whether what was pushed on top of it was delivered before, and started: this one would bring older code back.

    A branch that was set back leads from there to here by what was delivered meanwhile.
    """
    earlier = ((one, readable(one)) for one in book.pushes.latest(kept.pipeline, _REMEMBERED) if one.seq < kept.seq)
    there = [
        (one.outcome, delivered.push)
        for one, delivered in earlier
        if delivered is not None and (delivered.push.kind, delivered.push.ref) == (push.kind, push.ref)
    ]
    on_top = {one.after for outcome, one in there if outcome == "started" and one.before == push.after}
    return bool(on_top) and push.before not in _led_to(on_top, [one for _, one in there])


def _led_to(from_here: set[str], pushes: Sequence[Push]) -> set[str]:
    """Every commit to which these pushes led from those."""
    reached = set(from_here)
    while more := {one.after for one in pushes if one.before in reached} - reached:
        reached |= more
    return reached

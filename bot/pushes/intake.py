"""What forges deliver: kept first, acknowledged, and then carried out, once.

A forge waits some seconds and then gives up; some deliver again, some never do. So the delivery is in the database
before it is acknowledged, together with everything that names it, and the run is started in the transaction that
closes it: a bot that dies in between starts it after its next start, and starts it once.

Whether a second run waits, is refused or replaces the first is the pipeline's `concurrency`, as for everybody. A
refusal is no failure: it is what became of the push, and stands in the audit.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bot.acting import Acting
from bot.pushes.naming import MOUNTED
from engine.control import Order
from engine.errors import Broken, Interrupted, Refused, SluiceError
from engine.forges.auto_build import Starts, because, decide, wanted_of
from engine.forges.hosting import ForgeName
from engine.forges.hosts import KINDS
from engine.forges.payloads import Push
from engine.model import PersonId, RoomId
from engine.pipeline import resolve
from storage.attached import Attached
from storage.audit import Deed
from storage.book import SqlBook
from storage.codec import dump, load
from storage.faults import StoreUnavailable
from storage.pushes import KeptPush

AGAIN_SECONDS = 1.0
_BATCH = 20
_LONGEST_PERSON = 120
HOOKS = RoomId("hooks:")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A push as it is kept: of which forge, for which repository, attached with which account (empty: by hand)."""

    forge: str
    repository: str
    account: str
    push: Push


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
    """Starts runs of what is pushed, told to `room` as those of the clock are."""

    acting: Acting
    room: RoomId
    again: float = AGAIN_SECONDS
    _new: asyncio.Event = field(default_factory=asyncio.Event)

    async def accept(self, one: Attached, keys: tuple[str, ...], push: Push) -> bool:
        """Keep a delivery, and carry it out soon; False when it was delivered before.

        Raises `NotOpen` when the address was taken out of use, and `StoreUnavailable`.
        """
        document = dump(Delivered(one.forge, one.repository, one.account, push))
        now = self.acting.clock.now()
        names = tuple(f"{MOUNTED}:{one.mark[:24]}:{key}" for key in keys)

        def keep(book: SqlBook) -> bool:
            is_now = book.attached.find(one.pipeline, one.repository)
            if is_now is None or not is_now.is_open or is_now.mark != one.mark:
                raise NotOpen
            if not all([book.chats.is_new(name, now) for name in names]):  # noqa: C419 - each of them is remembered
                return False
            book.pushes.keep(one.pipeline, names[0], now, document)
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
            await self.acting.store.transact(lambda book: self._begin(book, kept))
        except (Interrupted, StoreUnavailable):
            raise
        except Refused as refusal:
            await self._close(kept, "refused", f"{refusal} {refusal.hint}".strip())
        except SluiceError as error:
            await self._close(kept, "broke", str(error))
        except Exception as error:  # noqa: BLE001 - a worker's loop: one delivery that breaks must not stop the others
            _LOG.exception("Carrying out push %s of %s", kept.seq, kept.pipeline)
            await self._close(kept, "broke", f"It broke ({type(error).__name__}); the log says how.")

    async def _close(self, kept: KeptPush, outcome: str, said: str) -> None:
        """Write down that nothing was started, of what was pushed too if that can be read."""
        try:
            delivered = delivered_of(kept)
        except Broken:
            delivered = None
        became = Became(outcome, said)
        await self.acting.store.transact(lambda book: self._told(book, kept, delivered, became))

    def _begin(self, book: SqlBook, kept: KeptPush) -> None:
        """Start what the push starts, and write down what became of it."""
        now_open = book.pushes.find(kept.seq)
        if now_open is None or not now_open.is_open:
            return
        delivered = delivered_of(kept)
        wanted = wanted_of(resolve(book.pipelines.load(kept.pipeline).text, {}))
        if wanted is None or wanted.source.git != delivered.repository:
            raise Refused(f"{kept.pipeline} is not started by pushes to {delivered.repository} any more.")
        decision = decide(delivered.push, wanted, _own_logins(book, delivered))
        if not isinstance(decision, Starts):
            self._told(book, kept, delivered, Became("passed", f"Nothing was started: {decision.why}."))
            return
        order = Order(
            pipeline=kept.pipeline,
            by=_pusher(book, delivered),
            room=self.room,
            changes=decision.changes,
            reason=because(delivered.push),
            by_itself=True,
            pushed=decision.pushed,
        )
        run = self.acting.control.start(book, order)
        self._told(book, kept, delivered, Became("started", f"{run.id} was started.", run.id))

    def _told(self, book: SqlBook, kept: KeptPush, delivered: Delivered | None, became: Became) -> None:
        book.pushes.close(kept.seq, became.outcome, became.said, became.run)
        push = delivered.push if delivered else None
        what = f" {push.kind} {push.ref} {push.after[:12] or 'deleted'}" if push else ""
        deed = Deed(
            key=kept.key,  # not its number, which a database may give again once the newest are forgotten
            at=self.acting.clock.now(),
            person=_pusher(book, delivered) if delivered else PersonId(""),
            account=f"{delivered.forge}:{delivered.push.login}"[:_LONGEST_PERSON] if delivered else "",
            room=HOOKS,
            line=f"push {kept.pipeline}{what}",
            outcome={"started": "done", "passed": "done"}.get(became.outcome, became.outcome),
            said=became.said,
        )
        book.audit.add(deed)


def delivered_of(kept: KeptPush) -> Delivered:
    """Read what was pushed. Raises `Broken` when an earlier version wrote it in another form, or it is damaged."""
    try:
        return load(Delivered, kept.document)
    except ValueError as error:
        raise Broken(f"What was pushed to {kept.pipeline} cannot be read any more.") from error


def _pusher(book: SqlBook, delivered: Delivered) -> PersonId:
    """Whoever pushed: the person who has bound that login, or its name at the forge."""
    forge, login = ForgeName(delivered.forge), delivered.push.login
    origin = _origin(book, delivered)
    known = book.code_accounts.person_of(forge, origin, login)
    where = forge.value if origin == KINDS[forge].origin else urlsplit(origin).hostname
    return known or PersonId(f"{where}:{login}"[:_LONGEST_PERSON])


def _origin(book: SqlBook, delivered: Delivered) -> str:
    """Where the forge is: as the account says; without one, as the repository's address does."""
    account = book.code_accounts.find(delivered.account) if delivered.account else None
    if account is not None:
        return account.origin
    kind, host = KINDS[ForgeName(delivered.forge)], urlsplit(delivered.repository)
    if not host.hostname or host.hostname == urlsplit(kind.origin).hostname:
        return kind.origin
    return f"{host.scheme}://{host.netloc}"


def _own_logins(book: SqlBook, delivered: Delivered) -> tuple[str, ...]:
    """The logins at this forge that are no person's: apps, as which Sluice itself signs in."""
    origin = _origin(book, delivered)
    return tuple(one.login for one in book.code_accounts.all() if one.app and one.origin == origin)

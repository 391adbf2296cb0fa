"""Webhooks at the forges, kept as they should be: attached, changed, repaired, taken away.

The danger is a forge that answers late or not at all, a call whose answer got lost, people who delete or change a
webhook there, and a bot that dies in between. The promise: there is one webhook with the right address and secret, or
it is said why not and how to do it by hand. It holds because a webhook is found again by its address, so every call
may be repeated; because what is known is looked at anew every half hour; and because what is to be taken away is
remembered until it is.

An account that is being unbound is used until what it attached is gone, and for an hour at most: then it is forgotten
all the same, and what is left at the forge is said.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.cards import Field, Tone
from bot.keyring import Keyring
from bot.pushes.naming import Naming
from bot.pushes.wishes import Wishes
from engine.errors import Broken, Interrupted, SluiceError
from engine.forges.hosting import CodeHost, HookFound, HookWish, RateLimited
from engine.forges.hosts import repository_path
from engine.ports import Clock
from storage.attached import Attached, State
from storage.book import SqlBook
from storage.code_accounts import CodeAccount
from storage.store import SqlStore

LOOK_AGAIN = timedelta(minutes=30)
"""How long what is attached is believed, and how long a refusal is."""
TRY_AGAIN = timedelta(minutes=1)
GIVE_UP = timedelta(hours=1)
ANEW_EVERY = timedelta(minutes=10)
"""How often a webhook is attached anew because of what came there without its secret, which anybody can send."""
WAITED_FOR = 4.0
"""Seconds that an answer waits for the forge."""
BY_HAND = "By hand: `webhook {0} secret` tells the address and the secret, alone with me."
_NO_ADDRESS = "SLUICE_HOOKS_URL is not set, so a forge cannot be told where Sluice is"
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Attaching:
    """Keeps webhooks. `say_in` tells one room; False: there is none.

    `announce` tells what does not work to those who follow a pipeline; None: to the lobby alone.
    """

    store: SqlStore
    clock: Clock
    keyring: Keyring
    naming: Naming
    announce: Callable[[str, Tone, str | None], Awaitable[None]]
    say_in: Callable[[str, str, Tone], Awaitable[bool]]
    patience: float = WAITED_FOR
    _wishes: Wishes = field(init=False)
    _open: dict[str, Attached] = field(default_factory=dict)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _again: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _refused: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    _anew: dict[str, datetime] = field(default_factory=dict)
    _looks: int = 0
    _looked: int = 0

    def __post_init__(self) -> None:
        """Make what plans."""
        self._wishes = Wishes(self.naming)

    def open(self, mark: str) -> Attached | None:
        """The webhook whose address has this hash, if deliveries are taken there."""
        return self._open.get(mark)

    async def refused(self, one: Attached, why: str, *, is_unproven: bool) -> None:
        """Remember a delivery that was not taken. What was attached and has another secret now gets it again, soon."""
        now = self.clock.now()
        self._refused[one.mark] = now, why
        if not is_unproven or one.state != "attached" or now < self._anew.get(one.mark, now):
            return
        self._anew[one.mark] = now + ANEW_EVERY
        try:
            await self.store.transact(lambda book: want_anew(book, one))
        except SluiceError as error:
            _LOG.warning("The webhook of %s is not attached anew: %s", one.pipeline, error)

    def last_refused(self, one: Attached) -> tuple[datetime, str] | None:
        """When a delivery was not taken last since the start, and why."""
        return self._refused.get(one.mark)

    async def load(self) -> None:
        """Plan, and know which addresses there are. Asks no forge."""
        await self._wishes.plan(self.store)
        self._looks += 1
        this = self._looks
        known = await self.store.read(lambda book: book.attached.all())
        if this > self._looked:  # whoever looked later, and was answered sooner, knows more
            self._looked, self._open = this, {one.mark: one for one in known if one.is_open}

    async def tend(self) -> None:
        """Make one pass: plan, then do at the forges what is due."""
        async with self._alone:
            await self.load()
            for one in await self.store.read(lambda book: book.attached.all()):
                if self._is_due(one):
                    await self._reach(one)
            await self._forget_accounts()
            await self.load()

    async def follow(self, pipeline: str) -> Sequence[Field]:
        """Do at once what a new definition needs, and say in a field how it went; nothing when it needs nothing."""
        await self.load()
        found = await self.store.read(lambda book: book.attached.of(pipeline))
        if not any(one.state != "gone" for one in found):
            return ()
        if not await self.soon(pipeline):
            return (Field("Pushes", f"the webhook is being attached; `webhook {pipeline}` tells how that went"),)
        now = await self.store.read(lambda book: book.attached.of(pipeline))
        return tuple(Field("Pushes", state_of(one)) for one in now if one.is_open)

    async def soon(self, pipeline: str) -> bool:
        """Hurry, for as long as somebody may wait for an answer; False when it was not done by then."""
        try:
            async with asyncio.timeout(self.patience):
                await self.hurry(pipeline)
        except TimeoutError:
            return False
        return True

    async def hurry(self, pipeline: str) -> None:
        """Do what is wanted for one pipeline without waiting for its time."""
        async with self._alone:
            await self.load()
            for one in await self.store.read(lambda book: book.attached.of(pipeline)):
                if one.state in ("wanted", "leaving"):
                    await self._reach(one)
            await self.load()

    def _is_due(self, one: Attached) -> bool:
        now, key = self.clock.now(), (one.pipeline, one.repository)
        if one.state not in ("wanted", "leaving", "attached") or now < self._again.get(key, now):
            return False
        settled = one.state == "attached" or (one.state == "wanted" and one.trouble)
        return not settled or one.checked_at is None or now - one.checked_at >= LOOK_AGAIN

    async def _reach(self, one: Attached) -> None:
        """Bring one webhook to where it should be, and write down what came of it."""
        now = self.clock.now()
        try:
            reached = await (self._taken_away(one) if one.state == "leaving" else self._attached(one))
        except Interrupted as error:
            after = error.after if isinstance(error, RateLimited) else TRY_AGAIN
            self._again[one.pipeline, one.repository] = now + after
            reached = replace(one, trouble=f"{error} It is tried again.", checked_at=one.checked_at)
        except SluiceError as error:
            state: State = "gone" if one.state == "leaving" else "wanted"
            reached = replace(one, state=state, trouble=f"{error} {error.hint}".strip(), checked_at=now)
        await self._keep(one, reached)

    async def _keep(self, before: Attached, after: Attached) -> None:
        if after != before:
            await self.store.transact(lambda book: _put(book, before, after))
        if after.trouble and after.trouble != before.trouble:
            said = f"The webhook of {after.pipeline} at {after.repository}: {after.trouble}"
            hint = BY_HAND.format(after.pipeline) if after.state == "wanted" else "Take it away there by hand."
            await self.announce(f"{said} {hint}", Tone.BAD, after.pipeline)

    async def _attached(self, one: Attached) -> Attached:
        if not self.naming.url:
            raise Broken(f"{_NO_ADDRESS}.", "Whoever runs Sluice sets it to the address of the port for machines.")
        host, path = await self.keyring.host(one.account), repository_path(one.repository)
        wish = HookWish(self.naming.address(one), self.naming.secret(one), pushes=one.pushes, tags=one.tags)
        hook = await self._made(host, path, one, wish)
        return replace(one, state="attached", hook=hook, trouble="", checked_at=self.clock.now())

    async def _made(self, host: CodeHost, path: str, one: Attached, wish: HookWish) -> str:
        """Find the webhook again, make it right or attach it; returns its id. What there is twice is taken away."""
        there = await host.hooks(path)
        ours = [hook for hook in there if hook.url == wish.url] or [hook for hook in there if _is_it(hook, one)]
        addresses = self.naming.earlier(one) | {wish.url}
        for stale in there:
            if stale.url in addresses and stale not in ours[:1]:
                await host.delete_hook(path, stale.id)
        if not ours:
            return await host.create_hook(path, wish)
        if one.state != "attached" or one.hook != ours[0].id or not ours[0].fits(wish):
            await host.update_hook(path, ours[0].id, wish)
        return ours[0].id

    async def _taken_away(self, one: Attached) -> Attached:
        host, path = await self.keyring.host(one.account, leaving=True), repository_path(one.repository)
        addresses = self.naming.earlier(one) | {self.naming.address(one)}
        for hook in await host.hooks(path):
            if hook.url in addresses or _is_it(hook, one):
                await host.delete_hook(path, hook.id)
        return replace(one, state="gone", hook="", trouble="", checked_at=self.clock.now())

    async def _forget_accounts(self) -> None:
        """Forget the accounts that are being unbound and have nothing attached any more, or never lose it."""
        accounts, rows = await self.store.read(lambda book: (book.code_accounts.all(), book.attached.all()))
        for account in accounts:
            if account.leaving_at is None:
                continue
            left = [one for one in rows if one.account == account.name and one.state == "leaving"]
            if not left or self.clock.now() - account.leaving_at > GIVE_UP:
                await self._forget(account, left)

    async def _forget(self, account: CodeAccount, left: Sequence[Attached]) -> None:
        await self.store.transact(lambda book: _remove(book, account, left))
        self.keyring.forget(account.name)
        self._wishes.forget(account.name)
        said = f"{account.name} is unbound: Sluice cannot sign in as {account.login} any more."
        if left:
            said += f" These webhooks could not be taken away: {', '.join(one.repository for one in left)}."
        await self._say(account.room, said, Tone.BAD if left else Tone.PLAIN)

    async def _say(self, room: str, said: str, tone: Tone) -> None:
        """Say it where it was asked for; where that cannot be, in the lobby."""
        try:
            is_said = await self.say_in(room, said, tone)
        except SluiceError as error:
            _LOG.warning("%s is not told: %s", room, error)
            is_said = False
        if not is_said:
            await self.announce(said, tone, None)


def state_of(one: Attached) -> str:
    """Say in a few words how a webhook is."""
    what = " and ".join(["branches"] * one.pushes + ["new tags"] * one.tags)
    match one.state:
        case "attached":
            return f"the webhook is attached, for {what}"
        case "manual":
            return f"`webhook {one.pipeline} secret` tells what to paste at the forge, for {what}"
        case "wanted":
            return f"not attached: {one.trouble} {BY_HAND.format(one.pipeline)}" if one.trouble else "being attached"
        case "leaving":
            return "being taken away"
        case _:
            return f"taken away. {one.trouble}".strip()


def want_anew(book: SqlBook, one: Attached) -> bool:
    """Have it looked at now, and its secret given to the forge once more."""
    now = book.attached.find(one.pipeline, one.repository)
    if now is not None and now.account and now.is_open:
        book.attached.put(replace(now, state="wanted", trouble="", checked_at=None))
    return True


def _is_it(hook: HookFound, one: Attached) -> bool:
    """Whether it is the one that was attached, although its address is another now: SLUICE_HOOKS_URL was changed."""
    return bool(one.hook) and hook.id == one.hook and "/push/" in hook.url


def _put(book: SqlBook, before: Attached, after: Attached) -> None:
    """Keep it, unless it was planned anew meanwhile."""
    now = book.attached.find(before.pipeline, before.repository)
    if now == before:
        book.attached.put(after)


def _remove(book: SqlBook, account: CodeAccount, left: Sequence[Attached]) -> None:
    for one in left:
        book.attached.put(replace(one, state="gone", trouble="It could not be taken away in time."))
    book.code_accounts.remove(account.name)

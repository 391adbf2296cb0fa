"""Which webhooks there should be: what the definitions say, held against what is known. In one transaction, no forge.

A pipeline's newest definition decides. What it does not need any more is marked to be taken away, and so is what a
deleted pipeline or an account that is being unbound has left.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bot.pushes.naming import Naming
from engine.complaints import Complaints
from engine.forges.auto_build import Wanted, wanted_of
from engine.forges.hosting import ForgeName
from engine.forges.hosts import forge_at
from engine.pipeline import resolve
from storage.attached import Attached
from storage.book import SqlBook
from storage.store import SqlStore


@dataclass(slots=True)
class Wishes:
    """Plans. Definitions that were planned once are read again only when they have changed."""

    naming: Naming
    _seen: dict[str, int] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)

    async def plan(self, store: SqlStore) -> None:
        """Bring what should be up to the definitions as they are now."""
        planned, stale = await store.transact(self._planned)
        self._seen = planned
        self._stale -= stale

    def _planned(self, book: SqlBook) -> tuple[dict[str, int], frozenset[str]]:
        """Plan; returns the versions that were, and the accounts that are no longer stale, for when it is committed."""
        seen, stale = dict(self._seen), frozenset(self._stale)
        there = book.attached.versions()
        known: dict[str, list[Attached]] = {}
        for one in book.attached.all():
            known.setdefault(one.pipeline, []).append(one)
        for name in known.keys() - there.keys():
            seen.pop(name, None)
            _leave(book, known[name])
        for one in (row for rows in known.values() for row in rows if row.account in stale):
            seen.pop(one.pipeline, None)
        for name, version in there.items():
            if seen.get(name) != version and self._plan(book, name, known.get(name, [])):
                seen[name] = version
        self._leave_with_accounts(book)
        return seen, stale

    def forget(self, account: str) -> None:
        """Plan anew, from the next time on, what was wanted of an account that is gone."""
        self._stale.add(account)

    def _plan(self, book: SqlBook, name: str, known: list[Attached]) -> bool:
        """Plan for one pipeline; False when something has to be taken away before more can be planned."""
        text = book.pipelines.load(name).text
        wanted = _wanted(text) if "auto_build" in text else None
        keeps = wanted.source.git if wanted else ""
        _leave(book, [one for one in known if one.repository != keeps])
        if wanted is None:
            return True
        was = next((one for one in known if one.repository == keeps), None)
        if was is not None and was.account and was.hook and was.state != "gone" and wanted.auto.webhook == "manual":
            _leave(book, [was])  # or it would stay there, and deliver beside the one that is pasted
            return False
        wish = self._wish(book, name, wanted, was)
        if wish != was:
            book.attached.put(wish)
        return True

    def _wish(self, book: SqlBook, name: str, wanted: Wanted, was: Attached | None) -> Attached:
        """What there should be, in place of what was."""
        automatic = wanted.auto.webhook == "automatic"
        account = (wanted.source.account or "") if automatic else ""
        wish = Attached(
            pipeline=name,
            repository=wanted.source.git,
            forge=_forge(book, wanted),
            account=account,
            mark="",
            pushes=bool(wanted.auto.branches),
            tags=bool(wanted.auto.tags),
            state="wanted" if automatic else "manual",
        )
        if was is None:
            return self.naming.marked(wish)
        wish = replace(wish, generation=was.generation, mark=was.mark, shown=was.shown, hook=was.hook)
        if not was.is_open or (was.account and not account and not was.shown):
            hook = "" if was.state == "gone" else was.hook
            return self.naming.marked(replace(wish, generation=was.generation + 1, shown=False, hook=hook))
        same = (was.account, was.forge, was.pushes, was.tags) == (wish.account, wish.forge, wish.pushes, wish.tags)
        return was if same and was.is_open else wish

    def _leave_with_accounts(self, book: SqlBook) -> None:
        leaving = {one.name for one in book.code_accounts.all() if one.leaving_at is not None}
        _leave(book, [one for one in book.attached.all() if one.account in leaving and one.is_open])


def _leave(book: SqlBook, found: Iterable[Attached]) -> None:
    """Mark what is to be taken away. What a person attached by hand, and what never was attached, is gone at once."""
    for one in found:
        if one.is_open:
            book.attached.put(replace(one, state="leaving" if one.account else "gone", checked_at=None, trouble=""))


def _wanted(text: str) -> Wanted | None:
    try:
        return wanted_of(resolve(text, {}))
    except Complaints:
        return None  # a definition of an earlier version, which no run can be made of either


def _forge(book: SqlBook, wanted: Wanted) -> str:
    """Whose deliveries come: as the definition says, else as the account or the address does."""
    if wanted.auto.forge:
        return wanted.auto.forge
    account = book.code_accounts.find(wanted.source.account) if wanted.source.account else None
    if account is not None:
        return account.forge
    return forge_at(wanted.source.git) or ForgeName.GITLAB.value

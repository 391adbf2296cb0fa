"""Code accounts in use: from a name to its forge, signed in, or to what git is told.

Here is the only place where what an account signs in with is opened. It is handed to the adapter of its forge, and to
git for addresses of that forge alone: a definition that names an account beside somebody else's address gets nothing.
"""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from engine.errors import Refused, SluiceError, StageFailure
from engine.forges.credential import Credential
from engine.forges.hosting import Access, CodeHost, ForgeName
from engine.forges.hosts import GITHUB_API, Hosts, api_of, git_origin, host_of
from engine.model import PersonId
from engine.ports import Clock
from engine.redaction import Redaction
from engine.source import Source
from storage.book import SqlBook
from storage.code_accounts import CodeAccount, NoAccount
from storage.store import SqlStore
from storage.vault import Vault

NOTED_EVERY = timedelta(minutes=1)
_PORTS = {"https": 443, "http": 80}
_LOG = logging.getLogger(__name__)


class AnotherForge(StageFailure):
    """The account is not of the forge at this address."""

    def __init__(self, name: str, origin: str, url: str) -> None:
        super().__init__(
            f"The code account {name} is of {origin}, and {url} is not there; it gets no token.",
            "Name an account that was bound at the repository's own forge.",
        )


class AccountLeaving(Refused):
    """The account is not used any more."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"The code account {name} is not used any more: {why}.", "Bind another one.")


@dataclass(slots=True)
class Keyring:
    """Opens accounts. Adapters are kept while their account is the same, with the tokens that they have fetched."""

    store: SqlStore
    vault: Vault
    clock: Clock
    hosts: Hosts
    github_api: str = GITHUB_API
    redaction: Redaction = field(default_factory=Redaction)
    _made: dict[str, tuple[str, CodeHost]] = field(default_factory=dict)

    async def host(self, name: str, *, leaving: bool = False) -> CodeHost:
        """The forge, signed in as an account. `leaving`: also as one that is being unbound. Raises `Refused`."""
        return await self._host(await self._usable(name, leaving=leaving))

    async def credential(self, name: str, url: str) -> Credential | None:
        """What git is told for a repository at `url`. Raises `StageFailure`, or `Interrupted`."""
        try:
            account = await self._usable(name)
            origin = git_origin(self.access(account))
            if _place(url) != _place(origin):
                raise AnotherForge(name, origin, url)
            return await (await self._host(account)).credential()
        except Refused as refusal:
            raise StageFailure(str(refusal), refusal.hint) from refusal

    def access(self, account: CodeAccount) -> Access:
        """What an account signs in with, opened. Raises `Broken` when its key is gone."""
        forge = ForgeName(account.forge)
        return Access(
            forge=forge,
            origin=account.origin,
            api=api_of(forge, account.origin, self.github_api),
            secret=self._opened(account),
            login=account.login,
            app=account.app,
            installation=account.installation,
        )

    def _opened(self, account: CodeAccount) -> str:
        secret = self.vault.open(account.sealed)
        self.redaction.add(secret, *secret.split())
        return secret

    async def _usable(self, name: str, *, leaving: bool = False) -> CodeAccount:
        account, known = await self.store.read(lambda book: _found(book, name))
        if account.leaving_at is not None and not leaving:
            raise AccountLeaving(name, "it is being unbound")
        if not known and not account.app and not leaving:
            raise AccountLeaving(name, f"nobody here knows {account.person}, who bound it")
        return account

    async def _host(self, account: CodeAccount) -> CodeHost:
        made = self._made.get(account.name)
        if made is None or made[0] != account.sealed:
            made = self._made[account.name] = account.sealed, self.hosts.of(self.access(account))
        await self._note(account)
        return made[1]

    async def _note(self, account: CodeAccount) -> None:
        """Write down that it is used; that this fails keeps nobody from using it."""
        now = self.clock.now()
        if account.used_at is not None and now - account.used_at < NOTED_EVERY:
            return
        try:
            await self.store.transact(lambda book: book.code_accounts.used(account.name, now))
        except SluiceError as error:
            _LOG.warning("That %s is used is not written down: %s", account.name, error)

    def forget(self, name: str) -> None:
        """Keep nothing of an account any more."""
        self._made.pop(name, None)


def may_use(account: CodeAccount, person: PersonId) -> bool:
    """Whether a person may name the account in a definition, and look through it."""
    return account.leaving_at is None and (account.shared or account.person == person)


def usable(book: SqlBook, person: PersonId, name: str) -> CodeAccount:
    """The account, if the person may use it. One of somebody else's is as if it were not there."""
    account = book.code_accounts.find(name)
    if account is None or not (account.shared or account.person == person):
        raise NoAccount(name)
    if account.leaving_at is not None:
        raise AccountLeaving(name, "it is being unbound")
    return account


def check_accounts(book: SqlBook, person: PersonId, sources: tuple[Source, ...], before: tuple[Source, ...]) -> None:
    """Refuse a definition that names an account which is not there, not this person's, or of another forge.

    What the definition has named before, for the same repository, it keeps, whoever changes it.
    """
    known = {(one.account, one.git) for one in before}
    for source in sources:
        if not source.account or (source.account, source.git) in known:
            continue
        account = usable(book, person, source.account)
        access = Access(ForgeName(account.forge), account.origin, "", "")
        origin = git_origin(access)
        place_of = _place if _place(source.git)[0] in _PORTS else host_of  # over ssh no token is asked for
        if place_of(source.git) != place_of(origin):
            raise Refused(
                f"The account {account.name} is of {origin}, and {source.git} is not there.",
                "Name an account of the repository's own forge, or none.",
            )


def rebound(old: CodeAccount | None, new: CodeAccount) -> CodeAccount:
    """Return an account that is bound again: shared as it was."""
    return new if old is None else replace(new, shared=old.shared)


def _found(book: SqlBook, name: str) -> tuple[CodeAccount, bool]:
    account = book.code_accounts.load(name)
    return account, book.people.find(account.person) is not None


def _place(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def moment(at: datetime | None) -> str:
    """A moment in a table."""
    return at.strftime("%Y-%m-%d %H:%M") if at else "never"

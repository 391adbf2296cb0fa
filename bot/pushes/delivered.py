"""What a forge delivered, as it is kept, and who pushed it: a person here, or a login there."""

import contextlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.errors import Broken
from engine.forges.hosting import ForgeName
from engine.forges.hosts import KINDS, host_of, is_at
from engine.forges.payloads import Push
from engine.model import PersonId
from storage.book import SqlBook
from storage.codec import load
from storage.pushes import KeptPush

LONGEST_PERSON = 120


@dataclass(frozen=True, slots=True)
class Delivered:
    """A push as it is kept: of which forge, for which repository, attached with which account (empty: by hand)."""

    forge: str
    repository: str
    account: str
    push: Push


def delivered_of(kept: KeptPush) -> Delivered:
    """Read what was pushed. Raises `Broken` when an earlier version wrote it in another form, or it is damaged."""
    try:
        return load(Delivered, kept.document)
    except ValueError as error:
        raise Broken(f"What was pushed to {kept.pipeline} cannot be read any more.") from error


def readable(kept: KeptPush) -> Delivered | None:
    """What was pushed, if it can be read."""
    with contextlib.suppress(Broken):
        return delivered_of(kept)
    return None


def pusher(book: SqlBook, delivered: Delivered) -> PersonId:
    """Whoever pushed: the person who has bound that login, or its name at the forge."""
    forge, login = ForgeName(delivered.forge), delivered.push.login
    origin = _origin(book, delivered)
    known = book.code_accounts.person_of(forge, origin, login)
    where = forge.value if origin == KINDS[forge].origin else urlsplit(origin).hostname
    return known or PersonId(f"{where}:{login}"[:LONGEST_PERSON])


def _origin(book: SqlBook, delivered: Delivered) -> str:
    """Where the forge is: as the account says; without one, as any account there does, or the repository's address."""
    account = book.code_accounts.find(delivered.account) if delivered.account else None
    if account is not None:
        return account.origin
    forge, url = ForgeName(delivered.forge), delivered.repository
    bound = [one.origin for one in book.code_accounts.all() if one.forge == forge]
    near = [origin for origin in (KINDS[forge].origin, *bound) if is_at(url, forge, origin)]
    if near or not host_of(url):
        return near[0] if near else KINDS[forge].origin
    address = urlsplit(url)
    return f"{address.scheme}://{address.netloc}" if address.scheme in ("https", "http") else f"https://{host_of(url)}"


def own_logins(book: SqlBook, delivered: Delivered) -> tuple[str, ...]:
    """The logins at this forge that are no person's: apps, as which Sluice itself signs in."""
    origin = _origin(book, delivered)
    return tuple(one.login for one in book.code_accounts.all() if one.app and one.origin == origin)

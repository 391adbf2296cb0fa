"""The database's address, read from what an operator wrote.

It holds a password, and where an ``@`` of that password is not encoded its rest becomes the host's name, which every
driver repeats when it finds no such host. So such an address is refused before anything is opened, and no sentence
holds a part of any.
"""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import Broken
from storage.libpq import without_options


class NoAddress(Broken):
    """The setting is no address of a database that Sluice can use."""

    def __init__(self) -> None:
        super().__init__(
            "SLUICE_DATABASE is no address of a database that Sluice can use.",
            "Set it to postgresql+psycopg://USER:PASSWORD@HOST/DATABASE (in the password, @ is %40 and / is %2F), or "
            "leave it empty for SQLite in the home.",
        )


class NotEncoded(Broken):
    """The address does not tell where its password ends."""

    def __init__(self) -> None:
        super().__init__(
            "SLUICE_DATABASE does not tell where its password ends: an @ or a / before the host is not encoded.",
            "In the user and the password write @ as %40, / as %2F and : as %3A.",
        )


def address_of(url: str) -> URL:
    """Read it. Raises `NoAddress` or `NotEncoded`."""
    if _is_ambiguous(url):
        raise NotEncoded
    try:
        return make_url(url)
    except (SQLAlchemyError, ValueError):
        raise NoAddress from None


def _is_ambiguous(url: str) -> bool:
    """Whether the host may be something else than what follows the first ``@``. SQLite's files may be named so."""
    scheme, _, rest = without_options(url).partition("://")
    who, is_named, where = rest.partition("@")
    return not scheme.startswith("sqlite") and ("@" in where or ("/" in who.partition(":")[0] and bool(is_named)))

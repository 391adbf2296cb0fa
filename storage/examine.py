"""Look at a database without making or changing anything: for `sluice doctor`."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import Broken
from engine.model import RoomId
from storage.address import NoAddress, address_of
from storage.book import SqlBook
from storage.faults import translated
from storage.migrate import newest

PATIENCE = 2
MOST = 10_000
"""Definitions that are looked at."""
_WAITING = {"sqlite": "timeout", "postgresql": "connect_timeout"}
"""The kinds that Sluice can use, and how their drivers call the seconds that they wait."""
_CURES = {
    "sqlite": "See that the user that Sluice runs as may write to it and to its folder, that no other program locks "
    "it, and that its disk has room.",
    "postgresql": "See that it runs, that SLUICE_DATABASE names its host, user, password and database, that it takes "
    "writes, and that its disk has room.",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """A room that is told nothing any more: why not, of which pipelines it `wants` to be told, whose it is alone."""

    room: RoomId
    why: str
    wants: tuple[str, ...] = ()
    person: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A database's `state`, the `rooms` that show cards or want to be told something, and the `definitions` in it.

    ``absent``: a file that is not there yet; ``new``, ``old`` or ``current``: at which of our versions it is; ``other``
    when it is not ours.
    """

    state: str
    rooms: tuple[RoomId, ...] = ()
    definitions: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()


def examine(url: str) -> Seen:
    """Look once. Raises `Broken` when it cannot be reached or written to; no sentence holds its password."""
    address = _parsed(url)
    kind = address.get_backend_name()
    engine = _engine(address)
    try:
        if kind == "sqlite" and _is_absent(address):
            return Seen("absent")
        with engine.connect() as connection:
            return _look(engine, connection)
    except (SQLAlchemyError, OSError) as error:
        raise Broken(str(translated(error)), _CURES[kind]) from error


def _parsed(url: str) -> URL:
    address = address_of(url)
    kind = address.get_backend_name()
    if kind not in _WAITING or (kind == "sqlite" and (address.host or address.database in (None, "", ":memory:"))):
        raise NoAddress
    return address


def _engine(address: URL) -> Engine:
    kind = address.get_backend_name()
    if kind == "sqlite":
        address = _of_a_file_that_is_there(address)
    try:
        return create_engine(address, poolclass=NullPool, connect_args={_WAITING[kind]: PATIENCE})
    except (SQLAlchemyError, ImportError, ValueError, TypeError):
        raise NoAddress from None


def _is_absent(address: URL) -> bool:
    """Whether the file is not there and could be made. Raises `Broken` when its folder is not there either."""
    path = Path(address.database or "")
    if str(path).startswith("file:") or path.exists():
        return False
    if not path.parent.is_dir():
        raise Broken(f"The folder of the database is not there: {path.parent}", f"mkdir -p {path.parent}")
    return True


def _of_a_file_that_is_there(address: URL) -> URL:
    """Return the address with which SQLite makes no file."""
    name = address.database or ""
    if not name.startswith("file:"):
        name = f"file:{quote(str(Path(name).absolute()))}"
    return address.set(database=name).update_query_dict({"uri": "true", "mode": "rw"})


def _look(engine: Engine, connection: Connection) -> Seen:
    found = MigrationContext.configure(connection).get_current_heads()
    if found == (newest(),):
        _try_to_write(connection)
        book = SqlBook(connection)
        definitions = (stored.text for stored in book.pipelines.page("", MOST))
        lost = tuple(_lost(book, room, why) for room, why in book.rooms.lost().items())
        return Seen("current", tuple(book.rooms.speaking()), tuple(definitions), lost)
    if found:
        return Seen("old")
    return Seen("other" if engine.dialect.has_table(connection, "runs") else "new")


def _lost(book: SqlBook, room: RoomId, why: str) -> Lost:
    whose = book.accounts.alone_in(room)
    wants = tuple(wish.pipeline for wish in book.subscriptions.of_room(room))
    return Lost(room, why, wants, "" if whose is None else whose.person)


def _try_to_write(connection: Connection) -> None:
    """Take what a writer needs, and give it back."""
    connection.execute(text("UPDATE counters SET value = value WHERE name = ''"))
    connection.rollback()

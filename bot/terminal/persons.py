"""`sluice person`: who may speak here, said to the running bot or, without one, to its database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from bot.audit.marks import Marks, chain_key
from bot.persons import add, remove
from bot.secrecy.sealing import vault_of
from bot.settings import Settings
from bot.terminal.client import Client, NotRunning
from engine.clock import WallClock
from engine.errors import Refused
from engine.model import PersonId
from storage.store import SqlStore

people = typer.Typer(no_args_is_help=True, help="Who may speak here.")
T = TypeVar("T")


@people.command("add")
def add_person(
    name: str,
    email: Annotated[str | None, typer.Option(help="Where mail goes; empty takes it away.")] = None,
    phone: Annotated[str | None, typer.Option(help="Where a gateway for phones writes; empty takes it away.")] = None,
) -> None:
    """Make a person known, who may then speak and review. Said again, it changes the addresses that are given."""
    settings = Settings.read()
    try:
        person = Client(settings.socket).add_person(name, email, phone)
    except NotRunning:
        person = asyncio.run(_change(settings, lambda store: add(store, WallClock(), name, email, phone)))
    ways = [way for way in (person.email, person.phone) if way]
    print(f"{person.id} is known{', and told at ' if ways else ''}{' and '.join(ways)}.")  # noqa: T201


@people.command("list")
def listknown() -> None:
    """Print everybody who may speak here."""
    for name in asyncio.run(known(Settings.read())) or []:
        print(name)  # noqa: T201


@people.command("remove")
def remove_person(name: str) -> None:
    """Know a person no more: they can neither speak nor decide, in any chat. What they did stays told."""
    settings = Settings.read()
    try:
        asking = Client(settings.socket).remove_person(name)
    except NotRunning:
        asking = asyncio.run(_change(settings, lambda store: remove(store, WallClock(), name)))
    if asking is None:
        raise Refused(f"Nobody here knows {name.strip()!r}.", "`sluice person list` lists everybody.")
    print(f"{name.strip()} is not known any more.\n{asking}".strip())  # noqa: T201


async def _change(settings: Settings, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    """Change the database of a Sluice that does not run."""
    settings.make_home()
    vault = vault_of(settings)
    store = SqlStore.open(settings.database_url, chain_key=chain_key(vault))
    store.start()
    try:
        await Marks(store, WallClock(), vault, settings.home).begin()
        return await work(store)
    finally:
        store.close()


async def known(settings: Settings) -> list[PersonId] | None:
    """Return everybody whom the Sluice of this home knows; None when there has been none to ask."""
    if not settings.database and not (settings.home / "sluice.db").exists():
        return None
    store = SqlStore.open(settings.database_url, migrate=False)
    try:
        return await store.read(lambda book: book.people.names())
    finally:
        store.close()

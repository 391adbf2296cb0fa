"""Code accounts: whether each still signs in at its forge, what it may not do, and whether forges can reach Sluice."""

import asyncio
from collections.abc import Iterable, Sequence

from bot.code.feature import private_networks
from bot.doctor.finding import Finding, ill, odd, well
from bot.keyring import Keyring
from bot.secrecy.sealing import KEY_FILE, vault_of
from bot.settings import Settings
from engine.clock import WallClock
from engine.errors import Refused, SluiceError
from engine.forges.auto_build import wanted_of
from engine.forges.hosts import Hosts
from engine.pipeline import resolve
from storage.code_accounts import CodeAccount
from storage.examine import Seen
from storage.store import SqlStore

MOST = 10
_NO_ADDRESS = "Set SLUICE_HOOKS_URL to the public address of the port for machines."


async def code(settings: Settings, seen: Seen, patience: float) -> list[Finding]:
    """Look at code accounts, and at what pushes need."""
    found = list(_pushes(settings, seen.definitions))
    if seen.state != "current" or (settings.keys is None and not (settings.home / KEY_FILE).exists()):
        return found
    try:
        return [*found, *await _accounts(settings, patience)]
    except SluiceError as error:
        return [*found, ill("code accounts", str(error), error.hint)]


def _pushes(settings: Settings, definitions: Iterable[str]) -> Iterable[Finding]:
    if settings.hooks_url:
        return
    for text in definitions:
        try:
            pipeline = resolve(text, {})
        except Refused:
            continue
        if wanted_of(pipeline) is not None:
            yield ill("pushes", f"Pushes start {pipeline.pipeline}, but no forge can be told where to.", _NO_ADDRESS)
            return


async def _accounts(settings: Settings, patience: float) -> Sequence[Finding]:
    hosts, store = Hosts(private_networks(settings)), SqlStore.open(settings.database_url, migrate=False)
    try:
        accounts = (await store.read(lambda book: book.code_accounts.all()))[:MOST]
        keyring = Keyring(store, vault_of(settings), WallClock(), hosts, settings.github_api)
        return await asyncio.gather(*(_account(keyring, one, patience) for one in accounts))
    finally:
        await hosts.close()
        await asyncio.to_thread(store.close)


async def _account(keyring: Keyring, account: CodeAccount, patience: float) -> Finding:
    what = f"account {account.name}"
    try:
        async with asyncio.timeout(patience):
            login = await keyring.hosts.of(keyring.access(account)).whoami()
    except TimeoutError:
        return ill(what, f"{account.origin} does not answer.", "See whether it can be reached from here.")
    except SluiceError as error:
        return ill(what, str(error), error.hint)
    if login.missing:
        return odd(what, f"{login.login} at {account.origin} lacks {'; '.join(login.missing)}.", "Bind it anew.")
    return well(what, f"{login.login} at {account.origin}")

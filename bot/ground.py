"""What everything else stands on: the database with its chain, the vault, the clock, the one door that changes runs."""

from dataclasses import dataclass

from bot.audit.marks import Marks, chain_key
from bot.packages.connect import shelf_of
from bot.secrecy.kept import KeptSecrets
from bot.secrecy.redacting import redaction_of
from bot.secrecy.sealing import vault_of
from bot.settings import Settings
from engine.clock import WallClock
from engine.control import Control
from engine.redaction import Redaction
from storage.package_shelf import PackageShelf
from storage.store import SqlStore
from storage.vault import Vault


@dataclass(frozen=True, slots=True, repr=False)
class Ground:
    """Made once, used by all."""

    settings: Settings
    clock: WallClock
    vault: Vault
    redaction: Redaction
    store: SqlStore
    kept: KeptSecrets
    marks: Marks
    control: Control
    packages: PackageShelf


def ground_of(settings: Settings) -> Ground:
    """Open what the settings name. Nothing runs yet."""
    clock, vault, redaction = WallClock(), vault_of(settings), redaction_of(settings)
    store = SqlStore.open(
        settings.database_url,
        synchronous=settings.synchronous,
        chain_key=chain_key(vault),
        redaction=redaction,
    )
    return Ground(
        settings=settings,
        clock=clock,
        vault=vault,
        redaction=redaction,
        store=store,
        kept=KeptSecrets(store, vault, redaction),
        marks=Marks(store, clock, vault, settings.home),
        control=Control(store, clock),
        packages=shelf_of(settings, store, clock),
    )

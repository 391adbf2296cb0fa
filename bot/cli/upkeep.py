"""`sluice key` and `sluice migrate`: what whoever keeps a Sluice does now and then."""

from bot.settings import Settings
from storage.migrate import upgrade
from storage.store import SqlStore
from storage.vault import new_key


def key() -> None:
    """Print a new key that secrets can be sealed with: put it in front of those in SLUICE_KEYS or the key file."""
    print(new_key())  # noqa: T201


def migrate() -> None:
    """Bring the database to this version's tables."""
    store = SqlStore.open(Settings.read().database_url, migrate=False)
    upgrade(store.engine)
    store.engine.dispose()
    print("The database is up to date.")  # noqa: T201

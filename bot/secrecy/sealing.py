"""The vault that the settings name: its keys from the environment, or else from a file in Sluice's home.

The composition root opens it once and hands it to whatever keeps secrets.
"""

from bot.settings import Settings
from storage.vault import Vault

KEY_FILE = "key"


def vault_of(settings: Settings) -> Vault:
    """Open the vault. Without keys in the settings a key file is made on the first start. Raises `Broken`."""
    if settings.keys is None:
        settings.make_home()
        return Vault.of_file(settings.home / KEY_FILE)
    given = settings.keys.get_secret_value().replace(",", " ").split()
    return Vault(given)

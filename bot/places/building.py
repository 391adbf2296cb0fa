"""The builders as the settings want them: where bundles are made, which Docker Engine builds, what registry gets it."""

from collections.abc import Mapping

from bot.registry_settings import RegistrySettings
from bot.settings import Settings
from engine.builders.bundle import BundleBuilder
from engine.builders.choice import Choice
from engine.builders.docker import DockerBuilder
from engine.builders.docker_engine import Engine
from engine.builders.registries import Registries
from engine.builders.registry import Registry
from engine.ports import Forge, Packages

SETTING = "SLUICE_REGISTRIES"


def builder_of(settings: Settings, forge: Forge, packages: Packages | None = None) -> Choice:
    """Make both builders."""
    engine, registries = engine_of(settings), registries_of(settings.registries)
    return Choice(
        bundles=BundleBuilder(settings.home / "bundles", forge, packages=packages),
        images=DockerBuilder(settings.home / "images", forge, engine, registries, packages),
    )


def engine_of(settings: Settings) -> Engine:
    """Return the Docker Engine of the settings; it may not be there."""
    return Engine(settings.docker_host)


def registries_of(settings: Mapping[str, RegistrySettings]) -> Registries:
    """Return the registries by the organizations whose images they have."""
    made = {name: registry_of(one) for name, one in settings.items()}
    of = {organization: made[name] for name, one in settings.items() for organization in one.organizations}
    return Registries(of, next((made[name] for name, one in settings.items() if not one.organizations), None))


def registry_of(settings: RegistrySettings) -> Registry:
    """Return one registry."""
    password = settings.password.get_secret_value() if settings.password else ""
    return Registry(settings.address, settings.user, password, setting=SETTING, account="user and password")

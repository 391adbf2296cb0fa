"""The parts of the package store, introduced to each other as the settings want it."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette

from bot.feature import MakeFeature
from bot.packages.access import ByOwner, ByToken
from bot.packages.app import package_web
from bot.packages.feature import PackageTalk
from bot.reach import Reach
from bot.settings import Settings
from engine.ports import Clock
from storage.package_files import PackageFiles
from storage.package_shelf import Limits, PackageShelf
from storage.store import SqlStore


def shelf_of(settings: Settings, store: SqlStore, clock: Clock) -> PackageShelf:
    """Return the store of packages in Sluice's home."""
    limits = Limits(settings.packages_largest, settings.packages_organization, settings.packages_total)
    return PackageShelf(store, PackageFiles(settings.home / "packages"), clock, limits)


def for_machines(shelf: PackageShelf) -> Callable[..., Awaitable[None]]:
    """Return the application for whoever has a token."""
    return package_web(shelf, ByToken(shelf.store, shelf.clock)).app()


def for_the_owner(shelf: PackageShelf) -> Starlette:
    """Return the application for whoever reaches the terminal's socket."""
    return package_web(shelf, ByOwner(shelf.store)).app()


def talk_of(shelf: PackageShelf, reach: Callable[[], Reach]) -> MakeFeature:
    """Return what makes everything that people say about packages. `reach` tells where machines reach Sluice."""

    def of_packages() -> Reach:
        there = reach()
        return Reach(f"{there.address}/packages", there.note)

    return lambda acting, ask: PackageTalk(acting, ask, shelf, of_packages).feature()

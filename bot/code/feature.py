"""Everything about code accounts and pushes, made together: what the composition root takes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.acting import Acting
from bot.cards import Card, Tone
from bot.code.accounts import CodeAccounts
from bot.code.choosing import Choosing
from bot.feature import MakeFeature
from bot.keyring import Keyring
from bot.pushes.attaching import Attaching
from bot.pushes.door import PushDoor
from bot.pushes.intake import PushIntake
from bot.pushes.naming import Naming
from bot.pushes.showing import Pushes
from bot.pushes.telling import Telling
from bot.settings import Settings
from engine.addresses import Network, parse_network
from engine.control import Control
from engine.errors import Broken
from engine.forges.hosts import Hosts
from engine.model import RoomId
from engine.ports import Clock
from storage.store import SqlStore
from storage.vault import Vault


@dataclass(slots=True)
class Code:
    """The parts. `door` belongs behind the port for machines; `attaching.tend` is a chore, `intake.live` a task."""

    hosts: Hosts
    keyring: Keyring
    attaching: Attaching
    intake: PushIntake
    door: PushDoor
    allow_http: bool = False

    def features(self) -> tuple[MakeFeature, ...]:
        """What people can say about all this."""
        return (
            lambda acting, ask: CodeAccounts(acting, ask, self.keyring, self.allow_http).feature(),
            lambda acting, _ask: Choosing(acting, self.keyring).feature(),
            lambda acting, _ask: Pushes(acting, self.attaching).feature(),
        )

    async def close(self) -> None:
        """Close the connections to forges."""
        await self.hosts.close()


def private_networks(settings: Settings) -> tuple[Network, ...]:
    """Read the networks in which forges may be. Raises `Broken`."""
    try:
        return tuple(parse_network(one) for one in settings.private_forges)
    except ValueError as error:
        raise Broken(f"SLUICE_PRIVATE_FORGES: {error}.", 'For example ["10.0.0.0/8"].') from None


def connect_code(
    settings: Settings,
    store: SqlStore,
    vault: Vault,
    control: Control,
    clock: Clock,
    *,
    room: RoomId,
    announce: Callable[[str, Tone, str | None], Awaitable[None]],
    say_in: Callable[[str, str, Tone], Awaitable[bool]],
    post: Callable[[RoomId, Card], None],
) -> Code:
    """Make every part. Nothing is called yet."""
    hosts = Hosts(private_networks(settings))
    keyring = Keyring(store, vault, clock, hosts, settings.github_api)
    naming = Naming(vault, settings.hooks_url)
    attaching = Attaching(store, clock, keyring, naming, announce, say_in)
    intake = PushIntake(Acting(store, control, clock), room, tell=Telling(store, announce, post).tell)
    door = PushDoor(attaching, naming, intake)
    return Code(hosts, keyring, attaching, intake, door, settings.plain_git)

"""What connects pipelines with the world outside chats: hooks that call, heralds that tell. Put together here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import httpx

from bot.cards import Tone
from bot.chat import Chat
from bot.feature import MakeFeature
from bot.heralds.courier import Courier
from bot.heralds.herald import Herald
from bot.heralds.lanes import ChatLane, GatewayLane, Lane, MailLane, WebLane
from bot.heralds.mail_server import MailServer
from bot.heralds.messages import Messages
from bot.heralds.parcels import ACCOUNT, EMAIL, GATEWAY, PHONE, ROOM, WEBHOOK
from bot.heralds.records import Records
from bot.machines.answering import Answering
from bot.machines.stage_hooks import StageHooks
from bot.reach import Reach
from bot.secrecy.kept import KeptSecrets
from bot.settings import Settings
from engine.addresses import Network, parse_network
from engine.control import Control
from engine.errors import Broken
from engine.model import RoomId
from engine.outbound import outbound_client
from engine.ports import Clock
from engine.triggers import Triggers
from storage.store import SqlStore
from storage.vault import Vault


class Announce(Protocol):
    """Says in the rooms what is broken or was mended; `about` is whose rooms, empty: all."""

    def __call__(self, sentence: str, tone: Tone, about: str = "") -> Awaitable[None]:
        """Say it."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """The hooks' application, and those who tell."""

    hooks: StageHooks
    herald: Herald
    courier: Courier
    vault: Vault
    client: httpx.AsyncClient

    def feature(self, reach: Callable[[], Reach]) -> MakeFeature:
        """Give what people can say about it. `reach` tells what hooks' addresses begin with."""
        return lambda acting, _ask: Records(acting, self.vault, reach).feature()

    async def close(self) -> None:
        """Close what is open."""
        await self.client.aclose()


def connect(
    settings: Settings,
    store: SqlStore,
    vault: Vault,
    control: Control,
    clock: Clock,
    *,
    chats: Mapping[str, Chat],
    announce: Announce,
    lobby: RoomId,
    secrets: KeptSecrets | None = None,
) -> Outside:
    """Make everything. `lobby` is where runs are told that nobody asked for in a room. Raises `Broken`."""
    triggers = Triggers(control, lobby)
    client = outbound_client(_networks("SLUICE_PRIVATE_HOOKS", settings.private_hooks))
    rooms, gateways = ChatLane(vault, store, chats), GatewayLane(vault, settings.gateways)
    lanes: dict[str, Lane] = {
        WEBHOOK: WebLane(vault, client, secrets),
        ROOM: rooms,
        ACCOUNT: rooms,
        EMAIL: MailLane(vault, clock, mail_server(settings), settings.mail_from),
        PHONE: gateways,
        GATEWAY: gateways,
    }
    courier = Courier(store, clock, lanes, announce)
    messages = Messages(vault, clock, triggers, settings.console_url, settings.gateways)
    proxies = _networks("SLUICE_HOOKS_PROXIES", settings.hooks_proxies)
    return Outside(
        hooks=StageHooks(store, Answering(vault, triggers), clock, proxies),
        herald=Herald(store, messages, courier, announce),
        courier=courier,
        vault=vault,
        client=client,
    )


def mail_server(settings: Settings) -> MailServer:
    """Give the mail server that the settings name."""
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=settings.smtp_password,
    )


def _networks(setting: str, written: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(parse_network(one) for one in written)
    except ValueError as error:
        raise Broken(f"{setting} names what is no network: {error}.", 'For example ["10.20.0.0/16"].') from error

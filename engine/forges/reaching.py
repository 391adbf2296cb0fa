"""Where a repository's address leads, looked at before git goes there, and git kept to what was looked at.

The danger: a name that leads into the network around this machine, or to the address where a cloud hands out
credentials; one that is public when it is looked at and private a moment later; a server that sends git on to such a
place. The promise: git connects to an address that was judged, or to none; but for what whoever runs the machine has
decided, a proxy that its environment names and names of its ssh configuration that the settings name. It holds because
the name is resolved once, every answer is judged, and git is told to use these answers, over ssh the first of them, and
to follow no redirect; where one leads within the same host, the address it leads to is used from the start.
"""

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx

from engine.addresses import Network, is_public, is_within, parse_network
from engine.addresses import parse_address as parse_ip
from engine.errors import StageFailure
from engine.forges.address import Address, Transport
from engine.forges.complaints import Unreachable
from engine.outbound import Guarded, Resolve, resolve

_PORTS = {Transport.HTTPS: 443, Transport.HTTP: 80, Transport.SSH: 22, Transport.LOCAL: 0}
_PATIENCE = 10.0
EVERYWHERE: tuple[Network, ...] = (parse_network("0.0.0.0/0"), parse_network("::/0"))
"""What is allowed where nobody judges addresses."""
_ALIASES = {Transport.SSH: " (one that only this machine's ssh knows has to stand in SLUICE_SSH_NAMES)"}
_ASKING = "/info/refs"
_PROXIES = ("HTTPS_PROXY", "https_proxy")


class PrivateRepository(StageFailure):
    """The address leads into a network that is not everybody's."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} leads to an address that is not public; nothing was fetched.",
            "Whoever runs Sluice can allow its network in SLUICE_PRIVATE_FORGES.",
        )


class RepositoryMoved(StageFailure):
    """The server sends git on to another server."""

    def __init__(self, url: str, to: str) -> None:
        super().__init__(
            f"{url} leads on to {to}, which is not followed.", "Write that address, if it is the right one."
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """Judges addresses: public ones and those of the networks `private` may be reached.

    Behind a proxy that the `surroundings` name, the proxy resolves names and decides; then only an address that is
    written as a number is judged here. `ssh_names` are for ssh alone, whose configuration says where they lead.
    """

    private: tuple[Network, ...] = ()
    surroundings: Mapping[str, str] = field(default_factory=dict)
    resolve: Resolve = resolve
    ssh_names: frozenset[str] = frozenset()

    async def judged(self, address: Address) -> tuple[str, ...]:
        """Return where git may connect to, for `pinned`; nothing: it is not judged here. Raises `PrivateRepository`."""
        if address.transport is Transport.LOCAL:
            return ()
        host, port = host_and_port(address)
        written = parse_ip(host)
        if written is None and (self._is_proxied(address) or self._is_of_ssh(address, host)):
            return ()
        found = [str(written)] if written is not None else await self._resolved(address, host, port)
        if not all(is_public(one) or is_within(one, self.private) for one in found):
            raise PrivateRepository(address.url)
        return tuple(found)

    def _is_proxied(self, address: Address) -> bool:
        return address.transport is Transport.HTTPS and any(self.surroundings.get(name) for name in _PROXIES)

    def _is_of_ssh(self, address: Address, host: str) -> bool:
        return address.transport is Transport.SSH and host in self.ssh_names

    async def _resolved(self, address: Address, host: str, port: int) -> Sequence[str]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self.resolve(host, port)
        except (OSError, UnicodeError, TimeoutError):
            raise Unreachable(
                address.url, f"its host's name leads nowhere{_ALIASES.get(address.transport, '')}"
            ) from None

    async def moved(self, address: Address) -> str:
        """Return the address that a redirect leads to, on the same host. Raises `RepositoryMoved`."""
        asked = f"{address.url.rstrip('/')}{_ASKING}?service=git-upload-pack"
        try:
            async with httpx.AsyncClient(transport=Guarded(self.private, self.resolve), trust_env=False) as client:
                answer = await client.get(asked, timeout=_PATIENCE)
        except httpx.HTTPError as error:
            raise Unreachable(address.url, type(error).__name__) from None
        to = urljoin(asked, answer.headers.get("location", ""))
        parts = urlsplit(to)
        place = f"{parts.scheme}://{parts.netloc}"
        if parts.netloc.lower() != urlsplit(address.origin).netloc or not parts.path.endswith(_ASKING):
            raise RepositoryMoved(address.url, place)
        upgraded = address.transport is Transport.HTTPS and parts.scheme != "https"
        if upgraded or parts.path == urlsplit(asked).path:
            raise RepositoryMoved(address.url, place)
        return f"{address.origin}{parts.path.removesuffix(_ASKING)}"


def host_and_port(address: Address) -> tuple[str, int]:
    """Return the host of an address, without brackets, and its port."""
    parts = urlsplit(address.origin)
    return parts.hostname or "", parts.port or _PORTS[address.transport]


def pinned(address: Address, found: Sequence[str]) -> str:
    """Return what tells git to connect to these addresses of the host: for its https configuration, or to ssh."""
    host, port = host_and_port(address)
    if not found or address.transport is Transport.LOCAL or parse_ip(host) is not None:
        return ""
    if address.transport is Transport.SSH:
        known = host if port == _PORTS[Transport.SSH] else f"[{host}]:{port}"  # as ssh writes it into known_hosts
        return shlex.join(("-o", f"HostName={found[0]}", "-o", f"HostKeyAlias={known}"))
    listed = ",".join(f"[{one}]" if ":" in one else one for one in found)
    return f"{host}:{port}:{listed}"

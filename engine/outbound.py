"""Requests to addresses that somebody wrote into a definition: nowhere but where that somebody may send them.

The danger is a name that is public when it is looked at and private when it is connected to, or a public server that
sends the request on to a private one. The promise: a connection goes to an address that was judged, for this request.
It holds because a name is resolved once, every answer is judged (one private address among public ones is refused),
and the connection is made to the very address that was judged, while TLS still asks for the name. Redirects are not
followed, no proxy of the environment is used, and no connection is kept for another name that leads to the same
address.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx

from engine.addresses import Network, is_public, is_within, parse_address
from engine.errors import Refused

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a name and a port to the addresses that answer for it; raises OSError when there are none."""
_MOST_TRIED = 3
_RESOLVING = 5.0
"""Seconds."""


class PrivateAddress(Refused):
    """The host leads into a network that is not everybody's."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} leads to an address that is not public; nothing was sent.",
            "Whoever runs Sluice can allow its network in SLUICE_PRIVATE_HOOKS.",
        )


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(slots=True)
class Guarded(httpx.AsyncBaseTransport):
    """Sends requests to public addresses, and to those of the networks `allowed`.

    Raises `PrivateAddress`, and what httpx raises.
    """

    allowed: tuple[Network, ...] = ()
    resolve: Resolve = resolve
    inner: httpx.AsyncBaseTransport = field(
        default_factory=lambda: httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
    )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Judge where the request leads, and send it exactly there."""
        if request.url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol("only http and https are spoken here", request=request)
        tried = await self._judged(request)
        for address in tried[:-1]:
            try:
                return await self._send(request, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._send(request, tried[-1])

    async def aclose(self) -> None:
        """Close what is open."""
        await self.inner.aclose()

    async def _judged(self, request: httpx.Request) -> Sequence[str]:
        """Find the addresses of the request's host; all of them may be connected to."""
        host = request.url.host
        written = parse_address(host)
        found = [str(written)] if written is not None else await self._resolved(request)
        if not all(is_public(address) or is_within(address, self.allowed) for address in found):
            raise PrivateAddress(host)
        return found[:_MOST_TRIED]

    async def _resolved(self, request: httpx.Request) -> Sequence[str]:
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(_RESOLVING):
                found = await self.resolve(request.url.host, port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise httpx.ConnectError("the name leads nowhere", request=request) from error
        if not found:
            raise httpx.ConnectError("the name leads nowhere", request=request)
        return found

    async def _send(self, request: httpx.Request, address: str) -> httpx.Response:
        """Send to `address`; the Host header stays the name's, and so does what the certificate is checked against."""
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return await self.inner.handle_async_request(pinned)


def outbound_client(
    allowed: tuple[Network, ...] = (), *, seconds: float = 10.0, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """Make a client for addresses that people wrote: guarded, without redirects, cookies of others, or a proxy."""
    return httpx.AsyncClient(
        transport=transport or Guarded(allowed),
        timeout=httpx.Timeout(seconds, connect=min(seconds, 5.0)),
        follow_redirects=False,
        trust_env=False,
    )

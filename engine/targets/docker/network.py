"""The network of a Sluice's containers, and where in it an instance answers.

Two ways lead from Envoy to a container. *Directly*, by its address in a bridge network: nothing stands in between, a
container that has ended refuses connections, which Envoy then makes to another one, and a Docker Engine that ends and
leaves its containers running (live-restore) leaves the way open. *Published*, by a port of this machine's loopback: the
engine's own proxy stands in between, accepts connections that nobody will answer, and ends with the engine. Where the
bridge is on this machine the first one is taken; Docker Desktop, whose bridge is in a machine of its own, needs the
second.

Either way an instance keeps its place for its whole life, over restarts of its container and of the engine: a place
that the engine chooses anew each time would send requests to another workload while nobody looks. That needs a network
whose range is written down, and a port that is chosen here.
"""

import asyncio
import ipaddress
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

from engine.errors import Broken
from engine.model import Json
from engine.routing.envoy_config import Endpoint
from engine.targets.docker import names
from engine.targets.docker.asking import Containers, Declined
from engine.targets.docker.containers import Site
from engine.targets.fronted.ports import free_ports

_LARGE_ENOUGH = 24
"""Bits of the network's own part: with more there is no room for 300 instances that are replaced."""
_OWN_BITS = 21
_ROUTES = Path("/proc/net/route")
_TRIES = 200


class Network:
    """The network of the Sluice that has `mark`, made when it is first asked for.

    `is_ours` tells whether an address belongs to this machine.
    """

    def __init__(self, containers: Containers, mark: names.Mark, is_ours: Callable[[str], bool]) -> None:
        self._containers = containers
        self._mark = mark
        self._is_ours = is_ours
        self._known: tuple[Site, ipaddress.IPv4Network] | None = None
        self._turn = asyncio.Lock()

    @property
    def name(self) -> str:
        """What it is called."""
        return names.network_name(self._mark.place)

    @property
    def is_relayed(self) -> bool:
        """Whether published ports lead to the containers, as far as that is known."""
        return self._known is not None and not self._known[0].direct

    async def site(self) -> Site:
        """How containers are put into it."""
        return (await self._settled())[0]

    async def hosts(self, taken: Iterable[Endpoint]) -> Callable[[int], Endpoint]:
        """Gives free places, another one at each call, for a service that listens on a port."""
        site, subnet = await self._settled()
        busy = list(taken)
        if not site.direct:
            ports = free_ports(busy)
            return lambda _inside: next(ports)
        addresses = _free_addresses(subnet, {each.host for each in busy})
        return lambda inside: Endpoint(next(addresses), inside)

    def forget(self) -> None:
        """Look again at the next asking: it is not as it was."""
        self._known = None

    async def remove(self) -> None:
        """Remove it, if nobody is in it."""
        await self._containers.remove_network(self.name)
        self.forget()

    async def _settled(self) -> tuple[Site, ipaddress.IPv4Network]:
        async with self._turn:
            if self._known is None:
                found = await self._containers.network(self.name) or await self._make()
                described = found["IPAM"]["Config"][0]
                direct = self._containers.engine.is_here and self._is_ours(described.get("Gateway", ""))
                site = Site(self._mark.place, self.name, direct=direct)
                self._known = site, ipaddress.IPv4Network(described["Subnet"])
            return self._known

    async def _make(self) -> Json:
        async for subnet in self._candidates():
            try:
                labels = {names.PLACE: self._mark.place}
                await self._containers.create_network(self.name, labels, str(subnet), str(subnet[1]))
            except Declined as error:
                if "overlap" in str(error).lower():
                    continue
                if "already exists" not in str(error):
                    raise
            found = await self._containers.network(self.name)
            if found is not None:
                return found
        raise Broken(
            "The Docker Engine has no room for the network of Sluice's containers.",
            f"Make one: docker network create --subnet RANGE --label {names.PLACE}={self._mark.place} {self.name}",
        )

    async def _candidates(self) -> AsyncIterator[ipaddress.IPv4Network]:
        """The range that the engine would choose, if it is large; then others that no route of this machine has."""
        usual = await self._usual()
        if usual.prefixlen <= _LARGE_ENOUGH:
            yield usual
        routed = [usual, *await asyncio.to_thread(_routed)]
        for _ in range(_TRIES):
            start = random.randrange(0, 1 << (_OWN_BITS - 8)) << (32 - _OWN_BITS)  # noqa: S311 - no secret
            subnet = ipaddress.IPv4Network(((10 << 24) | start, _OWN_BITS))
            if not any(subnet.overlaps(each) for each in routed):
                yield subnet

    async def _usual(self) -> ipaddress.IPv4Network:
        """What the engine gives a network whose range nobody names, by trying."""
        trial = f"{self.name}-trial"
        await self._containers.remove_network(trial)
        await self._containers.create_network(trial, {names.PLACE: self._mark.place})
        found = await self._containers.network(trial)
        await self._containers.remove_network(trial)
        return ipaddress.IPv4Network(found["IPAM"]["Config"][0]["Subnet"] if found else "10.0.0.0/32")


def _routed() -> list[ipaddress.IPv4Network]:
    """Every range that this machine has a route to, but the one to everywhere."""
    found = []
    for row in _ROUTES.read_text(encoding="ascii").splitlines()[1:] if _ROUTES.exists() else ():
        _, target, _, _, _, _, _, mask, *_ = row.split()
        bits = int(mask, 16).bit_count()
        if bits:
            found.append(ipaddress.IPv4Network((socket.ntohl(int(target, 16)), bits), strict=False))
    return found


def is_ours(gateway: str) -> bool:
    """Whether an address belongs to this machine: then its bridge is here, and so is the way to the containers."""
    with socket.socket() as probe:
        try:
            probe.bind((gateway, 0))
        except OSError:
            return False
        return bool(gateway)


def _free_addresses(subnet: ipaddress.IPv4Network, taken: set[str]) -> Iterator[str]:
    """Addresses of `subnet` that no instance has, in no order. The first one is the bridge's."""
    given = set(taken)
    if subnet.num_addresses - 3 <= len(given):
        raise Broken(f"There is no free address left in {subnet} for another instance.")
    while True:
        address = str(subnet[random.randrange(2, subnet.num_addresses - 1)])  # noqa: S311 - no secret
        if address not in given:
            given.add(address)
            yield address

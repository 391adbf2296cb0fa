"""Free ports of this machine's loopback for instances."""

import random
from collections.abc import Iterable, Iterator

from engine.errors import Broken
from engine.routing.envoy_config import LOOPBACK, Endpoint
from engine.routing.listening import listening

_FROM, _TO = 20000, 32768
"""Below what Linux gives to outgoing connections, so that none of those sits on a port while an instance restarts."""


def free_ports(taken: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Ports that nobody listens to and that no instance has, in no order."""
    free = sorted(set(range(_FROM, _TO)) - set(listening()) - {each.port for each in taken})
    random.shuffle(free)
    yield from (Endpoint(LOOPBACK, port) for port in free)
    raise Broken("There is no free port left for another instance.")

"""Where a call comes from, and how much of it is looked at.

The danger is somebody who tries tokens, or sends rubbish a thousand times a second: each look into the database would
cost the people in chats their answers. The promise: what is not a known hook's token costs a few microseconds, and a
few looks a second at most, however many ask. Tokens that are known are let through whatever else comes from there.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv6Address

from bot.chat import Pace
from bot.rooms.pacing import Bucket
from engine.addresses import Network, is_within, parse_address

UNKNOWN_TOKENS = Pace(every=timedelta(milliseconds=500), burst=10, refresh=timedelta(0))
"""How often one source may try a token that nobody here knows."""
ALL_UNKNOWN = Pace(every=timedelta(milliseconds=50), burst=40, refresh=timedelta(0))
"""How often everybody together may."""
ONE_HOOK = Pace(every=timedelta(milliseconds=100), burst=30, refresh=timedelta(0))
"""How often one hook may be called."""
MOST_REMEMBERED = 4096
_NEIGHBOURS = 64
"""Bits of an IPv6 address that one subscriber has to himself."""


@dataclass(slots=True)
class Buckets:
    """A bucket for each name, the latest ones."""

    pace: Pace
    _buckets: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def take(self, name: str, now: float) -> float:
        """Take from a bucket. 0 when there was something in it; else in how many seconds there will be."""
        bucket = self._buckets.pop(name, None) or Bucket.full(self.pace, now)
        self._buckets[name] = bucket
        if len(self._buckets) > MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        wait = bucket.delay(now, is_urgent=True)
        if not wait:
            bucket.take(now)
        return wait


def source_of(peer: str, headers: Mapping[str, str], proxies: tuple[Network, ...]) -> str:
    """Find who calls: the connection's peer; behind proxies that are known, the last address that is none of them.

    Anybody can write an X-Forwarded-For, so it is read from its end, and only as long as known proxies wrote it.
    """
    source = peer
    named = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    while named and is_within(source, proxies):
        source = _plain(named.pop())
    return source


def neighbourhood(source: str) -> str:
    """Name what is counted together: an IPv4 address, or the network that an IPv6 subscriber has."""
    address = parse_address(source)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> _NEIGHBOURS << _NEIGHBOURS))
    return source


def _plain(written: str) -> str:
    """Take the port off an address that a proxy wrote."""
    if written.startswith("["):
        return written[1:].partition("]")[0]
    return written.partition(":")[0] if written.count(":") == 1 else written

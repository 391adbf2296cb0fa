"""Which addresses belong to everybody, and which to somebody's own network: what a stranger's URL may not reach.

The danger: a notification or a repository whose address leads to this machine, to the network around it, or to where
a cloud hands out credentials. The same place can be written in many ways: 127.1, 0x7f000001, 017700000001,
::ffff:127.0.0.1, 64:ff9b::7f00:1, 2002:7f00:1::, fe80::1%eth0. The promise: whatever is not known to be public is not
public. It holds because a way of writing that carries an IPv4 address inside is judged by the address inside, and
because the list says what is public (global unicast) and not what is private.

Names are judged by nobody here: a name leads where its answer says, at the moment of the connection. `engine.outbound`
judges that answer and connects to it.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_GLOBAL = IPv6Network("2000::/3")
_NOT_PUBLIC = tuple(
    ip_network(written)
    for written in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays, given up
        "240.0.0.0/4",  # reserved, and the broadcast address
        "2001::/23",  # Teredo, ORCHID and other assignments of the protocol itself
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
    )
)
_CARRIES_AT_END = tuple(IPv6Network(written) for written in ("::ffff:0:0/96", "64:ff9b::/96"))
"""IPv4-mapped addresses, and NAT64: the last 32 bits are where it goes."""
_6TO4 = IPv6Network("2002::/16")
_ISATAP = (0x00005EFE, 0x02005EFE)
_PART = re.compile(r"0[xX]([0-9a-fA-F]*)|(0[0-7]*)|([1-9][0-9]*)", re.ASCII)
_LAST, _BYTE = 32, 0xFF


def is_public(written: str | Address) -> bool:
    """Tell whether an address is one that everybody on the internet means by it. What is no address is not.

    `written` may be in any form that a resolver takes for an address: dotted, as one number, octal, hexadecimal, with
    fewer than four parts, IPv6 with or without brackets and zone.
    """
    address = parse_address(written) if isinstance(written, str) else written
    if address is None or _has_zone(address):
        return False
    return all(_is_global(one) for one in _meanings(address))


def parse_address(host: str) -> Address | None:
    """Read a host that is an address, in any form that a resolver takes for one; None: it is a name, or nothing."""
    text = host.strip().removeprefix("[").removesuffix("]").rstrip(".")
    if ":" in text:
        try:
            return IPv6Address(text)
        except ValueError:
            return None
    return _dotted(text)


def parse_network(written: str) -> Network:
    """Read a network as ``10.0.0.0/8``, or one address. Raises ValueError."""
    return ip_network(written.strip(), strict=False)


def is_within(address: str | Address, networks: tuple[Network, ...]) -> bool:
    """Tell whether an address lies in one of the networks, by itself or by the IPv4 address that it carries."""
    known = parse_address(address) if isinstance(address, str) else address
    if known is None:
        return False
    return any(one.version == network.version and one in network for one in _meanings(known) for network in networks)


def _dotted(text: str) -> IPv4Address | None:
    """Read what `inet_aton` reads: up to four numbers, decimal, octal or hexadecimal; the last one fills the rest."""
    numbers = [_number(part) for part in text.split(".")]
    if not 1 <= len(numbers) <= 4 or None in numbers:  # noqa: PLR2004 - the bytes of an address
        return None
    *first, last = [number for number in numbers if number is not None]
    room = _LAST - 8 * len(first)
    if any(number > _BYTE for number in first) or last >= 1 << room:
        return None
    value = last
    for position, number in enumerate(first):
        value += number << (_LAST - 8 * (position + 1))
    return IPv4Address(value)


def _number(part: str) -> int | None:
    found = _PART.fullmatch(part)
    if found is None or len(part) > _LAST:
        return None
    hexadecimal, octal, decimal = found.groups()
    if hexadecimal is not None:
        return int(hexadecimal or "0", 16)
    return int(octal, 8) if octal is not None else int(decimal)


def _has_zone(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address.scope_id is not None


def _meanings(address: Address) -> Iterator[Address]:
    """Give the address that it is, or the ones inside it that it leads to."""
    if isinstance(address, IPv4Address):
        yield address
        return
    number = int(address)
    if any(address in network for network in _CARRIES_AT_END):
        yield IPv4Address(number & 0xFFFFFFFF)
        return
    yield address
    if address in _6TO4:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
    if (number >> _LAST) & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)


def _is_global(address: Address) -> bool:
    if any(address.version == network.version and address in network for network in _NOT_PUBLIC):
        return False
    if isinstance(address, IPv6Address) and address in _6TO4:
        return True  # judged by the address that it carries
    if isinstance(address, IPv6Address) and address not in _GLOBAL:
        return False
    return address.is_global and not address.is_multicast

"""Which addresses are everybody's: every way of writing one, whatever a resolver takes for an address."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.addresses import is_public, is_within, parse_address, parse_network

PUBLIC = (
    "8.8.8.8",
    "93.184.216.34",
    "134744072",
    "0x08080808",
    "010.010.010.010",
    "8.8.2056",
    "2606:4700:4700::1111",
    "[2606:4700:4700::1111]",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
)
PRIVATE = (
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "0",
    "0.0.0.0",  # noqa: S104 - nothing is bound here
    "0x",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.169.254",
    "0xa9fea9fe",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "[::1]",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::5",
    "2002:c0a8:101::1",
    "2001::7f00:1",
    "2001:db8::1",
    "2001:20::1",
    "3fff::1",
    "100::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fe80::1%eth0",
    "fe80::1%25eth0",
    "2606:4700:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:a00:1",
)
NO_ADDRESSES = (
    "",
    ".",
    "localhost",
    "example.com",
    "1.2.3.4.5",
    "256.1.1.1",
    "0x100000000",
    "1.2.3.256",
    "08.1.1.1",
    "::g",
    "1..2",
)


@pytest.mark.parametrize("written", PUBLIC)
def test_an_address_of_everybody_is_public_however_it_is_written(written: str) -> None:
    assert is_public(written)


@pytest.mark.parametrize("written", PRIVATE)
def test_an_address_of_somebodys_own_network_is_not_public_however_it_is_written(written: str) -> None:
    assert not is_public(written)


@pytest.mark.parametrize("written", NO_ADDRESSES)
def test_what_is_no_address_is_not_public_and_is_read_as_a_name(written: str) -> None:
    assert parse_address(written) is None
    assert not is_public(written)


@given(st.text(alphabet="0123456789abcdefxX.", max_size=20))
def test_whatever_the_system_takes_for_an_address_is_read_as_the_same_address(written: str) -> None:
    try:
        taken = socket.inet_ntoa(socket.inet_aton(written))
    except OSError:
        return
    read = parse_address(written)
    assert read is not None, f"the system reads {written!r} as {taken}"
    assert str(read) == taken


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_by_itself(inside: object) -> None:
    assert is_public(f"::ffff:{inside}") == is_public(str(inside))
    assert is_public(f"64:ff9b::{inside}") == is_public(str(inside))


def test_a_network_holds_its_addresses_also_inside_others() -> None:
    networks = (parse_network("10.1.0.0/16"), parse_network("fd00::/8"))
    assert is_within("10.1.2.3", networks)
    assert is_within("::ffff:10.1.2.3", networks)
    assert is_within("fd00::7", networks)
    assert not is_within("10.2.2.3", networks)
    assert not is_within("no-address", networks)

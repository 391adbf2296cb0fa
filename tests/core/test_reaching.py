"""Where a repository's address may lead: nowhere private, in whatever way it is written or hidden."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from engine.addresses import parse_network
from engine.errors import Interrupted
from engine.forges.address import UnusableAddress, parse_address
from engine.forges.reaching import PrivateRepository, Reach, pinned


def answering(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that always answers this."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        if not addresses:
            raise OSError("no such name")
        return addresses

    return resolve


def reach(*addresses: str, private: tuple[str, ...] = (), **surroundings: str) -> Reach:
    return Reach(tuple(map(parse_network, private)), surroundings, answering(*addresses))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0",
        "10.0.0.8",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
    ],
)
@pytest.mark.parametrize("form", ["https://{}/shop/api.git", "ssh://git@{}/shop/api.git", "git@{}:shop/api.git"])
async def test_a_private_address_is_refused_in_every_way_of_writing_it(host: str, form: str) -> None:
    address = parse_address(form.format(host))
    with pytest.raises(PrivateRepository, match="not public"):
        await reach("93.184.216.34").judged(address)


@pytest.mark.parametrize("answers", [("10.0.0.1",), ("93.184.216.34", "10.0.0.1"), ("::1",), ("::ffff:10.0.0.1",)])
async def test_a_name_that_leads_to_a_private_address_is_refused(answers: tuple[str, ...]) -> None:
    with pytest.raises(PrivateRepository):
        await reach(*answers).judged(parse_address("https://rebound.example/shop/api.git"))


@pytest.mark.parametrize(
    "url", ["ext::sh -c id", "file:///etc/passwd", "fd::3", "/etc/passwd", "ftp://x/y", "git://x/y"]
)
def test_what_is_no_https_and_no_ssh_is_refused(url: str) -> None:
    with pytest.raises(UnusableAddress):
        parse_address(url)


async def test_a_network_that_the_settings_name_may_be_reached() -> None:
    address = parse_address("https://git.corp.example/shop/api.git")
    assert await reach("10.1.2.3", private=("10.0.0.0/8",)).judged(address) == ("10.1.2.3",)
    with pytest.raises(PrivateRepository):
        await reach("192.168.0.1", private=("10.0.0.0/8",)).judged(address)


async def test_git_is_pinned_to_the_addresses_that_were_judged() -> None:
    address = parse_address("https://git.example.com:8443/shop/api.git")
    found = await reach("93.184.216.34", "2606:2800:220:1::1").judged(address)
    assert pinned(address, found) == "git.example.com:8443:93.184.216.34,[2606:2800:220:1::1]"


async def test_what_needs_no_pin_has_none() -> None:
    assert pinned(parse_address("https://93.184.216.34/shop/api.git"), ("93.184.216.34",)) == ""
    assert pinned(parse_address("git@93.184.216.34:shop/api.git"), ("93.184.216.34",)) == ""
    local = parse_address("/srv/git/shop", allow_local=True)
    assert await reach().judged(local) == ()


@pytest.mark.parametrize(
    ("url", "alias"),
    [
        ("git@git.example.com:shop/api.git", "HostKeyAlias=git.example.com"),
        ("ssh://git@GIT.example.com/shop/api.git", "HostKeyAlias=git.example.com"),
        ("ssh://git@git.example.com:6379/shop/api.git", "'HostKeyAlias=[git.example.com]:6379'"),
    ],
)
async def test_ssh_is_pinned_to_an_address_that_was_judged_and_knows_the_host_by_its_name(url: str, alias: str) -> None:
    address = parse_address(url)
    found = await reach("93.184.216.34", "93.184.216.35").judged(address)
    assert pinned(address, found) == f"-o HostName=93.184.216.34 -o {alias}"


@pytest.mark.parametrize("url", ["https://gone.example/shop/api.git", "ssh://git@gone.example:6379/x/y"])
async def test_a_name_that_leads_nowhere_is_not_given_to_git_which_would_look_again(url: str) -> None:
    with pytest.raises(Interrupted, match="leads nowhere"):
        await reach().judged(parse_address(url))


async def test_where_a_name_of_the_settings_leads_is_for_ssh_to_say_and_for_ssh_alone() -> None:
    knows = Reach(resolve=answering("10.0.0.1"), ssh_names=frozenset({"alias"}))
    assert await knows.judged(parse_address("git@alias:shop/api.git")) == ()
    for other in ("https://alias/shop/api.git", "git@alias.example:shop/api.git"):
        with pytest.raises(PrivateRepository):
            await knows.judged(parse_address(other))
    with pytest.raises(Interrupted, match="SLUICE_SSH_NAMES"):
        await reach().judged(parse_address("git@alias:shop/api.git"))


async def test_behind_a_proxy_the_proxy_resolves_names_and_numbers_are_still_judged() -> None:
    behind = reach("10.0.0.1", HTTPS_PROXY="http://proxy.example:3128")
    assert await behind.judged(parse_address("https://git.example.com/shop/api.git")) == ()
    with pytest.raises(PrivateRepository):
        await behind.judged(parse_address("https://10.0.0.1/shop/api.git"))
    with pytest.raises(PrivateRepository):
        await behind.judged(parse_address("git@git.example.com:shop/api.git"))

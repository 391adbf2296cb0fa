"""Requests to what strangers wrote: they reach the address that was judged, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import pytest

from engine.addresses import parse_network
from engine.outbound import Guarded, PrivateAddress, outbound_client


@dataclass
class Names:
    """A resolver whose answers change with every question."""

    answers: list[Sequence[str]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        if not self.answers:
            raise OSError("no such name")
        return self.answers.pop(0)


@dataclass
class Wire:
    """Where requests would leave; `dead` addresses take no connection."""

    dead: tuple[str, ...] = ()
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    sent: list[httpx.Request] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if request.url.host in self.dead:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(self.status, headers=self.headers)


async def asked(url: str, names: Names, wire: Wire, *allowed: str) -> httpx.Response:
    networks = tuple(parse_network(one) for one in allowed)
    guard = Guarded(networks, names.resolve, httpx.MockTransport(wire.answer))
    async with outbound_client(transport=guard) as client:
        return await client.post(url, content=b"{}")


async def test_a_request_goes_to_the_address_that_was_judged_and_still_names_its_host() -> None:
    names, wire = Names([["93.184.216.34"]]), Wire()
    await asked("https://hooks.example.com/a?b=c", names, wire)
    (sent,) = wire.sent
    assert sent.url.host == "93.184.216.34"
    assert sent.headers["Host"] == "hooks.example.com"
    assert sent.extensions["sni_hostname"] == "hooks.example.com"
    assert str(sent.url.raw_path, "ascii") == "/a?b=c"


async def test_a_name_that_changes_its_answer_after_it_was_judged_changes_nothing() -> None:
    names, wire = Names([["93.184.216.34"], ["127.0.0.1"]]), Wire()
    await asked("http://rebinding.example.com/", names, wire)
    assert names.asked == [("rebinding.example.com", 80)]
    assert [sent.url.host for sent in wire.sent] == ["93.184.216.34"]


@pytest.mark.parametrize(
    "answer", ["127.0.0.1", "10.0.0.5", "::1", "fe80::1%eth0", "::ffff:192.168.0.1", "169.254.169.254"]
)
async def test_a_name_of_a_private_address_is_refused_and_nothing_is_sent(answer: str) -> None:
    wire = Wire()
    with pytest.raises(PrivateAddress):
        await asked("http://inside.example.com/", Names([[answer]]), wire)
    assert wire.sent == []


async def test_one_private_address_among_public_ones_is_refused() -> None:
    wire = Wire()
    with pytest.raises(PrivateAddress):
        await asked("http://both.example.com/", Names([["93.184.216.34", "10.0.0.5"]]), wire)
    assert wire.sent == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001", "[::1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"],
)
async def test_a_private_address_written_in_any_form_is_refused_without_asking_for_a_name(host: str) -> None:
    names, wire = Names([["93.184.216.34"]]), Wire()
    with pytest.raises(PrivateAddress):
        await asked(f"http://{host}/", names, wire)
    assert (names.asked, wire.sent) == ([], [])


async def test_a_private_network_that_is_allowed_is_reached_and_others_are_not() -> None:
    wire = Wire()
    await asked("http://inside.example.com/", Names([["10.1.2.3"]]), wire, "10.1.0.0/16")
    with pytest.raises(PrivateAddress):
        await asked("http://other.example.com/", Names([["10.2.2.3"]]), wire, "10.1.0.0/16")
    assert [sent.url.host for sent in wire.sent] == ["10.1.2.3"]


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    names, wire = Names([["93.184.216.34"]]), Wire(status=302, headers={"Location": "http://127.0.0.1/secret"})
    answer = await asked("http://hooks.example.com/", names, wire)
    assert answer.status_code == 302
    assert len(wire.sent) == 1


async def test_an_address_that_takes_no_connection_is_followed_by_the_next() -> None:
    names, wire = Names([["93.184.216.34", "93.184.216.35"]]), Wire(dead=("93.184.216.34",))
    answer = await asked("http://hooks.example.com/", names, wire)
    assert answer.status_code == 204
    assert [sent.url.host for sent in wire.sent] == ["93.184.216.34", "93.184.216.35"]


async def test_a_name_without_an_address_is_a_connection_that_failed() -> None:
    with pytest.raises(httpx.ConnectError):
        await asked("http://nowhere.example.com/", Names([]), Wire())
    with pytest.raises(httpx.ConnectError):
        await asked("http://empty.example.com/", Names([[]]), Wire())


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://example.com/", "ftp://example.com/"])
async def test_nothing_but_http_is_spoken(url: str) -> None:
    wire = Wire()
    with pytest.raises(httpx.UnsupportedProtocol):
        await asked(url, Names([["93.184.216.34"]]), wire)
    assert wire.sent == []

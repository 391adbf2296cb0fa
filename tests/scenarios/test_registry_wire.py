"""A tag is looked up in a registry at the wire: with credentials where they are wanted, and nowhere else."""

import asyncio
from datetime import timedelta

import pytest

from engine.builders.registry import NoRegistry, NoSuchTag, NotLetIn, Registry, Unchecked
from engine.errors import Interrupted, Refused, SluiceError
from tests.support.registry_wire import PASSWORD, TOKEN, USER, RegistryWire, registry_wire

ONE, TWO = b'{"schemaVersion": 2, "manifests": []}', b'{"schemaVersion": 2, "manifests": [{}]}'


def known(wire: RegistryWire) -> Registry:
    return Registry(wire.address, USER, PASSWORD)


async def refusal(registry: Registry, image: str = "shop/web:v1") -> SluiceError:
    with pytest.raises(SluiceError) as raised:
        await registry.find(image)
    return raised.value


async def test_a_tag_is_its_manifests_digest_by_one_request_without_its_content() -> None:
    async with registry_wire(v1=ONE) as wire:
        assert await Registry(wire.address).find("shop/web:v1") == wire.digest("shop/web", "v1")
        assert wire.asked == ["HEAD /v2/shop/web/manifests/v1"]


async def test_a_registry_that_says_no_digest_is_asked_for_the_content() -> None:
    async with registry_wire(v1=ONE) as wire:
        wire.says_digest = False
        assert await Registry(wire.address).find("shop/web:v1") == wire.digest("shop/web", "v1")


async def test_a_registry_that_takes_no_head_is_asked_for_the_content() -> None:
    async with registry_wire(v1=ONE) as wire:
        wire.takes_head = False
        assert await Registry(wire.address).find("shop/web:v1") == wire.digest("shop/web", "v1")


async def test_many_that_ask_at_once_for_one_tag_cost_one_request() -> None:
    async with registry_wire(v1=ONE) as wire:
        registry = Registry(wire.address)
        for _ in range(10):
            await registry.find("shop/web:v1")
        assert len(wire.asked) == 1


async def test_a_folder_stands_in_front_of_the_repository() -> None:
    async with registry_wire() as wire:
        wire.images["mirror/eu/shop/web"] = {"v1": ONE}
        found = await Registry(f"{wire.address}/mirror/eu").find("shop/web:v1")
        assert found == wire.digest("mirror/eu/shop/web", "v1")


@pytest.mark.parametrize("guard", ["basic", "bearer"])
async def test_credentials_are_shown_when_they_are_wanted_and_only_then(guard: str) -> None:
    async with registry_wire(v1=ONE) as wire:
        await known(wire).find("shop/web:v1")
        assert wire.shown == [""]
        wire.guard = guard
        assert await known(wire).find("shop/web:v1") == wire.digest("shop/web", "v1")
        await known(wire).greet()


async def test_a_token_is_used_for_everything_that_is_asked_then() -> None:
    async with registry_wire(v1=ONE) as wire:
        wire.guard = "bearer"
        assert isinstance(await refusal(known(wire), "shop/web:v9"), NoSuchTag)
        assert [one.partition(" ")[0] for one in wire.asked] == ["HEAD", "GET", "HEAD", "GET"]
        assert wire.shown[2:] == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize("guard", ["basic", "bearer"])
@pytest.mark.parametrize(("user", "password"), [("", ""), (USER, "wrong-password")])
async def test_whoever_is_not_let_in_is_told_which_settings_to_mend(guard: str, user: str, password: str) -> None:
    async with registry_wire(v1=ONE) as wire:
        wire.guard = guard
        error = await refusal(Registry(wire.address, user, password))
    assert isinstance(error, NotLetIn)
    assert "registry_password" in error.hint
    assert "wrong-password" not in f"{error!r} {error.hint}"


async def test_a_password_is_sent_to_no_place_of_the_servers_choice_that_lacks_tls() -> None:
    async with registry_wire(v1=ONE) as thief, registry_wire(v1=ONE) as wire:
        wire.guard, wire.realm = "bearer", f"{thief.address}/token"
        secure = Registry(f"127.0.0.1:{wire.port}", USER, PASSWORD)
        assert isinstance(await refusal(secure), Interrupted), "it speaks no TLS, and nothing else is tried"
        wire.realm = "ftp://127.0.0.1/token"
        assert isinstance(await refusal(known(wire)), NoRegistry)
        assert thief.asked == []


async def test_a_tag_that_is_not_there_brings_the_ones_that_are_near() -> None:
    async with registry_wire(v1=ONE, v2=ONE, v10=TWO, latest=TWO) as wire:
        error = await refusal(Registry(wire.address), "shop/web:v11")
        assert "has no image shop/web:v11" in str(error)
        assert error.hint == "There are shop/web:v1, shop/web:v10."
        far = await refusal(Registry(wire.address), "shop/web:production")
        assert far.hint == "There are shop/web:latest, shop/web:v1, shop/web:v2, shop/web:v10."
        none = await refusal(Registry(wire.address), "shop/basket:v1")
        assert none.hint == "Push it first, or mend its name."


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_registry_in_trouble_is_asked_again_later(status: int) -> None:
    async with registry_wire(v1=ONE) as wire:
        wire.status = status
        assert isinstance(await refusal(Registry(wire.address)), Interrupted)


async def test_a_registry_that_is_away_is_asked_again_later() -> None:
    error = await refusal(Registry("http://127.0.0.1:1", USER, PASSWORD))
    assert isinstance(error, Interrupted)
    assert PASSWORD not in f"{error!r}"


async def test_a_registry_that_says_nothing_is_left_in_time() -> None:
    async with registry_wire(v1=ONE) as wire, asyncio.timeout(10):
        wire.held = asyncio.Event()
        error = await refusal(Registry(wire.address, patience=timedelta(seconds=0.2)))
    assert isinstance(error, Interrupted)


@pytest.mark.parametrize("kind", ["text/html", "application/json", ""])
async def test_a_page_in_a_registrys_place_is_not_taken_for_an_image(kind: str) -> None:
    async with registry_wire(v1=b"<html>Sign in</html>") as wire:
        wire.kind = kind
        assert isinstance(await refusal(Registry(wire.address)), NoRegistry)


async def test_a_manifest_without_end_is_not_read_to_its_end() -> None:
    async with registry_wire(v1=b"x" * 5_000_000) as wire:
        wire.says_digest = False
        assert "no end" in str(await refusal(Registry(wire.address)))


async def test_where_no_registry_is_named_the_tag_stays_a_tag() -> None:
    assert await Unchecked().find("shop/web:v1") == ""
    with pytest.raises(Refused):
        await Unchecked().find("web")


async def test_a_greeting_says_whether_it_is_a_registry_that_lets_us_in() -> None:
    async with registry_wire(v1=ONE) as wire:
        await Registry(wire.address).greet()
        wire.guard = "basic"
        await known(wire).greet()
        with pytest.raises(NotLetIn):
            await Registry(wire.address).greet()
        wire.status = 404
        with pytest.raises(NoRegistry):
            await Registry(wire.address).greet()

"""Tags are looked up in a real registry."""

from collections.abc import Iterator

import pytest

from engine.builders.registry import NoSuchTag, Registry
from tests.support.registry_server import RegistryServer, registry_server

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


async def test_a_tag_is_the_digest_that_the_registry_gave_when_it_was_pushed(server: RegistryServer) -> None:
    one, two = server.push("shop/web", "v1", "one"), server.push("shop/web", "v2", "two")
    registry = Registry(server.address)
    await registry.greet()
    assert (await registry.find("shop/web:v1"), await registry.find("shop/web:v2")) == (one, two)
    assert one != two


async def test_a_tag_that_was_moved_is_the_new_content(server: RegistryServer) -> None:
    before = server.push("shop/moved", "stable", "one")
    assert await Registry(server.address).find("shop/moved:stable") == before
    after = server.push("shop/moved", "stable", "two")
    assert await Registry(server.address).find("shop/moved:stable") == after
    assert before != after


async def test_an_image_for_several_machines_is_its_index(server: RegistryServer) -> None:
    inner = server.push("shop/many", "amd64", "one")
    index = server.push_index("shop/many", "v1", (inner, 500))
    assert await Registry(server.address).find("shop/many:v1") == index != inner


async def test_what_is_not_there_is_said_with_what_is(server: RegistryServer) -> None:
    server.push("shop/near", "v10", "ten")
    with pytest.raises(NoSuchTag) as raised:
        await Registry(server.address).find("shop/near:v1")
    assert raised.value.hint == "There are shop/near:v10."
    with pytest.raises(NoSuchTag) as raised:
        await Registry(server.address).find("shop/nowhere:v1")
    assert raised.value.hint == "Push it first, or mend its name."

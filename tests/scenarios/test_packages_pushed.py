"""`sluice package push` and `pull`: broken connections cost little, and half a file never looks like a whole one."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.terminal.parcels import AT_ONCE, Parcels, Unreachable
from engine.errors import Broken, Refused
from engine.packages import parse
from tests.support.package_house import House, a_house

VERSION = parse("acme/shop/api/1.0")
SMALL = b"small"


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


@pytest_asyncio.fixture
async def parcels(house: House) -> Parcels:
    return Parcels(house.url, {"Authorization": f"Bearer {await house.token()}"}, pause=lambda _seconds: None)


def a_file(tmp_path: Path, content: bytes, name: str = "api.tar") -> Path:
    place = tmp_path / "mine" / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    return place


async def test_what_is_pushed_is_pulled_and_pushing_it_again_says_that_it_is_there(
    tmp_path: Path, parcels: Parcels
) -> None:
    file = await asyncio.to_thread(a_file, tmp_path, SMALL)
    where, is_new = await asyncio.to_thread(parcels.push, file, VERSION)
    assert (str(where), is_new) == ("acme/shop/api/1.0/api.tar", True)
    assert (await asyncio.to_thread(parcels.push, file, VERSION))[1] is False
    await asyncio.to_thread(parcels.push, file, parse("acme/shop/api/1.0/other"))
    places = await asyncio.to_thread(parcels.pull, VERSION, tmp_path / "got")
    assert {place.name: place.read_bytes() for place in places} == {"api.tar": SMALL, "other": SMALL}
    assert await asyncio.to_thread(parcels.pull, where, tmp_path / "got") == [places[0]]


async def test_a_large_file_goes_on_where_a_killed_sender_ended(tmp_path: Path, house: House, parcels: Parcels) -> None:
    content = secrets.token_bytes(1024) * 20_000
    file = await asyncio.to_thread(a_file, tmp_path, content)

    def killed(done: int, _size: int) -> None:
        if done > AT_ONCE + 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(parcels.push, file, VERSION, killed)
    again: list[int] = []
    where, _ = await asyncio.to_thread(parcels.push, file, VERSION, lambda done, _size: again.append(done))
    assert again[0] > AT_ONCE, "what had arrived is not sent again"
    assert again[-1] == len(content)
    _, place = await house.shelf.find(where)
    assert await asyncio.to_thread(place.read_bytes) == content


async def test_a_busy_store_is_asked_again_and_a_silent_one_not_for_ever(tmp_path: Path, house: House) -> None:
    file = await asyncio.to_thread(a_file, tmp_path, SMALL)
    headers = {"Authorization": f"Bearer {await house.token()}"}
    house.web.direct.uploads.most = 0
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        house.web.direct.uploads.most = 1 if len(paused) == 2 else 0

    patient = Parcels(house.url, headers, pause=pause)
    await asyncio.to_thread(patient.push, file, VERSION)
    assert len(paused) == 2
    assert paused[0] < paused[1]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nowhere = Parcels(f"http://127.0.0.1:{port}/packages", headers, pause=lambda _seconds: None)
    with pytest.raises(Unreachable, match="does not answer"):
        await asyncio.to_thread(nowhere.push, file, VERSION)
    with pytest.raises(Broken, match="not running"):
        await asyncio.to_thread(Parcels("http://sluice/packages", {}, tmp_path / "none").push, file, VERSION)


async def test_what_the_store_refuses_is_said_in_its_words(tmp_path: Path, house: House, parcels: Parcels) -> None:
    file = await asyncio.to_thread(a_file, tmp_path, SMALL)
    with pytest.raises(Refused, match="not for other") as refused:
        await asyncio.to_thread(parcels.push, file, parse("other/shop/api/1.0"))
    assert "package token" in refused.value.hint
    with pytest.raises(Refused, match="no package"):
        await asyncio.to_thread(parcels.pull, VERSION, tmp_path)
    with pytest.raises(Refused, match="no token"):
        await asyncio.to_thread(Parcels(house.url, {}).pull, VERSION, tmp_path)


async def test_a_pull_goes_on_and_never_leaves_half_a_file_under_its_name(tmp_path: Path, parcels: Parcels) -> None:
    content = secrets.token_bytes(1_000_000)
    file = await asyncio.to_thread(a_file, tmp_path, content)
    where, _ = await asyncio.to_thread(parcels.push, file, VERSION)
    got = tmp_path / "got"
    seen: list[int] = []

    def killed(done: int, _size: int) -> None:
        seen.append(done)
        if done > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(parcels.pull, where, got, killed)
    assert [one.name for one in got.iterdir()] == [".api.tar.part"]
    again: list[int] = []
    [place] = await asyncio.to_thread(parcels.pull, where, got, lambda done, _size: again.append(done))
    assert again[0] > seen[-2]
    assert place.read_bytes() == content
    place.rename(got / ".api.tar.part")
    (got / ".api.tar.part").write_bytes(b"x" * 10)
    with pytest.raises(Broken, match="checksum"):
        await asyncio.to_thread(parcels.pull, where, got)
    assert list(got.iterdir()) == []


async def test_a_file_that_is_there_with_another_content_is_left(tmp_path: Path, parcels: Parcels) -> None:
    file = await asyncio.to_thread(a_file, tmp_path, SMALL)
    where, _ = await asyncio.to_thread(parcels.push, file, VERSION)
    mine = await asyncio.to_thread(a_file, tmp_path, b"mine")
    with pytest.raises(Refused, match="another content"):
        await asyncio.to_thread(parcels.pull, where, mine.parent)
    assert mine.read_bytes() == b"mine"

"""Large files in pieces (tus 1.0.0): broken off, gone on with, after a restart too, and kept once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from bot.packages.resumable import MOST_OPEN
from engine.model import Person
from storage.package_files import DraftChanged
from storage.package_shelf import Limits
from storage.package_tokens import Right
from tests.support.eventually import eventually
from tests.support.package_house import PIECE, TUS, House, a_house, metadata, sha256
from tests.support.store import BOB

FILE = "acme/shop/api/1.0/big.tar"
BIG = bytes(range(256)) * 12_000
SIZE = {"Upload-Length": str(len(BIG))}


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


@pytest_asyncio.fixture
async def ann(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with house.client(await house.token()) as client:
        yield client


async def begin(client: httpx.AsyncClient, size: int = len(BIG), **told: str) -> str:
    """Begin an upload; returns its address."""
    given = {**TUS, "Upload-Length": str(size), **metadata(**{"path": FILE, **told})}
    answer = await client.post("/-/uploads", headers=given)
    assert answer.status_code == 201, answer.text
    place: str = answer.headers["location"]
    return place.removeprefix("/packages")


async def piece(client: httpx.AsyncClient, place: str, offset: int, content: bytes) -> httpx.Response:
    return await client.patch(place, headers={**PIECE, "Upload-Offset": str(offset)}, content=content)


async def offset_of(client: httpx.AsyncClient, place: str) -> int:
    answer = await client.head(place, headers=TUS)
    assert answer.status_code == 200, answer.status_code
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


async def test_what_comes_in_pieces_is_kept_whole(ann: httpx.AsyncClient) -> None:
    place = await begin(ann, sha256=sha256(BIG))
    middle = len(BIG) // 2
    assert await offset_of(ann, place) == 0
    first = await piece(ann, place, 0, BIG[:middle])
    assert (first.status_code, first.headers["upload-offset"]) == (204, str(middle))
    assert (await ann.get(f"/{FILE}")).status_code == 404
    last = await piece(ann, place, middle, BIG[middle:])
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(BIG)))
    assert (await ann.get(f"/{FILE}")).content == BIG
    assert await offset_of(ann, place) == len(BIG), "who did not hear the end may ask"


async def test_a_broken_off_piece_is_gone_on_with_where_it_ended(house: House, ann: httpx.AsyncClient) -> None:
    place, got = await begin(ann, sha256=sha256(BIG)), 0
    draft = house.shelf.files.draft(place.rpartition("/")[2])
    head = {"Authorization": ann.headers["authorization"], **PIECE}
    for _ in range(3):
        before = await offset_of(ann, place)
        sent = BIG[before : before + 700_000]
        left = len(BIG) - before
        await house.break_off("PATCH", place, {**head, "Upload-Offset": str(before)}, left, sent)
        await eventually(lambda: draft.exists() and draft.stat().st_size > got)  # noqa: B023 - waited for here
        await eventually(lambda: house.web.resumable.slots.taken == 0)
        got = await offset_of(ann, place)
    assert 0 < got < len(BIG)
    assert (await piece(ann, place, got, BIG[got:])).status_code == 204
    assert (await ann.get(f"/{FILE}")).content == BIG


async def test_an_upload_survives_a_restart_and_a_sender_that_has_forgotten_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        place = await begin(client, sha256=sha256(BIG))
        await piece(client, place, 0, BIG[:1000])
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        await house.shelf.tidy()
        assert await begin(client, sha256=sha256(BIG)) == place
        assert await offset_of(client, place) == 1000
        assert (await piece(client, place, 1000, BIG[1000:])).status_code == 204
        assert (await client.get(f"/{FILE}")).content == BIG


async def test_an_end_that_was_cut_off_between_disk_and_index_is_made_up_for(tmp_path: Path) -> None:
    """All bytes are there, and the process died before the index named them."""
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        place = await begin(client, sha256=sha256(BIG))
        house.shelf.files.append(place.rpartition("/")[2], BIG)
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        assert await offset_of(client, place) == len(BIG)
        assert (await client.get(f"/{FILE}")).content == BIG
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        again = await begin(client, sha256=sha256(BIG))
        house.shelf.files.append(again.rpartition("/")[2], BIG)
        house.shelf.files.keep(again.rpartition("/")[2], sha256(BIG), house.clock.now())
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        with pytest.raises(DraftChanged):
            house.shelf.files.append(again.rpartition("/")[2], b"more", len(BIG))
        assert await offset_of(client, again) == len(BIG), "what lies on the disk is not sent again"
        assert (await client.get(f"/{FILE}")).content == BIG
        assert house.drafts() == []


async def test_a_piece_at_the_wrong_place_changes_nothing_and_says_the_right_one(ann: httpx.AsyncClient) -> None:
    place = await begin(ann)
    await piece(ann, place, 0, BIG[:1000])
    for wrong in (0, 999, 1001):
        answer = await piece(ann, place, wrong, b"x")
        assert answer.status_code == 409
        assert "Upload-Offset: 1000" in answer.json()["hint"]
    assert await offset_of(ann, place) == 1000


async def test_two_pieces_at_once_are_not_mixed(house: House, ann: httpx.AsyncClient) -> None:
    place = await begin(ann)
    sending, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield BIG[:1000]
        sending.set()
        await ended.wait()

    first = asyncio.create_task(ann.patch(place, headers={**PIECE, "Upload-Offset": "0"}, content=slow()))
    await sending.wait()
    await eventually(lambda: house.web.resumable.slots.taken == 1)
    assert (await piece(ann, place, 0, BIG)).status_code == 423
    assert (await ann.delete(place, headers=TUS)).status_code == 423
    ended.set()
    assert (await first).status_code == 204
    assert await offset_of(ann, place) == 1000


async def test_an_upload_that_would_expire_while_its_last_piece_arrives_is_kept_whole(
    house: House, ann: httpx.AsyncClient
) -> None:
    place = await begin(ann)
    await piece(ann, place, 0, BIG[:1000])
    sending, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield BIG[1000:2000]
        sending.set()
        await ended.wait()
        yield BIG[2000:]

    house.clock.pass_time(timedelta(hours=23))
    last = asyncio.create_task(ann.patch(place, headers={**PIECE, "Upload-Offset": "1000"}, content=slow()))
    await sending.wait()
    await eventually(lambda: house.web.resumable.slots.taken == 1)
    draft = house.shelf.files.draft(place.rpartition("/")[2])
    house.clock.pass_time(timedelta(hours=2))
    await house.shelf.tidy()
    assert draft.exists()
    ended.set()
    assert (await last).status_code == 204
    assert (await ann.get(f"/{FILE}")).content == BIG


async def test_asking_often_at_the_end_keeps_the_file_once_and_whole(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        place = await begin(client)
        house.shelf.files.append(place.rpartition("/")[2], BIG)
        assert {await one for one in [offset_of(client, place) for _ in range(2)]} == {len(BIG)}
        place = await begin(client, path=f"{FILE}.2")
        house.shelf.files.append(place.rpartition("/")[2], BIG)
        await asyncio.gather(*(client.head(place, headers=TUS) for _ in range(8)))
        assert (await client.get(f"/{FILE}.2")).content == BIG


async def test_more_than_was_announced_is_refused(ann: httpx.AsyncClient) -> None:
    place = await begin(ann, size=10)
    assert (await piece(ann, place, 0, b"x" * 11)).status_code == 413
    assert await offset_of(ann, place) == 0
    assert (await piece(ann, place, 0, b"x" * 10)).status_code == 204
    assert (await ann.get(f"/{FILE}")).content == b"x" * 10


async def test_a_whole_that_is_not_what_was_announced_is_forgotten(house: House, ann: httpx.AsyncClient) -> None:
    place = await begin(ann, size=5, sha256=sha256(b"hello"))
    answer = await piece(ann, place, 0, b"jello")
    assert answer.status_code == 422
    assert (await ann.head(place, headers=TUS)).status_code == 400
    assert house.drafts() == []
    assert (await ann.get(f"/{FILE}")).status_code == 404


async def test_two_uploads_of_one_file_leave_the_first_that_ended(ann: httpx.AsyncClient) -> None:
    one, two, same = [await begin(ann, size=3, sha256=sha256(what)) for what in (b"one", b"two", b"one")]
    assert same == one
    assert (await piece(ann, two, 0, b"two")).status_code == 204
    refused = await piece(ann, one, 0, b"one")
    assert refused.status_code == 409
    assert (await ann.get(f"/{FILE}")).content == b"two"


async def test_an_upload_is_nobody_elses(house: House, ann: httpx.AsyncClient) -> None:
    await house.shelf.store.transact(lambda book: book.people.add(Person(BOB)))
    place = await begin(ann)
    async with house.client(await house.token(person=BOB)) as bob, house.client() as nobody:
        assert (await bob.head(place, headers=TUS)).status_code == 400
        assert (await piece(bob, place, 0, b"x")).status_code == 400
        assert (await bob.delete(place, headers=TUS)).status_code == 400
        assert (await piece(nobody, place, 0, b"x")).status_code == 401
    async with house.client(await house.token(Right.READ)) as reader:
        assert (await piece(reader, place, 0, b"x")).status_code == 403
        assert (await reader.post("/-/uploads", headers={**TUS, **SIZE, **metadata(path=FILE)})).status_code == 403
    assert await offset_of(ann, place) == 0


async def test_an_upload_that_is_ended_or_too_old_is_gone(house: House, ann: httpx.AsyncClient) -> None:
    place = await begin(ann)
    await piece(ann, place, 0, BIG[:1000])
    assert (await ann.delete(place, headers=TUS)).status_code == 204
    assert house.drafts() == []
    old = await begin(ann)
    await piece(ann, old, 0, BIG[:1000])
    house.clock.pass_time(timedelta(days=2))
    assert (await ann.head(old, headers=TUS)).status_code == 400
    await house.shelf.tidy()
    assert house.drafts() == []


async def test_room_is_set_aside_while_an_upload_is_open(tmp_path: Path) -> None:
    async with a_house(tmp_path, Limits(file=1000, organization=1500, total=9000)) as house, AsyncExitStack() as stack:
        client = await stack.enter_async_context(house.client(await house.token()))
        await begin(client, size=1000)
        other = {**TUS, "Upload-Length": "600", **metadata(path="acme/shop/api/1.0/other")}
        refused = await client.post("/-/uploads", headers=other)
        assert refused.status_code == 507
        assert "acme has used 1000 B of 1.5 KiB" in refused.json()["error"]
        large = await client.post("/-/uploads", headers={**other, "Upload-Length": "1001"})
        assert large.status_code == 413
        house.clock.pass_time(timedelta(days=2))
        assert (await client.post("/-/uploads", headers=other)).status_code == 201


async def test_one_person_has_only_so_many_uploads_open(house: House, ann: httpx.AsyncClient) -> None:
    for number in range(MOST_OPEN):
        await begin(ann, path=f"acme/shop/api/1.0/f{number}", size=10)
    refused = await ann.post("/-/uploads", headers={**TUS, **SIZE, **metadata(path=FILE)})
    assert refused.status_code == 429


async def test_an_empty_file_needs_no_piece(ann: httpx.AsyncClient) -> None:
    await begin(ann, size=0, sha256=sha256(b""))
    assert (await ann.get(f"/{FILE}")).content == b""


async def test_what_is_spoken_is_told_and_other_versions_are_not_understood(ann: httpx.AsyncClient) -> None:
    told = await ann.options("/-/uploads")
    assert told.headers["tus-version"] == "1.0.0"
    assert told.headers["tus-extension"] == "creation,expiration,termination"
    assert int(told.headers["tus-max-size"]) > 0
    other = await ann.post("/-/uploads", headers={**SIZE, **metadata(path=FILE), "Tus-Resumable": "0.2.2"})
    assert (other.status_code, other.headers["tus-version"]) == (412, "1.0.0")


UNFIT: tuple[dict[str, str], ...] = (
    {"Upload-Length": "-1", **metadata(path=FILE)},
    {"Upload-Length": "1e3", **metadata(path=FILE)},
    {"Upload-Length": "9" * 40, **metadata(path=FILE)},
    metadata(path=FILE),
    {"Upload-Length": "5", **metadata(path="../../../etc/passwd")},
    {"Upload-Length": "5", **metadata(path="acme/shop/api/1.0", filename="../x")},
    {"Upload-Length": "5", **metadata(path="acme/shop/api/1.0")},
    {"Upload-Length": "5", **metadata(path=FILE, sha256="abc")},
    {"Upload-Length": "5", "Upload-Metadata": "path !!!"},
    {"Upload-Length": "5", "Upload-Metadata": "path //8="},
    {"Upload-Length": "5", "Upload-Metadata": "x" * 5000},
    {"Upload-Length": "5"},
)


async def test_what_cannot_begin_is_refused_in_words(ann: httpx.AsyncClient) -> None:
    for headers in UNFIT:
        answer = await ann.post("/-/uploads", headers={**TUS, **headers})
        assert answer.status_code == 400, headers
        assert answer.json()["hint"]


async def test_a_browser_may_say_patch_in_a_post(ann: httpx.AsyncClient) -> None:
    place = await begin(ann, size=2)
    override = {**PIECE, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert (await ann.post(place, headers=override, content=b"ok")).status_code == 204
    assert (await ann.get(f"/{FILE}")).content == b"ok"
    wrong = await ann.patch(place, headers={**TUS, "Upload-Offset": "0"}, content=b"ok")
    assert wrong.status_code == 415

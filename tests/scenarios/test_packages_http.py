"""The package store over HTTP, with a real client: every status says what to do, and nothing is kept by half."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from bot.uploads import Patience
from engine.model import PersonId
from engine.packages import parse
from storage.audit import SHOWN
from storage.package_shelf import Limits
from storage.package_tokens import Right
from tests.support.eventually import eventually
from tests.support.package_house import House, a_house, request_head, sha256

FILE = "/acme/shop/api/1.0/api.tar"
HELLO = b"hello"


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


@pytest_asyncio.fixture
async def ann(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything in acme."""
    async with house.client(await house.token(Right.DELETE)) as client:
        yield client


def told(answer: httpx.Response, status: int) -> str:
    """What is said with this status: a sentence, and what to do."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["error"]
    assert said["hint"]
    return f"{said['error']} {said['hint']}"


async def test_a_file_that_is_put_is_got_with_its_checksum(ann: httpx.AsyncClient) -> None:
    put = await ann.put(FILE, content=HELLO)
    assert put.status_code == 201
    assert put.json()["sha256"] == sha256(HELLO)
    assert put.json()["by"] == "ann"
    assert put.headers["location"] == f"/packages{FILE}"
    got = await ann.get(FILE)
    assert got.content == HELLO
    assert got.headers["x-checksum-sha256"] == sha256(HELLO)
    digest = base64.b64encode(hashlib.sha256(HELLO).digest()).decode()
    assert got.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert got.headers["etag"] == f'"{sha256(HELLO)}"'
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"] == 'attachment; filename="api.tar"'
    assert got.headers["x-content-type-options"] == "nosniff"
    head = await ann.head(FILE)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")


async def test_whoever_has_a_file_is_told_so_and_ranges_are_given(ann: httpx.AsyncClient) -> None:
    await ann.put(FILE, content=b"0123456789")
    etag = (await ann.head(FILE)).headers["etag"]
    for named in (etag, f'"other", W/{etag}', "*"):
        same = await ann.get(FILE, headers={"If-None-Match": named})
        assert (same.status_code, same.content) == (304, b"")
    part = await ann.get(FILE, headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"345", "bytes 3-5/10")
    rest = await ann.get(FILE, headers={"Range": "bytes=7-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, b"789")
    changed = await ann.get(FILE, headers={"Range": "bytes=7-", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, b"0123456789")
    beyond = await ann.get(FILE, headers={"Range": "bytes=10-"})
    assert "range" in told(beyond, 416)
    assert beyond.headers["content-range"] == "bytes */10"
    many = await ann.get(FILE, headers={"Range": "bytes=" + ",".join(["0-"] * 500)})
    assert (many.status_code, many.content) == (200, b"0123456789")


async def test_the_same_file_again_is_there_and_another_one_is_refused(ann: httpx.AsyncClient) -> None:
    assert (await ann.put(FILE, content=HELLO)).status_code == 201
    assert (await ann.put(FILE, content=HELLO)).status_code == 200
    assert "Take another version" in told(await ann.put(FILE, content=b"other"), 409)
    assert (await ann.get(FILE)).content == HELLO


async def test_a_checksum_that_does_not_fit_keeps_nothing(house: House, ann: httpx.AsyncClient) -> None:
    digest = base64.b64encode(hashlib.sha256(HELLO).digest()).decode()
    for header, value in (
        ("X-Checksum-Sha256", sha256(b"other")),
        ("Content-Digest", f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"),
    ):
        assert "announced" in told(await ann.put(FILE, content=HELLO, headers={header: value}), 422)
    for header, value in (
        ("X-Checksum-Sha256", "abc"),
        ("Content-Digest", "sha-256=:abc:"),
        ("Content-Digest", "sha-256=abc"),
    ):
        assert "no SHA-256" in told(await ann.put(FILE, content=HELLO, headers={header: value}), 400)
    both = {"X-Checksum-Sha256": sha256(b"other"), "Repr-Digest": f"sha-256=:{digest}:"}
    assert "another" in told(await ann.put(FILE, content=HELLO, headers=both), 400)
    assert (await ann.get(FILE)).status_code == 404
    assert house.drafts() == []
    right = {"Content-Digest": f"sha-512=:AAAA:, sha-256=:{digest}:", "X-Checksum-Sha256": sha256(HELLO).upper()}
    assert (await ann.put(FILE, content=HELLO, headers=right)).status_code == 201


async def test_packages_versions_and_files_are_listed(house: House, ann: httpx.AsyncClient) -> None:
    await ann.put(FILE, content=HELLO)
    await ann.put("/acme/shop/web/2.0/web.tar", content=b"w")
    async with house.client(await house.token(organization="acme-tools")) as other:
        await other.put("/acme-tools/x/y/1/z", content=b"z")
        assert [one["path"] for one in (await other.get("/")).json()["packages"]] == ["acme-tools/x/y"]
    listed = (await ann.get("/")).json()
    assert [one["path"] for one in listed["packages"]] == ["acme/shop/api", "acme/shop/web"]
    assert listed["next"] is None
    assert [one["path"] for one in (await ann.get("/?search=WEB")).json()["packages"]] == ["acme/shop/web"]
    package = (await ann.get("/acme/shop/api")).json()
    assert [one["path"] for one in package["version"]] == ["acme/shop/api/1.0"]
    version = (await ann.get("/acme/shop/api/1.0")).json()
    assert version["files"][0]["url"] == f"/packages{FILE}"
    assert version["files"][0]["size"] == 5
    for missing in ("/acme/shop/nothing", "/acme/shop/api/9", "/acme/shop/api/1.0/nothing"):
        assert "no package" in told(await ann.get(missing), 404)


async def test_what_is_deleted_is_gone_and_its_name_stays_taken(ann: httpx.AsyncClient) -> None:
    await ann.put(FILE, content=HELLO)
    assert (await ann.delete("/acme/shop/api/1.0")).json() == {"deleted": ["acme/shop/api/1.0/api.tar"]}
    assert (await ann.get(FILE)).status_code == 404
    told(await ann.delete("/acme/shop/api/1.0"), 404)
    assert "before it was deleted" in told(await ann.put(FILE, content=b"other"), 409)


async def test_a_token_is_good_for_its_organization_and_its_rights_only(house: House, ann: httpx.AsyncClient) -> None:
    await ann.put(FILE, content=HELLO)
    async with house.client(await house.token(Right.READ)) as reader:
        assert (await reader.get(FILE)).status_code == 200
        assert "may read, not write" in told(await reader.put("/acme/shop/api/1.0/b", content=b"b"), 403)
        assert "not for other" in told(await reader.get("/other/x/y/1/z"), 403)
    async with house.client(await house.token(Right.WRITE)) as writer:
        assert "may write, not delete" in told(await writer.delete(FILE), 403)
        assert (await writer.put("/acme/shop/api/1.0/b", content=b"b")).status_code == 201


async def test_whoever_has_no_good_token_is_told_how_to_get_one(house: House) -> None:
    short = await house.token(good_for=timedelta(days=1))
    stranger = await house.token(person=PersonId("mallory"))
    good = await house.token()
    revoked = await house.token()
    public = revoked.split("_")[1]
    await house.shelf.store.transact(lambda book: book.packages.tokens.revoke(public, house.clock.now()))
    house.clock.pass_time(timedelta(days=2))
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    for token in ("", "x", short, stranger, revoked, wrong, good.upper(), good.replace("_", "-")):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with house.client() as client:
            answer = await client.put(FILE, content=HELLO, headers=headers)
        assert "package token" in told(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        if token:
            assert token not in answer.text


async def test_the_database_holds_no_token(house: House, tmp_path: Path) -> None:
    token = await house.token()
    async with house.client(token) as client:
        await client.put(FILE, content=HELLO)
    secret = token.rpartition("_")[2].encode()
    kept = await asyncio.to_thread(lambda: [one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()])
    assert kept
    assert not any(secret in one for one in kept)


async def test_what_machines_do_stands_in_the_audit(house: House, ann: httpx.AsyncClient) -> None:
    await ann.put(FILE, content=HELLO)
    await ann.put(FILE, content=b"other")
    await ann.delete(FILE)
    deeds = await house.shelf.store.read(lambda book: book.audit.latest(9))
    assert [(one.person, one.outcome, one.line.split()[0]) for one in reversed(deeds)] == [
        ("ann", "done", "PUT"),
        ("ann", "refused", "PUT"),
        ("ann", "done", "DELETE"),
    ]
    assert {one.room for one in deeds} == {"hooks:packages"}


async def test_a_file_that_is_given_stands_in_the_audit_once_an_hour_for_each_token(
    house: House, ann: httpx.AsyncClient
) -> None:
    async def given() -> list[tuple[str, str]]:
        await house.shelf.store.transact(lambda _book: None)
        rows = await house.shelf.store.read(lambda book: book.audit.page(0, 99))
        return [(row.deed.line, row.deed.account) for row in rows if row.deed.outcome == SHOWN]

    await ann.put(FILE, content=HELLO)
    await ann.head(FILE)
    await ann.get(FILE.rpartition("/")[0])
    assert not await given()
    for _ in range(3):
        await ann.get(FILE)
    [(line, account)] = await given()
    assert (line, account[:6]) == (f"GET {FILE[1:]}", "token:")
    async with house.client(await house.token(Right.READ)) as other:
        await other.get(FILE)
    assert len({one for _, one in await given()}) == 2
    house.clock.pass_time(timedelta(hours=1))
    await ann.get(FILE)
    assert len(await given()) == 3


NO_NAMES = (
    "/acme/shop/api/1.0/..%2f..%2fetc",
    "/acme/shop/api/%2e%2e/x",
    "/acme/shop/api/1.0/%252e%252e",
    "/acme/shop/api/1.0/a%00b",
    "/acme/shop/api/1.0/a%0d%0ab",
    "/acme/shop/api/1.0/%E2%80%AEtar",
    "/acme/shop/api/1.0/%EF%BC%8E%EF%BC%8E",
    "/acme/shop/api/1.0/",
    "//acme/shop/api/1.0/x",
    "/Acme/shop/api/1.0/x",
    "/acme/shop/api/1.0/.hidden",
    "/acme/shop/api/1.0/-rf",
    "/acme/shop/api/1.0/a/b",
    "/acme/shop/api/1.0/%C3%28",
    "/acme/shop/api/1.0/" + "a" * 300,
)
"""What is no name, as it may stand in an address."""


async def test_a_path_that_is_no_name_is_refused_however_it_is_written(house: House, ann: httpx.AsyncClient) -> None:
    headers = {"Authorization": ann.headers["authorization"], "Content-Length": "1", "Connection": "close"}
    for path in NO_NAMES:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request_head("PUT", path, headers) + b"x")
        answer = await reader.read()
        writer.close()
        assert answer.split()[1] == b"404" or (answer.split()[1] == b"400" and b'"hint"' in answer), (path, answer)
    assert not (house.shelf.files.root / "content").exists()


async def test_a_sender_that_hangs_up_leaves_nothing(house: House, ann: httpx.AsyncClient) -> None:
    auth = {"Authorization": ann.headers["authorization"]}
    await house.break_off("PUT", FILE, auth, 4_000_000, b"x" * 1_500_000)

    await eventually(lambda: house.receiving == 0 and house.drafts() == [])
    assert (await ann.get(FILE)).status_code == 404
    assert (await ann.put(FILE, content=b"x" * 4_000_000)).status_code == 201


async def test_a_file_that_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with a_house(tmp_path, Limits(file=1000, organization=1500, total=9000)) as house:
        token = await house.token()
        headers = {"Authorization": f"Bearer {token}", "Content-Length": "5000", "Expect": "100-continue"}
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request_head("PUT", FILE, headers))
        answer = await reader.readuntil(b"\r\n")
        assert b" 413 " in answer
        writer.close()
        async with house.client(token) as client:

            async def unannounced() -> AsyncIterator[bytes]:
                for _ in range(20):
                    yield b"x" * 100

            assert "More than 1000 bytes" in told(await client.put(FILE, content=unannounced()), 413)
            assert (await client.put(FILE, content=b"x" * 1000)).status_code == 201
            full = told(await client.put("/acme/shop/api/1.0/b", content=b"y" * 600), 507)
            assert "acme has used 1000 B of 1.5 KiB" in full
            assert "acme/shop/api 1000 B" in full
        assert house.drafts() == []


async def test_room_is_set_aside_while_a_file_is_on_its_way(tmp_path: Path) -> None:
    limits = Limits(file=1000, organization=1500, total=9000)
    sending, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        sending.set()
        await ended.wait()
        yield b"x" * 10

    async def unmeasured() -> AsyncIterator[bytes]:
        yield b"y"

    async with a_house(tmp_path, limits) as house, house.client(await house.token()) as client:
        first = asyncio.create_task(client.put(FILE, content=slow()))
        await sending.wait()
        await eventually(lambda: house.web.direct.uploads.taken == 1)
        full = told(await client.put("/acme/shop/api/1.0/b", content=b"y" * 600), 507)
        assert "acme has used 1000 B" in full
        unsaid = told(await client.put("/acme/shop/api/1.0/b", content=unmeasured()), 400)
        assert "Content-Length" in unsaid
        ended.set()
        assert (await first).status_code == 201
        assert (await client.put("/acme/shop/api/1.0/b", content=b"y" * 600)).status_code == 201


async def test_what_a_broken_off_put_had_set_aside_is_free_again(tmp_path: Path) -> None:
    async with a_house(tmp_path, Limits(file=1000, organization=1500, total=9000)) as house:
        token = await house.token()
        async with house.client(token) as client:
            headers = {"Authorization": f"Bearer {token}"}
            await house.break_off("PUT", FILE, headers, 1000, b"x" * 10)

            async def is_kept() -> bool:
                answer = await client.put(FILE, content=b"y" * 1000)
                assert answer.status_code in (201, 507), answer.text
                return answer.status_code == 201

            await eventually(is_kept, "the room that was set aside is free again")


async def test_only_so_many_files_are_given_at_once(tmp_path: Path) -> None:
    async with a_house(tmp_path, slots=1) as house, house.client(await house.token()) as client:
        large = b"x" * 20_000_000
        assert (await client.put(FILE, content=large)).status_code == 201
        async with client.stream("GET", FILE) as given:
            assert given.status_code == 200
            assert "Too many files" in told(await client.get(FILE), 503)
        await eventually(lambda: house.web.direct.downloads.taken == 0)
        assert (await client.get(FILE)).content == large


async def test_who_sends_too_slowly_is_told_so(tmp_path: Path) -> None:
    async with a_house(tmp_path, patience=Patience(silence=0.05)) as house:
        headers = {"Authorization": f"Bearer {await house.token()}", "Content-Length": "5000"}
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request_head("PUT", FILE, headers) + b"x")
        answer = await reader.read()
        writer.close()
        assert b" 408 " in answer.partition(b"\r\n")[0]
        assert b"tus" in answer
        assert house.drafts() == []


def test_a_trickle_runs_out_of_patience_and_a_steady_stream_does_not() -> None:
    patience = Patience(silence=30, start=30, slowest=1000)
    assert patience.left(since=0, now=29, received=0) == pytest.approx(1)
    assert patience.left(since=0, now=60, received=60) < 0
    assert patience.left(since=0, now=600, received=600_000) == pytest.approx(30)


async def test_only_so_many_files_arrive_at_once(tmp_path: Path) -> None:
    async with a_house(tmp_path, slots=1) as house, house.client(await house.token()) as client:
        sending, ended = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"x"
            sending.set()
            await ended.wait()

        first = asyncio.create_task(client.put(FILE, content=slow()))
        await sending.wait()

        await eventually(lambda: house.web.direct.uploads.taken == 1)
        second = await client.put("/acme/shop/api/1.0/b", content=b"b")
        assert "Too many files" in told(second, 503)
        assert second.headers["retry-after"]
        ended.set()
        assert (await first).status_code == 201


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Range": "bytes 0-4/5"}, "whole files"),
        ({"Content-Encoding": "gzip"}, "as they are"),
    ],
)
async def test_what_a_put_cannot_mean_is_refused(ann: httpx.AsyncClient, headers: dict[str, str], words: str) -> None:
    assert words in told(await ann.put(FILE, content=HELLO, headers=headers), 400)


async def test_other_methods_are_refused_in_words(ann: httpx.AsyncClient) -> None:
    assert "PUT" in told(await ann.post(FILE, content=b""), 405)


async def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        await client.put(FILE, content=HELLO)
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        assert (await client.get(FILE)).content == HELLO
        file, _ = await house.shelf.find(parse(FILE[1:]))
        assert file.by == "ann"

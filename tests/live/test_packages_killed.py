"""`kill -9` while a file is arriving: what had come is gone on with, and nothing is kept by half."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.package_house import PIECE, TUS, a_house, metadata, request_head, sha256
from tests.support.tree import ROOT

pytestmark = pytest.mark.live
FILE = "acme/shop/api/1.0/big.tar"
BIG = bytes(range(256)) * 40_000


@asynccontextmanager
async def a_process(home: Path, *how: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int, dict[str, str]]]:
    """Serve a store in a process of its own; gives it, its port, and what opens it."""
    command = (sys.executable, "-m", "tests.support.packages_until_killed", str(home), *how)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        port, token = (await process.stdout.readline()).decode().split()
        yield process, int(port), {"Authorization": f"Bearer {token}"}
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("how", ["in pieces", "at once"])
async def test_a_file_that_was_arriving_when_the_bot_was_killed(tmp_path: Path, how: str) -> None:
    async with a_process(tmp_path) as (process, port, owner):
        path, method, headers = f"/{FILE}", "PUT", owner
        if how == "in pieces":
            begin = {**owner, **TUS, "Upload-Length": str(len(BIG)), **metadata(path=FILE, sha256=sha256(BIG))}
            async with httpx.AsyncClient(trust_env=False) as client:
                begun = await client.post(f"http://127.0.0.1:{port}/packages/-/uploads", headers=begin)
            path, method = begun.headers["location"].removeprefix("/packages"), "PATCH"
            headers = {**owner, **PIECE, "Upload-Offset": "0"}
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_head(method, path, {**headers, "Content-Length": str(len(BIG))}) + BIG[:6_000_000])
        drafts = tmp_path / "packages" / "drafts"
        await eventually(lambda: any(one.stat().st_size > 2_000_000 for one in drafts.glob("*")))
        process.kill()
        await process.wait()
        writer.close()
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        assert (await client.get(f"/{FILE}")).status_code == 404
        if how == "in pieces":
            came = int((await client.head(path, headers=TUS)).headers["upload-offset"])
            assert 2_000_000 < came < len(BIG)
            more = {**PIECE, "Upload-Offset": str(came)}
            assert (await client.patch(path, headers=more, content=BIG[came:])).status_code == 204
        else:
            assert (await client.put(path, content=BIG)).status_code == 201
        assert (await client.get(f"/{FILE}")).content == BIG


async def test_a_file_that_was_whole_on_the_disk_and_not_in_the_index_when_the_bot_was_killed(tmp_path: Path) -> None:
    async with a_process(tmp_path, "keep") as (process, port, owner):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, headers=owner) as client:
            begin = {**TUS, "Upload-Length": str(len(BIG)), **metadata(path=FILE)}
            begun = await client.post("/packages/-/uploads", headers=begin)
            with pytest.raises(httpx.TransportError):
                await client.patch(begun.headers["location"], headers={**PIECE, "Upload-Offset": "0"}, content=BIG)
        await process.wait()
    path = begun.headers["location"].removeprefix("/packages")
    async with a_house(tmp_path) as house, house.client(await house.token()) as client:
        assert (await client.get(f"/{FILE}")).status_code == 404
        assert int((await client.head(path, headers=TUS)).headers["upload-offset"]) == len(BIG)
        assert (await client.get(f"/{FILE}")).content == BIG
        assert house.drafts() == []

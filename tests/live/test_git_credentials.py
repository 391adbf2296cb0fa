"""Secrets on their way to a git server that asks for them: git's own http backend, on loopback."""

import asyncio
import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StageFailure
from engine.forges.credential import Credential
from engine.forges.git import GitForge
from tests.support.eventually import eventually
from tests.support.git_server import serving
from tests.support.repository import Repository

pytestmark = pytest.mark.live
SECRET = "s3cr3t/of+ann"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "source" / "shop")
    made.commit()
    return made


@pytest.fixture
def log() -> list[str]:
    return []


def _with_account(root: Path, secret: str = SECRET) -> GitForge:
    async def credentials(account: str, _url: str) -> Credential:
        return Credential(account, secret)

    return GitForge(root, allow_http=True, credentials=credentials)


def _words_of_all_processes() -> Iterator[bytes]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            for kind in ("cmdline", "environ"):
                try:
                    yield (process / kind).read_bytes()
                except OSError:
                    continue


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc to look into")
async def test_the_secret_is_in_no_process_list_file_or_log_while_git_runs(
    repository: Repository, tmp_path: Path, log: list[str]
) -> None:
    with serving(repository.path.parent, ("ann", SECRET), held=True) as server:
        forge = _with_account(tmp_path / "forge")
        fetching = asyncio.create_task(
            forge.resolve(server.url("shop"), branch="main", tag=None, log=log.append, account="ann")
        )
        await eventually(server.let_in.is_set)
        words = list(_words_of_all_processes())
        files = [path.read_bytes() for path in (tmp_path / "forge").rglob("*") if path.is_file()]
        server.go_on.set()
        commit = await fetching
    assert any(b"remote-http" in word for word in words)
    pair = base64.b64encode(f"ann:{SECRET}".encode())
    said = "\n".join(log).encode()
    assert not [word for word in (*words, *files, said) if SECRET.encode() in word or pair in word]
    assert commit.url == server.url("shop")


async def test_a_wrong_secret_fails_the_stage_and_is_not_repeated(
    repository: Repository, tmp_path: Path, log: list[str]
) -> None:
    with serving(repository.path.parent, ("ann", SECRET)) as server:
        for forge in (_with_account(tmp_path / "a", "wr0ng"), GitForge(tmp_path / "b", allow_http=True)):
            with pytest.raises(StageFailure, match="refuses access") as failure:
                await forge.resolve(server.url("shop"), branch="main", tag=None, log=log.append, account="ann")
            assert "code account" in failure.value.hint
    assert "wr0ng" not in "\n".join([*log, str(failure.value)])


async def test_a_redirect_to_another_host_is_not_followed(
    repository: Repository, tmp_path: Path, log: list[str]
) -> None:
    with (
        serving(repository.path.parent, ("ann", SECRET)) as other,
        serving(repository.path.parent) as first,
    ):
        first.redirect_to = other.url("").rstrip("/")
        forge = _with_account(tmp_path / "forge")
        with pytest.raises(StageFailure, match="not followed"):
            await forge.resolve(first.url("shop"), branch="main", tag=None, log=log.append, account="ann")
        assert first.seen
        assert other.seen == []


async def test_a_cancelled_fetch_ends_git_and_the_next_one_works(
    repository: Repository, tmp_path: Path, log: list[str]
) -> None:
    with serving(repository.path.parent, ("ann", SECRET), held=True) as server:
        forge = _with_account(tmp_path / "forge")
        fetching = asyncio.create_task(
            forge.resolve(server.url("shop"), branch="main", tag=None, log=log.append, account="ann")
        )
        await eventually(server.let_in.is_set)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert not [word for word in _words_of_all_processes() if server.url("shop").encode() in word]
        server.go_on.set()
        commit = await forge.resolve(server.url("shop"), branch="main", tag=None, log=log.append, account="ann")
    assert commit.sha == repository.git("rev-parse", "HEAD")

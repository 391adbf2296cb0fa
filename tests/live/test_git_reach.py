"""Git on its way to a server: it goes where was looked, and not where it is sent on to."""

import os
from pathlib import Path

import pytest

from engine.addresses import parse_network
from engine.errors import SluiceError, StageFailure
from engine.forges.git import GitForge
from engine.forges.reaching import PrivateRepository, Reach
from tests.support.git_server import serving
from tests.support.repository import Repository

pytestmark = pytest.mark.live
LOOPBACK = (parse_network("127.0.0.0/8"),)


def forge(place: Path, reach: Reach) -> GitForge:
    return GitForge(place / "forge", allow_http=True, reach=reach)


async def leads_to_loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "source" / "shop")
    made.commit()
    return made


async def test_git_does_not_fetch_from_this_machine_unless_the_settings_say_so(
    repository: Repository, tmp_path: Path
) -> None:
    with serving(repository.path.parent) as server:
        with pytest.raises(PrivateRepository):
            await forge(tmp_path, Reach()).resolve(server.url("shop"), branch="main", tag=None, log=print)
        assert server.seen == []
        commit = await forge(tmp_path, Reach(LOOPBACK)).resolve(server.url("shop"), branch="main", tag=None, log=print)
        assert commit.sha == repository.git("rev-parse", "HEAD")


async def test_git_connects_to_the_address_that_was_judged_and_asks_no_resolver_again(
    repository: Repository, tmp_path: Path
) -> None:
    with serving(repository.path.parent) as server:
        url = f"http://git.test-only.invalid:{server.server_port}/shop"
        reach = Reach(LOOPBACK, {}, leads_to_loopback)
        commit = await forge(tmp_path, reach).resolve(url, branch="main", tag=None, log=print)
    assert commit.sha == repository.git("rev-parse", "HEAD")


async def test_a_redirect_to_another_server_is_not_followed_and_says_where_it_leads(
    repository: Repository, tmp_path: Path
) -> None:
    with serving(repository.path.parent) as other, serving(repository.path.parent) as first:
        first.redirect_to = other.url("").rstrip("/")
        with pytest.raises(StageFailure, match="not followed") as refused:
            await forge(tmp_path, Reach(LOOPBACK)).resolve(first.url("shop"), branch="main", tag=None, log=print)
        assert other.seen == []
    assert str(other.server_port) in str(refused.value)


async def test_a_redirect_within_the_server_is_followed_by_its_new_address(
    repository: Repository, tmp_path: Path
) -> None:
    log: list[str] = []
    with serving(repository.path.parent) as server:
        server.moved["/old/shop"] = "/shop"
        reach = Reach(LOOPBACK)
        commit = await forge(tmp_path, reach).resolve(server.url("old/shop"), branch="main", tag=None, log=log.append)
    assert commit.sha == repository.git("rev-parse", "HEAD")
    assert any("is found at" in line for line in log)
    assert commit.url.endswith("/old/shop")


async def test_ssh_connects_to_the_address_that_was_judged_and_is_told_the_host_by_its_name(tmp_path: Path) -> None:
    programs, seen = tmp_path / "programs", tmp_path / "seen"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\nexit 255\n')
    ssh.chmod(0o755)

    async def public(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34"]

    surroundings = {"PATH": f"{programs}:{os.environ['PATH']}"}
    git = GitForge(tmp_path / "forge", reach=Reach((), {}, public), surroundings=surroundings)
    with pytest.raises(SluiceError):
        await git.resolve("ssh://git@rebound.example:6379/x/y", branch="main", tag=None, log=print)
    words = seen.read_text().splitlines()
    assert "HostName=93.184.216.34" in words
    assert "HostKeyAlias=[rebound.example]:6379" in words

"""The forge with real git: local repositories, and a host that does not answer."""

import asyncio
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from engine.errors import Interrupted, Refused, StageFailure
from engine.forges.complaints import PushedOver
from engine.forges.git import GitForge
from engine.trees import digest_of
from tests.support.repository import Repository

pytestmark = pytest.mark.live


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "source" / "shop")
    made.commit({"server.py": "one\n", "Procfile": "web: python3 server.py\n"}, "First")
    return made


@pytest.fixture
def forge(tmp_path: Path) -> GitForge:
    return GitForge(tmp_path / "forge", allow_local=True)


@pytest.fixture
def log() -> list[str]:
    return []


async def test_a_branch_is_followed_and_a_tag_stays(repository: Repository, forge: GitForge, log: list[str]) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "-a", "-m", "annotated", "v1")
    second = repository.commit({"server.py": "two\n"}, "Second")
    branch = await forge.resolve(repository.url, branch="main", tag=None, log=log.append)
    tag = await forge.resolve(repository.url, branch=None, tag="v1", log=log.append)
    default = await forge.resolve(repository.url, branch=None, tag=None, log=log.append)
    assert (branch.sha, tag.sha, default.sha) == (second, first, second)
    assert (default.ref, branch.subject, branch.author) == ("main", "Second", "Ann <ann@example.com>")
    third = repository.commit({"server.py": "three\n"}, "Third")
    assert (await forge.resolve(repository.url, branch="main", tag=None, log=log.append)).sha == third


async def test_a_branch_is_taken_where_it_was_if_it_has_moved_on_and_not_if_it_has_moved_away(
    repository: Repository, forge: GitForge, log: list[str]
) -> None:
    first = repository.git("rev-parse", "HEAD")
    second = repository.commit({"server.py": "two\n"}, "Second")
    for number in range(25):
        repository.commit({"server.py": f"{number}\n"}, "More")
    found = await forge.resolve(repository.url, branch="main", tag=None, log=log.append, at=second)
    assert (found.sha, found.ref, found.subject) == (second, "main", "Second")
    repository.git("reset", "--hard", "--quiet", first)
    for replaced in (second, "0" * 39 + "1"):
        with pytest.raises(PushedOver, match=f"{replaced[:12]} was pushed to branch main, and is not in it any more"):
            await forge.resolve(repository.url, branch="main", tag=None, log=log.append, at=replaced)
    assert (await forge.resolve(repository.url, branch="main", tag=None, log=log.append, at=first)).sha == first


async def test_a_tag_that_was_moved_is_not_taken_for_what_it_was(
    repository: Repository, forge: GitForge, log: list[str]
) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "-a", "-m", "annotated", "v1")
    for named in (first, repository.git("rev-parse", "v1")):
        assert (await forge.resolve(repository.url, branch=None, tag="v1", log=log.append, at=named)).sha == first
    repository.commit({"server.py": "two\n"}, "Second")
    repository.git("tag", "--force", "v1")
    with pytest.raises(PushedOver):
        await forge.resolve(repository.url, branch=None, tag="v1", log=log.append, at=first)


async def test_a_branch_and_a_tag_of_one_name_are_kept_apart(
    repository: Repository, forge: GitForge, log: list[str]
) -> None:
    tagged = repository.git("rev-parse", "HEAD")
    repository.git("tag", "v1")
    repository.git("checkout", "--quiet", "-b", "v1")
    branched = repository.commit({"server.py": "on the branch\n"})
    assert (await forge.resolve(repository.url, branch="v1", tag=None, log=log.append)).sha == branched
    assert (await forge.resolve(repository.url, branch=None, tag="v1", log=log.append)).sha == tagged


async def test_what_strangers_write_into_a_commit_stays_one_plain_line(
    repository: Repository, forge: GitForge, log: list[str]
) -> None:
    repository.commit({"a": "b"}, "red \x1b[31m \u202eevil" + "x" * 500)
    commit = await forge.resolve(repository.url, branch=None, tag=None, log=log.append)
    assert commit.subject.startswith("red  [31m  evilxxx")
    assert len(commit.subject) == 200


async def test_a_branch_may_become_a_folder_of_branches(
    repository: Repository, forge: GitForge, log: list[str]
) -> None:
    repository.git("branch", "fix")
    await forge.resolve(repository.url, branch="fix", tag=None, log=log.append)
    repository.git("branch", "-D", "fix")
    repository.git("branch", "fix/one")
    assert (await forge.resolve(repository.url, branch="fix/one", tag=None, log=log.append)).ref == "fix/one"


async def test_a_missing_branch_is_named_with_the_nearest_names(
    repository: Repository, forge: GitForge, log: list[str]
) -> None:
    repository.git("branch", "release-1")
    repository.git("tag", "v7")
    with pytest.raises(StageFailure) as failure:
        await forge.resolve(repository.url, branch="relaese-1", tag=None, log=log.append)
    assert str(failure.value) == f"There is no branch relaese-1 in {repository.url}."
    assert "release-1" in failure.value.hint
    with pytest.raises(StageFailure) as failure:
        await forge.resolve(repository.url, branch="v7", tag=None, log=log.append)
    assert "tag: v7" in failure.value.hint


async def test_an_empty_or_missing_repository_fails_the_stage(tmp_path: Path, forge: GitForge, log: list[str]) -> None:
    empty = Repository(tmp_path / "empty")
    with pytest.raises(StageFailure, match="no default branch"):
        await forge.resolve(empty.url, branch=None, tag=None, log=log.append)
    with pytest.raises(StageFailure, match="There is no repository at"):
        await forge.resolve(str(tmp_path / "nothing"), branch="main", tag=None, log=log.append)


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "a:b", "../x"])
async def test_no_name_reaches_git_as_an_option(
    name: str, repository: Repository, forge: GitForge, log: list[str]
) -> None:
    with pytest.raises(Refused):
        await forge.resolve(repository.url, branch=name, tag=None, log=log.append)


async def test_the_tree_is_exported_with_modes_and_fixed_times(
    repository: Repository, forge: GitForge, tmp_path: Path, log: list[str]
) -> None:
    repository.write({"bin/run": "#!/bin/sh\n"}, executable=True)
    (repository.path / "link").symlink_to("bin/run")
    repository.commit({".gitattributes": "server.py export-ignore\n*.bin filter=lfs\n", "x.bin": "pointer"})
    commit = await forge.resolve(repository.url, branch="main", tag=None, log=log.append)
    digests = []
    for mask in (0o022, 0o077, 0o000):
        place = tmp_path / f"tree-{mask}"
        place.mkdir()
        before = os.umask(mask)
        try:
            await forge.export(commit, str(place), log.append)
        finally:
            os.umask(before)
        digests.append(digest_of(place))
    assert len(set(digests)) == 1
    assert stat.S_IMODE((place / "bin/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((place / "server.py").stat().st_mode) == 0o644
    assert (place / "server.py").stat().st_mtime == commit.at.timestamp()
    assert (place / "link").readlink() == Path("bin/run")
    assert (place / "x.bin").read_text() == "pointer"
    assert not (place / ".git").exists()
    assert any("LFS" in line for line in log)


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "bin/../../outside"])
async def test_a_link_out_of_the_tree_is_refused(
    target: str, repository: Repository, forge: GitForge, tmp_path: Path, log: list[str]
) -> None:
    (repository.path / "evil").symlink_to(target)
    repository.commit()
    commit = await forge.resolve(repository.url, branch="main", tag=None, log=log.append)
    (tmp_path / "tree").mkdir()
    with pytest.raises(StageFailure, match="leads out of the tree"):
        await forge.export(commit, str(tmp_path / "tree"), log.append)


async def test_hooks_filters_and_configuration_of_a_repository_do_not_run(
    repository: Repository, forge: GitForge, tmp_path: Path, log: list[str]
) -> None:
    trap = tmp_path / "trapped"
    for name in ("post-checkout", "reference-transaction", "pre-upload", "post-index-change"):
        hook = repository.path / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
        hook.chmod(0o755)
    repository.commit(
        {".gitattributes": "*.py filter=evil\n", ".gitmodules": '[submodule "a"]\n\tpath = a\n\turl = /x\n'}
    )
    trap.unlink(missing_ok=True)
    repository.git("config", "uploadpack.packObjectsHook", f"touch {trap}; :")
    repository.git("config", "filter.evil.smudge", f"touch {trap}; cat")
    repository.git("config", "core.fsmonitor", f"touch {trap}; :")
    commit = await forge.resolve(repository.url, branch="main", tag=None, log=log.append)
    (tmp_path / "tree").mkdir()
    await forge.export(commit, str(tmp_path / "tree"), log.append)
    assert not trap.exists()
    assert (tmp_path / "tree/server.py").read_text() == "one\n"


async def test_a_commit_is_kept_when_its_branch_has_moved_and_its_mirror_is_lost(
    repository: Repository, forge: GitForge, tmp_path: Path, log: list[str]
) -> None:
    commit = await forge.resolve(repository.url, branch="main", tag=None, log=log.append)
    repository.commit({"server.py": "two\n"})
    await forge.resolve(repository.url, branch="main", tag=None, log=log.append)
    for name in ("kept", "lost"):
        (tmp_path / name).mkdir()
        await forge.export(commit, str(tmp_path / name), log.append)
        assert (tmp_path / name / "server.py").read_text() == "one\n"
        shutil.rmtree(tmp_path / "forge" / "mirrors")


async def test_what_a_killed_fetch_left_behind_does_no_harm(
    repository: Repository, forge: GitForge, tmp_path: Path, log: list[str]
) -> None:
    await forge.resolve(repository.url, branch="main", tag=None, log=log.append)
    mirror = next((tmp_path / "forge" / "mirrors").glob("*.git"))
    for name in ("shallow.lock", "packed-refs.lock", "refs/sluice/fetched.lock", "sluice-index.lock", "config.lock"):
        (mirror / name).touch()
    second = repository.commit({"server.py": "two\n"})
    assert (await forge.resolve(repository.url, branch="main", tag=None, log=log.append)).sha == second
    for path in (mirror / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"rubbish")
    third = repository.commit({"server.py": "three\n"})
    assert (await forge.resolve(repository.url, branch="main", tag=None, log=log.append)).sha == third


async def test_runs_that_want_one_repository_at_once_do_not_clash(
    repository: Repository, tmp_path: Path, log: list[str]
) -> None:
    forges = [GitForge(tmp_path / "forge", allow_local=True) for _ in range(4)]
    commits = await asyncio.gather(
        *(forge.resolve(repository.url, branch="main", tag=None, log=log.append) for forge in forges)
    )
    assert {commit.sha for commit in commits} == {repository.git("rev-parse", "HEAD")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to another owner")
async def test_a_local_repository_of_another_owner_can_be_read(
    repository: Repository, forge: GitForge, log: list[str]
) -> None:
    sha = repository.git("rev-parse", "HEAD")
    for path in (repository.path, *repository.path.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    assert (await forge.resolve(repository.url, branch="main", tag=None, log=log.append)).sha == sha


async def test_a_host_that_does_not_answer_is_tried_again(forge: GitForge, tmp_path: Path, log: list[str]) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/shop"
        reachable = GitForge(tmp_path / "forge", allow_http=True)
        with pytest.raises(Interrupted, match="cannot be reached"):
            await reachable.resolve(url, branch="main", tag=None, log=log.append)

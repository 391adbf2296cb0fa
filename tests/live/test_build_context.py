"""What is sent to an engine of a build directory, and what never is. Real files, no engine."""

import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.builders.docker_context import INLINE, ContextTooLarge, NoDockerfile, NoUseForBase, lay_out, pack
from engine.builders.placing import InTheWay, place
from engine.errors import StageFailure
from engine.image_build import Recipe
from engine.trees import EscapingLink, StrangeFile

pytestmark = pytest.mark.live
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tree / "app").mkdir()
    (tree / "app/main").write_text("main\n")
    (tree / "app/link").symlink_to("main")
    return tree


def sent(tree: Path, recipe: Recipe | None = None) -> dict[str, tarfile.TarInfo]:
    archive = tree.parent / "context.tar"
    pack(lay_out(tree, recipe or Recipe(), AT), archive)
    with tarfile.open(archive) as tar:
        return {one.name: one for one in tar}


def content(tree: Path, name: str) -> str:
    with tarfile.open(tree.parent / "context.tar") as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read().decode()


def test_files_directories_and_links_are_sent_without_owners_and_with_one_time(tree: Path) -> None:
    entries = sent(tree)
    assert sorted(entries) == ["Dockerfile", "app", "app/link", "app/main"]
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in entries.values()} == {(0, 0, "", AT.timestamp())}
    assert entries["app/link"].issym()


def test_equal_directories_make_equal_archives_whenever_and_whoever_made_them(tree: Path) -> None:
    sent(tree)
    first = (tree.parent / "context.tar").read_bytes()
    (tree / "app/main").chmod(0o600)
    os.utime(tree / "app/main")
    sent(tree)
    assert (tree.parent / "context.tar").read_bytes() == first


def test_what_is_ignored_is_not_sent_but_the_dockerfile_always_is(tree: Path) -> None:
    (tree / ".dockerignore").write_text("# all\n*\n!app/main\n\n")
    assert sorted(sent(tree)) == [".dockerignore", "Dockerfile", "app/main"]


def test_a_written_dockerfile_is_sent_and_kept_from_being_copied(tree: Path) -> None:
    recipe = Recipe(inline="FROM scratch\nCOPY . /\n")
    assert INLINE in sent(tree, recipe)
    assert content(tree, INLINE) == recipe.inline
    assert content(tree, ".dockerignore").splitlines() == [".dockerignore", INLINE]


def test_a_written_dockerfile_leaves_what_is_ignored_as_it_is(tree: Path) -> None:
    (tree / ".dockerignore").write_text("app\n")
    assert sorted(sent(tree, Recipe(inline="FROM scratch\n"))) == [".dockerignore", INLINE, "Dockerfile"]
    assert content(tree, ".dockerignore").splitlines() == ["app", INLINE]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "../tree/../../outside", "app/../../outside"])
def test_a_link_that_leads_out_is_refused(target: str, tree: Path) -> None:
    (tree / "key").symlink_to(target)
    with pytest.raises(EscapingLink):
        sent(tree)


def test_a_dockerfile_that_is_a_link_out_is_refused(tree: Path) -> None:
    (tree / "docker").symlink_to("/etc")
    with pytest.raises(EscapingLink):
        sent(tree, Recipe(dockerfile="docker/passwd"))


def test_a_pipe_is_refused_and_stops_nothing(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(StrangeFile):
        sent(tree)


def test_what_is_too_large_is_told_with_the_largest_and_a_sparse_giant_is_never_read(tree: Path) -> None:
    with (tree / "giant").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(ContextTooLarge, match=r"4096\.0 GiB.*giant \(4096\.0 GiB\)"):
        sent(tree)


def test_a_missing_dockerfile_is_told_with_those_that_are_there(tree: Path) -> None:
    with pytest.raises(NoDockerfile) as refused:
        sent(tree, Recipe(dockerfile="docker/Dockerfile"))
    assert "There are Dockerfile." in refused.value.hint
    with pytest.raises(NoDockerfile):
        sent(tree, Recipe(dockerfile="app"))


@pytest.mark.parametrize(
    ("text", "is_used"),
    [
        ("ARG BASE_IMAGE\nFROM $BASE_IMAGE\n", True),
        ("# a\narg BASE_IMAGE=a\nFROM a AS x\nfrom --platform=linux/amd64 ${BASE_IMAGE}\n", True),
        ("FROM a\nARG BASE_IMAGE\nFROM $BASE_IMAGE\n", False),
        ("ARG BASE_IMAGE\nFROM a\n", False),
        ("FROM $BASE_IMAGE\n", False),
        ("", False),
    ],
)
def test_a_chosen_base_image_must_be_built_on(text: str, is_used: bool, tree: Path) -> None:  # noqa: FBT001
    (tree / "Dockerfile").write_text(text)
    recipe = Recipe(base_image="shop/base:v1")
    if is_used:
        assert "Dockerfile" in sent(tree, recipe)
    else:
        with pytest.raises(NoUseForBase):
            sent(tree, recipe)


def a_package(tree: Path, **files: str) -> Path:
    package = tree.parent / "package"
    for name, text in files.items():
        file = package / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return package


def test_a_package_is_placed_beside_the_source(tree: Path) -> None:
    place("tools/x/y/1", a_package(tree, tool="t", lib__part="p"), tree, "app")
    assert (tree / "app/tool").read_text() == "t"
    assert (tree / "app/lib/part").read_text() == "p"
    assert (tree / "app/main").read_text() == "main\n"


@pytest.mark.parametrize("to", ["way/in", "way", "app/link", "app/main"])
def test_nothing_is_placed_through_a_link_or_a_file(to: str, tree: Path) -> None:
    outside = tree.parent / "outside"
    outside.mkdir()
    (tree / "way").symlink_to(outside)
    with pytest.raises(InTheWay):
        place("tools/x/y/1", a_package(tree, tool="t"), tree, to)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("to", ["../out", "app/../../out", "/etc"])
def test_nothing_is_placed_outside(to: str, tree: Path) -> None:
    with pytest.raises(StageFailure):
        place("tools/x/y/1", a_package(tree, tool="t"), tree, to)


def test_nothing_is_replaced(tree: Path) -> None:
    with pytest.raises(InTheWay, match="in the source already"):
        place("tools/x/y/1", a_package(tree, main="theirs"), tree, "app")
    assert (tree / "app/main").read_text() == "main\n"

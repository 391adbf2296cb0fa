"""What a release stands: a full disk under the database, and a database that another program has locked."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine.model import Run, RunState, StageKind, StageState
from tests.support.house_living import Alive, alive
from tests.support.house_on_disk import House
from tests.support.traffic import steady

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

FULL = "The disk that holds the database is full; nothing can be written down."
LOCKED = "The database is locked by another program; nothing can be written down."
MENDED = "The database takes what is written again; everything goes on."
SMALL = "24m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for the database."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("no mount command: install the package mount")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"no permission to mount a small disk: run as root. ({done.stderr.strip()})")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
async def on_small_disk(tmp_path: Path, small_disk: Path) -> AsyncIterator[Alive]:
    async with alive(House(tmp_path, database=f"sqlite:///{small_disk}/sluice.db")) as here:
        yield here


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Alive]:
    async with alive(House(tmp_path)) as here:
        yield here


async def test_a_full_disk_is_told_loses_nothing_and_everything_goes_on_when_there_is_room(
    on_small_disk: Alive, small_disk: Path
) -> None:
    here = on_small_disk
    story = await here.begin()
    run = await here.until(story, _is_at_review, "the review is open")
    assert await here.ask(f"approve {run.id}", "ann") == f"Your approval of {run.id} is counted."
    with here.room() as room:
        async with steady(here.house.port, rate=50, connections=2, key="version") as load:
            with _filled(small_disk):
                await here.until_answered("run hello", FULL)
                assert FULL in await here.ask(f"approve {run.id}", "bob")
                await here.until_heard(room, FULL)
                assert FULL in await here.ask("status")
            await here.until_heard(room, MENDED)
            run = await story.play()
    _check_nothing_lost(here, run)
    assert load.failures == []
    assert FULL not in await here.ask("status")


async def test_a_run_that_is_under_way_when_the_whole_home_is_full_goes_on_by_itself_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    async with alive(House(tmp_path, home=small_disk / "home")) as here:
        with here.room() as room:
            async with steady(here.house.port, rate=50, connections=2, key="version") as load:
                story = await here.begin()
                await here.until(story, _is_at_gray, "the gray stage is under way")
                with _filled(small_disk):
                    await here.until_heard(room, FULL)
                run = await story.play()
        _check_nothing_lost(here, run)
        assert load.failures == []


async def test_a_locked_database_is_told_loses_nothing_and_everything_goes_on_when_it_is_free(here: Alive) -> None:
    story = await here.begin()
    run = await here.until(story, _is_at_review, "the review is open")
    assert await here.ask(f"approve {run.id}", "ann") == f"Your approval of {run.id} is counted."
    with here.room() as room:
        async with steady(here.house.port, rate=50, connections=2, key="version") as load:
            with _locked(here):
                assert LOCKED in await here.ask(f"approve {run.id}", "bob")
                await here.until_heard(room, LOCKED)
                assert LOCKED in await here.ask("status")
            await here.until_heard(room, MENDED)
            run = await story.play()
    _check_nothing_lost(here, run)
    assert load.failures == []
    assert LOCKED not in await here.ask("status")


async def test_a_run_that_is_under_way_when_the_database_is_locked_goes_on_by_itself(here: Alive) -> None:
    with here.room() as room:
        story = await here.begin()
        with _locked(here):
            await here.until_heard(room, LOCKED)
        run = await story.play()
    _check_nothing_lost(here, run)


def _is_at_gray(run: Run) -> bool:
    return run.stage.kind is StageKind.GRAY


def _is_at_review(run: Run) -> bool:
    return run.stage.state is StageState.AWAITING_REVIEW


def _check_nothing_lost(here: Alive, run: Run) -> None:
    tag = run.variables["tag"]
    told = here.house.told(tag)
    assert told is not None
    assert run.state is RunState.SUCCEEDED
    assert told.kinds["Voted"] == 2
    assert told.deployments == 1
    assert told.shown == [(told.card, "succeeded")]
    assert (here.house.builds(tag), here.house.starts(tag)) == (1, 3)


@contextmanager
def _filled(disk: Path) -> Iterator[None]:
    """Leave no room on the disk for as long as the block lasts."""
    filler = disk / "filler"
    place = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 20, 4096):
            _pour(place, bytes(size))
        yield
    finally:
        os.close(place)
        filler.unlink()


def _pour(place: int, piece: bytes) -> None:
    while True:
        try:
            if os.write(place, piece) < len(piece):
                return
        except OSError:
            return


@contextmanager
def _locked(here: Alive) -> Iterator[None]:
    """Hold the database's write lock, as another program might."""
    path = here.app.settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")

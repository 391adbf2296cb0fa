"""The bundle builder with real git, bash, processes and disks."""

import asyncio
import os
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.builders.bundle import BundleBuilder
from engine.errors import Broken, Refused, StageFailure
from engine.trees import digest_of
from tests.support.bundle_house import House, alive, runaway
from tests.support.eventually import eventually

pytestmark = pytest.mark.live
HERE = Path(__file__).parents[2]
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_the_same_source_and_script_give_the_same_digest_everywhere(house: House, tmp_path: Path) -> None:
    script = "mkdir out; date > out/now; rm out/now; echo $SOURCE_DATE_EPOCH > out/made; umask 077; touch out/private"
    first = await house.build(script)
    before = os.umask(0o077)
    try:
        other = House(tmp_path / "elsewhere")
        second = await other.build(script)
    finally:
        os.umask(before)
    assert first == second == digest_of(house.builder.directory(first))


@pytest.mark.parametrize(
    "change", ["echo x >> server.py", "chmod +x server.py", "mv server.py s.py", "mkdir empty", "ln -s server.py link"]
)
async def test_any_difference_in_the_content_gives_another_digest(change: str, house: House) -> None:
    assert await house.build(change) != await house.build()


async def test_what_is_kept_can_be_found_and_started(house: House) -> None:
    digest = await house.build("echo two > server.py")
    assert await house.builder.find("shop/api:v1") == digest
    place = house.builder.directory(digest)
    assert (place / "server.py").read_text() == "two\n"
    assert stat.S_IMODE((place / "server.py").stat().st_mode) == 0o444
    assert house.builder.web_command(digest) == "python3 server.py"
    assert [(kept.image, kept.digest) for kept in house.builder.images()] == [("shop/api:v1", digest)]
    assert house.left_over() == []


async def test_an_equal_order_is_found_and_not_built_again(house: House) -> None:
    order = await house.order("echo $A > a", variables={"A": "1"})
    first = await house.builder.build(order, house.log.append)
    again = await BundleBuilder(house.root, house.forge).build(replace(order, image="shop/api:v2"), house.log.append)
    assert (first.reused, again.reused, house.forge.exports) == (False, True, 1)
    assert await house.builder.find("shop/api:v2") == first.digest
    other = await house.builder.build(replace(order, variables={"A": "2"}), house.log.append)
    assert not other.reused
    assert other.digest != first.digest
    assert any(f"pointed to {first.digest}" in line for line in house.log)


async def test_the_script_gets_the_variables_and_nothing_of_the_bot(house: House, tmp_path: Path) -> None:
    environment = {**os.environ, "SLUICE_SECRET_KEY": "hunter2", "PYTHONPATH": str(HERE)}
    arguments = [
        str(house.root),
        str(tmp_path / "forge"),
        house.repository.url,
        "env > out; ls -A $HOME $TMPDIR >> out",
    ]
    program = [sys.executable, "-m", "tests.support.build_until_killed", *arguments]
    bot = await asyncio.create_subprocess_exec(*program, cwd=HERE, env=environment, stdout=subprocess.DEVNULL)
    assert await asyncio.wait_for(bot.wait(), 60) == 0
    theirs = (house.builder.directory(await house.builder.find("shop/api:v1")) / "out").read_text()
    assert "hunter2" not in theirs
    assert "PYTHONPATH" not in theirs
    digest = await house.build("env > out; cat", variables={"GREETING": "hello you", "HOME": "/elsewhere"})
    ours = (house.builder.directory(digest) / "out").read_text().splitlines()
    assert "GREETING=hello you" in ours
    names = {line.partition("=")[0] for line in ours}
    allowed = {"GREETING", "PATH", "HOME", "TMPDIR", "LANG", "TZ", "SOURCE_DATE_EPOCH", "SLUICE_MARK"}
    assert names <= allowed | {"PWD", "OLDPWD", "SHLVL", "_"}
    assert "HOME=/elsewhere" not in ours


async def test_a_failing_script_tells_its_exit_code_and_last_lines(house: House) -> None:
    with pytest.raises(StageFailure, match=r"exit code 3\..*no such thing") as failure:
        await house.build("echo begin; echo 'no such thing' >&2; exit 3")
    assert "begin" in str(failure.value)
    assert any("no such thing" in line for line in house.log)
    with pytest.raises(StageFailure, match="exit code 1"):
        await house.build("false | true; echo not reached")
    with pytest.raises(StageFailure):
        await house.builder.find("shop/api:v1")
    assert house.left_over() == []


async def test_a_script_that_takes_too_long_is_ended_with_all_its_children(house: House, tmp_path: Path) -> None:
    script = runaway(tmp_path)
    with pytest.raises(StageFailure, match="still running after"):
        await house.build(script, timeout=timedelta(seconds=1))
    assert not alive(tmp_path)
    assert house.left_over() == []


async def test_cancelling_a_build_ends_every_process_it_started(house: House, tmp_path: Path) -> None:
    building = asyncio.create_task(house.build(runaway(tmp_path)))
    await eventually((tmp_path / "ready").exists)
    await eventually(lambda: len(alive(tmp_path)) == 4)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert not alive(tmp_path)
    assert house.left_over() == []


async def test_a_process_that_a_script_leaves_behind_is_ended_before_the_result_is_taken(
    house: House, tmp_path: Path
) -> None:
    await house.build(runaway(tmp_path).replace("wait", "true"))
    assert not alive(tmp_path)


async def test_a_bot_killed_in_the_middle_of_a_build_leaves_nothing_that_can_be_found(
    house: House, tmp_path: Path
) -> None:
    arguments = [str(house.root), str(tmp_path / "forge"), house.repository.url, runaway(tmp_path)]
    program = [sys.executable, "-m", "tests.support.build_until_killed", *arguments]
    bot = await asyncio.create_subprocess_exec(*program, cwd=HERE, stdout=subprocess.DEVNULL)
    await eventually((tmp_path / "ready").exists)
    assert await house.builder.sweep() == 0, "a build that is going on is left alone"
    bot.kill()
    await asyncio.wait_for(bot.wait(), 10)
    assert alive(tmp_path)
    with pytest.raises(StageFailure, match=r"There is no image shop/api:v1\."):
        await house.builder.find("shop/api:v1")
    assert await house.builder.sweep() == 1
    assert not alive(tmp_path)
    assert house.left_over() == []
    assert house.builder.images() == []
    assert await house.build("echo built > again") == await house.builder.find("shop/api:v1")


async def test_two_bots_that_build_the_same_at_once_come_to_the_same_result(house: House, tmp_path: Path) -> None:
    arguments = [str(house.root), str(tmp_path / "forge"), house.repository.url, "echo built > out"]
    program = [sys.executable, "-m", "tests.support.build_until_killed", *arguments]
    bots = [
        await asyncio.create_subprocess_exec(*program, cwd=HERE, stdout=asyncio.subprocess.DEVNULL) for _ in range(3)
    ]
    assert [await asyncio.wait_for(bot.wait(), 60) for bot in bots] == [0, 0, 0]
    assert await house.builder.find("shop/api:v1") == await house.build("echo built > out")
    assert house.left_over() == []


async def test_a_hundred_megabytes_of_output_are_read_in_bounded_memory(house: House) -> None:
    tracemalloc.start()
    try:
        await house.build("(yes 0123456789012345678901234567890 || true) | head -c 100000000; echo; echo the end")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024 * 1024
    assert sum(map(len, house.log)) < 2 * 1024 * 1024
    assert any("not kept" in line and line.endswith("the end") for line in house.log)


async def test_a_line_without_an_end_and_a_terminals_tricks_stay_readable(house: House) -> None:
    await house.build(r"head -c 300000 /dev/zero | tr '\0' x; echo; printf '10%%\r100%%\n\033[31mred\033[0m\a\n\xff\n'")
    lines = "\n".join(house.log).splitlines()
    assert max(map(len, lines)) < 9000
    assert {"100%", "red", "\ufffd"} <= set(lines)


async def test_without_a_procfile_the_definitions_is_used_and_without_both_it_says_what_to_write(house: House) -> None:
    with pytest.raises(StageFailure, match="has no Procfile") as failure:
        await house.build("rm Procfile")
    assert "web: python3 server.py" in failure.value.hint
    digest = await house.build("rm Procfile", procfile="web: ./start\n")
    assert house.builder.web_command(digest) == "./start"
    kept = await house.build(procfile="web: ./start\n")
    assert house.builder.web_command(kept) == "python3 server.py"
    with pytest.raises(StageFailure, match="no web: line"):
        await house.build("echo 'worker: x' > Procfile")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("ln -s /etc/passwd p", "leads out of the tree"),
        ("mkdir d; ln -s ../../x d/p", "leads out of the tree"),
        ("mkfifo pipe", "device, a pipe or a socket"),
        ("rm -rf ../tree; ln -s / ../tree", "removed the directory"),
    ],
)
async def test_a_result_that_reaches_out_of_itself_is_refused(script: str, words: str, house: House) -> None:
    with pytest.raises(StageFailure, match=words):
        await house.build(script)
    assert house.builder.images() == []
    assert house.left_over() == []


@pytest.mark.parametrize("image", ["api:v1", "../x:v1", "shop/api", "shop/../api:v1", "shop/api:../v1", "shop/api:v 1"])
async def test_a_name_that_is_no_images_name_is_refused(image: str, house: House) -> None:
    with pytest.raises(Refused):
        await house.build(image=image)
    with pytest.raises(Refused):
        await house.builder.find(image)


async def test_pruning_keeps_what_is_referred_to_and_forgets_names_with_their_content(house: House) -> None:
    kept = await house.build("echo kept > x")
    gone = await house.build("echo gone > x", image="shop/api:v2")
    assert await house.builder.prune([kept], made_before=datetime(2000, 1, 1, tzinfo=UTC)) == ()
    assert await house.builder.prune([kept], made_before=LATER) == (gone,)
    assert house.builder.directory(kept).is_dir()
    with pytest.raises(StageFailure, match="not kept any more"):
        house.builder.directory(gone)
    with pytest.raises(StageFailure, match="There is no image"):
        await house.builder.find("shop/api:v2")
    assert await house.build("echo gone > x", image="shop/api:v2") == gone
    assert house.left_over() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk cannot be mounted here: run as root where mount is permitted")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)


async def test_a_full_disk_is_said_with_its_place_and_carries_on_when_mended(house: House, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1024 * 1024))
    builder = BundleBuilder(small_disk / "shelf", house.forge)
    house.repository.commit({"big": "x" * 1_500_000})
    by_export = await house.order()
    by_script = await house.order("rm big; head -c 1900000 /dev/zero > zeros")
    for order in (by_export, by_script):
        with pytest.raises(Broken, match=str(small_disk)):
            await builder.build(order, house.log.append)
        assert builder.images() == []
    ballast.unlink()
    built = await builder.build(by_export, house.log.append)
    assert await builder.find("shop/api:v1") == built.digest

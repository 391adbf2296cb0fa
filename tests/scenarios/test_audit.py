"""What was done can be looked at, handed to others, and held against what somebody made of it behind Sluice's back."""

import csv
import hashlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.audit.export import Export, Format, exported, parse_moment
from bot.chat import Incoming
from engine.errors import Refused
from engine.model import PersonId, RoomId, RunState
from storage.audit import Sought
from storage.chain import FIELDS
from tests.support.bot import Bot, a_bot, a_new_bot
from tests.support.command import sluice
from tests.support.notes import notes


async def rejected(bot: Bot) -> str:
    """A run of notes that cleo may not decide and ann rejects."""
    run = await bot.start("run notes")
    await bot.asks(run)
    await bot.say(f"approve {run}", "cleo")
    await bot.say(f"reject {run} the texts are wrong", "ann")
    await bot.ends(run, RunState.REJECTED)
    return run


@dataclass
class Told:
    """A bot in which a run was rejected. Tests only look at it."""

    bot: Bot
    run: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    async with a_new_bot(notes(tmp_path_factory.mktemp("notes"))) as bot:
        run = await rejected(bot)
        await bot.say("=1+1")
        yield Told(bot, run)


async def lines_of(
    bot: Bot, form: Format = "jsonl", sought: Sought | None = None, *, journal: bool = False
) -> list[str]:
    return [line async for line in exported(bot.app.store, Export(sought or Sought(), form, journal))]


@pytest.mark.asyncio(loop_scope="module")
async def test_who_did_what_where_is_found_by_pipeline_run_and_person(told: Told) -> None:
    bot, run = told.bot, told.run
    for about in ("", " notes", f" {run}"):
        said = await bot.say(f"audit{about}")
        assert f"reject {run} the texts are wrong" in said
        assert "refused: " in said
        assert "web:lobby" in said
    of_cleo = await bot.say("audit cleo")
    assert f"approve {run}" in of_cleo
    assert "reject" not in of_cleo
    assert "Nothing was written down about nothing" in await bot.say("audit nothing")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_runs_timeline_is_told_in_chat_and_in_the_terminal(told: Told) -> None:
    bot, run = told.bot, told.run
    said = await bot.say(f"timeline {run}")
    assert f"{run}: rejected" in said
    assert "x cleo was refused" in said
    assert "ann rejected" in said
    printed = await sluice(bot.home, "timeline", run)
    assert printed.exit_code == 0, printed.output
    happened = printed.output.split("\n\n")[2].splitlines()
    words = [line[8:].split(maxsplit=1)[1] for line in happened]
    assert len(words) > 3
    assert all(each.removeprefix("! ").removeprefix("x ") in said for each in words)
    marked = await sluice(bot.home, "timeline", run, "--markdown")
    assert marked.output.startswith(f"## {run}: rejected\n")


@pytest.mark.asyncio(loop_scope="module")
async def test_what_nobody_touched_is_trusted_in_chat_and_in_the_terminal(told: Told) -> None:
    bot = told.bot
    assert "The audit is as it was written" in await bot.say("audit verify")
    assert (await sluice(bot.home, "audit", "verify")).exit_code == 0


async def test_a_changed_row_is_named_with_its_time_in_chat_and_in_the_terminal(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        await rejected(bot)
        with sqlite3.connect(bot.app.settings.home / "sluice.db") as database:
            database.execute("UPDATE audit SET person = 'bob' WHERE line LIKE 'reject%'")
        said = await bot.say("audit verify")
        assert "The audit is not as it was written: 1 fault since 20" in said
        assert "was changed after it was written" in said
        told = await sluice(bot.home, "audit", "verify")
        assert told.exit_code == 1
        assert "was changed after it was written" in told.output


async def test_an_end_that_is_gone_is_found_by_the_anchor_beside_the_database(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with a_bot(home) as bot:
        await bot.say(f"define\n{notes(tmp_path)}")
        await rejected(bot)
        await bot.app.marks.keep()
        await bot.app.marks.keep()
        anchor = bot.app.settings.home / "audit.anchor"
        assert anchor.stat().st_mode & 0o077 == 0
        assert "as it was written" in await bot.say("audit verify")
        with sqlite3.connect(bot.app.settings.home / "sluice.db") as database:
            newest = database.execute("SELECT max(seq) FROM audit").fetchone()[0]
            database.execute("DELETE FROM audit WHERE seq > ?", (newest - 2,))
        assert "the anchor beside the database knew them" in await bot.say("audit verify")
    async with a_bot(home) as bot:
        await bot.app.marks.keep()
        said = await bot.say("audit verify")
        assert "knew them" in said, "a restart does not make it forgotten"
        assert said.count("knew them") == 1


async def test_a_second_start_with_the_same_key_goes_on_in_the_same_chain(tmp_path: Path) -> None:
    for _ in range(2):
        async with a_bot(tmp_path / "home") as bot:
            assert "The audit is as it was written" in await bot.say("audit verify")
    async with a_bot(tmp_path / "home") as bot:
        rows = await bot.app.store.read(lambda book: book.audit.page(0, 100))
        assert [row.deed.key.partition(":")[0] for row in rows].count("begin") == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_an_export_can_be_followed_without_sluice(told: Told) -> None:
    bot = told.bot
    before = ""
    for line in await lines_of(bot):
        row: dict[str, Any] = json.loads(line)
        assert row["at"].endswith("Z")
        hashed = json.dumps([*(row[name] for name in FIELDS), row["before"]], separators=(",", ":"))
        assert hashlib.sha256(hashed.encode()).hexdigest() == row["hash"]
        assert row["before"] == before
        before = row["hash"]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_export_holds_what_runs_did_in_the_same_order(told: Told) -> None:
    bot, run = told.bot, told.run
    rows = [json.loads(line) for line in await lines_of(bot, journal=True)]
    assert {row["table"] for row in rows} == {"audit", "journal"}
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    kinds = [row["kind"] for row in rows if row["table"] == "journal" and row["run"] == run]
    assert kinds[0] == "RunRequested"
    assert kinds[-1] == "RunEnded"


@pytest.mark.asyncio(loop_scope="module")
async def test_csv_opens_in_a_spreadsheet_and_computes_nothing(told: Told) -> None:
    bot = told.bot
    rows = list(csv.DictReader(io.StringIO("\n".join(await lines_of(bot, "csv", journal=True)))))
    assert [row["line"] for row in rows if "1+1" in row["line"]] == ["'=1+1"]
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


@pytest.mark.asyncio(loop_scope="module")
async def test_an_export_is_cut_at_days_and_moments(told: Told) -> None:
    bot = told.bot
    assert await lines_of(bot, sought=Sought(since=parse_moment("2100-01-01"))) == []
    assert await lines_of(bot, sought=Sought(until=parse_moment("2000-01-01"))) == []
    day = (await bot.app.store.read(lambda book: book.audit.head())).deed.at.date().isoformat()  # type: ignore[union-attr]
    printed = await sluice(bot.home, "audit", "export", "--since", day, "--until", day)
    assert printed.exit_code == 0, printed.output
    assert len(printed.output.splitlines()) == len(await lines_of(bot))


@pytest.mark.parametrize("word", ["yesterday", "2026-13-01", ""])
def test_what_is_no_moment_is_refused(word: str) -> None:
    with pytest.raises(Refused, match="is no moment"):
        parse_moment(word)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_definition_that_is_kept_is_found_under_its_pipelines_name(told: Told) -> None:
    bot = told.bot
    assert "notes is defined." in await bot.say("audit notes")


async def test_what_a_person_may_not_see_is_left_out(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, head="group: shop")) as bot:
        run = await rejected(bot)
        for line in ("grant ann manage on shop", "yes"):
            await bot.app.dispatch.answer(Incoming(RoomId("terminal:ann"), PersonId("ann"), line))
        assert f"reject {run}" in await bot.say("audit", "ann")
        seen = await bot.say("audit", "cleo")
        assert f"approve {run}" in seen, "what she said herself"
        assert "reject" not in seen
        assert "There is no" in await bot.say(f"timeline {run}", "cleo")


async def test_whoever_is_made_known_in_a_terminal_is_written_down_with_and_without_a_running_bot(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    added = await sluice(home, "person", "add", "dora", "--email", "dora@example.com")
    assert added.exit_code == 0, added.output
    async with a_bot(home) as bot:
        assert (await sluice(bot.home, "person", "remove", "dora")).exit_code == 0
        said = await bot.say("audit dora")
        assert "person add dora" in said
        assert "person remove dora" in said
        assert "dora@example.com" not in said
        assert "as it was written" in await bot.say("audit verify")
        first = (await bot.app.store.read(lambda book: book.audit.page(0, 1)))[0]
        assert first.deed.key.startswith("begin:")

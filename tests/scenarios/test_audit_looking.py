"""What was only looked at is in the audit, too: once in a while, beside the answer, and out of the way of the rest."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.chat import Incoming
from bot.looking import AGAIN, FILES_AGAIN, MOST, Looking
from bot.web.room import LOBBY
from bot.web.speech import Speech
from engine.model import PersonId, RoomId
from storage.audit import SHOWN, Chained, Deed
from storage.faults import StoreUnavailable
from storage.store import SqlStore
from tests.support.bot import Bot, a_bot, a_new_bot
from tests.support.notes import notes
from tests.support.store import ANN, T0, lay_tables, sqlite_at

HOOKED = """
pipeline: hooked
starts: [{webhook: nightly, signature: hmac}]
stages:
  - name: code
    source: {git: /nowhere}
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    lay_tables(tmp_path / "sluice.db")
    store = SqlStore.open(sqlite_at(tmp_path), migrate=False)
    store.start()
    yield store
    store.close()


async def rows_posted(store: SqlStore) -> None:
    """Wait until everything that was posted is written, or could not be."""
    with suppress(StoreUnavailable):
        await store.transact(lambda _book: None)


@contextmanager
def nothing_written(home: Path) -> Iterator[None]:
    """An audit that takes nothing."""
    with sqlite3.connect(home / "sluice.db") as database:
        database.execute("ALTER TABLE audit RENAME TO audit_away")
    try:
        yield
    finally:
        with sqlite3.connect(home / "sluice.db") as database:
            database.execute("ALTER TABLE audit_away RENAME TO audit")


async def rows(store: SqlStore) -> list[Chained]:
    """Every row, when everything that was posted is written."""
    await rows_posted(store)
    return await store.read(lambda book: book.audit.page(0, 1000))


async def looks(bot: Bot) -> list[tuple[str, str, str]]:
    found = [row.deed for row in await rows(bot.app.store) if row.deed.outcome == SHOWN]
    return [(deed.person, deed.line, deed.said) for deed in found]


async def press(bot: Bot, line: str, key: str, **more: Any) -> None:
    await bot.app.dispatch.answer(Incoming(LOBBY, PersonId("ann"), line, key, **more))


async def test_a_line_that_only_looks_has_one_row_and_its_repetition_none(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        for line in ("status notes", "status notes", "export notes", "yaml notes"):
            await bot.say(line)
        await bot.say("status notes", "bob")
        await bot.app.dispatch.answer(Incoming(RoomId("terminal:ann"), PersonId("ann"), "status notes"))
        found = [(person, line) for person, line, _ in await looks(bot)]
        ann = [("ann", "status notes"), ("ann", "export notes"), ("ann", "yaml notes")]
        assert found == [*ann, ("bob", "status notes"), ("ann", "status notes")]
        assert "The audit is as it was written" in await bot.say("audit verify")


async def test_a_command_that_may_act_and_only_shows_has_a_row_and_one_that_acts_no_second(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        await press(bot, "package tokens", "one")
        await press(bot, "run notes", "two")
        await press(bot, "no", "three")
        told = {row.deed.key: row.deed.outcome for row in await rows(bot.app.store)}
        assert (told["one"], told["two"], told["three"]) == (SHOWN, "done", "done")


async def test_pages_that_are_open_look_by_themselves_and_leave_no_row(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        await Speech(bot.app.dispatch, bot.app.chat).look(ANN, "status notes")
        assert not await looks(bot)


async def test_looks_are_told_of_a_person_and_nowhere_else_on_a_card(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        await bot.say("logs notes-1")
        await bot.say("yaml notes")
        await rows(bot.app.store)
        assert "yaml notes" in await bot.say("audit ann")
        for line in ("audit", "audit notes", "audit bob"):
            said = await bot.say(line)
            assert "yaml notes" not in said


async def test_what_is_still_to_be_written_when_sluice_ends_is_written(tmp_path: Path) -> None:
    async with a_bot(tmp_path / "home") as bot:
        await bot.say("list")
    async with a_bot(tmp_path / "home") as bot:
        assert [line for _, line, _ in await looks(bot)] == ["list"]


async def test_addresses_of_hooks_are_in_the_audit_before_they_are_shown(tmp_path: Path) -> None:
    async with a_new_bot(HOOKED) as bot:
        await press(bot, "hooks hooked", "one", is_alone=False)
        await press(bot, "hooks hooked", "two")
        told = await bot.app.store.read(lambda book: book.audit.latest(9))
        shown = [deed for deed in told if "addresses" in deed.said]
        assert [(deed.key, deed.outcome) for deed in shown] == [("two", "done")]
        assert "The addresses of hooked's hooks were shown." in await bot.say("audit hooked", "bob")
        assert "one" in {row.deed.key for row in await rows(bot.app.store) if row.deed.outcome == SHOWN}


async def test_addresses_of_hooks_are_not_shown_when_that_cannot_be_written_and_a_list_is(tmp_path: Path) -> None:
    async with a_new_bot(HOOKED) as bot:
        assert "POST" in await bot.say("hooks hooked")
        with nothing_written(bot.app.settings.home):
            assert "POST" not in await bot.say("hooks hooked")
            assert "hooked" in await bot.say("list")
            await rows_posted(bot.app.store)


def deed_at(seconds: float, line: str = "list", key: str = "") -> Deed:
    at = T0 + timedelta(seconds=seconds)
    return Deed(key or f"{line}:{seconds}", at, ANN, "", LOBBY, line, SHOWN, "Pipelines")


async def test_the_same_is_written_again_after_a_while_and_not_before(store: SqlStore) -> None:
    looking, minute, hour = Looking(), AGAIN.total_seconds(), FILES_AGAIN.total_seconds()
    for after in (0, 1, minute - 1, minute, minute + 1):
        looking.note(store, deed_at(after))
    for after in (0, hour - 1, hour):
        looking.note(store, deed_at(after, "GET x"), FILES_AGAIN)
    keys = [row.deed.key for row in await rows(store)]
    assert keys == ["list:0", f"list:{minute}", "GET x:0", f"GET x:{hour}"]


async def test_how_much_is_remembered_has_an_end(store: SqlStore) -> None:
    looking = Looking()
    for number in range(MOST + 1):
        looking.note(store, deed_at(0, f"status shop-{number}", key="the same"))
    looking.note(store, deed_at(1, f"status shop-{MOST}"))
    looking.note(store, deed_at(1, "status shop-0"))
    assert [row.deed.line for row in await rows(store)] == ["status shop-0", "status shop-0"]


async def test_a_look_that_could_not_be_written_keeps_no_answer_and_is_written_the_next_time(
    tmp_path: Path, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    looking = Looking()
    with nothing_written(tmp_path):
        looking.note(store, deed_at(0))
        await rows_posted(store)
    assert "Not audited" in caplog.text
    looking.note(store, deed_at(1))
    assert [row.deed.key for row in await rows(store)] == ["list:1"]


async def test_a_look_at_the_very_end_keeps_no_answer(store: SqlStore) -> None:
    store.close()
    Looking().note(store, deed_at(0))

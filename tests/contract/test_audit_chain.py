"""The audit and the journal hold each other: what is done to a row behind Sluice's back is found, and said where."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select, text

from engine.events import RunStarted, StageNoted
from engine.model import RunId
from storage.audit import CHAIN, Deed, Sought
from storage.book import SqlBook
from storage.migrate import upgrade
from storage.store import SqlStore
from storage.tables import audit
from storage.verification import Anchor, Verdict, verify
from tests.support.store import ANN, BOB, LOBBY, T0, sqlite_at

KEY, OTHER_KEY = "the key", "another key"
SHOP, CART = RunId("shop-1"), RunId("cart-1")


def deed(number: int, line: str = "approve shop-1") -> Deed:
    return Deed(f"key-{number}", T0 + timedelta(minutes=number), ANN, "", LOBBY, line, "done", f"answer {number}")


@pytest.fixture
async def sealed(url: str) -> AsyncIterator[SqlStore]:
    """A store with a key, six deeds and eight entries."""
    store = SqlStore.open(url, chain_key=KEY)
    store.start()
    await store.transact(lambda book: book.audit.begin("5f2c", T0))
    for number in range(1, 7):
        await store.transact(lambda book, number=number: one_step(book, number))  # type: ignore[misc]
    yield store
    store.close()


def one_step(book: SqlBook, number: int) -> None:
    """What a command does: a deed, and what it adds to the journal."""
    book.audit.add(deed(number))
    run, at = (SHOP, CART)[number % 2], T0 + timedelta(minutes=number)
    first = 1 + 2 * ((number - 1) // 2)
    notes = [StageNoted(at=at, by=ANN, stage=0, note=f"{number}"), RunStarted(at=at, by=BOB)]
    book.journal.append(run, first, notes)


async def test_an_installation_keeps_the_name_of_its_first_start_under_every_key(url: str) -> None:
    for key, name in ((KEY, "5f2c"), (OTHER_KEY, "77aa"), (KEY, "90be")):
        store = SqlStore.open(url, chain_key=key)
        store.start()
        await store.transact(lambda book, name=name: book.audit.begin(name, T0))  # type: ignore[misc]
        assert await store.read(lambda book: book.audit.installation()) == "5f2c"
        store.close()


def spoil(store: SqlStore, *statements: str) -> None:
    """Do to the database what somebody does who can write to it."""
    engine: Engine = create_engine(store.engine.url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


async def looked(store: SqlStore, *keys: str, anchor: Anchor | None = None) -> Verdict:
    return await verify(store, keys or (KEY,), anchor)


async def test_what_nobody_touched_is_trusted(sealed: SqlStore) -> None:
    verdict = await looked(sealed)
    assert (verdict.faults, verdict.rows, verdict.entries) == ([], 7, 12)


async def test_the_first_row_names_the_installation_and_the_key(sealed: SqlStore) -> None:
    first = (await sealed.read(lambda book: book.audit.page(0, 1)))[0]
    assert (first.seq, first.before, first.deed.room) == (1, "", CHAIN)
    assert "5f2c" in first.deed.said
    assert KEY not in first.deed.line
    assert await sealed.read(lambda book: CHAIN not in {one.room for one in book.audit.latest(100)})


async def test_beginning_again_with_the_same_key_adds_nothing(sealed: SqlStore) -> None:
    await sealed.transact(lambda book: book.audit.begin("other", T0))
    assert len(await sealed.read(lambda book: book.audit.page(0, 100))) == 7


@pytest.mark.parametrize("column", ["line", "person", "outcome", "said", "room", "account", "key"])
async def test_a_changed_row_of_the_audit_is_named(sealed: SqlStore, column: str) -> None:
    spoil(sealed, f"UPDATE audit SET {column} = 'other' WHERE seq = 4")  # noqa: S608 - names of our own columns
    faults = (await looked(sealed)).faults
    assert [(one.table, one.first, one.last) for one in faults] == [("audit", 4, 4)]
    assert "was changed" in str(faults[0])
    assert str(faults[0]).startswith("2026-03-01T12:03:00Z")


async def test_a_removed_row_of_the_audit_is_named(sealed: SqlStore) -> None:
    spoil(sealed, "DELETE FROM audit WHERE seq IN (3, 4)")
    assert [(one.first, one.last) for one in (await looked(sealed)).faults] == [(3, 4)]


async def test_a_removed_row_is_found_though_the_others_are_counted_anew(sealed: SqlStore) -> None:
    spoil(
        sealed,
        "DELETE FROM audit WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 6",
        "UPDATE audit SET seq = 6 WHERE seq = 7",
    )
    assert [one.first for one in (await looked(sealed)).faults][:2] == [4, 4]


async def test_two_rows_that_changed_places_are_found(sealed: SqlStore) -> None:
    spoil(
        sealed,
        "UPDATE audit SET seq = 100 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 100",
    )
    assert {one.first for one in (await looked(sealed)).faults} >= {3, 4}


async def test_a_row_that_is_hashed_well_but_written_by_others_is_found(sealed: SqlStore, url: str) -> None:
    stranger = SqlStore.open(url, migrate=False, chain_key=OTHER_KEY)
    stranger.start()
    await stranger.transact(lambda book: book.audit.add(deed(99, "approve shop-2")))
    stranger.close()
    faults = (await looked(sealed)).faults
    assert [(one.first, "without Sluice's key" in str(one)) for one in faults] == [(8, True)]


async def test_a_chain_that_was_made_anew_without_the_key_is_found_as_a_whole(sealed: SqlStore, url: str) -> None:
    stranger = SqlStore.open(url, migrate=False, chain_key=OTHER_KEY)
    spoil(sealed, "DELETE FROM audit")
    stranger.start()
    await stranger.transact(lambda book: book.audit.begin("5f2c", T0))
    stranger.close()
    faults = (await looked(sealed)).faults
    assert "No row of the audit is sealed with a key of this Sluice" in str(faults[0])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET document = replace(document, '\"3\"', '\"33\"') WHERE seq = 5",
        "UPDATE journal SET kind = 'StageAwaited' WHERE seq = 5",
        "UPDATE journal SET run = 'cart-2' WHERE seq = 5",
        "DELETE FROM journal WHERE seq = 5",
        "UPDATE journal SET n = 40 WHERE seq = 5",
    ],
)
async def test_a_changed_or_removed_entry_of_the_journal_is_named(sealed: SqlStore, statement: str) -> None:
    spoil(sealed, statement)
    faults = (await looked(sealed)).faults
    assert [(one.table, one.first in (5, 6), one.last) for one in faults] == [("journal", True, 6)]


async def test_what_stands_beside_an_entry_is_held_against_it(sealed: SqlStore) -> None:
    spoil(sealed, "UPDATE journal SET \"by\" = 'eve' WHERE seq = 5")
    faults = (await looked(sealed)).faults
    assert [(one.table, one.first, "columns" in str(one)) for one in faults] == [("journal", 5, True)]


async def test_a_whole_transaction_that_is_gone_from_the_journal_is_said(sealed: SqlStore) -> None:
    spoil(sealed, "DELETE FROM journal WHERE seq IN (5, 6)")
    told = [str(one) for one in (await looked(sealed)).faults]
    assert any("nothing stands between 4 and 7" in one for one in told), told
    assert any("Row 5 of the audit knows" in one or "Row 4 of the audit knows" in one for one in told), told


async def test_an_end_of_the_journal_that_is_gone_is_known_to_the_audit(sealed: SqlStore) -> None:
    await sealed.transact(lambda book: book.audit.bind(T0))
    spoil(sealed, "DELETE FROM journal WHERE seq > 8")
    told = [str(one) for one in (await looked(sealed)).faults]
    assert any("knows journal entry 12" in one for one in told), told


async def test_an_end_of_both_that_is_gone_is_known_to_the_anchor(sealed: SqlStore) -> None:
    head = await sealed.read(lambda book: book.audit.head())
    assert head is not None
    anchor = Anchor(head.seq, head.hash, T0)
    assert (await looked(sealed, anchor=anchor)).holds
    spoil(sealed, "DELETE FROM audit WHERE seq > 5", "DELETE FROM journal WHERE seq > 8")
    assert (await looked(sealed)).holds
    faults = (await looked(sealed, anchor=anchor)).faults
    assert [(one.first, one.last) for one in faults] == [(6, 7)]


async def test_a_row_is_bound_once_to_what_the_journal_has_added(sealed: SqlStore) -> None:
    await sealed.transact(lambda book: book.journal.append(SHOP, 9, [RunStarted(at=T0, by=ANN)]))
    for _ in range(3):
        await sealed.transact(lambda book: book.audit.bind(T0))
    rows = await sealed.read(lambda book: book.audit.page(7, 100))
    assert [(row.deed.line, row.journal_seq) for row in rows] == [("the journal is bound", 13)]


async def test_after_a_change_of_the_key_both_parts_are_trusted_with_both_keys(sealed: SqlStore, url: str) -> None:
    later = SqlStore.open(url, migrate=False, chain_key=OTHER_KEY)
    later.start()
    await later.transact(lambda book: book.audit.begin("5f2c", T0))
    await later.transact(lambda book: one_step(book, 7))
    later.close()
    assert (await looked(sealed, OTHER_KEY, KEY)).faults == []
    assert {one.table for one in (await looked(sealed, OTHER_KEY)).faults} == {"journal"}, (
        "the audit is held by its links"
    )


async def both(store: SqlStore, number: int) -> None:
    """A deed and an entry, each in a transaction of its own."""
    await store.transact(lambda book: book.audit.add(deed(100 + number)))
    await store.transact(lambda book: book.journal.append(RunId(f"r-{number}"), 1, [RunStarted(at=T0, by=ANN)]))


async def test_several_writers_make_one_chain_without_a_gap(sealed: SqlStore, url: str) -> None:
    others = [SqlStore.open(url, migrate=False, chain_key=KEY) for _ in range(3)]
    for other in others:
        other.start()
    stores = (sealed, *others)
    work = [both(store, 4 * number + place) for number in range(15) for place, store in enumerate(stores)]
    await asyncio.gather(*work)
    for other in others:
        other.close()
    rows = await sealed.read(lambda book: book.audit.page(0, 1000))
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert len({row.deed.key for row in rows}) == len(rows)
    assert (await looked(sealed)).faults == []


async def test_a_delivery_has_one_row_however_often_it_came(sealed: SqlStore) -> None:
    await sealed.transact(lambda book: [book.audit.add(one) for one in (deed(50), deed(50, "another"))])  # type: ignore[func-returns-value]
    await sealed.transact(lambda book: book.audit.add(deed(50, "a third")))
    rows = await sealed.read(lambda book: book.audit.page(7, 100))
    assert [row.deed.line for row in rows] == ["approve shop-1"]
    assert (await looked(sealed)).holds


async def test_what_is_refused_leaves_no_row_and_no_gap(sealed: SqlStore) -> None:
    def broken(book: SqlBook) -> None:
        book.audit.add(deed(60))
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - nothing but this job raises one
        await sealed.transact(broken)
    await sealed.transact(lambda book: book.audit.add(deed(61)))
    assert [row.seq for row in await sealed.read(lambda book: book.audit.page(7, 9))] == [8]


async def test_what_is_looked_for_is_found_by_moment_and_word(sealed: SqlStore) -> None:
    await sealed.transact(lambda book: book.audit.add(deed(30, "approve cart-9")))
    since = Sought(since=T0 + timedelta(minutes=5), until=T0 + timedelta(minutes=6))
    assert [one.key for one in await sealed.read(lambda book: book.audit.latest(9, since))] == ["key-5"]
    assert [one.key for one in await sealed.read(lambda book: book.audit.latest(9, Sought(word="CART-9")))] == [
        "key-30"
    ]


async def test_rows_from_before_there_was_a_chain_are_chained_as_they_were_found(tmp_path: Path) -> None:
    url = sqlite_at(tmp_path)
    engine = create_engine(url)
    upgrade(engine, "0008")
    row = "INSERT INTO audit (seq, key, at, person, account, room, line, outcome, said) VALUES "
    entry = "INSERT INTO journal (run, n, at, \"by\", kind, document) VALUES ('shop-1', "
    said = '{"at":"2026-03-01T12:00:00Z","by":"ann"}'
    with engine.begin() as connection:
        for seq in (1, 2, 5):
            connection.execute(
                text(f"{row} ({seq}, 'k{seq}', '2026-03-01 12:00:00', 'ann', '', 'web:lobby', 'x', 'done', '')")
            )
            values = f"{seq}, '2026-03-01 12:00:00', 'ann', 'RunStarted', :said)"
            connection.execute(text(entry + values), {"said": said})
    upgrade(engine)
    engine.dispose()
    store = SqlStore.open(url, chain_key=KEY)
    store.start()
    await store.transact(lambda book: book.audit.begin("5f2c", T0))
    await store.transact(lambda book: one_step(book, 1))
    assert (await looked(store)).faults == []
    spoil(store, "UPDATE audit SET line = 'y' WHERE seq = 2")
    assert [one.first for one in (await looked(store)).faults] == [2]
    assert await store.read(lambda book: len(book.read(select(audit)).all())) == 5
    store.close()

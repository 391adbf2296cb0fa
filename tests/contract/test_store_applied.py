"""What runs have applied, as `engine.left` promises."""

from dataclasses import replace
from datetime import timedelta

from engine.model import Json, RunId, RunState
from storage.store import SqlStore
from tests.support.store import T0, a_run, grown

RUN = RunId("shop-1")
GRAY: dict[str, Json] = {
    "Deployment shop/web-gray": {"kind": "Deployment", "é": [1, {"b": "\0\ud800"}]},
    "Service shop/web": {"a": 1},
}


async def test_what_a_stage_applied_is_kept_where_the_run_had_not_applied_just_that_before(store: SqlStore) -> None:
    await store.transact(lambda book: book.applied.keep(RUN, 2, GRAY, T0))
    later = {**GRAY, "Service shop/web": {"a": 2}}
    await store.transact(lambda book: book.applied.keep(RUN, 4, later, T0 + timedelta(hours=1)))
    await store.transact(lambda book: book.applied.keep(RUN, 4, later, T0 + timedelta(hours=2)))
    kept = await store.read(lambda book: book.applied.of(RUN))
    assert [(each.stage, each.thing, each.document) for each in kept] == [
        *((2, thing, document) for thing, document in GRAY.items()),
        (4, "Service shop/web", {"a": 2}),
    ]
    assert [each.at for each in kept] == [T0, T0, T0 + timedelta(hours=1)]
    assert await store.read(lambda book: book.applied.of(RunId("shop-2"))) == []


async def test_what_is_missing_is_added_and_nothing_else_changed(store: SqlStore) -> None:
    await store.transact(lambda book: book.applied.keep(RUN, 2, GRAY, T0))
    back = {"Service shop/web": {"a": 3}, "Deployment shop/web": {"b": 1}}
    await store.transact(lambda book: book.applied.keep(RUN, 2, back, T0, missing=True))
    kept = {each.thing: each.document for each in await store.read(lambda book: book.applied.of(RUN))}
    assert kept == {**GRAY, "Deployment shop/web": {"b": 1}}


async def test_it_is_forgotten_when_it_is_old_and_the_run_is_over(store: SqlStore) -> None:
    run = a_run("shop-1")
    await store.transact(lambda book: book.runs.add(run))
    await store.transact(lambda book: book.applied.keep(run.id, 2, GRAY, T0))
    await store.transact(lambda book: book.applied.forget(T0 + timedelta(days=1)))
    assert len(await store.read(lambda book: book.applied.of(run.id))) == 2
    over = replace(grown(run), state=RunState.SUCCEEDED)
    await store.transact(lambda book: book.runs.save(over, 1, token=None, due_at=None))
    await store.transact(lambda book: book.applied.forget(T0))
    assert len(await store.read(lambda book: book.applied.of(run.id))) == 2
    await store.transact(lambda book: book.applied.forget(T0 + timedelta(days=1)))
    assert await store.read(lambda book: book.applied.of(run.id)) == []


async def test_a_thing_may_be_called_by_the_longest_names_that_there_are(store: SqlStore) -> None:
    """PostgreSQL refuses a text that is longer than its column."""
    longest = f"{'K' * 63} {'n' * 63}/{'a' * 253}"
    await store.transact(lambda book: book.applied.keep(RUN, 0, {longest: {}}, T0))
    assert [each.thing for each in await store.read(lambda book: book.applied.of(RUN))] == [longest]

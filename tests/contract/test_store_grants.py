"""Groups, grants, templates and drafts, as they are kept."""

from dataclasses import replace
from datetime import timedelta

from engine.model import RunId
from storage.drafts import Draft
from storage.grants import Grant, Right
from storage.store import SqlStore
from storage.templates import KeptTemplate
from tests.support.store import ANN, BOB, EVE, LOBBY, T0, a_release, a_run

TEXT = "pipeline: {name}\ngroup: {group}\n# naïve 🔒\nworkload: {workload}\n"


async def define(store: SqlStore, name: str, group: str, workload: str = "shop") -> None:
    text = TEXT.format(name=name, group=group, workload=workload)
    await store.transact(lambda book: book.pipelines.save(name, group, text, ANN, T0))


async def test_a_grant_closes_its_group_and_is_found_by_group_and_by_person(store: SqlStore) -> None:
    assert await store.read(lambda book: book.grants.closed()) == frozenset()
    for grant in (Grant("shop", BOB, Right.READ, ANN, T0), Grant("shop", ANN, Right.MANAGE, ANN, T0)):
        await store.transact(lambda book, grant=grant: book.grants.put(grant))  # type: ignore[misc]
    assert await store.read(lambda book: book.grants.closed()) == {"shop"}
    found = await store.read(lambda book: book.grants.of_group("shop"))
    assert found == [Grant("shop", ANN, Right.MANAGE, ANN, T0), Grant("shop", BOB, Right.READ, ANN, T0)]
    assert await store.read(lambda book: book.grants.of_person(BOB)) == {"shop": Right.READ}
    assert await store.read(lambda book: book.grants.of_person(EVE)) == {}


async def test_a_person_has_one_right_in_a_group_the_latest(store: SqlStore) -> None:
    first = Grant("shop", BOB, Right.READ, ANN, T0)
    later = replace(first, right=Right.EDIT, by=EVE, at=T0 + timedelta(days=1))
    for grant in (first, later):
        await store.transact(lambda book, grant=grant: book.grants.put(grant))  # type: ignore[misc]
    assert await store.read(lambda book: book.grants.of_group("shop")) == [later]


async def test_a_group_whose_last_right_is_gone_stays_closed(store: SqlStore) -> None:
    await store.transact(lambda book: book.grants.put(Grant("shop", BOB, Right.READ, ANN, T0)))
    assert await store.transact(lambda book: book.grants.drop("shop", BOB))
    assert not await store.transact(lambda book: book.grants.drop("shop", BOB))
    await store.transact(lambda book: book.grants.put(Grant("shop", EVE, Right.READ, ANN, T0)))
    await store.transact(lambda book: book.grants.leave(EVE))
    await store.transact(lambda book: book.grants.empty("shop"))
    assert await store.read(lambda book: book.grants.closed()) == {"shop"}
    await store.transact(lambda book: book.grants.forget("shop"))
    assert await store.read(lambda book: (book.grants.closed(), book.grants.made())) == (frozenset(), [])


async def test_a_pipeline_that_was_deleted_still_has_its_group(store: SqlStore) -> None:
    await define(store, "api", "shop")
    await define(store, "web", "shop")
    await store.transact(lambda book: book.pipelines.delete("api", T0))
    assert await store.read(lambda book: book.grants.group_of("api")) == "shop"
    assert await store.read(lambda book: book.grants.group_of("nowhere")) is None
    assert await store.read(lambda book: book.grants.pipelines_in("shop")) == ["web"]
    assert set(await store.read(lambda book: book.grants.texts_in(frozenset({"shop"})))) == {"api", "web"}
    assert await store.read(lambda book: book.grants.texts_in(frozenset())) == {}
    assert await store.read(lambda book: book.grants.used()) == ["shop"]


async def test_definitions_are_found_by_a_word_that_stands_in_them_as_it_is(store: SqlStore) -> None:
    await define(store, "api", "shop", workload="a_b")
    await define(store, "web", "shop", workload="axb")
    assert set(await store.read(lambda book: book.grants.texts_with("a_b"))) == {"api"}
    assert set(await store.read(lambda book: book.grants.texts_with("a%"))) == set()
    await define(store, "api", "shop", workload="other")
    assert await store.read(lambda book: book.grants.texts_with("a_b")) == {}, "the newest version counts"
    assert "workload: other" in await store.read(lambda book: book.grants.text_of("api"))
    assert await store.read(lambda book: book.grants.text_of("nowhere")) == ""


async def test_what_was_released_and_what_is_held_tells_which_pipelines_did_it(store: SqlStore) -> None:
    for name, workload in (("api-1", "shop"), ("web-1", "cart")):
        run = a_run(name, workload=workload)
        await store.transact(lambda book, run=run: book.runs.add(run))  # type: ignore[misc]
    await store.transact(lambda book: book.releases.add(a_release()))
    release = a_release()
    await store.transact(lambda book: book.releases.mark_deployed(release.id, RunId("api-1"), T0))
    await store.transact(lambda book: book.runs.hold("cart", RunId("web-1")))
    assert await store.read(lambda book: book.grants.released()) == {("shop", "api"), ("cart", "web")}


async def test_a_template_is_found_as_it_was_kept(store: SqlStore) -> None:
    kept = KeptTemplate("mine", "shop", TEXT, ANN, T0)
    await store.transact(lambda book: book.templates.keep(replace(kept, text="older", by=BOB)))
    await store.transact(lambda book: book.templates.keep(kept))
    assert await store.read(lambda book: book.templates.all()) == [kept]
    await store.transact(lambda book: book.templates.move("shop", "other"))
    assert await store.read(lambda book: book.templates.find("mine")) == replace(kept, group="other")
    assert await store.transact(lambda book: book.templates.delete("mine"))
    assert not await store.transact(lambda book: book.templates.delete("mine"))
    assert await store.read(lambda book: book.templates.find("mine")) is None


async def test_each_person_has_one_draft_in_a_room_until_it_is_forgotten(store: SqlStore) -> None:
    draft = Draft("1", LOBBY, ANN, "{}", T0)
    newer = replace(draft, id="2", document='{"a": "ü"}', expires_at=T0 + timedelta(hours=1))
    others = replace(draft, person=BOB)
    for one in (draft, newer, others):
        await store.transact(lambda book, one=one: book.drafts.put(one))  # type: ignore[misc]
    assert await store.read(lambda book: book.drafts.find(LOBBY, ANN)) == newer
    await store.transact(lambda book: book.drafts.forget(T0 + timedelta(minutes=1)))
    assert await store.read(lambda book: book.drafts.find(LOBBY, BOB)) is None
    assert await store.transact(lambda book: book.drafts.drop(LOBBY, ANN))
    assert not await store.transact(lambda book: book.drafts.drop(LOBBY, ANN))

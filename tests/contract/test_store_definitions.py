"""Pipelines, releases, logs and people, as `engine.ports` promises."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import InvariantViolation, Refused
from engine.model import Person, RunId
from engine.rollout.fleet import ReleaseId
from storage.store import SqlStore
from tests.support.store import ANN, BOB, T0, a_release, a_run

SHOP_1, SHOP_2 = RunId("shop-1"), RunId("shop-2")


async def saved(store: SqlStore, name: str, text: str, group: str = "default") -> int:
    return await store.transact(lambda book: book.pipelines.save(name, group, text, ANN, T0))


async def deployed(store: SqlStore, release: str, run: RunId, minutes: int = 0) -> int | None:
    at = T0 + timedelta(minutes=minutes)
    marked = await store.transact(lambda book: book.releases.mark_deployed(ReleaseId(release), run, at))
    return marked.number


async def test_an_equal_text_keeps_the_version_and_another_makes_the_next(store: SqlStore) -> None:
    assert [await saved(store, "shop", text) for text in ("a", "a", "b", "a")] == [1, 1, 2, 3]
    first = await store.read(lambda book: book.pipelines.load("shop", 1))
    newest = await store.read(lambda book: book.pipelines.load("shop"))
    assert (first.text, newest.text, newest.version, newest.by, newest.at) == ("a", "a", 3, ANN, T0)


async def test_a_deleted_pipeline_is_hidden_but_its_runs_can_read_it(store: SqlStore) -> None:
    await saved(store, "shop", "a")
    await store.transact(lambda book: book.pipelines.delete("shop", T0))
    assert await store.read(lambda book: book.pipelines.names()) == []
    assert await store.read(lambda book: book.pipelines.page("", 9)) == []
    with pytest.raises(Refused):
        await store.read(lambda book: book.pipelines.load("shop"))
    assert (await store.read(lambda book: book.pipelines.load("shop", 1))).text == "a"
    assert await saved(store, "shop", "a") == 2


async def test_an_unknown_pipeline_is_refused_with_the_nearest_name(store: SqlStore) -> None:
    await saved(store, "shop-api", "a")
    with pytest.raises(Refused, match=r"There is no pipeline shop-app\.") as refused:
        await store.read(lambda book: book.pipelines.load("shop-app"))
    assert refused.value.hint == "Did you mean shop-api?"
    with pytest.raises(Refused, match="has no version 7"):
        await store.read(lambda book: book.pipelines.load("shop-api", 7))
    with pytest.raises(Refused, match="has no version 0"):
        await store.read(lambda book: book.pipelines.load("shop-api", 0))


async def test_what_was_started_last_is_the_newest_and_the_others_follow_by_name(store: SqlStore) -> None:
    for minutes, name in enumerate(("cart", "auth", "shop", "gone")):
        at = T0 + timedelta(minutes=minutes)
        await store.transact(lambda book, name=name, at=at: book.pipelines.save(name, "default", "a", ANN, at))  # type: ignore[misc]
    await store.transact(lambda book: book.pipelines.delete("gone", T0))
    assert await store.read(lambda book: book.pipelines.newest(8)) == ["auth", "cart", "shop"]
    started = replace(a_run("cart-1"), created_at=T0 + timedelta(hours=1))
    await store.transact(lambda book: book.runs.add(started))
    assert await store.read(lambda book: book.pipelines.newest(8)) == ["cart", "auth", "shop"]
    assert await store.read(lambda book: book.pipelines.newest(2)) == ["cart", "auth"]


async def test_pipelines_are_listed_page_by_page(store: SqlStore) -> None:
    for name in ("cart", "auth", "shop"):
        await saved(store, name, "old")
        await saved(store, name, "new", group="web")
    page = await store.read(lambda book: book.pipelines.page("auth", 1))
    assert [(item.name, item.group, item.text) for item in page] == [("cart", "web", "new")]
    assert await store.read(lambda book: book.pipelines.names()) == ["auth", "cart", "shop"]


async def test_a_release_is_kept_as_it_was_last_and_as_it_was_deployed(store: SqlStore) -> None:
    newer = replace(a_release(), image="shop/api:v9")
    await store.transact(lambda book: book.releases.add(a_release()))
    await deployed(store, "shop@1", SHOP_1)
    await store.transact(lambda book: book.releases.add(newer))
    assert await store.read(lambda book: book.releases.find(ReleaseId("shop@1"))) == newer
    assert [item.image for item in await store.read(lambda book: book.releases.history("shop", 9))] == ["shop/api:v1"]
    assert await store.read(lambda book: book.releases.find(ReleaseId("shop@2"))) is None


async def test_deployments_are_numbered_and_the_newest_comes_first(store: SqlStore) -> None:
    for name, workload in (("shop@1", "shop"), ("shop@2", "shop"), ("cart@1", "cart")):
        release = a_release(name, workload=workload)
        await store.transact(lambda book, release=release: book.releases.add(release))  # type: ignore[misc]
    assert await deployed(store, "shop@1", SHOP_1) == 1
    assert await deployed(store, "shop@2", SHOP_2, 1) == 2
    assert await deployed(store, "shop@1", RunId("shop-3"), 2) == 3
    assert await deployed(store, "cart@1", RunId("cart-1"), 3) == 1
    history = await store.read(lambda book: book.releases.history("shop", 9))
    assert [(item.id, item.number, item.run) for item in history] == [
        ("shop@1", 3, "shop-3"),
        ("shop@2", 2, "shop-2"),
        ("shop@1", 1, "shop-1"),
    ]
    now = await store.read(lambda book: book.releases.deployed("shop"))
    assert now == history[0]
    assert now.deployed_at == T0 + timedelta(minutes=2)
    assert await store.read(lambda book: book.releases.workloads()) == ["cart", "shop"]


async def test_one_deployment_is_found_by_its_number_or_by_its_run(store: SqlStore) -> None:
    for name in ("shop@1", "shop@2"):
        await store.transact(lambda book, name=name: book.releases.add(a_release(name)))  # type: ignore[misc]
    await deployed(store, "shop@1", SHOP_1)
    await deployed(store, "shop@2", SHOP_2, 1)
    await deployed(store, "shop@1", SHOP_2, 2)
    history = await store.read(lambda book: book.releases.history("shop", 9))
    for one in history:
        assert await store.read(lambda book, one=one: book.releases.version("shop", one.number)) == one  # type: ignore[misc]
        assert await store.read(lambda book, one=one: book.releases.deployed_by("shop", one.run, one.id)) == one  # type: ignore[misc]
    assert await store.read(lambda book: book.releases.version("shop", 4)) is None
    assert await store.read(lambda book: book.releases.version("cart", 1)) is None
    assert await store.read(lambda book: book.releases.deployed_by("shop", SHOP_1, ReleaseId("shop@2"))) is None
    assert await store.read(lambda book: book.releases.deployed_by("shop", SHOP_1, ReleaseId("shop@3"))) is None


async def test_a_run_marks_its_release_once_even_after_a_later_one(store: SqlStore) -> None:
    for name in ("shop@1", "shop@2"):
        await store.transact(lambda book, name=name: book.releases.add(a_release(name)))  # type: ignore[misc]
    await deployed(store, "shop@1", SHOP_1)
    await deployed(store, "shop@2", SHOP_2)
    assert await deployed(store, "shop@1", SHOP_1) == 1
    now = await store.read(lambda book: book.releases.deployed("shop"))
    assert now is not None
    assert now.id == "shop@2"


async def test_a_run_marks_a_release_anew_once_it_has_marked_another_meanwhile(store: SqlStore) -> None:
    for name in ("shop@1", "shop@2"):
        await store.transact(lambda book, name=name: book.releases.add(a_release(name)))  # type: ignore[misc]
    marked = [await deployed(store, f"shop@{number}", SHOP_1) for number in (1, 2, 2, 1, 1)]
    assert marked == [1, 2, 2, 3, 3]
    now = await store.read(lambda book: book.releases.deployed("shop"))
    assert now is not None
    assert (now.id, now.number) == ("shop@1", 3)


async def test_what_was_never_kept_cannot_be_deployed(store: SqlStore) -> None:
    with pytest.raises(InvariantViolation):
        await deployed(store, "shop@9", SHOP_1)


async def test_named_releases_are_read_together(store: SqlStore) -> None:
    for name in ("shop@1", "shop@2", "shop@3"):
        await store.transact(lambda book, name=name: book.releases.add(a_release(name)))  # type: ignore[misc]
    names = [ReleaseId("shop@1"), ReleaseId("shop@3"), ReleaseId("shop@9")]
    found = await store.read(lambda book: book.releases.all_of("shop", names))
    assert found == {ReleaseId(name): a_release(name) for name in ("shop@1", "shop@3")}


async def test_words_of_a_stage_are_read_in_pieces(store: SqlStore) -> None:
    for stage, text in ((0, "one"), (1, "two"), (0, "three"), (0, "four")):
        await store.transact(lambda book, s=stage, t=text: book.logs.append(SHOP_1, s, 1, T0, t))  # type: ignore[misc]
    first = await store.read(lambda book: book.logs.read(SHOP_1, 0, 0, 2))
    assert [line.text for line in first] == ["one", "three"]
    rest = await store.read(lambda book: book.logs.read(SHOP_1, 0, first[-1].seq, 9))
    assert [line.text for line in rest] == ["four"]
    tail = await store.read(lambda book: book.logs.tail(SHOP_1, None, 3))
    assert [line.text for line in tail] == ["two", "three", "four"]
    assert await store.read(lambda book: book.logs.tail(SHOP_2, None, 3)) == []


async def test_whatever_a_program_says_can_be_kept(store: SqlStore) -> None:
    said = "nul \0, half a pair \ud83d, ünï ✓ 🚦"
    await store.transact(lambda book: book.logs.append(SHOP_1, 0, 1, T0, said))
    (line,) = await store.read(lambda book: book.logs.tail(SHOP_1, None, 3))
    assert line.text == "nul , half a pair ?, ünï ✓ 🚦"


async def test_people_are_known_with_their_newest_address(store: SqlStore) -> None:
    await store.transact(lambda book: book.people.add(Person(BOB)))
    await store.transact(lambda book: book.people.add(Person(ANN, "ann@example.com")))
    await store.transact(lambda book: book.people.add(Person(BOB, "bob@example.com", "+49")))
    assert await store.read(lambda book: book.people.names()) == [ANN, BOB]
    assert await store.read(lambda book: book.people.find(BOB)) == Person(BOB, "bob@example.com", "+49")

from typing import Any

from engine.targets.kubernetes.cache import Cache


def thing(name: str, version: int, uid: str = "", **rest: Any) -> dict[str, Any]:
    labels = rest.pop("labels", {"app": "web"})
    metadata = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version), "labels": labels}
    return {"metadata": {**metadata, **rest}}


def listed(*things: dict[str, Any], version: int = 10, labels: str = "") -> tuple[Cache, int]:
    cache = Cache(labels, slim=False)
    return cache, cache.replace(things, str(version), cache.turn())


def versions(cache: Cache) -> dict[str, int]:
    return {name: int(one["metadata"]["resourceVersion"]) for name, one in cache.things().items()}


def test_events_change_what_was_listed() -> None:
    cache, number = listed(thing("a", 1), thing("b", 2))
    cache.take(number, "MODIFIED", thing("a", 11))
    cache.take(number, "DELETED", thing("b", 12))
    cache.take(number, "ADDED", thing("c", 13))
    cache.take(number, "BOOKMARK", {"metadata": {"resourceVersion": "14"}})
    assert versions(cache) == {"a": 11, "c": 13}


def test_an_own_write_is_not_undone_by_an_event_from_before_it() -> None:
    cache, number = listed(thing("a", 1))
    cache.note(thing("a", 20))
    cache.take(number, "MODIFIED", thing("a", 15))
    assert versions(cache) == {"a": 20}
    cache.take(number, "MODIFIED", thing("a", 21))
    assert versions(cache) == {"a": 21}


def test_an_own_write_that_is_already_old_changes_nothing() -> None:
    cache, _ = listed(thing("a", 9))
    cache.note(thing("a", 5))
    assert versions(cache) == {"a": 9}


def test_what_was_removed_is_not_brought_back_by_a_late_event() -> None:
    cache, number = listed(thing("a", 1))
    cache.forget("a")
    cache.take(number, "MODIFIED", thing("a", 11))
    assert versions(cache) == {}


def test_a_new_object_of_a_removed_ones_name_is_seen() -> None:
    cache, number = listed(thing("a", 1, "first"))
    cache.forget("a")
    cache.take(number, "DELETED", thing("a", 11, "first"))
    cache.take(number, "ADDED", thing("a", 12, "second"))
    assert versions(cache) == {"a": 12}


def test_the_end_of_an_old_object_does_not_take_a_new_one_of_its_name() -> None:
    cache, number = listed(thing("a", 1, "first"))
    cache.note(thing("a", 12, "second"))
    cache.take(number, "DELETED", thing("a", 11, "first"))
    assert versions(cache) == {"a": 12}


def test_what_was_written_while_a_list_was_made_outlives_it() -> None:
    cache, _ = listed(thing("a", 1), thing("b", 2))
    turn = cache.turn()
    cache.note(thing("a", 30))
    cache.note(thing("new", 31))
    cache.forget("b")
    cache.replace([thing("a", 1), thing("b", 2)], "29", turn)
    assert versions(cache) == {"a": 30, "new": 31}


def test_what_was_written_before_a_list_was_asked_for_is_as_the_list_says() -> None:
    cache, _ = listed(thing("b", 2))
    cache.note(thing("a", 30))
    cache.forget("b")
    cache.replace([thing("b", 40)], "41", cache.turn())
    assert versions(cache) == {"b": 40}


def test_what_somebody_removed_after_our_write_is_gone_when_the_list_is_later() -> None:
    cache, _ = listed()
    turn = cache.turn()
    cache.note(thing("a", 30))
    cache.replace([], "33", turn)
    assert versions(cache) == {}


def test_events_of_an_earlier_watch_mean_nothing_any_more() -> None:
    cache, before = listed(thing("a", 1))
    cache.replace([], "50", cache.turn())
    cache.take(before, "MODIFIED", thing("a", 40))
    assert versions(cache) == {}


def test_own_writes_come_only_into_the_lists_that_select_them() -> None:
    cache, _ = listed(thing("a", 1), labels="app=web")
    cache.note(thing("other", 11, labels={"app": "api"}))
    assert versions(cache) == {"a": 1}
    cache.note(thing("a", 12, labels={"app": "api"}))
    assert versions(cache) == {}


def test_versions_that_are_no_numbers_are_taken_as_they_come() -> None:
    cache = Cache("", slim=False)
    first, second = thing("a", 1), thing("a", 2)
    first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"] = "b", "a"
    number = cache.replace([first], "b", cache.turn())
    cache.take(number, "MODIFIED", second)
    assert cache.things()["a"] is second


def test_a_slim_cache_keeps_no_managers_and_leaves_what_it_was_given() -> None:
    cache = Cache("", slim=True)
    given = [thing(name, 1, managedFields=[{"manager": "kubelet"}]) for name in ("listed", "told", "written")]
    number = cache.replace(given[:1], "1", cache.turn())
    cache.take(number, "ADDED", given[1])
    cache.note(given[2])
    assert [name for name, one in cache.things().items() if "managedFields" in one["metadata"]] == []
    assert len(cache.things()) == 3
    assert all("managedFields" in one["metadata"] for one in given)

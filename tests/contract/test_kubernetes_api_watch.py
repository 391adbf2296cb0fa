"""Facts about watches: they go on from a version, miss nothing, and say when a version is forgotten."""

from tests.support.kube_client import Client
from tests.support.kube_facts import settings


async def test_a_watch_goes_on_from_a_list_in_order(api: Client) -> None:
    version = await api.version("configmaps")
    async with api.watch("configmaps", version, labelSelector="mine") as told:
        thing = settings("one", a="1")
        thing["metadata"]["labels"] = {"mine": "1"}
        await api.create(thing)
        await api.edit("configmaps", "one", {"data": {"a": "2"}})
        await api.ask("DELETE", api.at("configmaps", "one"))
        await told.count(3)
    assert told.words == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in told.events]
    assert versions == sorted(set(versions))
    assert told.events[0]["object"]["kind"] == "ConfigMap"


async def test_a_watch_resumes_where_another_one_stopped(api: Client) -> None:
    version = await api.version("configmaps")
    async with api.watch("configmaps", version, labelSelector="mine") as told:
        await _mine(api, "one")
        await told.count(1)
    await _mine(api, "two")
    resumed = told.events[-1]["object"]["metadata"]["resourceVersion"]
    async with api.watch("configmaps", resumed, labelSelector="mine") as later:
        await _mine(api, "three")
        await later.count(2)
    assert later.words == [("ADDED", "two"), ("ADDED", "three")]


async def _mine(api: Client, name: str) -> None:
    thing = settings(name)
    thing["metadata"]["labels"] = {"mine": "1"}
    assert (await api.create(thing)).status == 201


async def test_what_is_no_longer_chosen_is_told_as_deleted(api: Client) -> None:
    await _mine(api, "one")
    version = await api.version("configmaps")
    async with api.watch("configmaps", version, labelSelector="mine=1") as told:
        await api.edit("configmaps", "one", {"metadata": {"labels": {"mine": "0"}}})
        await told.count(1)
        await api.edit("configmaps", "one", {"metadata": {"labels": {"mine": "1"}}})
        await told.count(2)
    assert told.words == [("DELETED", "one"), ("ADDED", "one")]


async def test_a_watch_without_a_version_begins_with_what_is_there(api: Client) -> None:
    await _mine(api, "one")
    async with api.watch("configmaps", "", labelSelector="mine") as told:
        await told.count(1)
    assert told.words == [("ADDED", "one")]


async def test_a_version_that_is_forgotten_is_told_within_the_watch(api: Client) -> None:
    async with api.watch("configmaps", "1") as told:
        await told.over()
    (event,) = told.events
    assert (told.status, event["type"]) == (200, "ERROR")
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


async def test_a_watch_ends_when_its_time_is_over(api: Client) -> None:
    version = await api.version("configmaps")
    async with api.watch("configmaps", version, timeoutSeconds="1", labelSelector="none=1") as told:
        await told.over()
    assert all(word == "BOOKMARK" for word, _name in told.words)


async def test_a_version_that_has_not_been_yet_is_refused(api: Client) -> None:
    said = await api.ask("GET", api.at("configmaps"), resourceVersion="999999999")
    assert (said.status, said.body["reason"]) == (504, "Timeout")
    assert said.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"

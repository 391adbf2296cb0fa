"""Hooks: what comes of a call, and what is written down of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.wiring import rotate
from engine.model import StageState
from tests.support.hook_calls import GATED, V2, call
from tests.support.outside import Outside, outside
from tests.support.store import T0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as world:
        await world.define(GATED)
        yield world


async def test_a_hook_starts_a_run_with_its_parameters_in_variables(world: Outside) -> None:
    assert await call(world, "nightly", params=V2) == (
        201,
        {"run": "gated-1", "runs": ["gated-1"], "outcome": "started"},
    )
    run = await world.run("gated-1")
    assert (run.variables["tag"], run.requested_by, run.because) == (
        "v2",
        "hook:nightly",
        "Webhook nightly was called.",
    )
    (called,) = await world.called("gated")
    assert (called.name, called.source, called.run, called.outcome) == ("nightly", "192.0.2.7", "gated-1", "started")


async def test_parameters_come_in_the_query_as_a_form_or_as_json(world: Outside) -> None:
    ways: list[dict[str, Any]] = [{"params": V2}, {"data": V2}, {"json": V2}]
    for how in ways:
        status, said = await call(world, "nightly", **how)
        assert (status, (await world.run(said["run"])).variables["tag"]) == (201, "v2")
    assert (await call(world, "nightly", json={"version": 1.50}))[0] == 201
    assert (await world.run("gated-4")).variables["tag"] == "1.5"


BAD: list[dict[str, Any]] = [
    {},
    {"params": {"other": "v2"}},
    {"params": {"version": "v2", "other": "x"}},
    {"params": V2, "json": {"version": "v1"}},
    {"json": {"version": {"a": "b"}}},
    {"json": {"version": None}},
    {"json": ["v2"]},
    {"content": b'{"version": "v1", "version": "v2"}', "headers": {"Content-Type": "application/json"}},
    {"content": b"[" * 50_000, "headers": {"Content-Type": "application/json"}},
    {"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}},
    {"content": b"version=v2", "headers": {"Content-Type": "text/plain"}},
    {"params": {"version": "a\x00b"}},
    {"content": b'{"version": "\\ud800"}', "headers": {"Content-Type": "application/json"}},
    {"params": {"version": "x" * 5000}},
    {"params": {f"p{number}": "" for number in range(60)}},
    {"content": b"x" * 100_000, "headers": {"Content-Type": "application/json"}},
    {"params": {"version": "x" * 20_000}},
    {"params": {"version": "--upload-pack=evil"}},
]


async def test_what_the_hook_does_not_take_is_a_bad_request_and_starts_nothing(world: Outside) -> None:
    for how in BAD:
        status, said = await call(world, "nightly", **how)
        assert (status, list(said)) == (400, ["error"]), (how, said)
        world.ticks += 1
    assert await world.runs("gated") == []


async def test_a_value_is_taken_as_it_is_and_never_read_as_a_variable(world: Outside) -> None:
    _, said = await call(world, "nightly", params={"version": "${note}-$${note}"})
    assert "error" in said or (await world.run(said["run"])).variables["tag"] == "${note}-$${note}"
    await call(world, "nightly", params=V2)
    await call(world, "gate", "stage", params={"remark": "${tag}"})
    runs = await world.runs("gated")
    assert runs[0].variables["note"] == "${tag}"


async def test_whatever_token_is_wrong_is_answered_alike(world: Outside) -> None:
    right = await world.path("gated", "start", "nightly")
    wrong = ["/pipeline/" + "A" * 43, "/pipeline/short", right.replace("pipeline", "stage"), right + "x", "/", "/x/y"]
    async with world.client() as client:
        answers = [await client.post(path) for path in wrong]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, '{"error": "There is no such hook."}')}
    assert await world.called() == []


async def test_a_hook_takes_post_and_nothing_else(world: Outside) -> None:
    path = await world.path("gated", "start", "nightly")
    async with world.client() as client:
        answers = [await client.request(method, path, params=V2) for method in ("GET", "PUT", "DELETE", "HEAD")]
    assert {(answer.status_code, answer.headers["allow"]) for answer in answers} == {(405, "POST")}
    assert await world.runs("gated") == []


async def test_a_stage_goes_on_when_its_hook_is_called_and_a_second_call_meets_nothing(world: Outside) -> None:
    assert (await call(world, "gate", "stage", params={"remark": "too early"}))[0] == 409
    name = await world.start("gated")
    assert (await world.run(name)).stage.state is StageState.AWAITING_TRIGGER
    status, said = await call(world, "gate", "stage", params={"remark": "green"})
    assert (status, said["run"], said["outcome"]) == (201, name, "met")
    run = await world.run(name)
    assert (run.stage.state, run.variables["note"]) == (StageState.RUNNING, "green")
    assert (await call(world, "gate", "stage", params={"remark": "again"}))[0] == 409


async def test_what_is_met_before_the_stage_is_reached_counts_when_it_is(world: Outside) -> None:
    name = await world.start("gated")
    assert (await call(world, "late", "stage"))[0] == 201
    await call(world, "gate", "stage", params={"remark": "green"})
    run = await world.succeed(name)
    assert (run.stage.name, run.stage.state) == ("more", StageState.RUNNING)


async def test_a_run_that_waits_is_met_and_one_that_is_not_there_yet_is_not(world: Outside) -> None:
    ahead = await world.start("gated")
    await call(world, "gate", "stage", params={"remark": "green"})
    await world.succeed(ahead)
    behind = await world.start("gated")
    assert (await call(world, "late", "stage"))[1]["runs"] == [ahead]
    assert (await world.run(behind)).stages[1].conditions == ()


async def test_an_older_run_is_met_by_the_hook_that_its_own_definition_has(world: Outside) -> None:
    name = await world.start("gated")
    path = await world.path("gated", "stage", "gate")
    await world.define(GATED.replace("webhook: gate", "webhook: other"))
    async with world.client() as client:
        assert (await client.post(path, params={"remark": "green"})).status_code == 201
        assert (await world.run(name)).stage.state is StageState.RUNNING
        assert (await client.post(path, params={"remark": "green"})).status_code == 404


async def test_a_run_whose_definition_cannot_be_read_any_more_keeps_no_other_from_being_met(world: Outside) -> None:
    old = await world.start("gated")
    await world.define(f"{GATED}# newer")
    new = await world.start("gated")
    await world.spoil("gated", 1)
    status, said = await call(world, "gate", "stage", params={"remark": "x"})
    assert (status, said["runs"]) == (201, [new])
    assert ((await world.run(old)).stage.state, (await world.run(new)).stage.state) == (
        StageState.AWAITING_TRIGGER,
        StageState.RUNNING,
    )


async def test_a_hook_that_the_definition_drops_or_that_is_deleted_is_nobodys(world: Outside) -> None:
    path = await world.path("gated", "start", "nightly")
    await world.define(GATED.replace("webhook: nightly", "webhook: daily"))
    async with world.client() as client:
        assert (await client.post(path, params=V2)).status_code == 404
        await world.define(GATED)
        assert (await client.post(path, params=V2)).status_code == 201
        await world.store.transact(lambda book: book.pipelines.delete("gated", T0))
        assert (await client.post(path, params=V2)).status_code == 404
        await world.define(GATED)
        assert (await client.post(path, params=V2)).status_code == 404
    assert (await call(world, "nightly", params=V2))[0] == 201


async def test_a_rotated_hook_has_another_address_and_the_old_one_is_nobodys(world: Outside) -> None:
    old = await world.path("gated", "start", "nightly")
    hook = await world.store.read(lambda book: book.hooks.find("gated", "start", "nightly"))
    assert hook is not None
    await world.store.transact(lambda book: rotate(book, hook, world.vault))
    async with world.client() as client:
        assert (await client.post(old, params=V2)).status_code == 404
    assert (await call(world, "nightly", params=V2))[0] == 201
    assert await world.path("gated", "start", "nightly") != old

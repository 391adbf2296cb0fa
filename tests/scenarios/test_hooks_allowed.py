"""Hooks: who may call them, how often, and that a call counts once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.addresses import parse_network
from engine.calls import SIGNATURE_HEADER, TIMESTAMP_HEADER, signature
from engine.channels import MAX_DEPTH
from engine.locks import Lock
from tests.support.hook_calls import GATED, V2, call
from tests.support.outside import Outside, outside
from tests.support.store import ANN, T0

DEPLOYS = """
pipeline: deploys
starts: [{webhook: go}]
stages:
  - name: everybody
    official: {image: "shop/api:v1", service: {port: 18080}}
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as world:
        await world.define(GATED)
        yield world


async def test_a_call_with_the_same_idempotency_key_is_answered_the_same_and_done_once(world: Outside) -> None:
    headers = {"Idempotency-Key": "build-7"}
    answers = await asyncio.gather(*(call(world, "nightly", params=V2, headers=headers) for _ in range(5)))
    assert answers == [(201, {"run": "gated-1", "runs": ["gated-1"], "outcome": "started"})] * 5
    assert len(await world.runs("gated")) == 1
    assert (await call(world, "nightly", params=V2, headers={"Idempotency-Key": "build-8"}))[1]["run"] == "gated-2"
    other = await call(world, "elsewhere", source="10.20.0.7", headers=headers)
    assert other[1]["run"] == "gated-3", "a key is each hook's own"


async def test_a_call_that_led_to_nothing_may_be_made_again_under_the_same_key(world: Outside) -> None:
    headers = {"Idempotency-Key": "gate-7"}
    assert (await call(world, "gate", "stage", params={"remark": "x"}, headers=headers))[0] == 409
    await world.start("gated")
    assert (await call(world, "gate", "stage", params={"remark": "x"}, headers=headers))[0] == 201


async def test_a_signed_hook_takes_signed_calls_once_and_for_five_minutes(world: Outside) -> None:
    secret = world.secret("gated", "start", "signed")

    def signed(after: int = 0, *, by: str = secret, query: str = "", body: bytes = b"") -> dict[str, str]:
        stamp = str(int(T0.timestamp()) + after)
        return {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature(by, stamp, query, body)}

    stamp = {**signed(), TIMESTAMP_HEADER: str(int(T0.timestamp()) + 1)}
    wrong = [{}, signed(by="wrong"), signed(-301), signed(301), signed(query="a=b"), signed(body=b"x"), stamp]
    wrong += [{**signed(), TIMESTAMP_HEADER: "now"}, {**signed(), SIGNATURE_HEADER: "sha256="}]
    for headers in wrong:
        assert (await call(world, "signed", headers=headers))[0] == 401
    answers = [await call(world, "signed", headers=signed()) for _ in range(3)]
    assert [status for status, _ in answers] == [201] * 3
    assert len(await world.runs("gated")) == 1
    world.clock.pass_time(timedelta(minutes=6))
    assert (await call(world, "signed", headers=signed()))[0] == 401


async def test_a_signed_call_is_not_made_again_under_another_key_or_a_key_under_another_signature(
    world: Outside,
) -> None:
    secret = world.secret("gated", "start", "signed")

    def signed(after: int, key: str) -> dict[str, str]:
        stamp = str(int(T0.timestamp()) + after)
        named = {"Idempotency-Key": key} if key else {}
        return {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature(secret, stamp, "", b""), **named}

    for after, key in ((0, ""), (0, "x1"), (0, "x2"), (1, "x1"), (1, "x3")):
        status, said = await call(world, "signed", headers=signed(after, key))
        assert (status, said["run"]) == (201, "gated-1")
    assert (await call(world, "signed", headers=signed(2, "x4")))[1]["run"] == "gated-2"


async def test_a_call_from_another_network_is_not_allowed_whatever_it_says_of_itself(world: Outside) -> None:
    for source in ("192.0.2.7", "10.21.0.1", "2001:db8::1", ""):
        assert (await call(world, "elsewhere", source=source))[0] == 401
    assert (await call(world, "elsewhere", headers={"X-Forwarded-For": "10.20.0.7"}))[0] == 401
    for source in ("10.20.0.7", "::ffff:10.20.0.7", "fd00::1"):
        assert (await call(world, "elsewhere", source=source))[0] == 201


async def test_behind_a_known_proxy_the_last_stranger_is_who_calls(tmp_path: Path) -> None:
    proxies = (parse_network("127.0.0.1"), parse_network("172.16.0.0/12"))
    async with outside(tmp_path, proxies=proxies) as world:
        await world.define(GATED)

        async def status(forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded}
            return (await call(world, "elsewhere", source="127.0.0.1", headers=headers))[0]

        assert await status("10.20.0.7") == 201
        assert await status("192.0.2.1, 10.20.0.7, 172.16.0.1") == 201
        assert await status("10.20.0.7, 192.0.2.1") == 401
        assert await status("") == 401
        assert await status("10.20.0.7:4711") == 201


async def test_a_workload_that_is_locked_is_a_conflict_that_says_why(world: Outside) -> None:
    await world.define(DEPLOYS)
    await world.store.transact(lambda book: book.locks.put(Lock("deploys", "the audit", ANN, T0)))
    path = await world.path("deploys", "start", "go")
    async with world.client() as client:
        answer = await client.post(path)
    assert answer.status_code == 409
    assert "locked" in answer.json()["error"]
    assert [one.outcome for one in await world.called("deploys")] == ["refused"]


async def test_calls_that_lead_back_here_are_cut_at_a_depth(world: Outside) -> None:
    assert (await call(world, "nightly", params=V2, headers={"Sluice-Depth": "2"}))[0] == 201
    assert (await world.run("gated-1")).depth == 3
    status, said = await call(world, "nightly", params=V2, headers={"Sluice-Depth": str(MAX_DEPTH)})
    assert (status, "circle" in said["error"]) == (409, True)
    assert [one.outcome for one in await world.called("gated")] == ["started", "cut"]
    for nonsense in ("-1", "99999999", "x", ""):
        assert (await call(world, "nightly", params=V2, headers={"Sluice-Depth": nonsense}))[0] == 201


async def test_every_call_of_a_hook_is_in_the_audit_without_its_token(world: Outside) -> None:
    await call(world, "nightly", params=V2)
    await call(world, "elsewhere")
    token = (await world.path("gated", "start", "nightly")).rpartition("/")[2]
    deeds = await world.store.read(lambda book: book.audit.latest(10))
    assert [(one.person, one.outcome, one.line) for one in deeds[::-1]] == [
        ("hook:nightly", "done", "start hook nightly of gated"),
        ("hook:elsewhere", "refused", "start hook elsewhere of gated"),
    ]
    assert all(token not in f"{one}" for one in deeds)


async def test_calls_that_are_refused_are_written_down_ten_times_an_hour_for_each_hook(world: Outside) -> None:
    for number in range(60):
        world.ticks += 1.0
        which = ("signed", "elsewhere")[number % 2]
        assert (await call(world, which))[0] == 401
        assert (await call(world, "nightly", params={"other": "x"}))[0] == 400
    rows = [one.name for one in await world.called("gated")]
    assert [rows.count(name) for name in ("signed", "elsewhere", "nightly")] == [10, 10, 10]
    refused = [
        deed for deed in await world.store.read(lambda book: book.audit.latest(500)) if deed.outcome == "refused"
    ]
    assert len(refused) == 30
    assert (await call(world, "nightly", params=V2))[0] == 201
    assert (await world.called("gated"))[-1].outcome == "started"
    world.clock.pass_time(timedelta(minutes=61))
    assert (await call(world, "elsewhere"))[0] == 401
    assert (await world.called("gated"))[-1].name == "elsewhere"


async def test_calls_in_vain_are_written_down_ten_times_an_hour_too(world: Outside) -> None:
    for _ in range(15):
        world.ticks += 1.0
        assert (await call(world, "gate", "stage", params={"remark": "x"}))[0] == 409
    assert len(await world.called("gated")) == 10
    assert (await call(world, "gate", "stage", params={"other": "x"}))[0] == 400
    assert len(await world.called("gated")) == 11


async def test_a_depth_that_is_said_twice_is_the_greater_one(world: Outside) -> None:
    path = await world.path("gated", "start", "nightly")
    async with world.client() as client:
        headers = [("sluice-depth", "0"), ("Sluice-Depth", str(MAX_DEPTH))]
        assert (await client.post(path, params=V2, headers=headers)).status_code == 409
    assert await world.runs("gated") == []


async def test_one_hook_is_called_thirty_times_at_once_and_then_ten_times_a_second(world: Outside) -> None:
    statuses = [(await call(world, "gate", "stage", params={"remark": "x"}))[0] for _ in range(31)]
    assert statuses == [409] * 30 + [429]
    world.ticks += 0.1
    assert (await call(world, "gate", "stage", params={"remark": "x"}))[0] == 409


async def test_somebody_who_tries_tokens_is_slowed_down_and_hooks_go_on_being_called_from_there(world: Outside) -> None:
    await call(world, "nightly", params=V2)
    async with world.client() as client:
        statuses = [(await client.post(f"/pipeline/{number:043d}")).status_code for number in range(50)]
    assert statuses == [404] * 10 + [429] * 40
    assert (await call(world, "nightly", params=V2))[0] == 201


async def test_a_body_that_never_ends_is_given_up_and_keeps_no_place(world: Outside) -> None:
    world.hooks.read_seconds = 0.01
    never = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await never.wait()
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    path = await world.path("gated", "start", "nightly")
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.7", 1),
    }
    await world.hooks(scope, receive, send)
    assert sent[0]["status"] == 408
    world.hooks.read_seconds = 5.0
    assert (await call(world, "nightly", params=V2))[0] == 201

"""Whatever is sent to the hooks: an answer from the list, no start that was not answered with one, bounded memory."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.calls import BadCall, read_parameters
from tests.support.outside import Outside, outside

ANSWERS = {201, 400, 401, 404, 405, 408, 409, 429, 503}
PIPELINE = """
pipeline: gated
variables: {tag: v1}
starts: [{webhook: go, parameters: {version: tag}}]
stages:
  - name: code
    source: {git: "https://git.example.com/shop/api.git", tag: "${tag}"}
"""
HEADERS = st.sampled_from(
    [b"content-type", b"content-length", b"idempotency-key", b"sluice-depth", b"x-forwarded-for", b"x-sluice-signature"]
)
KINDS = st.sampled_from(
    [b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data", b"", b"\xff"]
)
HEADER = st.tuples(HEADERS, st.one_of(KINDS, st.binary(max_size=30)))
BODY = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(
        [b'{"version": "v2"}', b"version=v2", b'{"version": {}}', b"[" * 3000, b"{" * 3000, b"\x00" * 70_000]
    ),
)
QUERY = st.one_of(
    st.binary(max_size=100), st.sampled_from([b"version=v2", b"version=v2&version=v3", b"%ff=%00", b"version"])
)


@dataclass(frozen=True)
class House:
    """One world for all examples, and the loop that it lives in."""

    loop: asyncio.AbstractEventLoop
    world: Outside


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    loop = asyncio.new_event_loop()
    stack = AsyncExitStack()
    world = loop.run_until_complete(stack.enter_async_context(outside(tmp_path_factory.mktemp("hooks"))))
    loop.run_until_complete(world.define(PIPELINE))
    yield House(loop, world)
    loop.run_until_complete(stack.aclose())
    loop.close()


async def called(world: Outside, scope: dict[str, Any], pieces: list[bytes]) -> tuple[int, bytes]:
    """Send one request, in pieces; a sender who goes away sends no last one."""
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages: list[Any] = [*waiting, {"type": "http.disconnect"}]
    if pieces:
        messages[-2]["more_body"] = False
    answered: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        answered.append(message)

    await world.hooks(scope, receive, send)
    return answered[0]["status"], answered[1]["body"]


@dataclass(frozen=True)
class Sent:
    """One request; its body comes in two pieces, cut there, or never when that is 0."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    cut: int


SENT = st.builds(
    Sent,
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PATCH"]),
    path=st.one_of(st.just("right"), st.text(max_size=60)),
    query=QUERY,
    headers=st.lists(HEADER, max_size=4),
    body=BODY,
    cut=st.integers(0, 300),
)


@given(sent=SENT)
@settings(max_examples=200)
def test_any_request_gets_an_answer_and_starts_a_run_only_if_it_says_so(house: House, sent: Sent) -> None:
    async def once(world: Outside) -> None:
        right = await world.path("gated", "start", "go")
        before = await world.store.read(lambda book: len(book.runs.active()))
        scope = {"type": "http", "method": sent.method, "path": right if sent.path == "right" else f"/{sent.path}"}
        more = {"query_string": sent.query, "headers": sent.headers, "client": ("192.0.2.7", 1)}
        world.ticks += 10
        status, said = await called(
            world, {**scope, **more}, [sent.body[: sent.cut], sent.body[sent.cut :]] if sent.cut else []
        )
        after = await world.store.read(lambda book: len(book.runs.active()))
        assert status in ANSWERS
        assert len(said) < 5000
        is_repeated = any(name == b"idempotency-key" for name, _ in sent.headers)
        assert after - before == (status == 201) or (is_repeated and after == before)

    house.loop.run_until_complete(once(house.world))


@given(query=st.text(max_size=200), body=st.binary(max_size=2000), kind=st.text(max_size=40))
@settings(max_examples=300)
def test_anything_is_either_parameters_or_a_bad_call(query: str, body: bytes, kind: str) -> None:
    try:
        found = read_parameters(query, body, kind)
    except BadCall:
        return
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in found.items())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
@settings(max_examples=300)
def test_any_json_is_either_parameters_or_a_bad_call(value: Any) -> None:

    try:
        found = read_parameters("", json.dumps(value).encode(), "application/json; charset=utf-8")
    except BadCall:
        return
    assert isinstance(value, dict)
    assert set(found) == set(value)

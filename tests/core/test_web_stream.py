"""A browser that takes nothing holds nobody up."""

import asyncio
import json
from collections.abc import Mapping

from starlette.types import Message

from bot.web.hub import Hub
from bot.web.stream import EventStream, encode
from engine.model import RoomId

LOBBY = RoomId("web:lobby")


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def nothing() -> Mapping[str, object]:
    return {}


async def test_a_browser_that_takes_nothing_is_let_go_of() -> None:
    hub, sent = Hub(), 0

    async def send(_message: Message) -> None:
        nonlocal sent
        sent += 1
        if sent > 1:
            await asyncio.Event().wait()

    with hub.listen(LOBBY, hub.position) as listener:
        async with asyncio.timeout(5):
            await EventStream(hub, listener, nothing, patience=0.01)({"type": "http"}, never, send)
    assert sent == 2


class Steady:
    def latest(self) -> dict[str, object] | None:
        return {"total": 1}


async def test_whoever_has_signed_out_is_told_nothing_more() -> None:
    hub, sent = Hub(), list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    with hub.listen(LOBBY, hub.position) as listener:
        stream = EventStream(hub, listener, nothing, Steady(), signed_in=lambda: False)
        async with asyncio.timeout(5):
            await stream({"type": "http"}, never, send)
    assert not any(b"traffic" in message.get("body", b"") for message in sent)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_an_event_is_one_line_whatever_the_text() -> None:
    data = {"html": "a\nb\r\nc\N{LINE SEPARATOR}d\n\ndata: x"}
    lines = encode("message", data, "b-1").decode().split("\n")
    assert lines[:2] == ["id: b-1", "event: message"]
    assert json.loads(lines[2].removeprefix("data: ")) == data
    assert lines[3:] == ["", ""]

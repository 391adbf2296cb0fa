"""The console's event stream over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.web.room import LOBBY
from bot.web.said import Line
from engine.model import PersonId
from tests.support import console_cards as cards
from tests.support.console import Console, a_served_console

pytestmark = pytest.mark.live


@dataclass
class Told:
    """One event as a browser reads it."""

    id: str
    kind: str
    data: dict[str, Any]


class Stream:
    """Reads server-sent events as the standard says."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self, kind: str, within: float = 5.0) -> Told:
        async with asyncio.timeout(within):
            while (told := await self._event()).kind != kind:
                pass
        return told

    async def end(self, within: float = 5.0) -> None:
        async with asyncio.timeout(within):
            async for _ in self._lines:
                pass

    async def _event(self) -> Told:
        fields = {"id": "", "event": "", "data": "{}"}
        async for line in self._lines:
            if not line:
                return Told(fields["id"], fields["event"], json.loads(fields["data"]))
            name, _, value = line.partition(": ")
            fields[name] = value
        raise AssertionError("the stream ended")


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    async with a_served_console(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def a_stream(console: Console, path: str = "/events", last: str = "") -> AsyncIterator[Stream]:
    async with console.browser() as client:
        await console.sign_in(client)
        headers = {"Last-Event-ID": last} if last else {}
        async with client.stream("GET", path, headers=headers) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            yield Stream(answer)


async def test_a_browser_that_knows_nothing_gets_the_present_state(console: Console) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_stream(console) as stream:
        state = await stream.next("state")
    assert [message["key"] for message in state.data["messages"]] == ["shop-api-42"]
    assert "shop-api-42" in state.data["live"]


async def test_an_edit_arrives_within_a_second(console: Console) -> None:
    message = await console.chat.post(LOBBY, cards.gray_release(19.4))
    async with a_stream(console) as stream:
        await stream.next("state")
        await console.chat.edit(LOBBY, message, cards.gray_release(20.1))
        told = await stream.next("message", within=1.0)
    assert (told.data["id"], told.data["key"], told.data["by"]) == (int(message), "shop-api-42", "sluice")
    assert "20.10%" in told.data["html"]


async def test_a_browser_that_comes_back_gets_what_it_missed_and_no_more(console: Console) -> None:
    await console.chat.say(LOBBY, PersonId("ann"), Line("one"))
    async with a_stream(console) as stream:
        await stream.next("state")
        await console.chat.say(LOBBY, PersonId("ann"), Line("two"))
        seen = await stream.next("message")
    await console.chat.say(LOBBY, PersonId("ann"), Line("three"))
    async with a_stream(console, last=seen.id) as stream:
        missed = await stream.next("message")
    assert "three" in missed.data["html"]


async def test_a_browser_that_comes_back_after_a_restart_gets_the_present_state(console: Console) -> None:
    await console.chat.say(LOBBY, PersonId("ann"), Line("one"))
    async with a_stream(console, last="0badc0de-7") as stream:
        state = await stream.next("state")
    assert "one" in state.data["messages"][0]["html"]


async def test_the_page_of_a_run_hears_of_its_run_only(console: Console) -> None:
    other = await console.chat.post(LOBBY, cards.building())
    message = await console.chat.post(LOBBY, cards.gray_release(1.0))
    async with a_stream(console, "/events?run=shop-api-42") as stream:
        state = await stream.next("state")
        await console.chat.edit(LOBBY, other, cards.building())
        await console.chat.edit(LOBBY, message, cards.gray_release(2.0))
        told = await stream.next("message")
    assert [shown["key"] for shown in state.data["messages"]] == ["shop-api-42"]
    assert told.data["key"] == "shop-api-42"


async def test_the_end_of_the_bot_ends_the_streams_and_leaves_nothing_waiting(tmp_path: Path) -> None:
    async with a_served_console(tmp_path) as console:
        connected, done = asyncio.Event(), asyncio.Event()

        async def watch() -> None:
            async with a_stream(console) as stream:
                await stream.next("state")
                connected.set()
                await stream.end()
                done.set()

        watching = asyncio.create_task(watch())
        async with asyncio.timeout(5):
            await connected.wait()
            console.chat.hub.close()
            await done.wait()
        await watching


async def test_a_browser_that_has_gone_is_forgotten(console: Console) -> None:
    async with a_stream(console) as stream:
        await stream.next("state")
        assert len(console.chat.hub._listeners) == 1
    async with asyncio.timeout(5):
        while console.chat.hub._listeners:
            await console.chat.say(LOBBY, PersonId("ann"), Line("anybody?"))


class Counting:
    """Traffic that counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def latest(self) -> dict[str, object]:
        self.asked += 1
        return {"per_second": 200 + self.asked, "failed": 0, "total": self.asked, "by_version": {"v1": 1}}


async def test_steady_traffic_is_told_every_second(tmp_path: Path) -> None:
    async with a_served_console(tmp_path, Counting()) as console, a_stream(console) as stream:
        rates = [(await stream.next("traffic", within=2.0)).data["per_second"] for _ in range(2)]
    assert rates == [201, 202]

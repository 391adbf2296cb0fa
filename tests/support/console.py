"""The console with small parts around it: a store of its own, a scripted dispatch, a clock that stands still."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from bot.cards import Card
from bot.chat import Answer, Incoming
from bot.web.app import build_web
from bot.web.room import WebChat
from bot.web.serve import WebServer
from bot.web.sessions import Sessions
from bot.web.traffic import TrafficSource
from engine.errors import Refused
from engine.model import PersonId
from storage.store import SqlStore
from tests.support.store import lay_tables

ANN = PersonId("ann")


@dataclass
class StillClock:
    """Time that passes when a test says so."""

    at: datetime = datetime(2030, 1, 1, 3, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pass_time(self, span: timedelta) -> None:
        self.at += span


@dataclass
class ScriptedDispatch:
    """Answers each line with what a test wrote down for it, and remembers what came in."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    heard: list[Incoming] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    gate: asyncio.Event | None = None

    async def answer(self, incoming: Incoming) -> list[Answer]:
        async with self.came:
            self.heard.append(incoming)
            self.came.notify_all()
        if self.gate is not None:
            await self.gate.wait()
        for pattern, answers in self.answers.items():
            if re.fullmatch(pattern, incoming.line, re.DOTALL):
                return answers
        raise Refused(f"Nobody wrote down what {incoming.line!r} means.", "`help` tells what you can say.")

    def lines(self) -> list[str]:
        return [incoming.line for incoming in self.heard]

    async def until(self, line: str) -> Incoming:
        async with asyncio.timeout(5), self.came:
            await self.came.wait_for(lambda: line in self.lines())
        return next(incoming for incoming in self.heard if incoming.line == line)


def say(*cards: Card, private: bool = False) -> list[Answer]:
    return [Answer(card, private) for card in cards]


@dataclass
class Console:
    """A console that is open, and its parts."""

    app: Starlette
    chat: WebChat
    sessions: Sessions
    dispatch: ScriptedDispatch
    clock: StillClock
    url: str = ""

    def link(self, person: PersonId = ANN) -> str:
        return self.url + self.sessions.new_link(person)

    def browser(self) -> httpx.AsyncClient:
        """A client in this process, on an address that the console knows as its own."""
        transport = httpx.ASGITransport(self.app) if not self.url else None
        return httpx.AsyncClient(transport=transport, base_url=self.url or "http://localhost:8787", timeout=5)

    async def sign_in(self, client: httpx.AsyncClient, person: PersonId = ANN) -> str:
        """Use a link up; returns the session's token for forms."""
        answer = await client.post(self.sessions.new_link(person), headers=origin(client))
        assert answer.status_code == 303, answer.text
        page = await client.get("/")
        return token_of(page.text)


def origin(client: httpx.AsyncClient) -> dict[str, str]:
    return {"Origin": str(client.base_url).rstrip("/")}


def token_of(page: str) -> str:
    found = re.search(r'data-token="([0-9a-f]+)"', page)
    assert found, page
    return found.group(1)


@asynccontextmanager
async def a_console(home: Path, traffic: TrafficSource | None = None, **settings: Any) -> AsyncIterator[Console]:
    """A console without a socket, for clients in this process."""
    lay_tables(home / "console.db")
    store = SqlStore.open(f"sqlite:///{home / 'console.db'}")
    store.start()
    clock = StillClock()
    chat, sessions, dispatch = WebChat(store, clock), Sessions(home / "web", clock), ScriptedDispatch()
    try:
        yield Console(
            build_web(dispatch, chat, sessions, clock, traffic=traffic, **settings), chat, sessions, dispatch, clock
        )
    finally:
        store.close()


@asynccontextmanager
async def a_served_console(home: Path, traffic: TrafficSource | None = None) -> AsyncIterator[Console]:
    """A console on a free port of this machine."""
    async with a_console(home, traffic) as console:
        server = WebServer(console.app, console.chat.hub, port=0)
        console.url = await server.start()
        try:
            yield console
        finally:
            await server.stop()

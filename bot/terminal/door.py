"""The bot's side of the terminal: a small HTTP application on a Unix socket that only its owner can open."""

import asyncio
import json
import secrets
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from bot.chat import Incoming
from bot.dispatch import Dispatch
from bot.news import sentence
from bot.persons import add, remove
from bot.web.sessions import Sessions
from engine.errors import Refused, SluiceError
from engine.model import PersonId, RoomId, RunId
from storage.book import SqlBook
from storage.codec import dump
from storage.store import SqlStore

WAIT_SECONDS = 15.0
LOOK_AGAIN_SECONDS = 0.25
PAGE = 200


@dataclass(slots=True)
class Door:
    """What a terminal may ask."""

    dispatch: Dispatch
    store: SqlStore
    sessions: Sessions
    packages: Starlette
    url: str = ""

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/say", self.say, methods=["POST"]),
                Route("/news", self.news, methods=["GET"]),
                Route("/link", self.link, methods=["POST"]),
                Route("/person", self.person, methods=["POST"]),
                Route("/person", self.leave, methods=["DELETE"]),
                Mount("/packages", self.packages),
            ],
            exception_handlers={SluiceError: _told},
        )

    async def say(self, request: Request) -> Response:
        """Answer a line; the cards as JSON."""
        said = await request.json()
        name = PersonId(str(said["as"]))
        key = str(said.get("key") or secrets.token_hex(8))
        incoming = Incoming(RoomId(f"terminal:{name}"), name, str(said["line"]), f"terminal:{key}")
        answers = await self.dispatch.answer(incoming)
        return JSONResponse([json.loads(dump(answer.card)) for answer in answers])

    async def news(self, request: Request) -> Response:
        """Return what has happened after entry `after` (-1: from now on), waiting a little for something to happen."""
        after = int(request.query_params.get("after", "-1"))
        run = request.query_params.get("run", "")
        if after < 0:
            head = await self.store.read(lambda book: book.journal.head())
            return JSONResponse({"seq": head, "news": []})
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            found = await self.store.read(lambda book: _news(book, after, run))
            if found["seq"] != after or asyncio.get_running_loop().time() > deadline:
                return JSONResponse(found)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def link(self, request: Request) -> Response:
        """Make a one-time link for the console."""
        name = PersonId(str((await request.json())["as"]))
        if await self.store.read(lambda book: book.people.find(name)) is None:
            return JSONResponse({"error": f"Nobody here knows {name}.", "hint": f"`sluice person add {name}`"}, 404)
        return JSONResponse({"link": self.url + self.sessions.new_link(name)})

    async def person(self, request: Request) -> Response:
        """Know a person."""
        said = await request.json()
        made = await add(self.store, self.dispatch.clock, said["name"], said["email"], said["phone"])
        return JSONResponse({"name": made.id, "email": made.email, "phone": made.phone})

    async def leave(self, request: Request) -> Response:
        """Know a person no more."""
        name = (await request.json())["name"]
        accounts = await self.store.read(lambda book: book.accounts.of(PersonId(name.strip())))
        asking = await remove(self.store, self.dispatch.clock, name)
        self.dispatch.sights.forget()
        for account in accounts:
            self.dispatch.linking.leave(account.id)
        return JSONResponse({"removed": asking is not None, "asking": asking or ""})


async def _told(_request: Request, error: Exception) -> Response:
    """Say why it was not done."""
    status = 400 if isinstance(error, Refused) else 503
    return JSONResponse({"error": str(error), "hint": error.hint if isinstance(error, SluiceError) else ""}, status)


def _news(book: SqlBook, after: int, name: str) -> dict[str, object]:
    entries = book.journal.since(after, PAGE)
    told = []
    for entry in entries:
        if name and entry.run != name:
            continue
        run = book.runs.find(RunId(entry.run))
        if run is not None and (words := sentence(run, entry.event)):
            told.append({"run": run.id, "text": words, "state": run.state.value})
    return {"seq": entries[-1].seq if entries else after, "news": told}

"""The pages of software packages: the list with its search, one package, a download, and the way in for a file.

Pages are made of the cards that a command answers with, as all pages are. A file comes in three steps, so that it is
treated as one that came by a chat: the line `package upload PATH` says whether it may come, the body is put into a
draft, and the same line with the draft is said in the room. A file is too large for a form: the page's script sends it.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bot.acting import deed_of
from bot.cards import Card, Tone
from bot.chat import Incoming
from bot.downloads import download
from bot.looking import FILES_AGAIN, Looking
from bot.rights.grants import check
from bot.uploads import Patience, SenderGone, Slots, drain, receive_into
from bot.web.doors import TOKEN_HEADER
from bot.web.guard import UPLOADS
from bot.web.render import render, render_card
from bot.web.room import LOBBY
from bot.web.speech import LONGEST_KEY, Speech, Spoken
from bot.web.views import FRAGMENT, session_of
from engine.errors import Refused, SluiceError
from engine.packages import PackagePath, parse
from storage.audit import SHOWN
from storage.package_refusals import NoPackage
from storage.package_shelf import PackageShelf

_LONGEST_SEARCH = 100
_OF_FILES = 5
"""Parts of a path that names a file."""


@dataclass(frozen=True, slots=True)
class PackagePages:
    """Shows packages, gives files and takes them."""

    speech: Speech
    shelf: PackageShelf
    has_traffic: bool
    slots: Slots = field(default_factory=lambda: Slots(8))
    downloads: Slots = field(default_factory=lambda: Slots(32))
    patience: Patience = field(default_factory=Patience)
    looking: Looking = field(default_factory=Looking)

    def routes(self) -> list[Route]:
        """What there is."""
        return [
            Route("/packages", self.overview, methods=["GET"]),
            Route("/packages/{path:path}", self.package, methods=["GET"]),
            Route("/download/{path:path}", self.download, methods=["GET"]),
            Route(UPLOADS, self.upload, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """Show every package, or those that match."""
        words = " ".join(request.query_params.get("search", "")[:_LONGEST_SEARCH].split())
        person = session_of(request).person
        quoted = words.replace('"', "").replace("'", "").replace("\\", "")
        cards = await self.speech.look(person, f"packages {quoted}".strip())
        return self._page(request, cards, path=None, search=words)

    async def package(self, request: Request) -> Response:
        """Show a package, a version or a file."""
        path = _path(request, 3)
        cards = await self.speech.look(session_of(request).person, f"package {path}")
        if FRAGMENT in request.headers:
            return HTMLResponse(render("part.html", cards=cards))
        return self._page(request, cards, path=path, search="")

    async def download(self, request: Request) -> Response:
        """Give a file."""
        path = _path(request, _OF_FILES)
        said = Incoming(LOBBY, session_of(request).person, f"package get {path}")
        try:
            await self.shelf.store.read(lambda book: check(book, said))
            file, place = await self.shelf.find(path)
        except NoPackage as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
        except Refused as error:
            raise HTTPException(HTTPStatus.FORBIDDEN, f"{error} {error.hint}") from error
        given = deed_of(said, self.shelf.clock.now(), SHOWN, f"SHA-256 {file.sha256}")
        self.looking.note(self.shelf.store, given, FILES_AGAIN)
        return download(file, place, request.headers.get("if-none-match", ""), self.downloads)

    async def upload(self, request: Request) -> Response:
        """Take a file for the path that ``?path=`` says, and say so in the room."""
        session = session_of(request)
        if not session.accepts(request.headers.get(TOKEN_HEADER, "")):
            raise HTTPException(HTTPStatus.FORBIDDEN, "This did not come from a page of this session.")
        try:
            line = f"package upload {parse(request.query_params.get('path', ''), _OF_FILES, _OF_FILES)}"
            bad = [card for card in await self.speech.look(session.person, line) if card.tone is Tone.BAD]
        except Refused as error:
            bad = [Card(str(error), Tone.BAD, error.hint)]
        if bad:
            await drain(request.receive)
            return _told(tuple(bad), 0, HTTPStatus.BAD_REQUEST)
        draft = secrets.token_hex(16)
        try:
            with self.slots.one():
                await receive_into(self.shelf.files, draft, request.receive, self.shelf.limits.file, self.patience)
        except SenderGone:
            await asyncio.to_thread(self.shelf.files.drop, draft)
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except SluiceError as error:
            await asyncio.to_thread(self.shelf.files.drop, draft)
            return _told((Card(str(error), Tone.BAD, error.hint),), 0, HTTPStatus.BAD_REQUEST)
        key = request.query_params.get("key", "")[:LONGEST_KEY]
        heard = await self.speech.hear(session, Spoken(f"{line} {draft}", key))
        return _told(heard.private, heard.public, HTTPStatus.OK)

    def _page(self, request: Request, cards: list[Card], path: PackagePath | None, search: str) -> Response:
        crumbs = [] if path is None else _crumbs(path)
        return HTMLResponse(
            render(
                "packages.html",
                session=session_of(request),
                traffic=self.has_traffic,
                at="packages",
                cards=cards,
                path=path,
                crumbs=crumbs,
                search=search,
            )
        )


def _told(cards: tuple[Card, ...], public: int, status: HTTPStatus) -> Response:
    return JSONResponse({"html": [render_card(card) for card in cards], "public": public}, status)


def _crumbs(path: PackagePath) -> list[tuple[str, str]]:
    """Return what the path is below: a title and a place for each."""
    above = [path.of_package] if path.version else []
    above += [path.of_version] if path.file else []
    return [(str(one), f"/packages/{one}") for one in above]


def _path(request: Request, least: int) -> PackagePath:
    try:
        return parse(str(request.path_params["path"]), least, _OF_FILES)
    except Refused as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{error} {error.hint}") from error

"""`build_web`: the console's pages introduced to each other as one ASGI application."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from bot.rights.sights import Sights
from bot.web.doors import Doors
from bot.web.guard import LOOPBACK, Allowance, Guard
from bot.web.packages import PackagePages
from bot.web.render import render, render_live
from bot.web.room import LOBBY, WebChat, told
from bot.web.seen import Eyes
from bot.web.sessions import Sessions
from bot.web.speech import Dispatch, Speech
from bot.web.stream import EventStream
from bot.web.traffic import TrafficSource
from bot.web.views import Views, session_of
from engine.errors import SluiceError
from engine.ports import Clock
from storage.package_shelf import PackageShelf

STATIC = Path(__file__).parent / "static"
Page = Callable[[Request], Awaitable[Response]]


def build_web(
    dispatch: Dispatch,
    chat: WebChat,
    sessions: Sessions,
    clock: Clock,
    *,
    allowed_hosts: frozenset[str] = LOOPBACK,
    https: bool = False,
    traffic: TrafficSource | None = None,
    sights: Sights | None = None,
    packages: PackageShelf | None = None,
) -> Starlette:
    """Introduce the parts to each other.

    `allowed_hosts` are the names (without ports) that browsers may know the console by; `https` says that a proxy in
    front of it speaks TLS. `sights` know who sees what.
    """
    speech = Speech(dispatch, chat)
    views = Views(speech, traffic is not None, sights)
    doors = Doors(speech, views, sessions)
    guard = Middleware(Guard, sessions=sessions, allowance=Allowance(clock), hosts=allowed_hosts, https=https)
    routes = [
        *_looking(views),
        *_sending(doors),
        *(PackagePages(speech, packages, traffic is not None).routes() if packages else ()),
        Route("/events", Events(chat, traffic, sessions, sights)),
        Mount("/static", Assets(directory=STATIC)),
    ]
    return Starlette(
        routes=routes, middleware=[guard], exception_handlers={HTTPException: _told, SluiceError: _cannot, 500: _broke}
    )


def _looking(views: Views) -> list[Route]:
    pages: Mapping[str, Page] = {
        "/": views.room,
        "/pipelines": views.pipelines,
        "/p/{name}": views.pipeline,
        "/p/{name}/{part}": views.pipeline,
        "/r/{run}": views.run,
        "/r/{run}/now": views.now,
        "/r/{run}/yaml": views.applied,
        "/r/{run}/logs": views.logs,
        "/r/{run}/logs/{stage}": views.logs,
    }
    return [Route(path, page, methods=["GET"]) for path, page in pages.items()]


def _sending(doors: Doors) -> list[Route]:
    return [
        Route("/say", doors.say, methods=["POST"]),
        Route("/out", doors.leave, methods=["POST"]),
        Route("/in/{token}", doors.invitation, methods=["GET"]),
        Route("/in/{token}", doors.enter, methods=["POST"]),
    ]


class Assets(StaticFiles):
    """Style, script and icons: kept by browsers, but asked about each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


@dataclass(slots=True)
class Events:
    """The room's changes as server-sent events; `?run=` narrows them to one run."""

    chat: WebChat
    traffic: TrafficSource | None
    sessions: Sessions
    sights: Sights | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell one browser until it goes."""
        request = Request(scope, receive)
        hub = self.chat.hub
        if hub.is_full or hub.closed:
            await PlainTextResponse("Too many browsers are looking.\n", HTTPStatus.SERVICE_UNAVAILABLE)(
                scope, receive, send
            )
            return
        session = session_of(request)
        eyes = Eyes(session.person, self.chat, self.sights)
        since = request.headers.get("last-event-id") or request.query_params.get("since", "")
        with hub.listen(LOBBY, since, request.query_params.get("run", "")) as listener:
            stream = EventStream(hub, listener, lambda: self._state(eyes, listener.key), self.traffic)
            stream.signed_in = lambda: self.sessions.is_open(session.id)
            stream.told = eyes.told
            await stream(scope, receive, send)

    async def _state(self, eyes: Eyes, key: str) -> dict[str, object]:
        shown, live = await eyes.present(), await eyes.live()
        return {"messages": [told(one) for one in shown if key in ("", one.key)], "live": render_live(live)}


async def _told(request: Request, error: Exception) -> Response:
    status, sentence = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    if request.method == "POST":
        return PlainTextResponse(sentence + "\n", status)
    return HTMLResponse(render("nothing_here.html", sentence=sentence), status)


async def _cannot(_request: Request, error: Exception) -> Response:
    return HTMLResponse(render("nothing_here.html", sentence=str(error)), HTTPStatus.SERVICE_UNAVAILABLE)


async def _broke(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("That went wrong in Sluice. Its log says what.\n", 500)

"""The pages that look: the room, pipelines, one pipeline, one run.

Each is made of the cards that a command answers with.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bot.cards import Card
from bot.rights.sights import Sights
from bot.web.render import render
from bot.web.seen import Eyes
from bot.web.sessions import Session
from bot.web.speech import Speech

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_STAGE = re.compile(r"[^\x00-\x1f\x7f]{1,128}\Z")
FRAGMENT = "x-sluice-part"


@dataclass(frozen=True, slots=True)
class Part:
    """One tab of a pipeline's page: its name in the address, its title, and the command that fills it."""

    name: str
    title: str
    line: Callable[[str], str]


PARTS = (
    Part("show", "Pipeline", lambda name: f"show {name}"),
    Part("runs", "Runs", lambda name: f"runs {name}"),
    Part("versions", "Versions", lambda name: f"versions {name}"),
    Part("instances", "Instances", lambda name: f"instances {name}"),
    Part("yaml", "YAML", lambda name: f"yaml {name}"),
)


@dataclass(slots=True)
class Views:
    """The GET side of the console."""

    speech: Speech
    has_traffic: bool
    sights: Sights | None = None

    async def room(self, request: Request) -> Response:
        """Show the room."""
        position, eyes = self.speech.chat.hub.position, self.eyes(request)
        shown, live = await eyes.present(), await eyes.live()
        return self._page(request, "room.html", at="room", shown=shown, live=live, position=position, private=[])

    async def pipelines(self, request: Request) -> Response:
        """Show every pipeline."""
        cards = await self.speech.look(session_of(request).person, "list")
        return self._page(request, "pipelines.html", at="pipelines", cards=cards)

    async def pipeline(self, request: Request) -> Response:
        """Show one pipeline, or one part of it."""
        name = _checked(request, "name", NAME)
        wanted = request.path_params.get("part", "show")
        part = next((one for one in PARTS if one.name == wanted), None)
        if part is None:
            raise HTTPException(404)
        person = session_of(request).person
        cards = await self.speech.look(person, part.line(name))
        if part is PARTS[0]:  # what is going on, or was last, comes before the plan
            cards = [*(card for card in await self.speech.look(person, f"status {name}") if card.key), *cards]
        if FRAGMENT in request.headers:
            return _part(cards)
        return self._page(request, "pipeline.html", at="pipelines", name=name, parts=PARTS, part=part, cards=cards)

    async def run(self, request: Request) -> Response:
        """Show one run with its logs."""
        run = _checked(request, "run", NAME)
        stage = _checked(request, "stage", _STAGE) if "stage" in request.path_params else ""
        return await self._run(request, run, logs_line(run, stage), stage)

    async def _run(self, request: Request, run: str, line: str, stage: str = "", *, yaml: bool = False) -> Response:
        """A run's page with what `line` answers: its logs, of one stage or of all, or its YAML."""
        position = self.speech.chat.hub.position
        status = await self.speech.look(session_of(request).person, f"status {run}")
        shown = await self.speech.look(session_of(request).person, line)
        stages = next(([stop.name for stop in card.topology] for card in status if card.topology), [])
        return self._page(
            request,
            "run.html",
            at="pipelines",
            run=run,
            status=status,
            shown=shown,
            stage=stage,
            yaml=yaml,
            stages=stages,
            position=position,
        )

    async def now(self, request: Request) -> Response:
        """Show the run's card as it is now."""
        run = _checked(request, "run", NAME)
        return _part(await self.speech.look(session_of(request).person, f"status {run}"))

    async def logs(self, request: Request) -> Response:
        """Show what the run's stages said; a part of the run's page for browsers that follow."""
        if FRAGMENT not in request.headers:
            return await self.run(request)
        run = _checked(request, "run", NAME)
        stage = _checked(request, "stage", _STAGE) if "stage" in request.path_params else ""
        return _part(await self.speech.look(session_of(request).person, logs_line(run, stage)))

    async def applied(self, request: Request) -> Response:
        """Show what the run has applied; a part of the run's page for browsers that follow."""
        run = _checked(request, "run", NAME)
        if FRAGMENT not in request.headers:
            return await self._run(request, run, f"yaml {run}", yaml=True)
        return _part(await self.speech.look(session_of(request).person, f"yaml {run}"))

    def eyes(self, request: Request) -> Eyes:
        """The eyes of whoever asks for the page."""
        return Eyes(session_of(request).person, self.speech.chat, self.sights)

    def fallback(self, request: Request, page: str, **values: object) -> Response:
        """Show what came of a form that was sent without the console's script."""
        return self._page(request, page, at="room", **values)

    def _page(self, request: Request, page: str, **values: object) -> Response:
        return HTMLResponse(render(page, session=session_of(request), traffic=self.has_traffic, **values))


def session_of(request: Request) -> Session:
    """Return the session that the guard found. Pages behind the guard always have one."""
    session = request.state.session
    if not isinstance(session, Session):
        raise HTTPException(401)
    return session


def logs_line(run: str, stage: str) -> str:
    """Return the command for a run's logs, of one stage or of all."""
    return f"logs {run} {shlex.quote(stage)}" if stage else f"logs {run}"


def _part(cards: list[Card]) -> Response:
    return HTMLResponse(render("part.html", cards=cards))


def _checked(request: Request, name: str, form: re.Pattern[str]) -> str:
    value = str(request.path_params[name])
    if not form.match(value):
        raise HTTPException(404)
    return value

"""The POST side of the console: saying a line, signing in and out.

Forms only, so that it works without the script too.
"""

from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from bot.web.guard import LARGEST
from bot.web.render import render, render_private
from bot.web.sessions import IDLE, Sessions
from bot.web.speech import LONGEST_KEY, Speech, Spoken
from bot.web.views import Views, session_of

TOKEN_HEADER = "x-sluice-token"  # noqa: S105  the header's name
MOST_FIELDS = 8


async def form(request: Request) -> dict[str, str]:
    """Return the fields of the form that was sent: at most 1 MiB, UTF-8."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is more than 1 MiB.")
    try:
        return dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
        )
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "That is no form.") from error


class Doors:
    """What a browser may send."""

    def __init__(self, speech: Speech, views: Views, sessions: Sessions) -> None:
        self._speech = speech
        self._views = views
        self._sessions = sessions

    async def say(self, request: Request) -> Response:
        """Say a line: typed, or by a button."""
        fields = await self._own_form(request)
        wants_json = request.headers.get("accept", "").startswith("application/json")
        if "danger" in fields and not wants_json:
            return self._views.fallback(request, "sure.html", line=fields["danger"], key=fields.get("key", ""))
        line = fields.get("line", "").replace("\r\n", "\n").strip()
        if not line:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "Nothing was said.")
        spoken = Spoken(line, fields.get("key", "")[:LONGEST_KEY], is_press="press" in fields)
        heard = await self._speech.hear(session_of(request), spoken)
        if wants_json:
            return JSONResponse({"html": [render_private(card) for card in heard.private], "public": heard.public})
        if not heard.private:
            return RedirectResponse("/#end", HTTPStatus.SEE_OTHER)
        eyes, position = self._views.eyes(request), self._speech.chat.hub.position
        shown, live = await eyes.present(), await eyes.live()
        values = {"shown": shown, "live": live, "position": position, "private": heard.private}
        return self._views.fallback(request, "room.html", **values)

    async def invitation(self, request: Request) -> Response:
        """Show whom a one-time link is for. Nothing is used up by looking."""
        token = request.path_params["token"]
        person = self._sessions.invited(token)
        if person is None:
            return HTMLResponse(render("signed_out.html", stale=True), HTTPStatus.GONE)
        return HTMLResponse(render("invitation.html", person=person, token=token))

    async def enter(self, request: Request) -> Response:
        """Use the link up and sign in."""
        session = self._sessions.open(request.path_params["token"])
        if session is None:
            return HTMLResponse(render("signed_out.html", stale=True), HTTPStatus.GONE)
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            request.state.cookie,
            session.id,
            max_age=int(IDLE.total_seconds()) * 14,
            secure=request.state.https,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def leave(self, request: Request) -> Response:
        """Sign out."""
        await self._own_form(request)
        self._sessions.end(session_of(request).id)
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(request.state.cookie, secure=request.state.https, httponly=True, samesite="lax")
        MutableHeaders(raw=answer.raw_headers)["Clear-Site-Data"] = '"storage"'
        return answer

    async def _own_form(self, request: Request) -> dict[str, str]:
        fields = await form(request)
        token = request.headers.get(TOKEN_HEADER) or fields.get("token", "")
        if not session_of(request).accepts(token):
            raise HTTPException(
                HTTPStatus.FORBIDDEN, "This did not come from a page of this session. Load the page anew."
            )
        return fields

"""What stands before every page: whose browser is this, was it sent here by a page of ours, and not too often.

The dangers, and what answers them. Another site's page makes the browser POST here: the Origin must be ours and the
form must carry the session's token, which no other site can read. A name of the attacker's that resolves to this
machine (DNS rebinding): only known Host names are served. A preview robot that follows a one-time link: a GET changes
nothing. Text that turns into a script: no inline script is allowed, and nothing from elsewhere. A deluge: bodies are
bounded, POSTs are counted per session.

The cookie is SameSite=Lax and not Strict: a run's address in a chat must open for somebody who is signed in, and with
Strict the first request would arrive without its cookie. Nothing is lost by it, because no GET changes anything. The
referrer goes to our own pages only, and not to none at all: with none, browsers send the Origin "null" with forms.
"""

from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web.render import render
from bot.web.sessions import Session, Sessions
from engine.ports import Clock

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LARGEST = 1024 * 1024
UPLOADS = "/packages/-/upload"
"""Where files come in: what is read there is bounded as it comes."""
PER_SECOND = 20.0
BURST = 40.0
OPEN_PATHS = ("/in/", "/static/")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(slots=True)
class Allowance:
    """A token bucket per session: twenty POSTs a second, forty at once."""

    clock: Clock
    _left: dict[str, tuple[float, datetime]] = field(default_factory=dict)

    def take(self, name: str) -> bool:
        """Whether one more is allowed now."""
        now = self.clock.now()
        left, since = self._left.get(name, (BURST, now))
        left = min(BURST, left + (now - since).total_seconds() * PER_SECOND)
        if len(self._left) > 10 * BURST:
            self._left.clear()
        self._left[name] = (max(0.0, left - 1.0), now)
        return left >= 1.0


def host_name(host: str) -> str:
    """Return the name in a Host header, without the port; empty when it is not one."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_from_here(headers: Headers, *, https: bool) -> bool:
    """Whether a page of this very address made the request; one that does not say is not believed."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None:
        return False
    expected = f"{'https' if https else 'http'}://{headers.get('host', '')}"
    return site in (None, "same-origin") and origin in (None, expected)


@dataclass(slots=True)
class Guard:
    """The middleware. `hosts` are the names that a Host header may have; `https` says that a proxy speaks TLS."""

    app: ASGIApp
    sessions: Sessions
    allowance: Allowance
    hosts: frozenset[str] = LOOPBACK
    https: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through with its session, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        session = self.sessions.find(request.cookies.get(self.cookie, ""))
        scope.setdefault("state", {}).update(session=session, cookie=self.cookie, https=self.https)
        refusal = self._refuse(request, session)
        await (refusal or self.app)(scope, receive, _with_headers(send))

    @property
    def cookie(self) -> str:
        """The name of the cookie. The prefix makes browsers insist on TLS and on this very host."""
        return "__Host-sluice" if self.https else "sluice"

    def _refuse(self, request: Request, session: Session | None) -> Response | None:
        if host_name(request.headers.get("host", "")) not in self.hosts:
            return _plain(HTTPStatus.MISDIRECTED_REQUEST, "This is not a name that Sluice answers to.")
        if request.method not in ("GET", "HEAD", "POST"):
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and POST are understood.")
        if session is None and not request.url.path.startswith(OPEN_PATHS):
            return HTMLResponse(render("signed_out.html"), HTTPStatus.UNAUTHORIZED)
        return self._refuse_post(request, session) if request.method == "POST" else None

    def _refuse_post(self, request: Request, session: Session | None) -> Response | None:
        length = request.headers.get("content-length", "0")
        if not is_from_here(request.headers, https=self.https):
            return _plain(HTTPStatus.FORBIDDEN, "This did not come from a page of Sluice.")
        if request.url.path != UPLOADS and (not length.isdecimal() or int(length) > LARGEST):
            return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is more than 1 MiB.")
        if not self.allowance.take(session.name if session else ""):
            return _plain(HTTPStatus.TOO_MANY_REQUESTS, "Too much at once. Wait a second, then say it again.")
        return None


def _plain(status: HTTPStatus, sentence: str) -> Response:
    return PlainTextResponse(sentence + "\n", status)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sent

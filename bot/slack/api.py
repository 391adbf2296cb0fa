"""Slack's Web API, called: with a time-out, its limits kept, its errors and the network's translated.

When Slack limits a method it does so for the whole workspace, but for the posting of messages, which it limits in each
channel. So what was limited, the method or the posting in one channel, is not called again by anybody until the time
that Slack named is over: whoever asks earlier is told to wait without a call.
"""

import asyncio
import io
import ipaddress
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.chat import RoomLost, Slower, Undeliverable
from bot.slack.faults import fault
from engine.errors import Interrupted, Refused, SluiceError

SECONDS = 10.0
_AS_FORM = ("files.getUploadURLExternal", "files.info")
"""Methods that read no JSON."""
_IN_EACH_CHANNEL = ("chat.postMessage", "chat.postEphemeral")
"""Methods that are limited in each channel (Slack's page on rate limits). There is a limit of the workspace beside it,
and Slack does not say which of them was met: then each channel meets it once."""
_OK = 200
_CLOSING = aiohttp.ClientWSTimeout(ws_close=1.0)
"""Slack does not always answer when a connection is closed; nobody waits long for that."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who Sluice is in Slack: the team that it is installed in, its user, its bot's id."""

    team: str
    user: str
    bot: str


@dataclass(slots=True)
class Api:
    """Calls with one token at `url`. Connections are kept inside `open`; outside of it each call makes its own."""

    token: str
    url: str
    _client: AsyncWebClient = field(init=False)
    _closed_until: dict[tuple[str, str], float] = field(default_factory=dict)
    _me: Identity | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Make the client. It tries nothing again by itself: a message must not be posted twice."""
        self._client = AsyncWebClient(self.token, base_url=self.url.rstrip("/") + "/", retry_handlers=[])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep connections inside the `async with`."""
        async with aiohttp.ClientSession() as session:
            self._client.session = session
            try:
                yield
            finally:
                self._client.session = None

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method; returns its answer."""
        loop = asyncio.get_running_loop()
        gate = method, str(arguments.get("channel", "")) if method in _IN_EACH_CHANNEL else ""
        left = self._closed_until.get(gate, 0.0) - loop.time()
        if left > 0:
            raise Slower("Slack", timedelta(seconds=left))
        try:
            return await self._call(method, arguments)
        except Slower as error:
            self._close(gate, loop.time(), error.after)
            raise

    def _close(self, gate: tuple[str, str], now: float, span: timedelta) -> None:
        """Let nobody through for so long, and forget gates that are open again."""
        self._closed_until = {one: until for one, until in self._closed_until.items() if until > now}
        self._closed_until[gate] = now + span.total_seconds()

    async def me(self) -> Identity:
        """Who Sluice is; Slack is asked once."""
        async with self._asking:
            if self._me is None:
                found = await self.call("auth.test")
                self._me = Identity(found["team_id"], found["user_id"], found.get("bot_id", ""))
        return self._me

    async def upload(self, url: str, content: bytes, *, seconds: float = SECONDS) -> None:
        """Send a file's content where Slack wants it."""
        async with self._request("POST", url, seconds, data=io.BytesIO(content)) as answer:
            if answer.status != _OK:
                raise fault("an upload", answer.status, "upload_failed", after=answer.headers.get("Retry-After", ""))

    async def download(self, url: str, most: int, *, seconds: float = SECONDS) -> bytes:
        """Return a file's content. The token goes to Slack itself only, never where a shared file may lie otherwise."""
        if not self._is_slack(url):
            raise Refused("That file does not lie in Slack.", "Upload the file itself.")
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._request("GET", url, seconds, headers=headers, allow_redirects=False) as answer:
            if answer.status != _OK or answer.content_type == "text/html":
                # Without the scope Slack shows its page for signing in.
                error = "missing_scope" if answer.status < 400 else "file_not_found"  # noqa: PLR2004 - client errors
                raise fault("a download", answer.status, error, needed="files:read")
            content = bytearray()
            async for piece in answer.content.iter_any():
                content += piece
                if len(content) > most:
                    raise Refused(f"The file is larger than {most // 1024} KiB.", "Send a smaller one.")
            return bytes(content)

    async def respond(self, url: str, message: Mapping[str, Any]) -> None:
        """Answer at the address that came with a command or a press: good for half an hour, five times."""
        async with self._request("POST", url, json=message) as answer:
            if answer.status == _OK:
                return
            text = (await answer.text())[:100]
            if "_url" in text:
                raise RoomLost(f"The answer came too late for Slack ({text}).")
            raise fault("a response", answer.status, text, after=answer.headers.get("Retry-After", ""))

    @asynccontextmanager
    async def socket(self, url: str, heartbeat: float) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Connect for Socket Mode, inside `open`."""
        session = self._client.session
        if session is None:
            raise Interrupted("Slack is being left.")
        # Not `wait_for`: before Python 3.12 it forgets a cancellation that comes with the connection.
        async with _translated("Socket Mode"), asyncio.timeout(SECONDS):
            connection = await session.ws_connect(url, heartbeat=heartbeat, proxy=self._client.proxy, timeout=_CLOSING)
        async with connection:
            yield connection

    async def _call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        async with _translated(method), asyncio.timeout(SECONDS):
            if method in _AS_FORM:
                answer = await self._client.api_call(method, data=dict(arguments))
            else:
                answer = await self._client.api_call(method, json=dict(arguments))
        return answer.data if isinstance(answer.data, dict) else {}

    @asynccontextmanager
    async def _request(
        self, verb: str, url: str, seconds: float = SECONDS, **arguments: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        session = self._client.session or aiohttp.ClientSession()
        try:
            async with (
                _translated(f"a {verb}"),
                asyncio.timeout(seconds),
                session.request(verb, url, proxy=self._client.proxy, **arguments) as answer,
            ):
                yield answer
        finally:
            if session is not self._client.session:
                await session.close()

    def _is_slack(self, url: str) -> bool:
        """Whether the token may go there: to Slack's own hosts over TLS, or to a stand-in on this machine."""
        home, there = urlsplit(self.url), urlsplit(url)
        host = there.hostname or ""
        is_its_own = bool(home.hostname) and (host == home.hostname or host.endswith(f".{home.hostname}"))
        return is_its_own and is_safe(url)


def is_safe(address: str) -> bool:
    """Whether a token may be sent to an address: it is encrypted on the way, or does not leave this machine."""
    there = urlsplit(address)
    return there.scheme == "https" or _is_on_this_machine(there)


def _is_on_this_machine(url: SplitResult) -> bool:
    try:
        return url.scheme == "http" and ipaddress.ip_address(url.hostname or "").is_loopback
    except ValueError:
        return url.scheme == "http" and url.hostname == "localhost"


@asynccontextmanager
async def _translated(what: str) -> AsyncIterator[None]:
    try:
        yield
    except SlackApiError as error:
        raise _of(what, error.response) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Interrupted(f"Slack cannot be reached ({what}): {str(error) or type(error).__name__}.") from error
    except (SlackClientError, json.JSONDecodeError) as error:
        raise Undeliverable(f"Slack's client does not take it ({what}): {error}.") from error


def _of(what: str, response: object) -> SluiceError:
    if not isinstance(response, AsyncSlackResponse):
        return Interrupted(f"Slack's answer to {what} is no JSON.")
    data = response.data if isinstance(response.data, dict) else {}
    after, needed = str(response.headers.get("Retry-After", "")), str(data.get("needed", ""))
    return fault(what, response.status_code, str(data.get("error", "")), after=after, needed=needed)

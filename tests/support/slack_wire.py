"""A Slack on loopback that speaks the documented wire format, for what `emulate` lacks.

Socket Mode with its envelopes, signed HTTP deliveries and their retries, presses, forms, and everything that goes
wrong: rate limits, 5xx, silence, being away. It is strict: unknown methods and arguments, missing scopes, blocks and
views over their limits are refused as Slack refuses them. Every call is kept with its time; messages are kept with
their edits, so a test asks what a channel shows now.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.support.slack_deliveries import COMMAND, INTERACTIVE, Acknowledged, Delivery, People, signed
from tests.support.slack_limits import inputs, message_complaints
from tests.support.slack_methods import BOT_SCOPES, METHODS
from tests.support.slack_records import Channel, Person, Refusal, Stored
from tests.support.slack_sockets import Sockets
from tests.support.slack_trouble import BROKEN, LIMITED, SILENT, Trouble
from tests.support.slack_workspace import ANSWERS, Json, Workspace, about_file

BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-sluice", "xapp-sluice", "the signing secret"
ACKNOWLEDGE_WITHIN = 3.0
_JSON_ARGUMENTS = ("blocks", "attachments", "view", "files", "metadata")
_RESPONSES = 5


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came: when (monotonic seconds), with what, and how it was answered (`ok` or an error)."""

    method: str
    arguments: Json
    at: float
    answer: str

    @property
    def channel(self) -> str:
        return str(self.arguments.get("channel", ""))


@dataclass
class SlackWire:
    """A running Slack. `url` is the base of the Web API; `people` makes deliveries, `send` sends them."""

    scopes: tuple[str, ...] = BOT_SCOPES
    space: Workspace = field(default_factory=Workspace)
    sockets: Sockets = field(default_factory=Sockets)
    calls: list[Call] = field(default_factory=list)
    too_early: list[Call] = field(default_factory=list)
    responses: list[tuple[str, Json]] = field(default_factory=list)
    bad_answers: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    port: int = 0
    app_url: str = ""
    secret: str = SECRET
    _closed_until: dict[tuple[str, str], float] = field(default_factory=dict)
    _answered: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None
    _client: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"{self.space.url}api/"

    @property
    def people(self) -> People:
        return People(self.space)

    def add_person(self, name: str, *, is_bot: bool = False) -> str:
        made = f"U00{name.upper()}"
        self.space.people[made] = Person(name, is_bot)
        return made

    def add_channel(self, name: str, *, member: bool = True) -> str:
        made = f"C00{name.upper()}"
        self.space.channels[made] = Channel(name, member)
        return made

    def add_file(self, name: str, content: bytes) -> Json:
        """A file that a person put into a form: what the form's state says of it."""
        made = self.space.id("F")
        self.space.files[made] = Stored(name, len(content), content)
        return about_file(self.space, made)

    def messages(self, channel: str, thread: str = "") -> list[Json]:
        """What the channel, or one of its threads, shows now, oldest first."""
        return self.space.messages(channel, thread)

    def called(self, method: str, channel: str = "") -> list[Call]:
        """The calls of a method, in a channel if one is named, oldest first."""
        return [one for one in self.calls if one.method == method and channel in ("", one.channel)]

    def go_wrong(self, trouble: Trouble) -> Trouble:
        """Let calls go wrong from now on; returns the trouble, whose `met` counts."""
        self.troubles.append(trouble)
        return trouble

    def mend(self) -> None:
        """End every trouble; calls that hang are hung up on."""
        self.troubles.clear()
        self._answered.set()
        self._answered = asyncio.Event()

    async def send(self, delivery: Delivery, retry: int = 0, **forged: Any) -> Acknowledged:
        """Deliver over Socket Mode, or to `app_url` when it is set. `forged`: another `secret`, another time `at`."""
        began = time.monotonic()
        with contextlib.suppress(TimeoutError, aiohttp.ClientConnectionError):
            async with asyncio.timeout(ACKNOWLEDGE_WITHIN):
                if self.app_url:
                    status, body = await self._post(delivery, retry, forged)
                else:
                    status, body = 200, await self.sockets.send(delivery.kind, delivery.payload, retry)
                self._act_on(delivery, body)
                return Acknowledged(status, body, time.monotonic() - began)
        return Acknowledged(0, None, time.monotonic() - began)

    async def _post(self, delivery: Delivery, retry: int, forged: Mapping[str, Any]) -> tuple[int, Any]:
        assert self._client is not None
        body, kind = delivery.body()
        headers = {"Content-Type": kind, **signed(body, forged.get("secret", self.secret), forged.get("at"))}
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"}
        async with self._client.post(self.app_url, data=body, headers=headers) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json" and text
            return answer.status, json.loads(text) if is_json else text or None

    def _act_on(self, delivery: Delivery, body: Any) -> None:
        """Do what Slack does with an acknowledgement that holds something."""
        answer = body if isinstance(body, Mapping) else {}
        if delivery.kind == COMMAND and answer.get("blocks"):
            self.bad_answers += message_complaints(answer["blocks"])
        if delivery.kind != INTERACTIVE or delivery.payload["type"] != "view_submission":
            return
        stack = self.space.forms.get(delivery.payload["user"]["id"], [])
        action = answer.get("response_action")
        if action == "errors":
            unknown = set(answer["errors"]) - set(inputs(delivery.payload["view"]))
            self.bad_answers += [f"an error at {one!r}, which is no field" for one in sorted(unknown)]
        elif action in ("update", "push"):
            stack[-1 if action == "update" else len(stack) :] = [{**stack[-1], **answer["view"]}]
        elif action == "clear":
            stack.clear()
        elif stack:
            stack.pop()

    async def go_away(self) -> None:
        """Refuse connections and cut those that are there, until `come_back`."""
        await self.sockets.drop()
        if self._runner is not None:
            self._answered.set()
            self._answered = asyncio.Event()
            await self._runner.cleanup()
            self._runner = None

    async def come_back(self) -> None:
        """Listen, at the same port as before."""
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_route("*", "/api/{method}", self._api)
        application.router.add_get("/link/{ticket}", self.sockets.connected)
        application.router.add_post("/upload/{file}", self._upload)
        application.router.add_get("/files/{file}", self._download)
        application.router.add_post("/response/{key}", self._response)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.space.url = f"http://127.0.0.1:{self.port}/"

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method, at = request.match_info["method"], time.monotonic()
        arguments = await _arguments(request)
        channel = str(arguments.get("channel", ""))
        headers = {"x-oauth-scopes": ",".join(self.scopes)}
        trouble = next((one for one in self.troubles if one.meets(method, channel)), None)
        if at < self._closed_until.get((method, channel), 0.0):
            self.too_early.append(Call(method, arguments, at, "too early"))
        if trouble is not None and trouble.kind in (LIMITED, BROKEN, SILENT):
            self.calls.append(Call(method, arguments, at, trouble.kind))
            return await self._fail(trouble, method, channel)
        try:
            answer = {"ok": True, **self._answer(method, arguments, request, trouble)}
        except Refusal as refusal:
            answer = {"ok": False, "error": refusal.error, **refusal.others}
        self.calls.append(Call(method, arguments, at, str(answer.get("error", "ok"))))
        return web.json_response(answer, headers=headers)

    async def _fail(self, trouble: Trouble, method: str, channel: str) -> web.StreamResponse:
        if trouble.kind == LIMITED:
            self._closed_until[method, channel] = time.monotonic() + trouble.number
            headers = {"Retry-After": str(trouble.number)}
            return web.json_response({"ok": False, "error": LIMITED}, status=429, headers=headers)
        if trouble.kind == SILENT:
            await self._answered.wait()
        return web.Response(status=trouble.number if trouble.kind == BROKEN else 504, text="upstream trouble")

    def _answer(self, name: str, arguments: Json, request: web.Request, trouble: Trouble | None) -> Json:
        if trouble is not None:
            raise Refusal(trouble.kind)
        method = METHODS.get(name)
        if method is None:
            raise Refusal("unknown_method", req_method=name)
        token = _token(request, arguments)
        if not token:
            raise Refusal("not_authed")
        if token not in (BOT_TOKEN, APP_TOKEN):
            raise Refusal("invalid_auth")
        if method.for_app != (token == APP_TOKEN):
            raise Refusal("not_allowed_token_type")
        if method.scope and not method.for_app and method.scope not in self.scopes:
            raise Refusal("missing_scope", needed=method.scope, provided=",".join(self.scopes))
        wrong = [f"[ERROR] missing required field: {one}" for one in sorted(method.needed - set(arguments))]
        wrong += [f"[ERROR] unknown argument: {one}" for one in sorted(set(arguments) - method.known)]
        if wrong:
            raise Refusal("invalid_arguments", response_metadata={"messages": wrong})
        if method.for_app:
            return {"url": self.sockets.ticket(f"ws://127.0.0.1:{self.port}/link/")}
        return ANSWERS[name](self.space, arguments)

    async def _upload(self, request: web.Request) -> web.Response:
        stored = self.space.files.get(request.match_info["file"])
        if stored is None:
            return web.Response(status=404, text="file_not_found")
        stored.content = await _uploaded(request)
        return web.Response(text=f"OK - {len(stored.content)}")

    async def _download(self, request: web.Request) -> web.Response:
        stored = self.space.files.get(request.match_info["file"])
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}" or "files:read" not in self.scopes:
            return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
        return web.Response(body=stored.content) if stored and stored.content is not None else web.Response(status=404)

    async def _response(self, request: web.Request) -> web.Response:
        """Take what is sent to a `response_url`: five times at most."""
        key, body = request.match_info["key"], await request.json()
        complaints = message_complaints(body["blocks"]) if body.get("blocks") else []
        if complaints or sum(one == key for one, _ in self.responses) >= _RESPONSES:
            return web.json_response({"ok": False, "error": "invalid_blocks" if complaints else "used_url"}, status=404)
        self.responses.append((key, body))
        return web.Response(text="ok")


@asynccontextmanager
async def slack_wire(scopes: Sequence[str] = BOT_SCOPES) -> AsyncIterator[SlackWire]:
    """Run a Slack until the block ends."""
    wire = SlackWire(tuple(scopes))
    await wire.come_back()
    async with aiohttp.ClientSession() as client:
        wire._client = client
        try:
            yield wire
        finally:
            await wire.go_away()


async def _arguments(request: web.Request) -> Json:
    """The arguments wherever they may be: in the query, a form, or JSON."""
    found: Json = dict(request.query)
    if request.content_type == "application/json":
        found |= await request.json() if await request.text() else {}
    elif request.method == "POST":
        found |= dict(await request.post())
    for name in _JSON_ARGUMENTS:
        if isinstance(found.get(name), str):
            found[name] = json.loads(found[name])
    return {name: value for name, value in found.items() if value is not None}


def _token(request: web.Request, arguments: Mapping[str, Any]) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ") or str(arguments.get("token", ""))


async def _uploaded(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    form = await request.post()
    part = next(iter(form.values()))
    return part.file.read() if isinstance(part, web.FileField) else str(part).encode()

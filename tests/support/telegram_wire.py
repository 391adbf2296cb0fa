"""A small Telegram: it speaks the Bot API's documented wire format on loopback, keeps its chats, and can be troubled.

It is there for what `telegram-test-api` lacks: what is refused and how, limits, flood control, long polling with
offsets, webhooks with their secret, documents, topics, privacy mode, silence. A test makes people say and press things,
and asks what a chat shows now; every call of the bot is recorded with its time.

It is stricter than Telegram in one thing: unknown methods and parameters are refused. It is laxer in one: a webhook may
be plain http, and it has three attempts at once instead of some over hours; `updates.retry()` stands for a later one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.telegram_chats import Account, Chat, Refusal, Shown
from tests.support.telegram_methods import Methods, known_or_refuse
from tests.support.telegram_people import People
from tests.support.telegram_reading import Given, Upload, check_parameters
from tests.support.telegram_updates import Bell, Updates
from tests.support.telegram_weather import Call, Kind, Weather

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
BOT = Account(110201543, "Sluice", "sluice_bot", is_bot=True)
PATIENCE = 10.0


@dataclass(slots=True)
class TelegramWire:
    """The server. `people` act, `weather` troubles; `token` may be changed, as if it were revoked."""

    methods: Methods
    people: People
    weather: Weather
    bell: Bell
    token: str = TOKEN
    calls: list[Call] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        """What python-telegram-bot takes as `base_url`."""
        return f"http://127.0.0.1:{self.port}/bot"

    @property
    def base_file_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/file/bot"

    @property
    def updates(self) -> Updates:
        return self.methods.updates

    def shows(self, chat: Chat) -> list[Shown]:
        """What the bot has in a chat now, in order, edits applied."""
        return [shown for _, shown in sorted(chat.messages.items()) if shown.by == self.methods.bot]

    def made(self, method: str, chat: Chat | None = None) -> list[Call]:
        """The calls of a method, to one chat or to all."""
        return [call for call in self.calls if call.method == method and (chat is None or call.chat == chat.id)]

    async def until(self, condition: Callable[[], bool], within: float = PATIENCE) -> None:
        """Wait for what the bot does to make `condition` true; fails when it does not within so many seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while not condition():
            assert await self.bell.heard(deadline - loop.time()) or condition(), "it did not happen in time"

    async def go_away(self) -> None:
        """Refuse connections, and break those there are."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def come_back(self) -> None:
        """Listen, on the port of before."""
        self._closing = asyncio.Event()
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        word, _, rest = request.match_info["path"].partition("/")
        is_file = word == "file"
        token, _, name = (rest if is_file else f"{word}/{rest}").removeprefix("bot").partition("/")
        try:
            self._admit(token)
            return self._download(name) if is_file else await self._call(name, await _given(request))
        except Refusal as refusal:
            return web.json_response(refusal.as_json(), status=refusal.code)

    def _admit(self, token: str) -> None:
        if token != self.token:
            raise Refusal(401, "Unauthorized")

    def _download(self, path: str) -> web.Response:
        found = next((one for one in self.methods.files.values() if one.path == path), None)
        if found is None:
            raise Refusal(404, "Not Found")
        return web.Response(body=found.content)

    async def _call(self, method: str, given: Given) -> web.StreamResponse:
        call = Call(method, given.values, self.weather.now())
        self.calls.append(call)
        try:
            check_parameters(method, given, known_or_refuse(method))
            luck = self.weather.meet(call)
            if luck is Kind.SWALLOWED:
                return await self._silence()
            result = await self.methods.perform(method, given)
            if luck is Kind.LOST:
                return await self._silence()
            call.answered = 200
            return web.json_response({"ok": True, "result": result})
        except Refusal as refusal:
            call.answered = refusal.code
            raise
        finally:
            self.bell.ring()

    async def _silence(self) -> web.StreamResponse:
        """Keep the connection open and say nothing, until the other side has had enough."""
        self.bell.ring()
        await self._closing.wait()
        raise Refusal(504, "Gateway Timeout")


async def _given(request: web.Request) -> Given:
    values: dict[str, object] = dict(request.query)
    if request.content_type == "application/json":
        return Given(values | await request.json())
    for name, value in (await request.post()).items():
        is_file = isinstance(value, web.FileField)
        values[name] = Upload(value.filename, value.file.read()) if is_file else value  # type: ignore[union-attr]
    return Given(values)


@asynccontextmanager
async def telegram_wire(*, now: Callable[[], float] = time.time) -> AsyncIterator[TelegramWire]:
    """A stand-in that listens until the block ends. `now` tells seconds, for dates and for flood control."""
    bell = Bell()
    methods = Methods(BOT, Updates(bell), now)
    wire = TelegramWire(methods, People(methods), Weather(now), bell)
    await wire.come_back()
    try:
        yield wire
    finally:
        await wire.updates.close()
        await wire.go_away()

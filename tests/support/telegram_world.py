"""The Bot API as npm `telegram-test-api` plays it: written by others, so not bent to suit Sluice.

It keeps what people and the bot say, applies edits and hands out updates. It was made for looser clients than
python-telegram-bot: `getMe` does not say that it is a bot, dates are in milliseconds, edits and deletions answer
nothing, a press has no `chat_instance`, `getUpdates` does not wait; it knows no lists of commands and no documents.
So there is a go-between, which mends just that in passing and answers the few methods that are missing.

What it cannot do at all is in `telegram_wire.py`: errors, limits, markup, offsets, secrets of webhooks.
"""

import asyncio
import json
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from tests.support.node import installed, node
from tests.support.telegram_chats import Account
from tests.support.telegram_updates import Bell

FOLDER = Path(__file__).parent / "telegram_test_api"
TOKEN = "666:sample"
PROGRAM = """
const Server = require("telegram-test-api");
const server = new Server({ port: "0", host: "127.0.0.1", storeTimeout: 3600 });
server.start().then(() => console.log(server.server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
"""
"""The port as text, because the number 0 is read as "none given". It ends when its standard input does."""
_MISSING: dict[str, object] = {
    "setMyCommands": True,
    "deleteMyCommands": True,
    "getMyCommands": [],
    "getWebhookInfo": {"url": "", "has_custom_certificate": False, "pending_update_count": 0},
}
_PATIENCE = 30.0
_LONGEST_POLL = 50.0


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the bot as it is shown now."""

    id: int
    text: str
    keyboard: tuple[tuple[tuple[str, str], ...], ...]
    raw: dict[str, Any]


@dataclass
class TelegramWorld:
    """A running stand-in. Every chat is private: its id is the person's."""

    url: str
    client: httpx.AsyncClient
    port: int = 0
    bell: Bell = field(default_factory=Bell)

    @property
    def base_url(self) -> str:
        """What python-telegram-bot takes as `base_url`."""
        return f"http://127.0.0.1:{self.port}/bot"

    async def says(self, who: Account, text: str) -> None:
        """Write to the bot; what begins with a slash is a command."""
        said: dict[str, Any] = self._common(who) | {"text": text}
        if text.startswith("/"):
            said["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.partition(" ")[0])}]
        await self._post("sendCommand" if text.startswith("/") else "sendMessage", said)

    async def presses(self, who: Account, text: str) -> None:
        """Press the button that says `text`, on the newest message that has one."""
        having = [
            (shown, data)
            for shown in await self.shows(who)
            for row in shown.keyboard
            for said, data in row
            if said == text
        ]
        assert having, f"no message has a button {text!r}"
        shown, data = having[-1]
        message = {
            "message_id": shown.id,
            "date": int(time.time()),
            "chat": self._common(who)["chat"],
            "text": shown.text,
        }
        await self._post("sendCallback", self._common(who) | {"message": message, "data": data})

    async def shows(self, who: Account) -> list[Said]:
        """What the bot has in somebody's chat now, in order, edits applied."""
        answer = await self.client.post(f"{self.url}/getUpdatesHistory", json={"token": TOKEN})
        found = [one for one in answer.json()["result"] if str(one.get("message", {}).get("chat_id")) == str(who.id)]
        return [_said(one) for one in sorted(found, key=lambda one: int(one["messageId"]))]

    def _common(self, who: Account) -> dict[str, Any]:
        chat = {"id": who.id, "type": "private", "first_name": who.first_name}
        return {"botToken": TOKEN, "from": who.as_json(), "chat": chat, "date": int(time.time())}

    async def _post(self, path: str, content: dict[str, Any]) -> None:
        answer = await self.client.post(f"{self.url}/{path}", json=content)
        assert answer.json()["ok"], answer.text
        self.bell.ring()

    async def pass_on(self, request: web.Request) -> web.Response:
        """Hand a call of the bot on, and mend the answer."""
        method = request.match_info["method"]
        said = (*request.query.items(), *(await request.post()).items())
        given = {name: value for name, value in said if isinstance(value, str)}
        if method in _MISSING:
            return web.json_response({"ok": True, "result": _MISSING[method]})
        if method == "getUpdates":
            result = await self._updates(float(given.get("timeout", 0)))
        else:
            result = _mended(method, await self._asked(method, given))
        self.bell.ring()
        return web.json_response({"ok": True, "result": result})

    async def _asked(self, method: str, given: dict[str, str]) -> Any:
        answer = await self.client.post(f"{self.url}/bot{TOKEN}/{method}", json=given)
        if answer.is_error:
            text = json.dumps({"ok": False, "error_code": 404, "description": "Not Found"})
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return answer.json()["result"]

    async def _updates(self, within: float) -> list[dict[str, Any]]:
        """Wait for something new, as the real server does."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(within, _LONGEST_POLL)
        while not (found := await self._asked("getUpdates", {})) and await self.bell.heard(until - loop.time()):
            pass
        for one in found:
            if "callback_query" in one:
                one["callback_query"]["chat_instance"] = "1"
        return list(found)


def _said(kept: dict[str, Any]) -> Said:
    message = kept["message"]
    rows = (message.get("reply_markup") or {}).get("inline_keyboard", [])
    keyboard = tuple(tuple((one["text"], one["callback_data"]) for one in row) for row in rows)
    return Said(int(kept["messageId"]), message["text"], keyboard, message)


def _mended(method: str, result: Any) -> Any:
    if method == "getMe":
        return result | {"is_bot": True, "can_read_all_group_messages": False, "can_join_groups": True}
    if method == "sendMessage":
        known = ("message_id", "text", "chat")
        return {name: result[name] for name in known} | {"date": int(result["date"]) // 1000}
    return True if result is None else result


@asynccontextmanager
async def telegram_world() -> AsyncIterator[TelegramWorld]:
    """A stand-in of somebody else's, with the go-between, until the block ends."""
    place = await asyncio.to_thread(installed, FOLDER)
    program = await asyncio.create_subprocess_exec(node(), "-e", PROGRAM, cwd=place, stdin=PIPE, stdout=PIPE)
    try:
        async with asyncio.timeout(_PATIENCE):
            port = int(await _first_line(program))
        async with httpx.AsyncClient(timeout=_PATIENCE, trust_env=False) as client:
            world = TelegramWorld(f"http://127.0.0.1:{port}", client)
            async with _between(world):
                yield world
    finally:
        await _ended(program)


@asynccontextmanager
async def _between(world: TelegramWorld) -> AsyncIterator[None]:
    application = web.Application()
    application.router.add_route("*", f"/bot{TOKEN}/{{method}}", world.pass_on)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.port = runner.addresses[0][1]
        yield
    finally:
        await runner.cleanup()


async def _first_line(program: Process) -> bytes:
    assert program.stdout is not None
    return await program.stdout.readline()


async def _ended(program: Process) -> None:
    if program.returncode is None:
        program.kill()
    await program.communicate()

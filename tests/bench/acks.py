"""How long chats wait for their acknowledgement while a hundred runs are active, beside a bolt app that does nothing.

An acknowledgement of ours says that the delivery is in the database. Slash commands, presses and Telegram's callbacks
come at a fixed rate each, whether or not the ones before are answered; the bare application gets as many at the same
time. The callers, the bare application and the stand-ins that the bot's answers go to are processes of their own.
"""

import asyncio
import contextlib
import gc
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bot.cards import Button, Card
from bot.desk import Desk, Transports
from bot.dispatch import Dispatch
from bot.front import Front
from bot.heap import settle
from bot.hooks import door
from bot.inbox.intake import Intake
from bot.inbox.pressing import Pressing
from bot.preview import Previews
from bot.rooms.feed import Feed
from bot.settings import Settings
from bot.slack.connect import connect as connect_slack
from bot.slack.ears import SlackEars
from bot.telegram.connect import connect as connect_telegram
from engine.model import RoomId, RunId
from storage.accounts import Account
from storage.rooms import Place
from tests.bench.answers import busy_workshop
from tests.bench.report import Figure, share, spread
from tests.bench.workshop import ANN, WallClock, Workshop
from tests.support.slack_deliveries import COMMAND, INTERACTIVE, Delivery, People, signed
from tests.support.slack_records import Person
from tests.support.slack_wire import BOT_TOKEN, SECRET
from tests.support.slack_workspace import TEAM, Json, Workspace
from tests.support.telegram_wire import TOKEN

RATE = 50
ROOMS = 40
USER, CHANNEL = "U00ANN", "C00BENCH"
HOOK_SECRET = "bench"
BAR = 3.0
SETTLE = 3.0
"""Seconds in which what piled up is shown."""


@dataclass(slots=True)
class Bot:
    """What the chats speak with, on a workshop."""

    shop: Workshop
    pressing: Pressing
    hooks: str

    async def token(self, room: RoomId, button: Button) -> str:
        """How a button is called that the room shows."""
        return (await self.pressing.naming(room, Card("", buttons=(button,))))(button)


async def measure(*, quick: bool) -> list[Figure]:
    """Acknowledgements, and journal to wire."""
    count = 150 if quick else 1000
    async with _side("chats") as chats, _side("bare") as bare, busy_workshop() as shop:
        channels = [f"R{number}" for number in range(ROOMS)]
        where = await chats.ask([CHANNEL.removeprefix("C00"), *channels])
        port = await bare.told()
        async with _listening(shop, where) as bot:
            told = await _acknowledged(bot, f"http://127.0.0.1:{port}/slack/events", count)
            moments = await _events(bot, channels, 4 if quick else 20)
        calls = await chats.ask("end")
    return [*_figures(told), *spread("journal to the call on the wire", _waits(moments, calls))]


@contextlib.asynccontextmanager
async def _listening(shop: Workshop, where: Mapping[str, str]) -> AsyncIterator[Bot]:
    """A bot in both chats, over HTTP, where ann is linked."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as home:
        settings = Settings.model_validate(
            {
                "home": Path(home),
                "slack_bot_token": BOT_TOKEN,
                "slack_signing_secret": SECRET,
                "slack_api": where["slack"],
                "telegram_token": TOKEN,
                "telegram_api": where["telegram"],
                "telegram_webhook": "https://bench.example.com",
                "telegram_secret": HOOK_SECRET,
            }
        )
        made = [connect_slack(settings), connect_telegram(settings)]
        clock = WallClock()
        pressing = Pressing(shop.store, clock)
        chats: dict[str, Any] = {one[0].name: one[0] for one in made if one}
        previews = Previews(shop.store, clock, {})
        desk = Desk(shop.store, clock, {}, previews, Transports(), troubles=tuple)
        for one in made:
            assert one is not None
            one[0].pressing = pressing
            if isinstance(one[1], SlackEars):
                one[1].front = Front(shop.store, desk)
        dispatch = Dispatch(shop.store, shop.control, clock, desk, previews)
        feed = Feed(shop.store, desk, chats, (), _lost)
        intake = Intake(shop.store, clock, dispatch, pressing, feed, chats)
        for account in (f"slack:{TEAM}/{USER}", "telegram:7"):
            link = Account(account, ANN, "ann", RoomId(""), clock.now())
            await shop.store.transact(lambda book, link=link: book.accounts.link(link))  # type: ignore[misc]
        async with contextlib.AsyncExitStack() as after:
            behind = {one[0].name: one[1].web for one in made if one and one[1].web}
            port = await after.enter_async_context(door("127.0.0.1", 0, behind))
            for one in made:
                assert one is not None
                await after.enter_async_context(one[1].listening(intake))
            task = asyncio.create_task(feed.live())
            settle()
            yield Bot(shop, pressing, f"http://127.0.0.1:{port}")
            gc.unfreeze()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await intake.end()


async def _lost(room: RoomId, why: str) -> None:
    raise AssertionError(f"{room}: {why}")


async def _acknowledged(bot: Bot, bare: str, count: int) -> dict[str, list[float]]:
    """Seconds of each kind of delivery, to the bot and to the bare application, one kind after another."""
    space = Workspace(url="http://127.0.0.1:9/")
    space.people[USER] = Person("ann")
    found: dict[str, list[float]] = {}
    for plan in await _plans(bot, People(space), bare, count):
        for one in await _called(plan):
            found.setdefault(one["what"], []).append(one["seconds"])
    return found


async def _called(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have a plan's deliveries made by a process beside."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(plan, file)
        file.flush()
        async with _side("call", file.name) as caller:
            answered: list[dict[str, Any]] = await caller.told()
    refused = [one for one in answered if one["status"] != HTTPStatus.OK]
    if refused:
        raise AssertionError(f"{len(refused)} deliveries were not acknowledged: {refused[:3]}")
    return answered


async def _plans(bot: Bot, people: People, bare: str, count: int) -> list[list[dict[str, Any]]]:
    """Each kind of delivery at its rate; those for the bare application half a step later."""
    look = Button("Status", "status bench-7")
    value = await bot.token(RoomId(f"slack:{TEAM}/{CHANNEL}"), look)
    data = await bot.token(RoomId("telegram:7"), look)
    commands = [people_command(people, number) for number in range(count)]
    presses = [people_press(people, number, value) for number in range(count)]
    return [
        _beside("slash command", commands, bot.hooks, bare),
        _beside("block action", presses, bot.hooks, bare),
        [_callback(number, data, bot.hooks) for number in range(count)],
    ]


def _beside(what: str, deliveries: list[Delivery], hooks: str, bare: str) -> list[dict[str, Any]]:
    plan = []
    for number, delivery in enumerate(deliveries):
        body, kind = delivery.body()
        headers = {"Content-Type": kind, **signed(body, SECRET)}
        one = {"headers": headers, "body": body.decode()}
        at = number / RATE
        plan.append({"what": f"Sluice: {what}", "at": at, "url": f"{hooks}/slack/events", **one})
        plan.append({"what": f"bare bolt: {what}", "at": at + 0.5 / RATE, "url": bare, **one})
    return plan


def people_command(people: People, number: int) -> Delivery:
    """A slash command; each is another one."""
    about = {"team_id": TEAM, "channel_id": CHANNEL, "channel_name": "bench", "user_id": USER, "user_name": "ann"}
    about |= {"command": "/sluice", "text": "status bench-7", "trigger_id": f"command.{number}", "token": "unused"}
    return Delivery(COMMAND, {**about, "response_url": f"{people.space.url}response/{number}", "api_app_id": "A"})


def people_press(people: People, number: int, value: str) -> Delivery:
    """A press; each is another one."""
    action: Json = {"type": "button", "action_id": "press:0", "block_id": "b", "value": value, "text": {}}
    who = {"id": USER, "username": "ann", "name": "ann", "team_id": TEAM}
    where = {"type": "message", "message_ts": "1.1", "channel_id": CHANNEL, "is_ephemeral": False}
    payload: Json = {"type": "block_actions", "user": who, "team": {"id": TEAM, "domain": "bench"}, "container": where}
    payload |= {"channel": {"id": CHANNEL, "name": "bench"}, "message": {"ts": "1.1", "text": ""}, "token": "unused"}
    payload |= {"trigger_id": f"press.{number}", "api_app_id": "A", "enterprise": None, "is_enterprise_install": False}
    payload |= {
        "response_url": f"{people.space.url}response/p{number}",
        "actions": [{**action, "action_ts": f"{number}.1"}],
    }
    return Delivery(INTERACTIVE, payload)


def _callback(number: int, data: str, hooks: str) -> dict[str, Any]:
    """A press in Telegram; each is another one."""
    ann = {"id": 7, "is_bot": False, "first_name": "ann"}
    message = {"message_id": 1, "date": int(time.time()), "chat": {"id": 7, "type": "private"}, "text": "."}
    query = {"id": str(number), "from": ann, "message": message, "chat_instance": "1", "data": data}
    return {
        "what": "Sluice: Telegram callback",
        "at": number / RATE,
        "url": f"{hooks}/telegram/hook",
        "headers": {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": HOOK_SECRET},
        "body": json.dumps({"update_id": number + 1, "callback_query": query}),
    }


async def _events(bot: Bot, channels: list[str], seconds: float) -> list[tuple[str, float]]:
    """Show a run in each channel; returns for so many seconds in which channel's run something was committed, and when.

    The runs' stages note something every two seconds.
    """
    runs = {RunId(f"bench-{number + 1}"): f"C00{channel}" for number, channel in enumerate(channels)}
    for run, channel in runs.items():
        room = RoomId(f"slack:{TEAM}/{channel}")
        await bot.shop.store.transact(lambda book, room=room, run=run: book.rooms.put(room, run, Place("0.0", 0)))  # type: ignore[misc]
    await _pass(SETTLE)
    moments: list[tuple[str, float]] = []
    listening = [True]

    def heard(changed: Mapping[RunId, int]) -> None:
        moments.extend((runs[run], time.monotonic()) for run in changed if run in runs and listening)

    bot.shop.store.on_commit(heard)
    await _pass(seconds)
    listening.clear()
    await _pass(SETTLE)
    return moments


def _waits(moments: list[tuple[str, float]], calls: list[dict[str, Any]]) -> list[float]:
    """From each commit to the first call about it."""
    shown = [one for one in calls if one["method"] in ("chat.update", "chat.postMessage")]
    waits = []
    for channel, at in moments:
        later = [one["at"] for one in shown if one["channel"] == channel and one["at"] > at]
        if not later:
            raise AssertionError(f"What happened to the run of {channel} was never shown.")
        waits.append(min(later) - at)
    return waits


async def _pass(seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


def _figures(told: dict[str, list[float]]) -> list[Figure]:
    """Each kind's p50 and p99, and how many times the bare application's they are."""
    figures = []
    for what, seconds in told.items():
        note = f"{len(seconds)} at {RATE} a second"
        figures += [Figure(f"{what}, p{p}", 1000 * share(seconds, p), "ms", note=note) for p in (50, 99)]
    beside = {"slash command": "slash command", "block action": "block action", "Telegram callback": "block action"}
    for what, other in beside.items():
        ours, bare = told[f"Sluice: {what}"], told[f"bare bolt: {other}"]
        for p in (50, 99):
            name = f"Sluice to bare bolt, {what}, p{p}"
            figures.append(Figure(name, share(ours, p) / share(bare, p), "times", BAR, "at most"))
    return figures


@dataclass(slots=True)
class Side:
    """A process beside the bot."""

    process: asyncio.subprocess.Process

    async def told(self) -> Any:
        """What it says next."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, "a process beside the bot has ended"
        return json.loads(line)

    async def ask(self, something: Any) -> Any:
        """Say a line to it; returns what it answers."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(something).encode() + b"\n")
        await self.process.stdin.drain()
        return await self.told()


@contextlib.asynccontextmanager
async def _side(*words: str) -> AsyncIterator[Side]:
    """One of `tests.bench.chat_side`, ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.chat_side",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**28,
    )
    try:
        yield Side(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()

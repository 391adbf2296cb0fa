"""From a press of Approve to the first request under the new split, with a real supervisord and a real Envoy.

Beside it, what Envoy itself needs: its route file is replaced by hand, and requests are made until one goes the new
way. In each case requests follow each other without a pause on one connection, and the first one answered by the other
version ends the clock.

Blue-green is the case where an approval changes the traffic at once: the new colour is whole before anybody is asked,
and promoting it is one change of the route. Where canary promotes, stable has to be rolled first; that time is the
instances' own, and is not measured here. What canary does at once, `split`, is measured on its own.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine import commands as c
from engine.control import Control
from engine.model import RunId, RunState, StageKind, StageState, Verdict
from engine.ports import BuildOrder, Built, LogSink
from engine.routing import atomic
from engine.routing.envoy_config import file_name
from engine.stages.gray import GrayStage
from engine.stages.job import Act
from engine.stages.official import OfficialStage, WayBack
from engine.stages.review import ReviewStage
from engine.stages.rollout import Rollouts
from engine.worker import Worker
from storage.store import SqlStore
from tests.bench.report import Figure, share, spread
from tests.bench.workshop import ANN, Nothing, WallClock, Workshop, alive
from tests.support.eventually import eventually
from tests.support.process_target import DEMO, Place
from tests.support.traffic import Client, ask_once

WITHIN = 20.0
TIMES_ENVOY = 50


@dataclass(slots=True)
class Shelf:
    """An `engine.ports.Builder` whose images are all the demo's service, one for each tag."""

    place: Place
    built: list[str] = field(default_factory=list)

    async def build(self, order: BuildOrder, log: LogSink) -> Built:
        """Nothing to build."""
        return Built(order.image, await self.find(order.image), reused=True)

    async def find(self, image: str) -> str:
        """The digest of an image."""
        digest = f"sha256:{image.rpartition(':')[2]}"
        self.place.commands.setdefault(digest, DEMO)
        return digest


async def measure(*, quick: bool) -> list[Figure]:
    """Envoy alone, then a vote, then a split."""
    envoy = await _envoy_alone(30 if quick else 100)
    votes = await _votes(2 if quick else 12)
    splits = await _splits(10 if quick else 40)
    bar = 1000 * TIMES_ENVOY * share(envoy, 95)
    note = f"bar: {TIMES_ENVOY} times Envoy's own p95."
    return [
        *spread("Envoy alone: route file replaced to first request", envoy),
        *spread("approved to first request, blue-green", votes, bar=bar, note=note),
        *spread("split changed to first request, canary", splits, bar=bar, note=note),
        Figure(
            "approved to first request, p95, in Envoy's own", share(votes, 95) / share(envoy, 95), "times", TIMES_ENVOY
        ),
        Figure(
            "split changed to first request, p95, in Envoy's own",
            share(splits, 95) / share(envoy, 95),
            "times",
            TIMES_ENVOY,
        ),
    ]


async def first_request(port: int, version: str, begin: Callable[[], Awaitable[object]]) -> float:
    """Seconds from the beginning of `begin` to the first answer of `version`, requests going on all the time."""
    client = Client(port)
    await client.get()
    begun = time.perf_counter()
    work = asyncio.ensure_future(begin())
    try:
        async with asyncio.timeout(WITHIN):
            while f'"version": "{version}"'.encode() not in (await client.get())[1]:
                pass
        return time.perf_counter() - begun
    finally:
        await work
        await client.close()


# -- Envoy alone


async def _envoy_alone(times: int) -> list[float]:
    async with _place() as place:
        await place.launch("blue", place.release("v1"), 1)
        await place.launch("green", place.release("v2"), 1)
        file = next(place.root.rglob(file_name("routes", place.workload)))
        texts = {}
        for group, version in (("green", "v2"), ("blue", "v1")):
            await place.route({group: 100})
            texts[version] = file.read_text()
            await eventually(lambda wanted=version: _answers(place.port, wanted), "the route is in effect")  # type: ignore[misc]
        took = []
        for number in range(times):
            version = ("v2", "v1")[number % 2]
            took.append(await first_request(place.port, version, lambda wanted=version: _replace(file, texts[wanted])))  # type: ignore[misc]
        return took


async def _replace(file: Path, text: str) -> None:
    atomic.write(file, text)


async def _answers(port: int, version: str) -> bool:
    with contextlib.suppress(OSError, EOFError):
        status, answer = await ask_once(port)
        return status == 200 and answer["version"] == version
    return False


@contextlib.asynccontextmanager
async def _place() -> AsyncIterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="sb-"))
    place = Place(folder)
    try:
        yield place
    finally:
        await place.target.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


# -- Sluice


@contextlib.asynccontextmanager
async def _bot(place: Place) -> AsyncIterator[Workshop]:
    """The bot over a real process target, without its chats."""
    store = SqlStore.open(f"sqlite:///{place.root / 'sluice.db'}")
    store.start()
    clock = WallClock()
    control = Control(store, clock)
    rollouts = Rollouts(store, {"process": place.target}, Shelf(place))
    acts: dict[StageKind, Act] = {
        StageKind.GRAY: GrayStage(rollouts),
        StageKind.REVIEW: ReviewStage(rollouts),
        StageKind.OFFICIAL: OfficialStage(rollouts),
    }
    worker = Worker("bench", store, control, clock, acts, WayBack(rollouts))
    shop = Workshop(store, control, worker, Nothing())
    try:
        async with alive(worker.live()):
            yield shop
    finally:
        store.close()


def _text(place: Place, version: str, stages: str) -> str:
    return stages.format(version=version, port=place.port)


_COMMON = (
    "image: 'shop/hello:{version}', target: process, workload: hello, instances: 2, drain: 100ms, "
    "service: {{port: {port}}}, readiness: {{http: /healthz, every: 50ms, within: 20s}}"
)
_FIRST = f"pipeline: hello\nstages:\n  - name: out\n    official: {{{{{_COMMON}}}}}\n"
_REVIEWED = """  - name: review
    review: {{reviewers: [ann]}}
  - name: official
    official: {{}}
"""
_BLUE_GREEN = (
    f"pipeline: hello\nstages:\n  - name: gray\n    gray: {{{{{_COMMON}, strategy: blue_green, hold: 100ms, "
    f"after_hold: remove}}}}\n{_REVIEWED}"
)
_CANARY = (
    f"pipeline: hello\nstages:\n  - name: gray\n"
    f"    gray: {{{{{_COMMON}, gray_instances: 1, policy: {{{{ratio: 0}}}}}}}}\n{_REVIEWED}"
)


async def _votes(times: int) -> list[float]:
    took = []
    async with _place() as place, _bot(place) as shop:
        await _deploy(
            shop, place, "v0", _FIRST.replace("workload: hello", "workload: hello, strategy: blue_green, hold: 100ms")
        )
        for number in range(1, times + 1):
            await shop.define("hello", _text(place, f"v{number}", _BLUE_GREEN))
            run = await shop.request("hello")
            await _until(shop, run.id, StageState.AWAITING_REVIEW)
            vote = c.CastVote(run=run.id, by=ANN, verdict=Verdict.APPROVE)
            took.append(await first_request(place.port, f"v{number}", lambda asked=vote: shop.control.submit(asked)))  # type: ignore[misc]
            await _until(shop, run.id, RunState.SUCCEEDED)
    return took


async def _splits(times: int) -> list[float]:
    took = []
    async with _place() as place, _bot(place) as shop:
        await _deploy(shop, place, "v0", _FIRST)
        await shop.define("hello", _text(place, "v1", _CANARY))
        run = await shop.request("hello")
        for number in range(times):
            await _until(shop, run.id, StageState.AWAITING_REVIEW)
            percent, version = ((100, "v1"), (0, "v0"))[number % 2]
            change = c.ChangeShare(run=run.id, by=ANN, percent=percent)
            took.append(await first_request(place.port, version, lambda asked=change: shop.control.submit(asked)))  # type: ignore[misc]
    return took


async def _deploy(shop: Workshop, place: Place, version: str, stages: str) -> None:
    await shop.define("hello", _text(place, version, stages))
    run = await shop.request("hello")
    await _until(shop, run.id, RunState.SUCCEEDED)


async def _until(shop: Workshop, name: RunId, wanted: StageState | RunState) -> None:
    async def reached() -> bool:
        run = await shop.store.read(lambda book: book.runs.load(name))
        assert run.state not in (RunState.FAILED, RunState.REJECTED), run.reason
        assert run.stage.state is not StageState.HELD, run.stage.reason
        return wanted in (run.state, run.stage.state)

    await eventually(reached, f"{name} is {wanted}", within=60)

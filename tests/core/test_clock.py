"""The clock hears of commits as long as it runs; what cron says is started once, late rather than never, or told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from engine.clock import Timekeeper, WallClock
from engine.control import Control, Order
from engine.definition import Start
from engine.errors import Interrupted
from engine.model import Run
from engine.ports import Book, Store
from storage.store import SqlStore
from tests.support.eventually import eventually
from tests.support.house import PLAIN, House, a_house
from tests.support.store import ANN, LOBBY, T0, sqlite_at

T = TypeVar("T")
HOURLY = Start(cron="0 * * * *")


async def test_commits_after_the_clock_was_stopped_are_nothing_to_it(tmp_path: Path) -> None:
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(context))
    store = SqlStore.open(sqlite_at(tmp_path))
    store.start()
    clock = WallClock()
    control = Control(store, clock)
    timekeeper = Timekeeper(store, control, clock, LOBBY)
    await timekeeper.start()
    timekeeper.stop()
    text = "pipeline: shop\nstages:\n  - name: s\n    source: {git: https://git.example.com/a.git}\n"
    await store.transact(lambda book: book.pipelines.save("shop", "default", text, ANN, T0))
    for _ in range(3):
        await control.request(Order(pipeline="shop", by=ANN, room=LOBBY, changes={}))
    await store.read(lambda book: book.journal.head())
    store.close()
    assert broken == []


@dataclass
class Locked:
    """A store that does not take what it is given, until it was tried so often. `loses` only its answers."""

    house: House
    times: int
    loses: bool = False
    passes: timedelta = timedelta(0)

    async def transact(self, work: Callable[[Book], T]) -> T:
        if self.times == 0:
            return await self.house.store.transact(work)
        self.times -= 1
        if self.loses:
            await self.house.store.transact(work)
        self.house.clock.pass_time(self.passes)
        raise Interrupted("The database is locked by another program.")


@dataclass
class Told:
    said: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, sentence: str, about: str) -> None:
        self.said.append((about, sentence))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    text = PLAIN + 'starts:\n  - cron: "0 * * * *"\n'
    async with a_house(tmp_path, definitions={"plain": text}) as house:
        yield house


def timekeeper(house: House, store: object = None, told: Told | None = None) -> Timekeeper:
    return Timekeeper(cast("Store", store or house.store), house.control, house.clock, LOBBY, told)


async def runs(house: House) -> list[Run]:
    return await house.store.read(lambda book: book.runs.latest("plain", 9))


async def test_a_cron_that_the_definition_has_no_more_starts_nothing(house: House) -> None:
    clock = timekeeper(house)
    await house.define("plain", PLAIN + 'starts:\n  - {cron: "0 * * * *", timezone: Europe/Berlin}\n')
    await clock.begin("plain", HOURLY)
    await house.define("plain", PLAIN)
    await clock.begin("plain", HOURLY)
    await house.store.transact(lambda book: book.pipelines.delete("plain", T0))
    await clock.begin("plain", HOURLY)
    assert await runs(house) == []


async def test_a_cron_start_that_could_not_be_written_down_is_tried_until_it_is(house: House) -> None:
    told = Told()
    await timekeeper(house, Locked(house, 2), told).begin("plain", HOURLY)
    assert [run.requested_by for run in await runs(house)] == ["clock"]
    assert told.said == []


async def test_a_cron_start_of_which_only_the_answer_was_lost_is_not_done_twice(house: House) -> None:
    await timekeeper(house, Locked(house, 1, loses=True)).begin("plain", HOURLY)
    assert len(await runs(house)) == 1


async def test_a_cron_start_that_its_next_time_overtakes_is_said_to_be_missed_once_in_a_row(house: House) -> None:
    told, locked = Told(), Locked(house, 2, passes=timedelta(hours=1))
    clock = timekeeper(house, locked, told)
    for _ in range(2):
        await clock.begin("plain", HOURLY)
    assert await runs(house) == []
    said = "The clock has not started plain at 01 March, 12:00 UTC. The database is locked by another program."
    assert told.said == [("plain", f"{said} `run plain` starts it now.")]
    await clock.begin("plain", HOURLY)
    assert len(await runs(house)) == 1
    locked.times = 1
    await clock.begin("plain", HOURLY)
    assert len(told.said) == 2


async def test_a_cron_start_that_a_sleeping_machine_missed_is_said(house: House) -> None:
    told, due = Told(), (WallClock().now() - timedelta(minutes=30)).replace(second=0, microsecond=0)
    await house.define("plain", f'{PLAIN}starts:\n  - cron: "{due.minute} {due.hour} * * *"\n')
    clock = timekeeper(house, told=told)
    await clock.start()
    clock._scheduler.get_job("cron:plain:0").modify(next_run_time=due)

    async def is_said() -> bool:
        return bool(told.said)

    await eventually(is_said, "the missed start is said")
    clock.stop()
    assert f"The clock has not started plain at {due:%d %B, %H:%M} UTC. This machine slept" in told.said[0][1]
    assert await runs(house) == []

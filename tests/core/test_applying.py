"""What a run has applied is written down once, and what its way back applies is not, whenever the bot is killed."""

import gc
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from engine.definition import Pipeline
from engine.model import Json, Run
from engine.ports import Placement, Store, Target
from engine.stages.applying import Applying
from engine.stages.job import Job
from storage.book import SqlBook
from storage.store import SqlStore
from tests.support.store import T0, ManualClock, a_run, opened, sqlite_at

T = TypeVar("T")
PLACE = Placement("shop", 18080, {})


class Document(dict[str, Any]):
    """One that can be seen to be let go of."""


@dataclass
class Applied:
    """A target that tells what a test says."""

    things: dict[str, Json] = field(default_factory=dict)

    async def applied(self, _place: Placement) -> Mapping[str, Json]:
        return dict(self.things)


@dataclass
class Going:
    """One run, and the bot that has it in hand; `killed` leaves what is in the store and in the journal."""

    store: SqlStore
    target: Applied = field(default_factory=Applied)
    run: Run = field(default_factory=a_run)
    clock: ManualClock = field(default_factory=ManualClock)
    notes: list[str] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self.killed()

    def killed(self) -> None:
        self.applying = Applying(cast("Store", self))

    async def transact(self, act: Callable[[SqlBook], T]) -> T:
        self.writes += 1
        return await self.store.transact(act)

    async def write(self, note: str, outputs: Json) -> Run:
        self.notes.append(note)
        stage = replace(self.run.stage, note=note, outputs={**self.run.stage.outputs, **outputs})
        self.run = replace(self.run, stages=(stage, *self.run.stages[1:]))
        return self.run

    async def keeps(self, *, back: bool = False) -> None:
        pipeline = cast("Pipeline", None)
        job = Job(self.run, pipeline, None, lambda _text: None, self.clock.now, self.write)
        keep = self.applying.keep_before_the_way_back if back else self.applying.keep
        await keep(job, cast("Target", self.target), PLACE)

    async def kept(self) -> dict[str, Json]:
        of = await self.store.read(lambda book: book.applied.of(self.run.id))
        return {each.thing: each.document for each in of}


@pytest.fixture
async def going(tmp_path: Path) -> AsyncIterator[Going]:
    async with opened(sqlite_at(tmp_path)) as store:
        yield Going(store)


async def test_what_a_way_back_makes_is_not_noted_by_a_bot_that_was_killed_in_it(going: Going) -> None:
    going.target.things = {"Deployment shop/web-gray": {"a": 1}}
    await going.keeps(back=True)
    going.target.things = {"Deployment shop/web-gray": {"a": 2}, "Service shop/web-gray": {}}
    await going.keeps(back=True)
    going.killed()
    await going.keeps(back=True)
    assert await going.kept() == {"Deployment shop/web-gray": {"a": 1}}
    assert going.notes == [""], "it is noted once"


async def test_a_way_back_before_which_nothing_was_applied_leaves_nothing(going: Going) -> None:
    await going.keeps(back=True)
    going.killed()
    going.target.things = {"Service shop/web-gray": {}}
    await going.keeps(back=True)
    assert await going.kept() == {}


async def test_the_same_is_written_once_and_not_kept_in_memory(going: Going) -> None:
    document = Document(a=1)
    going.target.things = {"Deployment shop/web-gray": document}
    watched = weakref.ref(document)
    await going.keeps()
    going.clock.pass_time(timedelta(hours=1))
    going.target.things = {"Deployment shop/web-gray": {"a": 1}}
    await going.keeps()
    assert going.writes == 1
    del document
    await going.store.transact(lambda _book: None)  # the store's writer holds what it wrote last
    gc.collect()
    assert watched() is None
    going.target.things = {"Deployment shop/web-gray": {"a": 2}}
    await going.keeps()
    assert going.writes == 2
    (one,) = await going.store.read(lambda book: book.applied.of(going.run.id))
    assert (one.document, one.at) == ({"a": 2}, T0 + timedelta(hours=1))

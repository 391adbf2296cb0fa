"""How long a command waits for its answer while a hundred runs are active.

The runs are in a stage that looks again every tenth of a second, as a rollout does: a read of the store each time, and
every two seconds a note in the journal, not all at once. The commands come at a fixed rate, whether or not the ones
before are answered, so waiting in line counts.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle, islice

from bot.chat import Incoming
from bot.desk import Desk, Transports
from bot.dispatch import Dispatch
from bot.heap import settle
from bot.preview import Previews
from engine.model import Person, StageKind
from engine.stages.job import Job, Later, Outcome
from storage.store import SqlStore
from tests.bench.report import Figure, middle, spread
from tests.bench.workshop import ANN, LOBBY, WallClock, Workshop, definition, workshop

ACTIVE = 100
RATE = 50
COMMANDS = ("status", "runs", "list", "status bench-7", "runs bench", "show bench", "help")
Ask = Callable[[str], Awaitable[object]]


@dataclass(slots=True)
class Busy:
    """Looks again and again."""

    store: SqlStore | None = None
    looks: dict[str, int] = field(default_factory=dict)

    async def act(self, job: Job) -> Outcome:
        """One look."""
        assert self.store is not None
        await self.store.read(lambda book: book.releases.deployed(job.run.pipeline))
        looks = self.looks[job.run.id] = self.looks.get(job.run.id, job.run.number % 20) + 1
        if looks % 20 == 0:
            await job.note(f"look {looks}")
        return Later(timedelta(milliseconds=100))


async def measure(*, quick: bool) -> list[Figure]:
    """Commands to the real dispatch."""
    async with busy_workshop() as shop:
        seconds, refused = await ask_steadily(answer_of(shop), 105 if quick else 490)
    note = f"{RATE} a second, {ACTIVE} runs active, in turns {', '.join(COMMANDS)}."
    return [
        *spread("a command to its answer", seconds, note=note),
        Figure("commands not answered", refused, "", 0),
        *(
            Figure(f"{line!r}, p50", 1000 * middle(seconds[n :: len(COMMANDS)]), "ms")
            for n, line in enumerate(COMMANDS)
        ),
    ]


@contextlib.asynccontextmanager
async def busy_workshop() -> AsyncIterator[Workshop]:
    """A workshop with so many active runs."""
    busy = Busy()
    async with workshop(acts=dict.fromkeys(StageKind, busy)) as shop:
        busy.store = shop.store
        await shop.define("bench", definition("bench", 5))
        await shop.store.transact(lambda book: book.people.add(Person(ANN)))
        for _ in range(ACTIVE):
            await shop.request("bench")
        settle()
        yield shop
        gc.unfreeze()


def answer_of(shop: Workshop) -> Ask:
    """What the chats call for each line, on this workshop."""
    clock = WallClock()
    previews = Previews(shop.store, clock, {})
    desk = Desk(shop.store, clock, {}, previews, Transports(), troubles=tuple)
    dispatch = Dispatch(shop.store, shop.control, clock, desk, previews)
    return lambda line: dispatch.answer(Incoming(LOBBY, ANN, line))


async def ask_steadily(answer: Ask, count: int) -> tuple[list[float], int]:
    """Seconds from when each command was due to its answer; and how many had none."""
    loop, never = asyncio.get_running_loop(), asyncio.Event()
    begun, asked = loop.time(), []
    for number, line in enumerate(islice(cycle(COMMANDS), count)):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(begun + number / RATE):
                await never.wait()
        asked.append(asyncio.create_task(_seconds(answer, line, begun + number / RATE)))
    took = await asyncio.gather(*asked)
    return [each for each in took if each is not None], sum(each is None for each in took)


async def _seconds(answer: Ask, line: str, due: float) -> float | None:
    answered = await answer(line)
    return asyncio.get_running_loop().time() - due if answered else None

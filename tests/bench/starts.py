"""From asking for a run to its first stage being acted on."""

import asyncio
import time

from tests.bench.report import Figure, spread
from tests.bench.workshop import Workshop, definition, entries, workshop

STAGES = 5


async def measure(*, quick: bool) -> list[Figure]:
    """One at a time, and many in the same moment."""
    async with workshop() as shop:
        await shop.define("bench", definition("bench", STAGES))
        await _one(shop)
        alone = [await _one(shop) for _ in range(40 if quick else 200)]
        together = [each for _ in range(2) for each in await _many(shop, 50)]
    return [
        *spread(f"asked for to first of {STAGES} stages begun, alone", alone),
        *spread("the same, 50 asked for in one moment", together, note="The wait for each other is in it."),
    ]


async def _one(shop: Workshop) -> float:
    return (await _many(shop, 1))[0]


async def _many(shop: Workshop, count: int) -> list[float]:
    asked = time.perf_counter()
    runs = await asyncio.gather(*(shop.request("bench") for _ in range(count)))
    await shop.ended({run.id: entries(STAGES) for run in runs})
    took = [shop.nothing.first[run.id] - asked for run in runs]
    shop.forget()
    return took

"""A bot that runs a pipeline which tells others, killed by itself at a point of telling.

    python -m tests.support.telling_until_killed HOME DEFINITIONS POINT

DEFINITIONS is a file with definitions between lines of three dashes; the first one is run. POINT: ``succeeded`` dies as
soon as the stage's success is committed, before anybody is told; ``sending`` as soon as a receiver has the request,
before it is written down; ``-`` lives until nothing is due any more.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from bot.heralds.lanes import WebLane
from engine.model import RunId
from storage.outbox import Parcel
from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually

SUCCEEDED = 4
"""The journal's entry that says so: asked for, begun, the stage begun, the stage done."""
LOOPBACK = {"private_hooks": ("127.0.0.0/8",)}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """A lane that does not live to write down what it has sent."""

    def __init__(self, lane: WebLane) -> None:
        self._lane = lane

    async def send(self, parcel: Parcel) -> None:
        await self._lane.send(parcel)
        die()


def arm(bot: Bot, point: str) -> None:
    """Be killed at the point."""
    lane = bot.app.outside.courier.lanes["webhook"]
    if point == "sending" and isinstance(lane, WebLane):
        bot.app.outside.courier.lanes = {**bot.app.outside.courier.lanes, "webhook": Mortal(lane)}

    def heard(runs: Mapping[RunId, int]) -> None:
        if point == "succeeded" and runs.get(RunId("says-1"), 0) >= SUCCEEDED:
            die()

    bot.app.store.on_commit(heard)


async def main(home: Path, definitions: str, point: str) -> None:
    async with a_bot(home, settings=LOOPBACK) as bot:
        arm(bot, point)
        if not await bot.app.store.read(lambda book: book.pipelines.names()):
            for text in definitions.split("---\n"):
                answer = await bot.say(f"define\n{text}")
                assert "is defined" in answer, answer
            await bot.start("run says")

        async def is_quiet() -> bool:
            due, begun = await bot.app.store.read(lambda book: (book.outbox.next_due(), book.runs.latest("starts", 9)))
            sent = await bot.app.store.read(lambda book: book.outbox.latest(9))
            return due is None and bool(begun) and all(run.state.is_over for run in begun) and len(sent) == 2

        await eventually(is_quiet, "everybody is told")
        print(len(await bot.runs("starts")))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]).read_text(), sys.argv[3]))

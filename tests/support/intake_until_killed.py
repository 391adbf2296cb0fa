"""A bot with a model chat in a process of its own, killed by itself between acknowledging a delivery and answering it.

    python -m tests.support.intake_until_killed HOME LINE POINT

LINE is delivered in the chat by ann, who has to be linked. POINT: ``kept`` dies as soon as the chat would be told that
it arrived; ``done`` dies as soon as what it does is committed, before that is noted; ``-`` lives, and prints the
answers of everything that was open, as JSON.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from bot.chat import Update
from tests.support.bot import a_bot
from tests.support.eventually import eventually
from tests.support.model_messenger import CHANNEL, ModelMessenger


def die(*_heard: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(home: Path, line: str, point: str) -> None:
    chat = ModelMessenger()
    async with a_bot(home, messengers={"model": chat}) as bot:
        if point == "-":

            async def is_all_answered() -> bool:
                return not await bot.app.store.read(lambda book: book.updates.open()) and bool(chat.answers)

            await eventually(is_all_answered, "what was open is answered")
            print(json.dumps([answer.card.title for _, answer in chat.answers]))
            return
        if point == "done":
            bot.app.store.on_commit(die)
        await bot.app.intake.accept(Update("d-killed", CHANNEL, "model:ann", line))
        if point == "kept":
            die()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))

"""The bot in a Telegram that others wrote: as far as it goes, which is commands, cards, edits and buttons, alone."""

from pathlib import Path

import pytest

from bot.telegram.connect import connect
from tests.support.bot import a_bot
from tests.support.eventually import eventually
from tests.support.notes import notes
from tests.support.telegram_house import ANN, telegram_settings
from tests.support.telegram_world import TOKEN, TelegramWorld, telegram_world

pytestmark = pytest.mark.live


async def reads(world: TelegramWorld, words: str) -> str:
    """Wait until Ann reads these words; returns the message."""

    async def look() -> bool:
        return any(words in shown.text for shown in await world.shows(ANN))

    await eventually(look, f"Ann reads {words!r}")
    return next(shown.text for shown in reversed(await world.shows(ANN)) if words in shown.text)


async def test_a_run_is_started_watched_and_approved(tmp_path: Path) -> None:
    async with telegram_world() as world:
        made = connect(telegram_settings(tmp_path, f"http://127.0.0.1:{world.port}", token=TOKEN))
        assert made is not None
        chat, ears = made
        async with a_bot(tmp_path / "home", messengers={"telegram": chat}) as bot:
            chat.pressing = bot.app.intake.pressing
            async with ears.listening(bot.app.intake):
                code = (await bot.say("link")).splitlines()[-1].removeprefix("link ")
                await world.says(ANN, f"/start {code}")
                await reads(world, "Welcome, ann.")
                await world.says(ANN, f"/define\n{notes(tmp_path)}")
                await reads(world, "notes is defined, version 1")
                await world.says(ANN, "/run notes tag=v2")
                await reads(world, "Start notes?")
                await world.presses(ANN, "Start")
                await reads(world, "waits for review")
                [card] = [shown for shown in await world.shows(ANN) if "waits for review" in shown.text]
                await world.presses(ANN, "Approve")
                assert "✅ ann" in await reads(world, "succeeded")
                [ended] = [shown for shown in await world.shows(ANN) if "succeeded" in shown.text]
        assert ended.id == card.id

"""What nobody needs any more goes; what a workload runs or may go back to stays, however old."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.tidying import Tidying
from engine.builders.shelf import NoImage
from engine.model import RunState
from tests.support.bot import Bot, a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.store import ManualClock
from tests.support.workload import Shop


def tidying(bot: Bot, later: timedelta) -> Tidying:
    clock = ManualClock(datetime.now(UTC) + later)
    return Tidying(bot.app.store, clock, bot.app.builder, bot.app.targets, timedelta(days=90))


async def test_bundles_that_can_be_gone_back_to_stay_and_the_others_go(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        await bot.release("run hello tag=v1")
        refused = await bot.start("run hello tag=v2")
        await bot.asks(refused)
        await tidying(bot, timedelta(days=400)).tidy()
        assert await bot.app.builder.find("shop/hello:v2"), "a run that waits needs what it built"
        await bot.say(f"reject {refused}")
        await bot.ends(refused, RunState.REJECTED)
        await tidying(bot, timedelta(days=1)).tidy()
        assert await bot.app.builder.find("shop/hello:v2"), "a week has not passed"
        await tidying(bot, timedelta(days=400)).tidy()
        assert await bot.app.builder.find("shop/hello:v1")
        with pytest.raises(NoImage):
            await bot.app.builder.find("shop/hello:v2")


async def test_logs_and_what_the_room_showed_go_when_they_are_old(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        run = await bot.release("run hello tag=v1")
        await tidying(bot, timedelta(days=30)).tidy()
        assert "Nothing was said" not in await bot.say(f"logs {run}")
        await tidying(bot, timedelta(days=100)).tidy()
        assert "Nothing was said" in await bot.say(f"logs {run}")
        assert run in await bot.say("runs")

"""What was deployed can be ended: asked about first, and finished even if the bot dies in between."""

from pathlib import Path

from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop


async def ended(bot: Bot) -> bool:
    return any(card.title == "Nothing of hello runs any more." for card in await bot.cards())


async def test_a_retired_workload_ends_and_can_be_released_anew(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_bot(tmp_path / "home", target) as bot:
        await bot.say(f"define\n{shop.gray()}")
        await bot.release("run hello tag=v1")
        assert "everywhere now" in await bot.say("versions hello")
        assert "Retire hello?" in await bot.say("retire hello")
        assert "That has to be typed out" in await bot.say("yes")
        assert target.fleets
        assert "hello is being ended." in await bot.say("DELETE")
        await eventually(lambda: ended(bot), "it is said to be ended")
        assert target.fleets == {}
        assert "everywhere now" not in await bot.say("versions hello")
        assert "Nothing of hello runs" in await bot.say("instances hello")
        await bot.release("run hello tag=v2")
        assert target.fleets["hello"].effective.weights == {"stable": 100}


async def test_a_workload_that_a_run_has_is_not_retired(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_bot(tmp_path / "home", target) as bot:
        await bot.say(f"define\n{shop.gray()}")
        assert "hello has deployed nothing." in await bot.say("retire hello")
        run = await bot.start("run hello tag=v1")
        await bot.asks(run)
        await bot.say("retire hello")
        assert f"{run} is releasing it now" in await bot.say("DELETE")


async def test_what_a_deleted_pipeline_left_is_retired_by_its_own_name_after_a_restart(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_bot(tmp_path / "home", target) as bot:
        await bot.say(f"define\n{shop.gray()}")
        await bot.release("run hello tag=v1")
        await bot.say("delete hello")
        await bot.say("DELETE")
        await bot.say("retire hello")
        assert "hello is being ended." in await bot.say("DELETE")
    async with a_bot(tmp_path / "home", target) as bot:
        await eventually(lambda: ended(bot), "the next start ends it")
        assert target.fleets == {}

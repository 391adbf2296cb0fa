"""A way back that cannot succeed: it is tried on and on until a person gives it up, and then its workload is free."""

from pathlib import Path

from engine.errors import StageFailure
from engine.model import RunState
from engine.ports import Placement
from engine.rollout.fleet import Fleet
from tests.support.bot import Bot, a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop, in_gray


class Lost(ModelTarget):
    """A target whose place is gone from some moment on."""

    is_gone = False

    async def observe(self, placement: Placement) -> Fleet:
        if self.is_gone:
            raise StageFailure("Cluster prod has no namespace shop.")
        return await super().observe(placement)


async def stuck(bot: Bot, target: Lost) -> str:
    """A run that is being taken back from gray, and cannot be."""
    run = await in_gray(bot)
    target.is_gone = True
    await bot.say(f"stop {run}")
    await bot.until(run, lambda now: "has no namespace shop" in now.stage.note, "says why it does not get on")
    return run


async def test_a_way_back_that_cannot_succeed_says_how_to_end_it_and_ends_after_a_yes(tmp_path: Path) -> None:
    target = Lost()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        run = await stuck(bot, target)
        assert f"`giveup {run}`" in (await bot.run(run)).stage.note
        await bot.shows(run, lambda card: "Give up" in [one.text for one in card.buttons], "offers to give up")
        asked = await bot.say(f"giveup {run} the cluster was taken down")
        assert asked.startswith(f"Give up taking {run} back?")
        assert "What it placed stays as it is" in asked
        assert (await bot.run(run)).unwinding is not None
        assert "is given up" in await bot.say("yes")
        ended = await bot.ends(run, RunState.FAILED)
        assert ended.reason == (
            "ann gave up taking it back: the cluster was taken down. What it placed was left as it was."
        )
        target.is_gone = False
        again = await bot.start("run hello tag=v3")
        await bot.asks(again)


async def test_retiring_in_the_middle_of_a_way_back_says_what_ends_that(tmp_path: Path) -> None:
    target = Lost()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        run = await stuck(bot, target)
        await bot.say("retire hello")
        answer = await bot.say("DELETE")
        assert f"`giveup {run}`" in answer
        assert f"`stop {run}`" not in answer
        assert f"`giveup {run}`" in await bot.say(f"stop {run}")
        await bot.say(f"giveup {run}")
        await bot.say("yes")
        await bot.ends(run, RunState.FAILED)


async def test_only_what_is_being_taken_back_is_given_up(tmp_path: Path) -> None:
    target = Lost()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        run = await bot.start("run hello")
        await bot.asks(run)
        assert f"`stop {run}`" in await bot.say(f"giveup {run}")
        await bot.say(f"stop {run}")
        await bot.ends(run, RunState.CANCELLED)
        assert "nothing to give up" in await bot.say(f"giveup {run}")

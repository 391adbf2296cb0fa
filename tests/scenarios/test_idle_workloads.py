"""What its makers had scaled to nothing is a version without instances, and no way back starts it unasked."""

from dataclasses import replace
from pathlib import Path

from bot.cards import Tone
from engine.model import RunState
from engine.rollout.fleet import Launch
from tests.scenarios.test_found_workloads import WORKLOAD, a_cluster, held_and_stopped, versions
from tests.scenarios.test_found_workloads import defined as definition
from tests.support.bot import Bot
from tests.support.model_target import ModelTarget


def put_to_rest(target: ModelTarget) -> None:
    """Let its makers scale it to nothing."""
    target.standing[WORKLOAD] = replace(target.standing[WORKLOAD], idle=True)


def started(target: ModelTarget) -> bool:
    """Whether anything of what its makers had was started."""
    old = target.standing[WORKLOAD].id
    return any(isinstance(move, Launch) and move.release == old and move.count for move in target.moves)


async def defined(bot: Bot, strategy: str = "canary") -> None:
    await bot.say(definition(strategy))


async def test_a_first_release_that_is_taken_back_starts_nothing_of_what_had_no_instances(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        put_to_rest(target)
        await defined(bot)
        run = await bot.start("run web")
        await bot.asks(run)
        assert "no instances" in await bot.say("versions web")
        await bot.say(f"rollback {run}")
        assert bot.heard[0].title == f"Roll {run} back to shop/web:v1, which had no instances?"
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert not started(target)
        assert target.forgotten == [WORKLOAD]
    assert target.broken() == []


async def test_a_way_back_after_success_says_first_that_nothing_will_run(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        put_to_rest(target)
        await defined(bot)
        await bot.release("run web")
        assert await versions(bot) == ["v2", "v1"]
        await bot.say("rollback web")
        [card] = bot.heard
        assert card.tone is Tone.BAD
        assert "Careful: version 1 had no instances. Afterwards nothing of prod/shop/web runs." in card.text
        await bot.ends(await bot.start("rollback web"), RunState.SUCCEEDED)
        assert not started(target)
        assert target.forgotten == [WORKLOAD]
        assert await versions(bot) == ["v1", "v2", "v1"]
        await bot.say("unlock web")
        await bot.say("yes")
        await bot.release("run web tag=v5")
        assert await versions(bot) == ["v5", "v1", "v2", "v1"]
    assert target.broken() == []


async def test_what_is_scaled_to_nothing_between_two_runs_is_not_started_by_the_next(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await defined(bot)
        await held_and_stopped(bot, target)
        put_to_rest(target)
        target.disputed.clear()
        target.moves.clear()
        run = await bot.start("run web")
        await bot.asks(run)
        assert not started(target)
        await bot.say(f"rollback {run}")
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert not started(target)


async def test_a_reviewed_redeployment_of_it_is_a_release_like_any_other(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        put_to_rest(target)
        await defined(bot)
        await bot.release("run web")
        run = await bot.start("redeploy web 1")
        await bot.asks(run)
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert started(target)
        await bot.say("versions web")
        table = bot.heard[0].table
        assert table is not None
        assert [row[-1] for row in table.rows] == ["everywhere now", "", "no instances"]
        assert await versions(bot) == ["v1", "v2", "v1"]


async def test_it_can_be_taken_down_as_a_version_before_any_release(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        put_to_rest(target)
        await defined(bot)
        assert "none" in await bot.say("adopt web")
        await bot.ends(await bot.start("adopt web"), RunState.SUCCEEDED)
        assert "no instances" in await bot.say("versions web")
        assert target.moves == []
        assert target.forgotten == []


async def test_the_plan_of_a_first_release_starts_nothing_of_it(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        put_to_rest(target)
        await defined(bot)
        said = await bot.say("plan web")
        assert "shop/web:v2" in said
        assert "of shop/web:v1" not in said

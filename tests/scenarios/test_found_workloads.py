"""What stands in a cluster before its first release is a version, and stays its makers' until a release takes over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bot.cards import Field
from engine.deployment import Deployment
from engine.model import Release, RunId, RunState
from engine.ports import Dispute
from engine.rollout.fleet import ReleaseId
from tests.support.bot import Bot
from tests.support.cluster_bot import a_bot_with, web
from tests.support.eventually import eventually
from tests.support.model_target import ModelTarget

WORKLOAD = "prod/shop/web"
HELD = (Dispute(f"Deployment {WORKLOAD}", "image", "kubectl", "v2", "v1", held=True),)


@asynccontextmanager
async def a_cluster(home: Path, target: ModelTarget | None = None) -> AsyncIterator[tuple[Bot, ModelTarget]]:
    """A bot with a cluster in which others run web, version v1."""
    target = target or ModelTarget()
    async with a_bot_with(home, {"prod": {}}, process=ModelTarget(), kubernetes=target) as bot:
        stand(target, "v1")
        yield bot, target


def defined(strategy: str = "canary") -> str:
    return f"define\n{web(strategy=strategy, tag='v2')}"


def stand(target: ModelTarget, tag: str) -> None:
    """Let others run this version of web."""
    spec = Deployment.model_validate(
        {
            "creation": "found",
            "target": "kubernetes",
            "cluster": "prod",
            "namespace": "shop",
            "workload": "web",
            "strategy": "canary",
            "instances": 4,
            "drain": "0s",
            "service": {"port": 80, "name": "web"},
        }
    )
    settings = spec.model_dump(mode="json", exclude_none=True)
    name, at = ReleaseId(f"{WORKLOAD}@found-{tag}"), datetime(2026, 11, 24, tzinfo=UTC)
    target.standing[WORKLOAD] = Release(name, WORKLOAD, f"shop/web:{tag}", "", settings, "", RunId(""), {}, at)


async def versions(bot: Bot) -> list[str]:
    history = await bot.app.store.read(lambda book: book.releases.history(WORKLOAD, 9))
    return [release.image.rpartition(":")[2] for release in history]


async def held_and_stopped(bot: Bot, target: ModelTarget) -> None:
    """A run that nobody lets take over what others made."""
    target.disputed[WORKLOAD] = HELD
    run = await bot.start("run web")
    await bot.is_held(run)
    await bot.say(f"stop {run}")
    await bot.say("yes")
    await bot.until(run, lambda run: run.state.is_over, "is over")


async def test_what_others_make_of_their_workload_between_two_runs_is_what_a_way_back_leads_to(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await bot.say(defined())
        await held_and_stopped(bot, target)
        assert await versions(bot) == ["v1"]
        stand(target, "v3")
        target.disputed.clear()
        run = await bot.start("run web")
        await bot.asks(run)
        assert await versions(bot) == ["v3", "v1"]
        deployed = await bot.app.store.read(lambda book: book.releases.deployed(WORKLOAD))
        assert deployed is not None
        assert (await bot.run(run)).stages[1].outputs["plan"]["from"] == deployed.id
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert "to shop/web:v3 (version 2)?" in await bot.say("rollback web")
        stand(target, "v4")
        await bot.release("run web tag=v5")
        assert await versions(bot) == ["v5", "v2", "v3", "v1"], "what a release has placed is nobody's to be found"
    assert target.broken() == []


async def test_what_others_put_there_beside_gray_is_what_the_way_back_leads_to(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await bot.say(defined("istio"))
        run = await bot.start("run web")
        await bot.asks(run)
        stand(target, "v1-hot")
        standing = target.standing[WORKLOAD]
        target.standing[WORKLOAD] = replace(standing, settings={**standing.settings, "instances": 3})
        await bot.app.keeper.keep()

        async def is_known() -> bool:
            return await versions(bot) == ["v1-hot", "v1"]

        await eventually(is_known, "it is a version")
        await bot.say(f"rollback {run}")
        assert "back to shop/web:v1-hot?" in bot.heard[0].title
        await bot.say("no")
        await bot.say(f"approve {run}")
        journal = await bot.until(run, lambda run: run.stage.name == "review" and not run.stage.votes, "is asked again")
        assert journal.stages[2].outputs == {}
        await bot.asks(run)
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions(bot) == ["v2", "v1-hot", "v1"]
        standing = await bot.app.store.read(lambda book: book.releases.history(WORKLOAD, 9)[1])
        assert standing.settings["instances"] == 4
    assert target.broken() == []


async def test_others_may_go_back_to_what_they_had_before(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await bot.say(defined())
        for tag in ("v1", "v3", "v1"):
            stand(target, tag)
            await held_and_stopped(bot, target)
        assert await versions(bot) == ["v1", "v3", "v1"]


async def test_a_way_back_to_what_was_found_goes_by_the_strategy_of_today(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        standing = target.standing[WORKLOAD]
        target.standing[WORKLOAD] = replace(standing, settings={**standing.settings, "strategy": "istio"})
        await bot.say(defined("istio"))
        await held_and_stopped(bot, target)
        target.disputed.clear()
        await bot.say(defined())
        await bot.release("run web")
        await bot.say("rollback web")
        assert Field("Strategy", "canary") in bot.heard[0].fields
        await bot.ends(await bot.start("rollback web"), RunState.SUCCEEDED)
        assert await versions(bot) == ["v1", "v2", "v1"]
    assert target.broken() == []


async def test_a_redeployment_that_placed_nothing_ends_without_touching_what_its_makers_run(
    tmp_path: Path,
) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await bot.say(defined())
        for line in ("run web", "run web tag=v5"):
            await bot.release(line)
        await bot.say("retire web")
        await bot.say("DELETE")
        await eventually(lambda: bool(target.forgotten), "it is retired")
        stand(target, "v7")
        target.disputed[WORKLOAD] = HELD
        target.moves.clear()
        run = await bot.start("redeploy web 2 fast because")
        await bot.is_held(run)
        await bot.say(f"rollback {run}")
        await bot.say("yes")
        await bot.until(run, lambda run: run.state.is_over, "is over")
        assert target.moves == []
        assert target.forgotten == [WORKLOAD]


async def test_others_who_change_how_many_they_run_are_gone_back_to_with_that_many(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await bot.say(defined())
        target.disputed[WORKLOAD] = HELD
        run = await bot.start("run web")
        await bot.is_held(run)
        await bot.say(f"stop {run}")
        await bot.until(run, lambda run: run.state.is_over, "is over")
        was = target.standing[WORKLOAD]
        target.standing[WORKLOAD] = replace(was, settings={**was.settings, "instances": 6})
        target.disputed.clear()
        await bot.asks(await bot.start("run web"))
        standing = await bot.app.store.read(lambda book: book.releases.deployed(WORKLOAD))
        assert standing is not None
        assert (standing.id, standing.settings["instances"]) == (was.id, 6)

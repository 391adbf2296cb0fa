"""What the whole bot promises visitors: no request is lost, whatever people decide about a release and whenever."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.model import Run, RunState, StageKind
from tests.support.bot import Bot, a_new_bot
from tests.support.eventually import eventually
from tests.support.traffic import Tally, ask_many, ask_once, steady
from tests.support.workload import Shop, versions_running, versions_served

pytestmark = pytest.mark.live

STRATEGIES = ("canary", "istio", "blue_green")
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


@asynccontextmanager
async def released(shop: Shop, text: str = "") -> AsyncIterator[Bot]:
    """A bot that has released v1 of the shop."""
    async with a_new_bot(text or shop.gray()) as bot:
        await bot.release(f"run {shop.name}")
        yield bot


def assert_nothing_lost(tally: Tally) -> None:
    assert tally.failures == [], tally.failures[:5]
    assert tally.total > 20


def moved_at(kind: StageKind) -> Callable[[Run], bool]:
    """Whether the run's stage of this kind has begun to move the workload."""
    return lambda run: run.stage.kind is kind and "release" in run.stage.outputs


@every_strategy
async def test_no_request_is_lost_up_to_the_promotion_after_which_only_a_canary_can_be_rolled_back(
    strategy: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, strategy)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        run = await bot.start("run hello tag=v2")
        await bot.asks(run)
        await bot.say(f"split {run} 50")
        await bot.until(run, lambda now: now.share == 50, "takes the new share")
        await bot.asks(run)
        assert (await ask_many(shop.port, 2000, key="version")).share("v2") == pytest.approx(0.5, abs=0.06)
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions_served(shop) == {"v2"}
        answer = await bot.say("rollback hello")
        assert ("only canary can be rolled back" in answer) == (strategy != "canary")
        assert ("redeploy hello 1" in answer) == (strategy != "canary"), "the way out"
    assert_nothing_lost(visitors)


@every_strategy
async def test_a_rollback_at_gray_loses_no_request_and_leaves_only_the_old_version(
    strategy: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, strategy)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        run = await bot.start("run hello tag=v2")
        await bot.asks(run)
        assert "v1" in await bot.say(f"rollback {run}")
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert await versions_served(shop) == {"v1"}
        assert await versions_running(bot) == {"v1": 3}
    assert_nothing_lost(visitors)


@every_strategy
async def test_an_abort_in_the_middle_of_the_promotion_loses_no_request_and_leaves_only_the_old_version(
    strategy: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, strategy)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        run = await bot.start("run hello tag=v2")
        await bot.asks(run)
        await bot.say(f"approve {run}")
        await bot.until(run, moved_at(StageKind.OFFICIAL), "is being promoted")
        assert "is being stopped" in await bot.say(f"stop {run} a customer called")
        ended = await bot.ends(run, RunState.CANCELLED)
        assert ended.reason == "a customer called"
        assert await versions_served(shop) == {"v1"}
        assert await versions_running(bot) == {"v1": 3}
    assert_nothing_lost(visitors)


@every_strategy
async def test_a_version_that_never_gets_ready_gets_no_traffic_and_is_held_with_the_reason(
    strategy: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, strategy)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        run = await bot.start("run hello tag=v2 health=500 patience=3s")
        held = await bot.is_held(run)
        assert held.stage.kind is StageKind.GRAY
        assert "nothing has changed for 3 s" in held.stage.reason
        assert "tries again" in await bot.say(f"retry {run}")
        await bot.until(run, lambda now: now.stage.attempt == 2, "tries again")
        assert "answers 500 at /healthz" in (await bot.is_held(run)).stage.reason
        await bot.say(f"stop {run}")
        await bot.ends(run, RunState.CANCELLED)
        assert await versions_running(bot) == {"v1": 3}
    assert_nothing_lost(visitors)
    assert set(visitors.answers) == {"v1"}


@every_strategy
async def test_a_promotion_whose_instances_never_get_ready_keeps_traffic_on_the_healthy_copy_until_it_is_rolled_back(
    strategy: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, strategy)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        run = await bot.start("run hello tag=v2 patience=5s")
        await bot.asks(run)
        shop.make_sick("v2")
        await bot.say(f"approve {run}")
        held = await bot.is_held(run)
        assert held.stage.kind is StageKind.OFFICIAL
        assert held.stage.reason.startswith("The promotion failed: ")
        assert "Traffic stays on the healthy copy. Retry, or roll back." in held.stage.reason
        await bot.shows(run, lambda card: "The promotion failed" in card.text, "says what failed")
        await versions_served(shop)
        await bot.say(f"rollback {run}")
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert await versions_served(shop) == {"v1"}
        assert await versions_running(bot) == {"v1": 3}
    assert_nothing_lost(visitors)


async def test_a_failed_promotion_that_is_retried_when_the_cause_is_mended_goes_to_everybody(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        run = await bot.start("run hello tag=v2 patience=5s")
        await bot.asks(run)
        flag = shop.make_sick("v2")
        await bot.say(f"approve {run}")
        await bot.is_held(run)
        flag.unlink()
        await bot.say(f"promote {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions_served(shop) == {"v2"}
        assert await versions_running(bot) == {"v2": 3}
    assert_nothing_lost(visitors)


@every_strategy
async def test_the_run_says_the_share_that_ten_thousand_requests_really_got(strategy: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, strategy)
    async with released(shop) as bot:
        run = await bot.start("run hello tag=v2")
        before = await bot.asks(run)
        asked = await ask_many(shop.port, 10_000, key="version")
        assert asked.failures == []
        seen = await bot.app.dispatch.desk.observed(before)
        assert seen is not None
        assert seen.total == 10_000
        assert seen.requests["gray"] == asked.answers["v2"]
        assert seen.share == pytest.approx(0.2, abs=0.02)
        card = await bot.shows(
            run,
            lambda card: card.split is not None and sum(card.split.requests.values()) == 10_000,
            "counts every request",
        )
        assert card.split is not None
        assert card.split.observed == pytest.approx(20, abs=2)
        assert sum(card.split.failed.values()) == 0


@every_strategy
async def test_a_policy_by_header_alone_shows_plain_visitors_nothing_before_the_promotion(
    strategy: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, strategy, '{content: [{headers: {X-Tester: {exact: "yes"}}}]}')
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        run = await bot.start("run hello tag=v2")
        await bot.asks(run)
        tester = await ask_many(shop.port, 100, key="version", headers={"X-Tester": "yes"})
        assert (tester.failures, set(tester.answers)) == ([], {"v2"})
        assert (await ask_once(shop.preview))[1]["version"] == "v2"
        assert set((await ask_many(shop.port, 500, key="version")).answers) == {"v1"}
        assert set(visitors.answers) == {"v1"}
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions_served(shop) == {"v2"}
    assert_nothing_lost(visitors)


async def test_a_canary_is_rolled_back_after_its_success_without_losing_a_request(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        await bot.release("run hello tag=v2")
        back = await bot.start("rollback hello")
        await bot.ends(back, RunState.SUCCEEDED)
        assert await versions_served(shop) == {"v1"}
        assert await versions_running(bot) == {"v1": 3}
        assert "shop/hello:v1" in await bot.say("versions hello")
    assert_nothing_lost(visitors)


@every_strategy
async def test_a_pipeline_without_gray_releases_with_its_own_settings_and_goes_back_to_a_chosen_version(
    strategy: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, strategy, instances=2)
    async with a_new_bot(shop.official()) as bot:
        await bot.ends(await bot.start("run hello"), RunState.SUCCEEDED)
        async with steady(shop.port, key="version") as visitors:
            await bot.ends(await bot.start("run hello tag=v2"), RunState.SUCCEEDED)
            await bot.ends(await bot.start("run hello tag=v3"), RunState.SUCCEEDED)
            assert await versions_served(shop) == {"v3"}
            await bot.ends(await bot.start("rollback hello 1"), RunState.SUCCEEDED)
            assert await versions_served(shop) == {"v1"}
        assert_nothing_lost(visitors)


async def test_another_port_is_refused_once_one_is_in_effect(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        await bot.say("define\n" + shop.gray().replace(f"port: {shop.port},", f"port: {shop.preview + 1},"))
        run = await bot.start("run hello tag=v2")
        held = await bot.is_held(run)
        assert f"service.port of hello is {shop.port} and cannot become {shop.preview + 1}" in held.stage.reason
        await bot.say(f"stop {run}")
        await bot.ends(run, RunState.CANCELLED)
        assert await versions_running(bot) == {"v1": 3}
    assert_nothing_lost(visitors)


async def test_a_second_run_of_the_same_workload_waits_for_its_turn(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        first = await bot.start("run hello tag=v2")
        await bot.asks(first)
        second = await bot.start("run hello tag=v3")
        assert "It waits until hello is free." in "".join(card.text for card in bot.heard)
        assert (await bot.run(second)).state is RunState.QUEUED
        await bot.say(f"approve {first}")
        await bot.ends(first, RunState.SUCCEEDED)
        await bot.asks(second)
        await bot.say(f"approve {second}")
        await bot.ends(second, RunState.SUCCEEDED)
        assert await versions_served(shop) == {"v3"}
    assert_nothing_lost(visitors)


async def test_a_pipeline_that_rejects_refuses_a_second_run(tmp_path: Path) -> None:
    shop = Shop(tmp_path, concurrency="reject")
    async with released(shop) as bot:
        first = await bot.start("run hello tag=v2")
        await bot.asks(first)
        await bot.say("run hello tag=v3")
        assert f"hello is being released by {first} already" in await bot.say("yes")
        assert [run.id for run in await bot.runs("hello")] == [first, "hello-1"]


async def test_a_pipeline_that_replaces_takes_the_first_run_back_and_loses_no_request(tmp_path: Path) -> None:
    shop = Shop(tmp_path, concurrency="replace")
    async with released(shop) as bot, steady(shop.port, key="version") as visitors:
        first = await bot.start("run hello tag=v2")
        await bot.asks(first)
        second = await bot.start("run hello tag=v3")
        replaced = await bot.ends(first, RunState.CANCELLED)
        assert replaced.reason == f"Replaced by {second}."
        await bot.asks(second)
        assert await versions_running(bot) == {"v1": 2, "v3": 1}
    assert_nothing_lost(visitors)


async def test_a_retired_workload_leaves_no_process_and_no_open_port(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with released(shop) as bot:
        assert (await versions_served(shop)) == {"v1"}
        await bot.say("retire hello")
        assert "hello is being ended." in await bot.say("DELETE")

        async def is_said() -> bool:
            return any(card.title == "Nothing of hello runs any more." for card in await bot.cards())

        await eventually(is_said, "it is said to be ended")
        assert await versions_running(bot) == {}
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", shop.port)
        await bot.release("run hello tag=v2")
        assert (await versions_served(shop)) == {"v2"}

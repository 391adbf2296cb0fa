"""A stop is honoured wherever the run is: in the queue, before a trigger, in the middle of a build, at gray."""

from pathlib import Path

from engine.model import RunState, StageState
from tests.support.bot import a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop, in_gray

SLOW = """\
  - name: image
    build: {{image: "notes/notes:1", script: "sleep {seconds}", procfile: "web: true"}}
    timeout: {timeout}
"""
GATE = "    conditions: {of: [{channel: gate}]}"


async def test_a_build_is_broken_off_by_a_stop(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, code=SLOW.format(seconds=600, timeout="20m"))) as bot:
        run = await bot.start("run notes")
        await bot.until(run, lambda now: now.stage.name == "image", "builds")
        assert "is being stopped" in await bot.say(f"stop {run} no need any more")
        ended = await bot.ends(run, RunState.CANCELLED)
        assert ended.reason == "no need any more"
        assert "cannot be stopped" in await bot.say(f"stop {run}")


async def test_a_build_that_takes_longer_than_it_may_is_held(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, code=SLOW.format(seconds=600, timeout="1s"))) as bot:
        run = await bot.start("run notes")
        held = await bot.is_held(run)
        assert held.stage.reason == "image took longer than it may (timeout: 1s)."


async def test_a_run_that_waits_for_a_trigger_is_stopped(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, gate=GATE)) as bot:
        run = await bot.start("run notes")
        await bot.until(run, lambda now: now.stage.state is StageState.AWAITING_TRIGGER, "waits for its trigger")
        await bot.say(f"stop {run}")
        await bot.ends(run, RunState.CANCELLED)


async def test_a_stop_in_the_queue_leaves_the_run_before_it_and_the_one_after_it_alone(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        first = await bot.start("run hello")
        await bot.asks(first)
        second, third = await bot.start("run hello tag=v2"), await bot.start("run hello tag=v3")
        assert "cannot be voted on now" in await bot.say(f"approve {second}")
        await bot.say(f"stop {second}")
        await bot.ends(second, RunState.CANCELLED)
        assert (await bot.run(first)).stage.state is StageState.AWAITING_REVIEW
        assert (await bot.run(third)).state is RunState.QUEUED
        await bot.say(f"stop {first}")
        await bot.ends(first, RunState.CANCELLED)
        await bot.asks(third)
    assert target.broken() == []


async def test_a_rollback_by_the_pipelines_name_takes_back_the_run_at_gray(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        run = await in_gray(bot)
        assert f"Roll {run} back to shop/hello:v1?" in await bot.say("rollback hello", "bob")
        assert "is being rolled back" in await bot.say("yes", "bob")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert target.fleets["hello"].effective.weights == {"stable": 100}
        assert {copy.release for copy in target.fleets["hello"].ready()} == {
            release.id for release in await bot.app.store.read(lambda book: book.releases.history("hello", 1))
        }
    assert target.broken() == []


async def test_a_run_that_replaces_stops_the_others_in_the_queue_too(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        first = await bot.start("run hello")
        await bot.asks(first)
        second = await bot.start("run hello tag=v2")
        await bot.say("define\n" + shop.gray().replace("concurrency: queue", "concurrency: replace"))
        third = await bot.start("run hello tag=v3")
        for name in (first, second):
            assert (await bot.ends(name, RunState.CANCELLED)).reason == f"Replaced by {third}."
        await bot.asks(third)
    assert target.broken() == []

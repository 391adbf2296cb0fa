"""Channels between groups: who is elsewhere is heard only by who names them, and neither side learns of the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.model import StageState
from tests.support.bot import a_new_bot
from tests.support.closed_shop import close
from tests.support.outside import Outside, outside
from tests.support.store import ANN

STAGES = """stages:
  - name: code
    source: {git: "https://git.example.com/shop/api.git"}
"""
SAYS = f"pipeline: says\ngroup: theirs\n{STAGES}    tell: [{{channel: ready}}]\n"
STARTS = f"pipeline: starts\ngroup: ours\nstarts: [{{channel: ready}}]\n{STAGES}"
WAITS = f"pipeline: waits\ngroup: ours\n{STAGES}    conditions: {{of: [{{channel: ready}}]}}\n"
HEARD = "{channel: ready, from: [says]}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as world:
        await world.herald.catch_up()
        yield world


async def defined(world: Outside, *texts: str) -> None:
    """Keep definitions in their groups."""
    now = world.clock.now()
    for text in texts:
        name, group = (line.partition(": ")[2] for line in text.splitlines()[:2])
        await world.store.transact(lambda book, n=name, g=group, t=text: book.pipelines.save(n, g, t, ANN, now))  # type: ignore[misc]


async def told(world: Outside) -> str:
    """Let `says` tell its channel, and give what it is told of that."""
    await world.succeed(await world.start("says"))
    await world.tell()
    return (await world.outbox())[-1].error


async def test_a_pipeline_of_another_group_starts_nothing_and_meets_nothing_and_is_not_written_down(
    world: Outside,
) -> None:
    await defined(world, SAYS, STARTS, WAITS)
    waiting = await world.start("waits")
    assert await told(world) == "Nobody waits for it, and it starts nothing."
    assert await world.runs("starts") == []
    assert (await world.run(waiting)).stage.state is StageState.AWAITING_TRIGGER
    assert await world.called() == []


async def test_who_names_a_pipeline_of_another_group_hears_it_and_is_not_named_to_it(world: Outside) -> None:
    await defined(world, SAYS, *(text.replace("{channel: ready}", HEARD) for text in (STARTS, WAITS)))
    waiting = await world.start("waits")
    assert await told(world) == "a pipeline of another group: goes on; a pipeline of another group: started"
    assert len(await world.runs("starts")) == 1
    assert (await world.run(waiting)).stage.state is StageState.RUNNING


async def test_who_names_others_does_not_hear_its_own_group(world: Outside) -> None:
    own = SAYS.replace("theirs", "ours")
    await defined(world, own, STARTS.replace("{channel: ready}", "{channel: ready, from: [base]}"))
    assert await told(world) == "Nobody waits for it, and it starts nothing."
    await defined(world, STARTS)
    assert await told(world) == "starts-1 started"


async def test_a_circle_is_one_only_where_each_hears_the_one_before() -> None:
    back = STARTS + "    tell: [{channel: again}]\n"
    there = SAYS.replace("stages:", "starts: [{channel: again, from: [starts]}]\nstages:")
    async with a_new_bot(back) as bot:
        assert "is defined" in await bot.say(f"define\n{there}")
        closing = back.replace("{channel: ready}", HEARD)
        assert "says tells again" not in await bot.say(f"check\n{closing}")
        assert "starts tells again, which starts says, says tells ready" in await bot.say(f"check\n{closing}")


async def test_a_circle_through_a_closed_group_names_nothing_of_it() -> None:
    back = STARTS.replace("{channel: ready}", HEARD) + "    tell: [{channel: again}]\n"
    there = SAYS.replace("stages:", "starts: [{channel: again, from: [starts]}]\nstages:")
    async with a_new_bot(back) as bot:
        await close(bot, "ours")
        for line in (f"check\n{there}", f"define\n{there}"):
            answer = await bot.say(line, "bob")
            assert "says tells ready, which leads back to it through pipelines that you do not see" in answer, answer
            assert "starts tells" not in answer
        assert "starts tells again" in await bot.say(f"check\n{there}")

"""Channels between pipelines: one tells, others are started or go on; once, and not for ever."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cards import Tone
from engine.channels import MAX_DEPTH
from engine.model import PersonId, StageState
from tests.support.bot import a_new_bot
from tests.support.outside import Outside, outside

STAGES = """stages:
  - name: code
    source: {git: "https://git.example.com/shop/api.git", tag: "${tag}"}
"""
SAYS = f"""pipeline: says
variables: {{tag: v1}}
{STAGES}    tell:
      - channel: ready
        when: [success]
        parameters: {{version: tag, more: tag}}
      - channel: broken
        when: [failure]
"""
STARTS = f"""pipeline: starts
variables: {{tag: none}}
starts:
  - channel: ready
    parameters: {{version: tag}}
{STAGES}"""
WAITS = f"""pipeline: waits
variables: {{tag: none}}
{STAGES}    conditions:
      of: [{{channel: ready, parameters: {{version: tag}}}}]
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as world:
        await world.herald.catch_up()
        yield world


async def test_a_success_starts_and_meets_what_listens_and_each_takes_the_parameters_it_knows(world: Outside) -> None:
    await world.define(SAYS, STARTS, WAITS)
    waiting = [await world.start("waits"), await world.start("waits")]
    await world.succeed(await world.start("says", PersonId("bob"), tag="v7"))
    await world.tell()
    (started,) = await world.runs("starts")
    assert (started.variables["tag"], started.requested_by, started.depth) == ("v7", "bob", 1)
    assert started.because == "says-1 told channel ready."
    for name in waiting:
        run = await world.run(name)
        assert (run.stage.state, run.variables["tag"]) == (StageState.RUNNING, "v7")
    (message,) = await world.outbox()
    assert (message.way, message.shown, message.status) == ("channel", "ready", "sent")
    assert message.error == "waits-1 goes on; waits-2 goes on; starts-1 started"


async def test_a_message_starts_once_however_often_the_bot_begins_anew(world: Outside) -> None:
    await world.define(SAYS, STARTS)
    await world.succeed(await world.start("says"))
    for _ in range(3):
        world.start_telling()
        await world.tell()
    assert len(await world.runs("starts")) == 1


async def test_a_failure_tells_what_is_for_failures_and_a_hold_that_runs_out_is_no_second_one(world: Outside) -> None:
    await world.define(SAYS, STARTS)
    await world.fail(await world.start("says"))
    await world.tell()
    (message,) = await world.outbox()
    assert (message.shown, message.about, message.error) == (
        "broken",
        "code: failure",
        "Nobody waits for it, and it starts nothing.",
    )
    assert await world.runs("starts") == []


async def test_a_run_does_not_meet_its_own_pipelines_conditions(world: Outside) -> None:
    own = SAYS.replace("pipeline: says", "pipeline: both")
    waits = (
        "  - name: more\n    source: {git: 'https://git.example.com/x.git'}\n    conditions: {of: [{channel: ready}]}\n"
    )
    await world.define(own + waits)
    run = await world.start("both")
    await world.succeed(run)
    await world.tell()
    assert (await world.run(run)).stage.state is StageState.AWAITING_TRIGGER


async def test_a_listener_that_misses_a_parameter_is_refused_in_words_and_others_are_served(world: Outside) -> None:
    wants = STARTS.replace("pipeline: starts", "pipeline: wants").replace("version: tag", "digest: tag")
    await world.define(SAYS, STARTS, wants)
    await world.succeed(await world.start("says"))
    await world.tell()
    assert len(await world.runs("starts")) == 1
    assert [(one.outcome, one.said) for one in await world.called("wants")] == [
        ("refused", "The parameter digest is missing.")
    ]


async def test_a_value_that_a_listener_does_not_take_is_refused_without_being_shown(world: Outside) -> None:
    await world.define(SAYS.replace(', tag: "${tag}"', ""), STARTS)
    await world.succeed(await world.start("says", tag="--upload-pack=evil"))
    await world.tell()
    (called,) = await world.called("starts")
    assert called.outcome == "refused"
    assert "evil" not in called.said


async def test_a_run_whose_definition_cannot_be_read_any_more_is_refused_and_others_are_served(world: Outside) -> None:
    spoilt = WAITS.replace("pipeline: waits", "pipeline: spoilt")
    await world.define(SAYS, STARTS, WAITS, spoilt)
    waiting = [await world.start("spoilt"), await world.start("waits")]
    await world.spoil("spoilt", 1)
    await world.succeed(await world.start("says"))
    await world.tell()
    assert len(await world.runs("starts")) == 1
    states = [(await world.run(name)).stage.state for name in waiting]
    assert states == [StageState.AWAITING_TRIGGER, StageState.RUNNING]
    assert [(one.run, one.outcome) for one in await world.called("spoilt")] == [("spoilt-1", "refused")]
    (message,) = await world.outbox()
    assert "spoilt-1: The definition" in message.error


async def test_a_deleted_pipeline_is_not_started(world: Outside) -> None:
    await world.define(SAYS, STARTS)
    await world.store.transact(lambda book: book.pipelines.delete("starts", world.clock.now()))
    await world.succeed(await world.start("says"))
    await world.tell()
    assert (await world.outbox())[0].error == "Nobody waits for it, and it starts nothing."


async def test_pipelines_that_start_each_other_by_names_from_variables_are_cut_and_it_is_said(world: Outside) -> None:
    circular = SAYS.replace("channel: ready", 'channel: "${tag}"').replace(
        "variables:", "starts: [{channel: v1}]\nvariables:"
    )
    await world.define(circular)
    await world.start("says")
    for number in range(1, MAX_DEPTH + 2):
        await world.succeed(f"says-{number}")
        await world.tell()
    assert len(await world.runs("says")) == MAX_DEPTH + 1
    ((said, tone),) = world.said
    assert (tone, "looks like a circle" in said) == (Tone.BAD, True)
    assert world.about == [f"says-{MAX_DEPTH + 1}"]
    assert (await world.called("says"))[-1].outcome == "cut"
    assert said in (await world.outbox())[-1].error


async def test_a_definition_that_closes_a_circle_is_refused_and_check_says_so(tmp_path: Path) -> None:
    back = STARTS + "    tell: [{channel: again}]\n"
    there = SAYS.replace("variables:", "starts: [{channel: again}]\nvariables:")
    async with a_new_bot(back) as bot:
        for line in (f"check\n{there}", f"define\n{there}"):
            answer = await bot.say(line)
            assert "says tells ready, which starts starts, starts tells again, which starts says" in answer, answer
        assert "There is no pipeline says" in await bot.say("show says")

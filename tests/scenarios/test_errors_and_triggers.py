"""What becomes of a run whose stage fails, and of one that waits for the outside."""

from pathlib import Path

from engine.model import RunState, StageState
from tests.support.bot import a_new_bot, a_repository, words_of
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.store import ANN, T0
from tests.support.workload import Shop

GATE = """\
    conditions:
      of:
        - webhook: gate
          parameters: {version: note}
"""


async def test_a_failed_stage_is_held_with_the_reason_and_retried(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes tag=nowhere")
        held = await bot.is_held(run)
        assert "nowhere" in held.stage.reason
        card = await bot.shows(run, lambda card: card.badge == "held", "is held")
        log = next(button.line for button in card.buttons if button.text == "Log")
        assert f"Log of {run}, code" in await bot.say(log)
        assert "tries again" in await bot.say(f"retry {run}")
        await bot.until(run, lambda now: now.stage.attempt == 2, "tries again")
        await bot.is_held(run)
        await bot.say(f"stop {run}")
        await bot.ends(run, RunState.CANCELLED)


async def test_a_return_to_the_start_waits_for_a_person_and_keeps_the_attempts(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, code="    on_error: {do: return_to_start}")) as bot:
        run = await bot.start("run notes tag=nowhere")
        await bot.until(run, lambda now: now.paused, "is back at the start")
        card = await bot.shows(run, lambda card: card.badge == "back at the start", "is back at the start")
        assert "nowhere" in words_of(card)
        again = next(button.line for button in card.buttons if button.text == "Retry")
        assert "tries again" in await bot.say(again, key="1")
        assert await bot.say(again, key="1") == ""
        assert "earlier moment" in await bot.say(again)
        await bot.until(run, lambda now: now.paused and now.stage.attempt == 2, "is back once more")


async def test_an_ignored_failure_goes_on_to_the_next_stage(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, code="    on_error: {do: ignore}")) as bot:
        run = await bot.start("run notes tag=nowhere")
        asking = await bot.asks(run)
        assert asking.stages[0].state is StageState.IGNORED
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)


async def test_a_held_stage_that_nobody_retries_in_time_ends_the_run(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, code="    on_error: {do: stop, hold: 1s}")) as bot:
        run = await bot.start("run notes tag=nowhere")
        ended = await bot.ends(run, RunState.FAILED)
        assert "Nobody retried it in time" in ended.reason


async def test_a_stage_waits_for_its_trigger_and_takes_its_parameters(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, gate=GATE)) as bot:
        run = await bot.start("run notes")
        await bot.until(run, lambda now: now.stage.state is StageState.AWAITING_TRIGGER, "waits for its trigger")
        await bot.shows(run, lambda card: "review waits for webhook:gate" in card.text, "says what for")
        assert "takes no parameter" in await bot.say(f"trigger {run} webhook:gate nonsense=1")
        assert "webhook:other" in await bot.say(f"trigger {run} webhook:other")
        assert "is met" in await bot.say(f"trigger {run} webhook:gate version=v7")
        asking = await bot.asks(run)
        assert asking.variables["note"] == "v7"
        assert "No stage" in await bot.say(f"trigger {run} webhook:gate")


async def test_a_condition_that_is_met_early_counts_when_its_stage_is_reached(tmp_path: Path) -> None:
    early = "    conditions: {of: [{channel: code-ready}]}"
    either = "    conditions: {mode: any, of: [{channel: tests-green}, {webhook: gate}]}"
    async with a_new_bot(notes(tmp_path, code=early, gate=either)) as bot:
        run = await bot.start("run notes")
        await bot.until(run, lambda now: now.stage.state is StageState.AWAITING_TRIGGER, "waits for its trigger")
        assert "is met" in await bot.say(f"trigger {run} channel:tests-green")
        assert (await bot.run(run)).position == 0
        assert "is met" in await bot.say(f"trigger {run} channel:code-ready")
        await bot.asks(run)


async def test_a_cron_start_is_planned_and_begins_a_run_that_the_room_sees(tmp_path: Path) -> None:
    head = 'starts:\n  - {cron: "30 6 * * mon-fri", timezone: Europe/Berlin}'
    async with a_new_bot(notes(tmp_path, head=head)) as bot:
        keeper = bot.app.timekeeper
        job = keeper._scheduler.get_job("cron:notes:0")
        due = job.next_run_time
        assert (due.hour, due.minute, str(due.tzinfo)) == (6, 30, "Europe/Berlin")
        assert due.weekday() < 5
        await job.func(*job.args)
        run = (await bot.runs("notes"))[0]
        assert run.requested_by == "clock"
        await bot.asks(run.id)
        await bot.shows(run.id, lambda card: "clock" in words_of(card), "says who asked")


async def test_what_starts_a_pipeline_is_shown_with_when_the_clock_does_next(tmp_path: Path) -> None:
    head = """\
starts:
  - {cron: "30 6 1 1 *", timezone: Europe/Berlin}
  - webhook: nightly
  - {channel: base, from: [images]}
"""
    ways = "01 January, 06:30 Europe/Berlin; webhook nightly (`hooks notes`); channel base of images"
    text = notes(tmp_path, head=head)
    pushed = 'account: forge, auto_build: {branches: [main, "release/*"], tags: ["v*"], webhook: manual}}'
    async with a_new_bot() as bot:
        for line in (f"define\n{text}", "show notes"):
            assert f"Starts\ncron 30 6 1 1 *, next on {ways}" in await bot.say(line)
        stored = text.replace('tag: "${tag}"}', f'tag: "${{tag}}", {pushed}')
        await bot.app.store.transact(lambda book: book.pipelines.save("notes", "default", stored, ANN, T0))
        assert f"{ways}; pushes to branches main, release/* and tags v*" in await bot.say("show notes")


async def test_a_release_whose_build_failed_and_was_ignored_says_what_can_be_done(tmp_path: Path) -> None:
    shop = Shop(tmp_path, rest="0s", repository=a_repository(tmp_path / "empty", "v1").url)
    build = '    build: {image: "shop/hello:${tag}"}\n'
    text = shop.gray().replace(build, f"{build}    on_error: {{do: ignore}}\n")
    async with a_new_bot(text, target=ModelTarget()) as bot:
        run = await bot.start("run hello")
        held = await bot.is_held(run)
        assert f"Run {run} has built no image to release." in held.stage.reason
        assert f"`stop {run}` ends it; then `run hello` builds anew." in held.stage.reason

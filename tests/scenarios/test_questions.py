"""What starts, destroys or turns something back is shown first, asked about, and done once."""

import asyncio
from pathlib import Path

from engine.model import RunState, StageState
from tests.support.bot import a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop


async def test_a_run_is_shown_with_its_variables_and_started_by_a_yes(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        await bot.say("run notes tag=v2")
        table = bot.heard[0].table
        assert table is not None
        assert table.rows == (("tag", "v2", "changed"), ("note", "nothing", ""))
        assert await bot.runs("notes") == []
        await bot.say("yes")
        assert [run.id for run in await bot.runs("notes")] == ["notes-1"]


async def test_a_variable_that_is_not_declared_is_refused_and_the_nearest_is_named(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        answer = await bot.say("run notes tga=v2")
        assert "tga" in answer
        assert "tag" in answer.replace("tga", "")
        assert "not asked anything" in await bot.say("yes")


async def test_a_half_typed_command_touches_nothing(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        for line in ("run", "ru notes", "run notes v2", "delete", "rollback", "approve", "yes", "DELETE", "press"):
            assert await bot.say(line)
        assert await bot.runs("notes") == []


async def test_a_yes_said_twice_starts_one_run(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        await bot.say("run notes")
        first, second = await asyncio.gather(bot.say("yes"), bot.say("yes"))
        assert sorted("is on its way" in answer for answer in (first, second)) == [False, True]
        assert any("answered or replaced" in answer for answer in (first, second))
        assert len(await bot.runs("notes")) == 1


async def test_a_question_is_answered_only_by_who_was_asked(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        await bot.say("run notes")
        assert "not asked anything" in await bot.say("yes", "bob")
        assert "Nothing was done" in await bot.say("no")
        assert "not asked anything" in await bot.say("yes")
        assert await bot.runs("notes") == []


async def test_lines_that_a_chat_delivers_twice_have_one_effect_and_one_answer(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        assert await bot.say("run notes", key="1")
        question = bot.heard[0].buttons[0].line
        assert await bot.say("run notes", key="1") == ""
        assert await bot.say(question, key="2")
        assert await bot.say(question, key="2") == ""
        run = (await bot.runs("notes"))[0]
        await bot.asks(run.id)
        answers = await asyncio.gather(*(bot.say(f"approve {run.id}", key="3") for _ in range(3)))
        assert sorted(bool(answer) for answer in answers) == [False, False, True]
        assert len(await bot.runs("notes")) == 1
        votes = await bot.app.store.read(lambda book: book.journal.of(run.id))
        assert [type(entry.event).__name__ for entry in votes].count("Voted") == 1


async def test_a_pipeline_goes_only_when_delete_is_typed_out(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        assert "DELETE" in await bot.say("delete notes")
        assert "typed out" in await bot.say("yes")
        assert "notes" in await bot.say("list")
        assert "notes is deleted" in await bot.say("DELETE")
        assert "No pipelines" in await bot.say("list")


async def test_a_pipeline_that_began_to_run_meanwhile_is_not_deleted(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        await bot.say("delete notes")
        await bot.start("run notes", "bob")
        assert "is running again; it was not deleted" in await bot.say("DELETE")


async def test_a_rollback_is_not_done_when_something_else_was_released_meanwhile(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        await bot.release("run hello")
        await bot.release("run hello tag=v2")
        assert "to shop/hello:v1" in await bot.say("rollback hello", "bob")
        await bot.release("run hello tag=v3")
        assert "Something else was released" in await bot.say("yes", "bob")
        assert len(await bot.runs("hello")) == 3


async def test_a_rollback_of_a_run_that_ended_meanwhile_says_so(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        run = await bot.start("run hello")
        await bot.asks(run)
        assert "this was its first release" in await bot.say(f"rollback {run}", "bob")
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert f"Run {run} is succeeded; it cannot be rolled back." in await bot.say("yes", "bob")
        assert (await bot.run(run)).stage.state is StageState.SUCCEEDED


def _beside(shop: Shop, concurrency: str) -> str:
    """A second pipeline for what `shop` releases."""
    text = shop.gray().replace("pipeline: hello", "pipeline: beside")
    return text.replace("concurrency: queue", f"concurrency: {concurrency}")


async def test_a_start_that_replaces_says_first_whose_runs_it_ends_and_names_them_when_it_has(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), _beside(shop, "replace"), target=target) as bot:
        first = await bot.start("run hello")
        await bot.asks(first)
        second = await bot.start("run hello tag=v3", "bob")
        ends = (
            f"Stopped and taken back: {first} (asked for by ann, waits for review).\n"
            f"Stopped: {second} (asked for by bob, queued)."
        )
        assert ends in await bot.say("run beside tag=v2", "cleo")
        assert ends in await bot.say("yes", "cleo")
        await bot.ends(first, RunState.CANCELLED)
        await bot.ends(second, RunState.CANCELLED)
    assert target.broken() == []


async def test_a_start_that_would_replace_what_was_not_shown_is_not_done(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), _beside(shop, "replace"), target=target) as bot:
        assert "stopped" not in await bot.say("run beside", "bob")
        run = await bot.start("run hello")
        await bot.asks(run)
        for line in ("yes", "press run beside 1"):
            answer = await bot.say(line, "bob")
            assert f"{run} (asked for by ann, waits for review) has come in its way since you were asked" in answer
            assert "Say `run beside` again." in answer
        assert await bot.runs("beside") == []


async def test_a_start_that_has_to_wait_or_is_refused_says_for_which_run(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), _beside(shop, "reject"), target=target) as bot:
        first = await bot.start("run hello")
        await bot.asks(first)
        assert f"It waits behind {first} (asked for by ann, waits for review)." in await bot.say("run hello tag=v2")
        refused = await bot.say("run beside", "bob")
        assert f"It is refused while {first} (asked for by ann, waits for review) goes on." in refused
        assert f"`stop {first}` ends that." in refused
        await bot.say("yes")
        assert f"It waits behind {first} (asked for by ann, waits for review) and 1 more." in await bot.say("run hello")


async def test_a_release_that_comes_again_through_the_stages_says_whose_run_it_ends(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s", concurrency="replace")
    async with a_new_bot(shop.gray(), target=target) as bot:
        await bot.release("run hello")
        await bot.release("run hello tag=v2")
        run = await bot.start("run hello tag=v3")
        await bot.asks(run)
        ends = f"Stopped and taken back: {run} (asked for by ann, waits for review)."
        assert ends in await bot.say("redeploy hello 1", "bob")
        assert ends in await bot.say("yes", "bob")
        await bot.ends(run, RunState.CANCELLED)


async def test_whose_run_it_ends_is_not_said_to_whom_that_run_is_hidden(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    closed = shop.gray().replace("pipeline: hello", "pipeline: hello\ngroup: shop")
    async with a_new_bot(closed, _beside(shop, "replace"), target=target) as bot:
        run = await bot.start("run hello")
        await bot.asks(run)
        for line in ("grant ann manage on shop", "yes"):
            await bot.say(line)
        asked = await bot.say("run beside", "bob")
        assert run not in asked
        assert "Stopped and taken back: a run that you may not see." in asked


async def test_a_pipeline_that_releases_nothing_starts_beside_its_other_runs(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        assert f"{run} (asked for by ann, waits for review) goes on beside it." in await bot.say("run notes")

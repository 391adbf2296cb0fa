"""Who decides, once each, about exactly what they were shown."""

import asyncio
from pathlib import Path

import pytest

from engine.model import RunState, StageState
from tests.support.bot import a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop


async def test_two_people_who_vote_at_once_are_both_counted_where_both_are_needed(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, review="{reviewers: [ann, bob], mode: all}")) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        answers = await asyncio.gather(bot.say(f"approve {run}", "ann"), bot.say(f"approve {run}", "bob"))
        assert all("is counted" in answer for answer in answers)
        ended = await bot.ends(run, RunState.SUCCEEDED)
        assert {vote.person for vote in ended.stage.votes} == {"ann", "bob"}


async def test_of_two_people_who_vote_at_once_where_one_is_enough_the_second_is_told(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        answers = await asyncio.gather(bot.say(f"approve {run}", "ann"), bot.say(f"reject {run}", "bob"))
        assert sorted("is counted" in answer for answer in answers) == [False, True]
        assert any("cannot be voted on" in answer for answer in answers)
        assert len((await bot.run(run)).stage.votes) == 1


@pytest.mark.parametrize(("verdict", "then"), [("approve", RunState.SUCCEEDED), ("reject", RunState.REJECTED)])
async def test_what_a_reviewer_says_with_a_vote_is_on_the_card_and_in_the_timeline(
    verdict: str, then: RunState, tmp_path: Path
) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        assert "is counted" in await bot.say(f"{verdict} {run} It's as we said on the call", "ann")
        await bot.ends(run, then)
        assert "ann\nIt's as we said on the call" in await bot.say(f"status {run}")
        assert "(It's as we said on the call)" in await bot.say(f"timeline {run}")


async def test_an_outsider_decides_nothing(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes", "cleo")
        await bot.asks(run)
        assert "Only ann and bob can decide" in await bot.say(f"approve {run}", "cleo")
        assert (await bot.run(run)).stage.votes == ()


async def test_somebody_unknown_is_told_how_to_get_in_and_does_nothing(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        for line in ("run notes", "list", "help", "press approve notes-1 1 1 -"):
            assert "sluice person add mallory" in await bot.say(line, "mallory")


async def test_a_button_of_an_earlier_plan_counts_nothing(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        run = await bot.start("run hello")
        await bot.asks(run)
        card = await bot.shows(run, lambda card: card.ballot is not None, "asks")
        stale = next(button.line for button in card.buttons if button.text == "Approve")
        await bot.say(f"split {run} 35")
        await bot.until(
            run,
            lambda now: now.share == 35 and now.stage.state is StageState.AWAITING_REVIEW,
            "asks about the new share",
        )
        assert "belongs to an earlier review" in await bot.say(stale)
        assert (await bot.run(run)).stage.votes == ()
        card = await bot.shows(
            run,
            lambda card: card.ballot is not None and stale not in {button.line for button in card.buttons},
            "asks anew",
        )
        newest = next(button.line for button in card.buttons if button.text == "Approve")
        assert "is counted" in await bot.say(newest)


async def test_a_button_pressed_twice_is_answered_twice_and_counted_once(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, review="{reviewers: [ann, bob], mode: all}")) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        card = await bot.shows(run, lambda card: card.ballot is not None, "asks")
        line = next(button.line for button in card.buttons if button.text == "Approve")
        assert "is counted" in await bot.say(line)
        assert "it is counted once" in await bot.say(line)
        assert len((await bot.run(run)).stage.votes) == 1


async def test_nobody_deciding_before_the_deadline_is_a_refusal(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, review="{reviewers: [ann], deadline: 1s}")) as bot:
        run = await bot.start("run notes")
        ended = await bot.ends(run, RunState.REJECTED)
        assert ended.reason == "Nobody decided before the deadline."
        assert "cannot be voted on" in await bot.say(f"approve {run}")


@pytest.mark.parametrize("line", ["reject {run}", "press reject {run} 1 1 -", "stop {run}"])
async def test_a_reason_may_have_any_number_of_words_and_is_kept_as_far_as_there_is_room(
    tmp_path: Path, line: str
) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        await bot.say(f"{line.format(run=run)} {'too many errors ' * 200}")
        kept = await bot.until(run, lambda now: now.state.is_over, "is over")
        told = str(kept)
        assert "too many errors too many" in told
        assert told.count("errors") < 200
        assert "…" in told

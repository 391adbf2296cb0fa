"""What a phone and pasting make of a line is understood: typographic quotes, and markup round the whole of it."""

# ruff: noqa: RUF001 - typographic signs are what this is about

from pathlib import Path

from engine.model import RunState
from tests.support.bot import a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.telegram_house import ANN, OnTelegram
from tests.support.workload import Shop, in_gray


async def test_a_command_is_done_though_it_was_pasted_with_its_markup(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        for line in ("*list*", "_list_", "`list`", "```\nlist\n```", "*/list*", "sluice `list`"):
            assert "notes" in await bot.say(line), line
        assert "Start notes?" in await bot.say("*run notes tag=“v2”*")
        assert "notes-1 is on its way." in await bot.say("`yes`")
        await bot.asks("notes-1")
        await bot.say("*reject notes-1 too slow*")
        ended = await bot.ends("notes-1", RunState.REJECTED)
        assert [vote.reason for stage in ended.stages for vote in stage.votes] == ["too slow"]
        assert "To do it, type" in await bot.say("`delete notes`")
        assert "notes is deleted" in await bot.say("`DELETE`")


async def test_a_reason_is_kept_with_the_quotes_that_were_typed(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await in_gray(bot)
        await bot.say(f"reject “{run}” it’s ‘too slow’, “*really*”")
        ended = await bot.ends(run, RunState.REJECTED)
        assert [vote.reason for stage in ended.stages for vote in stage.votes] == ["it’s ‘too slow’, “*really*”"]


async def test_in_telegram_what_is_pasted_alone_with_the_bot_is_done(talk: OnTelegram) -> None:
    for line in ("*whoami*", "`whoami`", "_/whoami_", "/sluice `whoami`"):
        await talk.asks(ANN, talk.alone(ANN), line, "You are ann")

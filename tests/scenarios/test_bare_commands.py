"""A command that names nothing, as a phone's menu sends it: answered with what it fits, as buttons."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cards import Button
from bot.chat import Incoming
from bot.fitting import MOST
from bot.grammar import VERBS, parse
from bot.web.room import LOBBY
from engine.model import PersonId, RunState
from tests.support.bot import Bot, a_new_bot
from tests.support.closed_shop import a_closed_shop, grant
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.telegram_house import ANN, BOB, OnTelegram
from tests.support.workload import Shop, in_gray

NAMED = [verb.name for verb in VERBS if verb.least == 1 and re.match(r"\w+ (RUN|PIPELINE)\b", verb.form)]


@pytest.fixture
async def talk(talk: OnTelegram, tmp_path: Path) -> OnTelegram:
    await talk.bot.say(f"define\n{notes(tmp_path)}")
    return talk


def offered(bot: Bot) -> dict[str, Button]:
    return {button.text: button for card in bot.heard for button in card.buttons}


async def presses(bot: Bot, text: str, person: str = "ann") -> str:
    return await bot.say(offered(bot)[text].line, person)


async def test_no_command_of_a_menu_leads_nowhere_while_there_is_something_that_it_fits(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        await bot.release("run hello")
        await bot.asks(await bot.start("run hello tag=v2"))
        unfit = {"unsubscribe", "giveup", "retry", "restore", "adopt", "unlock"}
        for name in NAMED:
            answer = await bot.say(name)
            assert "That is not how" not in answer, name
            assert bool(offered(bot)) is (name not in unfit), f"{name}: {answer}"
            assert offered(bot) or "`" not in bot.heard[0].title, "a title is no place for a command to type"
            for button in offered(bot).values():
                assert button.line.startswith("press ") or parse(button.line), button


async def test_approving_is_offered_to_whoever_is_asked_and_done_by_one_press(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        assert "Nothing waits for your approval." in await bot.say("approve")
        run = await bot.start("run notes tag=v2")
        await bot.asks(run)
        assert f"{run} waits for ann, bob." in await bot.say("approve", "cleo")
        assert offered(bot) == {}
        assert "Press one, or write `approve RUN [REASON]`." in await bot.say("/approve")
        [button] = offered(bot).values()
        assert button.text.startswith(f"{run} · tag=v2")
        assert not (await bot.run(run)).stage.votes
        assert "is counted" in await bot.say(button.line)
        await bot.ends(run, RunState.SUCCEEDED)


async def test_a_press_on_the_list_is_one_of_its_moment(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        await bot.say("stop")
        [button] = offered(bot).values()
        assert button.danger
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert "earlier moment" in await bot.say(button.line)


async def test_pipelines_are_offered_the_newest_first_and_not_all_of_them(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(MOST + 2)]
    texts = [notes(tmp_path).replace("pipeline: notes", f"pipeline: {name}") for name in names]
    async with a_new_bot(*texts) as bot:
        await bot.asks(await bot.start("run p3"))
        answer = await bot.say("show")
        assert "`list` shows all" in answer
        assert list(offered(bot)) == ["p3", *[name for name in names if name != "p3"]][:MOST]
        assert "p3" in await presses(bot, "p3")
        await bot.say("list")
        assert list(offered(bot)) == names[:MOST]


async def test_after_a_release_status_leads_to_the_roll_back_in_two_taps(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        for tag in ("v1", "v2"):
            await bot.release(f"run hello tag={tag}")
        for first in ("status", "list"):
            await bot.say(first)
            await presses(bot, "hello")
            assert "Roll hello back from" in await presses(bot, "Roll back")
            assert "Nothing was done." in await bot.say("no")
        await bot.say("rollback")
        assert offered(bot)["hello"].danger
        assert "Roll hello back from" in await presses(bot, "hello")
        await bot.say("retire")
        assert "To do it, type" in await presses(bot, "hello")


async def test_a_gray_release_is_offered_other_shares_and_taken_back_after_a_question(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        run = await in_gray(bot)
        await bot.say("split")
        assert {text: button.danger for text, button in offered(bot).items()} == {
            f"{run}: Gray 5 %": False,
            f"{run}: Gray 50 %": True,
        }
        await presses(bot, f"{run}: Gray 5 %")
        assert (await bot.run(run)).share == 5
        await bot.say("rollback")
        assert len(offered(bot)) == 1, "what goes on is taken back itself"
        assert "Roll hello-2 back to" in await bot.say(next(iter(offered(bot).values())).line)


async def test_what_somebody_does_not_see_or_may_not_do_is_not_offered(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as bot:
        for name in NAMED:
            await bot.say(name, "cleo")
            assert [one for one in offered(bot) if "hello" in one] == [], name
        await grant(bot, "cleo", "read", "shop")
        await bot.say("show", "cleo")
        assert "hello" in offered(bot)
        await bot.say("delete", "cleo")
        assert "hello" not in offered(bot)


async def test_in_company_what_a_closed_group_has_is_not_named_by_a_question(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as bot:
        alone = Incoming(LOBBY, PersonId("ann"), "run")
        [answer] = await bot.app.dispatch.answer(alone)
        assert "hello" in [button.text for button in answer.card.buttons]
        [answer] = await bot.app.dispatch.answer(replace(alone, is_alone=False))
        assert "hello" not in [button.text for button in answer.card.buttons]


@pytest.mark.parametrize("said", ["/approve", "approve", "/approve@sluice_bot"])
async def test_in_telegram_a_review_is_passed_from_the_menu(talk: OnTelegram, said: str) -> None:
    chat = talk.alone(ANN)
    run = await talk.begins(ANN, chat, "notes")
    await talk.shows(chat, run, "waits for review")
    shown = await talk.asks(ANN, chat, said, "which one?")
    [[(text, _)]] = shown.keyboard
    assert text.startswith(run)
    await talk.is_told(talk.presses(ANN, chat, text))
    await talk.shows(chat, run, "succeeded")
    await talk.asks(ANN, chat, said, "Nothing waits for your approval.")


async def test_in_telegram_a_stop_from_the_menu_is_shown_before_the_second_tap(talk: OnTelegram) -> None:
    chat = talk.alone(ANN)
    run = await talk.begins(ANN, chat, "notes")
    await talk.shows(chat, run, "waits for review")
    shown = await talk.asks(ANN, chat, "/stop", "which one?")
    [[(text, _)]] = shown.keyboard
    talk.presses(ANN, chat, text)
    await talk.reads(chat, "The run ends, and what it placed is taken back.")
    assert not (await talk.bot.run(run)).state.is_over
    talk.presses(ANN, chat, "Stop")
    await talk.bot.ends(run, RunState.CANCELLED)


async def test_in_a_group_a_list_is_for_whoever_asked_and_a_start_is_asked_about_there(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN, BOB)
    run = await talk.begins(ANN, group, "notes")
    await talk.shows(group, run, "waits for review")
    await talk.asks(ANN, group, "/approve", "Sent to you alone.")
    await talk.reads(talk.alone(ANN), "approve: which one?")
    await talk.asks(ANN, group, "/subscribe", "subscribe: which one?")
    await talk.is_told(talk.presses(ANN, group, "notes"))
    await talk.reads(group, "This room is told about notes")

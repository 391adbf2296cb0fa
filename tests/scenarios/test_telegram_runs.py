"""Runs in Telegram: a card in each room, buttons that do what they say, and two taps before anything is destroyed."""

import asyncio
from pathlib import Path

import pytest

from bot.telegram.toasts import ARRIVED
from engine.model import RoomId, RunState
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.telegram_chats import Chat, Shown
from tests.support.telegram_house import ANN, BOB, EVE, OnTelegram, on_telegram
from tests.support.telegram_wire import TelegramWire
from tests.support.workload import Shop


@pytest.fixture
async def talk(talk: OnTelegram, tmp_path: Path) -> OnTelegram:
    await talk.bot.say(f"define\n{notes(tmp_path)}")
    return talk


def releases(talk: OnTelegram) -> Chat:
    return talk.wire.people.group("releases", ANN, BOB, EVE)


async def test_a_run_is_started_with_a_button_and_its_question_becomes_the_answer(talk: OnTelegram) -> None:
    group = releases(talk)
    question = await talk.asks(ANN, group, "/run notes tag=v2", "Start notes?")
    assert "v2" in question.text
    toast = await talk.is_told(talk.presses(ANN, group, "Start"))
    assert toast.text == "notes-1 is on its way."
    assert not toast.is_alert
    await talk.wire.until(lambda: group.messages[question.id].text.startswith("⏳ notes-1 is on its way."))
    assert group.messages[question.id].keyboard == ()
    assert (await talk.bot.run("notes-1")).variables["tag"] == "v2"


async def test_a_run_has_one_card_that_is_edited_and_never_a_second_one(talk: OnTelegram) -> None:
    group = releases(talk)
    run = await talk.begins(ANN, group, "notes")
    card = await talk.shows(group, run, "waits for review")
    toast = await talk.is_told(talk.presses(ANN, group, "Approve"))
    assert (toast.text, toast.is_alert) == (f"Your approval of {run} is counted.", False)
    ended = await talk.shows(group, run, "succeeded")
    assert ended.id == card.id
    assert ended.edits > 0
    posted = [call for call in talk.wire.made("sendMessage", group) if "Approve" in str(call.parameters)]
    assert len(posted) <= 1


async def test_reviewers_are_asked_alone_and_can_decide_there(talk: OnTelegram) -> None:
    group = releases(talk)
    run = await talk.begins(ANN, group, "notes")
    await talk.shows(talk.alone(BOB), run, "waits for review")
    await talk.is_told(talk.presses(BOB, talk.alone(BOB), "Approve"))
    for room in (group, talk.alone(BOB), talk.alone(ANN)):
        await talk.shows(room, run, "succeeded")


async def test_everybody_must_pass_and_the_card_says_who_is_missing(talk: OnTelegram, tmp_path: Path) -> None:
    await talk.bot.say(f"define\n{notes(tmp_path, review='{reviewers: [ann, bob], mode: all}')}")
    group = releases(talk)
    run = await talk.begins(ANN, group, "notes")
    await talk.shows(group, run, "waits for review")
    for _ in range(2):
        await talk.is_told(talk.presses(ANN, group, "Approve"))
    card = await talk.reads(group, "✅ ann")
    assert "bob has not voted" in card.text
    await talk.is_told(talk.presses(BOB, group, "Approve"))
    await talk.shows(group, run, "succeeded")


async def test_rejecting_takes_two_taps_and_the_second_belongs_to_whoever_was_asked(talk: OnTelegram) -> None:
    group = releases(talk)
    run = await talk.begins(ANN, group, "notes")
    card = await talk.shows(group, run, "waits for review")
    await talk.is_told(talk.presses(ANN, group, "⚠️ Reject"))
    question = await talk.reads(group, f"Reject {run}?")
    assert "does not go to everybody" in question.text
    assert question.reply_to == card.id
    assert (await talk.bot.run(run)).stage.votes == ()
    refused = await talk.is_told(talk.presses(BOB, group, "Reject"))
    assert refused.text.startswith("That question was put to somebody else; nothing was done.")
    assert refused.is_alert
    assert (await talk.bot.run(run)).stage.votes == ()
    assert [(deed.account, deed.outcome) for deed in await talk.audited()][-1] == ("telegram:8", "refused")
    assert (await talk.is_told(talk.presses(ANN, group, "Reject"))).text == f"Your rejection of {run} is counted."
    await talk.bot.ends(run, RunState.REJECTED)
    assert [vote.person for stage in (await talk.bot.run(run)).stages for vote in stage.votes] == ["ann"]


async def test_what_was_asked_can_be_left(talk: OnTelegram) -> None:
    alone = talk.alone(ANN)
    run = await talk.begins(ANN, alone, "notes")
    await talk.shows(alone, run, "waits for review")
    await talk.is_told(talk.presses(ANN, alone, "⚠️ Stop"))
    question = await talk.reads(alone, f"Stop {run}?")
    await talk.is_told(talk.presses(ANN, alone, "Leave it"))
    await talk.wire.until(lambda: alone.messages[question.id].text == "Nothing was done.")
    assert (await talk.bot.run(run)).state is RunState.WAITING


async def test_a_rollback_takes_two_taps_and_shows_what_will_happen_before_the_second(
    wire: TelegramWire, tmp_path: Path
) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with on_telegram(tmp_path / "home", wire, "ann", target=target) as talk:
        await talk.bot.say(f"define\n{shop.gray()}")
        alone = talk.alone(ANN)
        for tag in ("v1", "v2"):
            await talk.bot.release(f"run hello tag={tag}")
        await talk.asks(ANN, alone, "/status hello", "succeeded")
        await talk.is_told(talk.presses(ANN, alone, "⚠️ Roll back"))
        question = await talk.reads(alone, "back from")
        assert "shop/hello:v1" in question.text
        assert "1. " in question.text
        assert len(await talk.bot.runs("hello")) == 2
        await talk.is_told(talk.presses(ANN, alone, "Roll back"))
        back = next(run.id for run in await talk.bot.runs("hello"))
        await talk.bot.ends(back, RunState.SUCCEEDED)
        assert target.fleets["hello"].effective.weights == {"stable": 100}
        assert next(run.id for run in await talk.bot.runs("hello")) == back


async def test_where_a_rollback_is_refused_the_ways_out_are_buttons(wire: TelegramWire, tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, "istio", rest="0s")
    async with on_telegram(tmp_path / "home", wire, "ann", target=target) as talk:
        await talk.bot.say(f"define\n{shop.gray()}")
        alone = talk.alone(ANN)
        for tag in ("v1", "v2"):
            await talk.bot.release(f"run hello tag={tag}")
        await talk.asks(ANN, alone, "/status hello", "succeeded")
        toast = await talk.is_told(talk.presses(ANN, alone, "⚠️ Roll back"))
        assert toast.is_alert
        refused = await talk.reads(alone, "only canary can be rolled back")
        assert [button for row in refused.keyboard for button in row]
        await talk.is_told(talk.presses(ANN, alone, "⚠️ Version 1 at once"))
        question = await talk.reads(alone, "at once, without any review?")
        assert "1. " in question.text
        assert len(await talk.bot.runs("hello")) == 2
        await talk.is_told(talk.presses(ANN, alone, "Redeploy at once"))
        await talk.bot.ends((await talk.bot.runs("hello"))[0].id, RunState.SUCCEEDED)
        await talk.asks(ANN, alone, "/status hello", "is locked")


async def test_a_room_is_told_of_failures_if_it_asked_for_them(talk: OnTelegram) -> None:
    group = releases(talk)
    await talk.asks(ANN, group, "/subscribe notes on failure", "This room is told about notes")
    passed, refused = await talk.bot.start("run notes"), await talk.bot.start("run notes")
    for run, line, end in ((passed, "approve", RunState.SUCCEEDED), (refused, "reject", RunState.REJECTED)):
        await talk.bot.asks(run)
        await talk.bot.say(f"{line} {run}")
        await talk.bot.ends(run, end)
    await talk.reads(group, f"{refused} · tag=v1 note=nothing: rejected")
    assert not any(passed in shown.text for shown in talk.wire.shows(group))


async def test_forged_presses_and_presses_of_other_rooms_do_nothing(talk: OnTelegram) -> None:
    group, other = releases(talk), releases(talk)
    run = await talk.begins(ANN, group, "notes")
    card = await talk.shows(group, run, "waits for review")
    data = card.button("Approve")
    there = await talk.asks(ANN, other, "/whoami", "Sent to you alone.")
    forged = [
        (group, card, "A" * 24),
        (group, card, f"{data[:-1]}!"),
        (group, card, "|||||"),
        (group, card, f"approve {run}"),
        (other, there, data),
    ]
    for chat, message, sent in forged:
        update = talk.wire.people.sends_data(ANN, chat, message, sent)
        assert update is not None
        toast = await talk.is_told(update)
        assert toast.text.startswith("That button is not one that this room was shown")
        assert toast.is_alert
    assert (await talk.bot.run(run)).stage.votes == ()
    assert [deed.outcome for deed in (await talk.audited())[-5:]] == ["refused"] * 5


async def test_a_press_of_somebody_unknown_is_refused_to_their_face_and_not_in_the_group(talk: OnTelegram) -> None:
    group = releases(talk)
    run = await talk.begins(ANN, group, "notes")
    await talk.shows(group, run, "waits for review")
    before = len(talk.wire.shows(group))
    toast = await talk.is_told(talk.presses(EVE, group, "Approve"))
    assert toast.text.startswith("I do not know this account")
    assert "sluice person add" in toast.text
    assert toast.is_alert
    await talk.quiet()
    assert len(talk.wire.shows(group)) == before


async def test_a_button_of_a_run_that_is_over_says_so(talk: OnTelegram) -> None:
    group = releases(talk)
    run = await talk.begins(ANN, group, "notes")
    card = await talk.shows(group, run, "waits for review")
    await talk.bot.say(f"approve {run}", "bob")
    await talk.shows(group, run, "succeeded")
    update = talk.wire.people.sends_data(ANN, group, card, card.button("Approve"))
    assert update is not None
    toast = await talk.is_told(update)
    assert toast.is_alert
    assert run in toast.text


async def test_a_message_too_old_for_telegram_to_tell_of_still_has_buttons_that_work_in_topics_too(
    talk: OnTelegram,
) -> None:
    forum = talk.wire.people.group("releases", ANN, is_forum=True)
    run = await talk.begins(ANN, forum, "notes", thread=4)
    card = await talk.shows(forum, run, "waits for review")
    press_inaccessible(talk, forum, card, card.button("Approve"))
    await talk.shows(forum, run, "succeeded")
    assert [vote.person for stage in (await talk.bot.run(run)).stages for vote in stage.votes] == ["ann"]


def press_inaccessible(talk: OnTelegram, chat: Chat, card: Shown, data: str) -> None:
    query = "q-old"
    talk.wire.methods.queries.add(query)
    message = {"chat": chat.as_json(), "message_id": card.id, "date": 0}
    told = {"id": query, "from": ANN.as_json(), "chat_instance": "1", "data": data, "message": message}
    talk.wire.updates.make("callback_query", told)


async def test_a_press_is_answered_within_a_second_though_the_room_has_to_wait(talk: OnTelegram) -> None:
    group = releases(talk)
    run = await talk.begins(ANN, group, "notes")
    await talk.shows(group, run, "waits for review")
    closed = talk.wire.weather.now() + 2
    talk.chat.api.limits.close(group.id, asyncio.get_running_loop().time() + 2)
    await talk.bot.say(f"stop {run}")
    await talk.asks(ANN, talk.alone(ANN), "/list", "notes")
    talk.says(ANN, group, "/stauts@sluice_bot")
    pressed = talk.wire.weather.now()
    toast = await talk.is_told(talk.presses(ANN, group, "Approve"))
    assert toast.text == ARRIVED
    [call] = [c for c in talk.wire.made("answerCallbackQuery") if c.parameters["callback_query_id"] == toast.query]
    assert call.at - pressed < 1.0
    await talk.reads(group, "Did you mean status?")
    await talk.wire.until(lambda: len([call for call in talk.wire.made("sendMessage", group) if call.at > pressed]) > 1)
    assert all(call.at >= closed for call in talk.wire.calls if call.chat == group.id and call.at > pressed)
    assert talk.wire.shows(group)[-1].reply_to == talk.cards(group, run)[0].id


async def test_what_has_to_be_typed_is_typed_as_a_reply_where_others_talk(talk: OnTelegram) -> None:
    group = releases(talk)
    question = await talk.asks(ANN, group, "/delete notes", "as a reply to this message")
    await talk.asks(ANN, group, "DELETE", "notes is deleted.", reply_to=question.id)
    await talk.bot.say(f"define\n{notes(talk.bot.home.parent)}")
    alone = await talk.asks(ANN, talk.alone(ANN), "/delete notes", "DELETE")
    assert "reply" not in alone.text


async def test_a_command_in_a_group_is_said_for_that_room_and_its_account_is_the_persons(talk: OnTelegram) -> None:
    group = releases(talk)
    run = await talk.begins(BOB, group, "notes")
    assert (await talk.bot.run(run)).room == RoomId(f"telegram:{group.id}")
    assert (await talk.bot.run(run)).requested_by == "bob"

"""What is for one person alone in Telegram, though it was asked for where others read along."""

from pathlib import Path

import pytest

from bot.cards import Ballot, Button, Card, Field, Split, Stop, Table, Tone
from bot.chat import Answer, Update
from bot.telegram.remarks import is_for_one
from engine.model import Person, PersonId, RoomId, RunState
from tests.support.notes import notes
from tests.support.telegram_chats import Chat, Fate
from tests.support.telegram_house import ANN, BOB, EVE, OnTelegram
from tests.support.telegram_weather import Kind

ALONE = "Sent to you alone."
MAIL = "ann.private@example.com"


@pytest.fixture
async def talk(talk: OnTelegram, tmp_path: Path) -> OnTelegram:
    await talk.bot.say(f"define\n{notes(tmp_path)}")
    await talk.bot.app.store.transact(lambda book: book.people.add(Person(PersonId("ann"), MAIL)))
    return talk


def releases(talk: OnTelegram) -> Chat:
    return talk.wire.people.group("releases", ANN, BOB, EVE)


def says(talk: OnTelegram, chat: Chat) -> str:
    return "\n".join(shown.text for shown in talk.wire.shows(chat))


async def test_who_somebody_is_and_what_they_look_at_is_read_by_nobody_else_in_a_group(talk: OnTelegram) -> None:
    group = releases(talk)
    run = await talk.bot.start("run notes")
    await talk.shows(talk.alone(ANN), run, "waits for review")
    secrets = {
        "/whoami": MAIL,
        f"/logs {run}": "Log of",
        "/export notes": "pipeline: notes",
        "/edit notes": "pipeline: notes",
        "/list": "notes",
        f"/status {run}": "waits for review",
        "/runs": run,
        "/show notes": "notes",
        "/help": "approve",
        "/check pipeline: notes\nstages: 3": "to mend",
    }
    for line, words in secrets.items():
        before = len(talk.wire.shows(talk.alone(ANN)))
        asked = talk.says(ANN, group, line)
        message = talk.wire.updates.made[asked]["message"]["message_id"]  # type: ignore[index]
        await talk.wire.until(lambda: message in [shown.reply_to for shown in talk.wire.shows(group)])  # noqa: B023
        told = [shown.text for shown in talk.wire.shows(talk.alone(ANN))[before:] if shown.file is None]
        assert [words in text for text in told] == [True], line
        assert "You asked in: releases" in told[0], line
    assert {shown.text for shown in talk.wire.shows(group)} == {ALONE}


async def test_several_cards_need_one_line_in_the_group(talk: OnTelegram) -> None:
    group = releases(talk)
    first, second = await talk.bot.start("run notes"), await talk.bot.start("run notes")
    await talk.bot.asks(first)
    await talk.asks(BOB, group, "/status", ALONE)
    await talk.asks(BOB, group, "/stauts@sluice_bot", "Did you mean")
    alone = says(talk, talk.alone(BOB))
    assert alone.count("You asked in: releases") == 2
    assert first in alone
    assert second in alone
    assert says(talk, group).count(ALONE) == 1


async def test_whoever_cannot_be_written_to_is_told_how_to_change_that_and_nothing_else(talk: OnTelegram) -> None:
    group, alone = releases(talk), talk.alone(ANN)
    for fate in (Fate.NEVER_MET, Fate.BLOCKED):
        alone.fate = fate
        shown = await talk.asks(ANN, group, "/whoami", "That is for you alone, and I cannot write to you yet.")
        assert "Open t.me/sluice_bot, press Start, and ask there." in shown.text
    assert MAIL not in says(talk, group)
    assert ALONE not in says(talk, group)
    alone.fate = Fate.OPEN
    await talk.asks(ANN, group, "/whoami", ALONE)
    assert MAIL in says(talk, alone)
    assert not any("is not told anything more" in card.title for card in await talk.bot.cards())


async def test_what_a_button_shows_is_sent_alone_and_the_press_is_told_so(talk: OnTelegram, tmp_path: Path) -> None:
    group = releases(talk)
    failing = notes(tmp_path, code="    conditions: {of: [{channel: ready}]}").replace("tag: v1", "tag: none")
    await talk.bot.say("define\n" + failing.replace("pipeline: notes", "pipeline: broken"))
    run = await talk.begins(ANN, group, "broken")
    await talk.shows(group, run, "waits for a trigger")
    await talk.bot.say(f"trigger {run} channel:ready")
    await talk.reads(group, f"{run} failed at code")
    before = len(talk.wire.shows(group))
    toast = await talk.is_told(talk.presses(ANN, group, "Log"))
    assert toast.text == ALONE
    await talk.reads(talk.alone(ANN), f"Log of {run}")
    await talk.quiet()
    assert len(talk.wire.shows(group)) == before
    talk.alone(ANN).fate = Fate.BLOCKED
    toast = await talk.is_told(talk.presses(ANN, group, "Log"))
    assert (toast.is_alert, "press Start" in toast.text) == (True, True)


async def test_what_telegram_does_not_take_is_said_plainly_and_still_alone(talk: OnTelegram) -> None:
    group, alone = releases(talk), talk.alone(ANN)
    talk.wire.weather.order(Kind.ERROR, times=1, chat=ANN.id, status=400)
    await talk.asks(ANN, group, "/export notes", ALONE)
    assert "notes, version 1" in talk.wire.shows(alone)[-1].text
    assert "pipeline" not in says(talk, alone)
    talk.wire.weather.order(Kind.ERROR, times=2, chat=ANN.id, status=400)
    talk.says(ANN, group, "/export notes")
    await talk.asks(ANN, group, "/stauts@sluice_bot", "Did you mean")
    assert "version 1" not in says(talk, group)


async def test_a_group_that_takes_nothing_just_now_does_not_get_the_answer_sent_twice(talk: OnTelegram) -> None:
    group, alone = releases(talk), talk.alone(ANN)
    talk.wire.weather.order(Kind.FLOOD, times=1, chat=group.id)
    talk.says(ANN, group, "/whoami")
    await talk.reads(alone, MAIL)
    await talk.asks(ANN, group, "/stauts@sluice_bot", "Did you mean")
    assert says(talk, alone).count(MAIL) == 1


async def test_a_question_stays_in_the_group_where_its_answer_is_taken(talk: OnTelegram) -> None:
    group = releases(talk)
    question = await talk.asks(ANN, group, "/run notes", "Start notes?")
    assert question.button("Start")
    await talk.is_told(talk.presses(ANN, group, "Start"))
    run = (await talk.bot.runs("notes"))[0].id
    await talk.shows(group, run, "waits for review")
    await talk.is_told(talk.presses(ANN, group, "⚠️ Reject"))
    await talk.reads(group, f"Reject {run}?")
    await talk.is_told(talk.presses(ANN, group, "Reject"))
    await talk.bot.ends(run, RunState.REJECTED)
    assert "Reject" not in says(talk, talk.alone(ANN)).replace("rejected", "").replace("Rejected", "")


async def test_a_stranger_in_a_group_is_refused_there_and_shown_nothing(talk: OnTelegram) -> None:
    group = releases(talk)
    for line in ("/list", "/whoami", "/logs notes-1"):
        await talk.asks(EVE, group, line, "I do not know this account")
    assert says(talk, talk.alone(EVE)) == ""


@pytest.mark.parametrize(
    "card",
    [
        Card("x", topology=(Stop("code", "build", "running"),)),
        Card("x", split=Split(20, None)),
        Card("x", ballot=Ballot("one of ann")),
        Card("x", fields=(Field("E-mail", MAIL),)),
        Card("x", table=Table(("Run",), (("shop-1",),))),
        Card("x", code="pipeline: notes"),
        Card("x", text="a step. " * 30),
        Card("x", text="1. a step\n2. another"),
        Card("What shop-1 does next", Tone.ASKING, fields=(Field("Strategy", "gray"),)),
        Card("3 to mend", Tone.BAD, code="stages: no list"),
    ],
)
def test_more_than_a_sentence_is_for_whoever_asked(card: Card) -> None:
    update = Update("k", RoomId("telegram:-1"), "telegram:7")
    assert is_for_one(update, Answer(card, private=True))
    assert not is_for_one(update, Answer(card))
    assert not is_for_one(Update("k", RoomId("telegram:7"), "telegram:7", is_alone=True), Answer(card, private=True))


@pytest.mark.parametrize(
    "card",
    [
        Card("Your approval of shop-1 is counted."),
        Card("Delete notes?", Tone.ASKING, fields=(Field("Type", "DELETE"),), buttons=(Button("Leave it", "no q"),)),
        Card("Nobody here knows eve.", Tone.BAD, "`sluice person add eve`. " * 12),
    ],
)
def test_sentences_and_questions_stay_where_they_are_understood(card: Card) -> None:
    assert not is_for_one(Update("k", RoomId("telegram:-1"), "telegram:7"), Answer(card, private=True))

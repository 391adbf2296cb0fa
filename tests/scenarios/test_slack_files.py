"""Definitions that are shared as files: kept and acknowledged first, fetched for those who are known, never lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.cards import Card
from bot.chat import Answer
from bot.slack.api import Api
from bot.slack.connect import connect
from engine.errors import Interrupted, Refused
from storage.audit import Deed
from tests.support.notes import notes
from tests.support.slack_hearing import WeakHearing
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, in_slack, settings_of, user, words
from tests.support.slack_trouble import BROKEN, LIMITED, SILENT, Trouble
from tests.support.slack_wire import BOT_TOKEN, SlackWire

ANN = "U00ANN"
MALLORY = user("mallory")
BIG = b"#" * 300_000
LET = Answer(Card("There is no definition yet"), private=True)


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with a_slack() as wire:
        yield wire
        assert wire.bad_answers == []


async def refusals(talk: SlackTalk, person: str) -> list[Deed]:
    """What is written down of refusals, of one account."""
    deeds = await talk.audited()
    return [deed for deed in deeds if deed.outcome == "refused" and deed.account.endswith(f"/{user(person)}")]


@pytest.mark.parametrize("where", ["alone", "in a channel"])
async def test_the_file_of_a_stranger_is_not_fetched_and_the_stranger_hears_once_how_to_get_in(
    tmp_path: Path, slack: SlackWire, where: str
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        direct = slack.space.direct(MALLORY)
        files = [slack.add_file("notes.yaml", BIG)]
        alone = talk.people.message(MALLORY, direct, "", files=files)
        sent = alone if where == "alone" else talk.people.mention(MALLORY, ROOM, "define", files=files)
        for retry in range(3):
            await talk.deliver(sent, retry)
        await talk.alone("mallory", "whoami")
        await talk.until(
            lambda: (
                words([*slack.messages(direct), *talk.whispers("mallory")]).count("I do not know this account") == 2
            ),
            "the file and the words are answered, once each",
        )
        assert "larger" not in words([*slack.messages(direct), *talk.whispers("mallory")])
        assert slack.called("files.info") == []
        assert len(await refusals(talk, "mallory")) == 2


@pytest.mark.parametrize("how", ["two files", "a text and a file"])
async def test_what_a_stranger_mixed_up_is_no_reason_to_tell_more_than_how_to_get_in(
    tmp_path: Path, slack: SlackWire, how: str
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        direct, file = slack.space.direct(MALLORY), slack.add_file("notes.yaml", BIG)
        if how == "two files":
            await talk.deliver(talk.people.message(MALLORY, direct, "", files=[file, file]))
            await talk.until(lambda: "I do not know this account" in words(slack.messages(direct)), "mallory is told")
            assert "2 definitions" not in words(slack.messages(direct))
        else:
            await talk.deliver(talk.people.command(ANN, ROOM, "define"))
            await talk.form("ann")
            sent = talk.people.submit(ANN, {"definition": "x", "file": [file]})
            sent.payload["user"] |= {"id": MALLORY, "name": "mallory", "username": "mallory"}
            assert "I do not know this account" in str((await talk.deliver(sent)).body)
        assert len(await refusals(talk, "mallory")) == 1


async def test_a_file_of_a_bot_is_not_fetched(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        bot = talk.people.mention(ANN, ROOM, "define", files=[slack.add_file("notes.yaml", b"x")])
        bot.payload["event"] |= {"bot_id": "B00OTHER", "subtype": "bot_message"}
        await talk.deliver(bot)
        assert "I take no commands from bots." in words(await talk.whisper("ann", 0))
        assert slack.called("files.info") == []


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("file_not_found", "The file notes.yaml could not be had from Slack."),
        ("missing_scope", "lacks the scope"),
        (SILENT, "It did not come in 0.3 s."),
        (BROKEN, "Slack does not do files.info now: 503."),
        (LIMITED, "Slack asks to wait 60 s."),
    ],
)
async def test_a_file_that_slack_does_not_give_is_acknowledged_refused_and_written_down(
    tmp_path: Path, slack: SlackWire, trouble: str, sentence: str
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        talk.chat.fetching.seconds = 0.3
        slack.go_wrong(Trouble(trouble, "files.info", number=503 if trouble == BROKEN else 60))
        direct = slack.space.direct(ANN)
        sent = talk.people.message(ANN, direct, "", files=[slack.add_file("notes.yaml", b"pipeline: notes")])
        for retry in range(3):
            assert (await talk.deliver(sent, retry)).seconds < 2
        await talk.until(lambda: sentence in words(slack.messages(direct)), "ann is told")
        [deed] = await refusals(talk, "ann")
        assert (deed.person, deed.room) == ("ann", talk.room(direct))
        assert "The file notes.yaml could not be had from Slack." in deed.line
        await talk.alone("ann", "whoami")
        assert words(slack.messages(direct)).count(sentence) == 1


async def test_a_delivery_is_acknowledged_before_its_file_has_come(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        direct, silence = slack.space.direct(ANN), slack.go_wrong(Trouble(SILENT, "files.info", times=1))
        file = slack.add_file("notes.yaml", notes(tmp_path).encode())
        await talk.deliver(talk.people.message(ANN, direct, "", files=[file]))
        await talk.until(lambda: silence.met == 1, "the file is asked for")
        assert "You are ann" in words(await talk.alone("ann", "whoami")), "what else is said is not held up"
        slack.mend()
        await talk.until(lambda: "notes is defined, version 1" in words(slack.messages(direct)), "it is tried again")


async def test_a_file_that_was_being_fetched_when_sluice_ended_is_fetched_after_the_next_start(
    tmp_path: Path, slack: SlackWire
) -> None:
    direct = slack.space.direct(ANN)
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        silence = slack.go_wrong(Trouble(SILENT, "files.info"))
        file = slack.add_file("notes.yaml", notes(tmp_path).encode())
        sent = talk.people.message(ANN, direct, "", files=[file])
        await talk.deliver(sent)
        await talk.until(lambda: silence.met == 1, "the file is asked for")
    slack.mend()
    async with in_slack(tmp_path / "home", slack) as talk:
        await talk.until(lambda: "notes is defined, version 1" in words(slack.messages(direct)), "it is fetched")
        await talk.deliver(sent, 1)
        await talk.alone("ann", "whoami")
        assert words(slack.messages(direct)).count("is defined") == 1
        assert (await talk.bot.app.store.read(lambda book: book.pipelines.load("notes"))).version == 1


async def test_a_file_is_handed_on_only_once_somebody_listens_and_again_until_it_is_kept(slack: SlackWire) -> None:
    made = connect(settings_of(slack))
    assert made is not None
    chat, ears = made
    hearing = WeakHearing()
    async with ears.listening(hearing):
        file = slack.add_file("notes.yaml", b"pipeline: notes")
        await slack.send(slack.people.mention(ANN, ROOM, "check", files=[file]))
        [asked] = hearing.kept.values()
        assert asked.line == "define"
        assert asked.room != f"slack:T00TESTS/{ROOM}", "it waits in no room of others"
        hearing.failures = 1
        with pytest.raises(Interrupted):
            await chat.answer(asked, LET)
    waiting = asyncio.create_task(chat.answer(asked, LET))
    async with ears.listening(hearing):
        await waiting
    [_, whole] = hearing.kept.values()
    assert (whole.line, whole.room) == ("check\npipeline: notes", f"slack:T00TESTS/{ROOM}")
    assert whole.key == f"{asked.key}:file"


async def test_a_form_whose_file_does_not_come_says_so_at_the_field_in_time(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.deliver(talk.people.command(ANN, ROOM, "define"))
        await talk.form("ann")
        slack.go_wrong(Trouble(SILENT, "files.info", times=1))
        file = slack.add_file("notes.yaml", notes(tmp_path).encode())
        refused = await talk.deliver(talk.people.submit(ANN, {"file": [file]}))
        assert "The file notes.yaml could not be had from Slack." in refused.body["errors"]["file"]
        [deed] = await refusals(talk, "ann")
        assert "The file notes.yaml could not be had" in deed.line
        slack.mend()
        assert (await talk.deliver(talk.people.submit(ANN, {"file": [file]}))).body is None, "the same once more"
        await talk.until(lambda: "notes is defined, version 1" in words(slack.messages(ROOM)), "everybody is told")


async def test_a_form_that_is_filled_in_twice_over_is_complained_about_and_written_down(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.deliver(talk.people.command(ANN, ROOM, "define"))
        await talk.form("ann")
        file = slack.add_file("notes.yaml", notes(tmp_path).encode())
        refused = await talk.deliver(talk.people.submit(ANN, {"definition": "x", "file": [file]}))
        assert "There is a text and a file." in str(refused.body["errors"])
        [deed] = await refusals(talk, "ann")
        assert "There is a text and a file." in deed.line


@pytest.mark.parametrize(
    ("home", "url", "goes"),
    [
        ("https://slack.com/api/", "https://files.slack.com/x", True),
        ("https://slack.com/api/", "https://slack.com/x", True),
        ("https://slack.com/api/", "http://files.slack.com/x", False),
        ("https://slack.com/api/", "http://slack.com/x", False),
        ("http://slack.com/api/", "http://slack.com/x", False),
        ("https://slack.com/api/", "https://slack.com.example.org/x", False),
        ("https://slack.com/api/", "ftp://files.slack.com/x", False),
        ("https://slack.com/api/", "http://127.0.0.1:1/x", False),
        ("http://127.0.0.1:1/api/", "http://127.0.0.1:1/x", True),
        ("http://localhost:1/api/", "http://localhost:1/x", True),
        ("http://[::1]:1/api/", "http://[::1]:1/x", True),
    ],
)
async def test_the_token_goes_to_slack_over_tls_or_to_a_stand_in_on_this_machine(
    home: str, url: str, *, goes: bool
) -> None:
    assert Api(BOT_TOKEN, home)._is_slack(url) is goes
    if not goes:
        with pytest.raises(Refused, match="does not lie in Slack"):
            await Api(BOT_TOKEN, home).download(url, 1)

"""What arrives from Slack: twice, forged, late, when nothing can be kept, from people and others."""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.hooks import door
from bot.slack.connect import connect
from engine.model import Person, PersonId, RunState
from tests.support.notes import notes
from tests.support.slack_deliveries import Delivery
from tests.support.slack_hearing import WeakHearing
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, in_slack, settings_of, user, words
from tests.support.slack_trouble import BROKEN, Trouble
from tests.support.slack_wire import SlackWire
from tests.support.slack_workspace import TEAM

ANN = "U00ANN"
BOTH = pytest.mark.parametrize("http", [False, True], ids=["socket mode", "http"])


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with a_slack() as wire:
        yield wire
        assert wire.bad_answers == []


async def thrice(talk: SlackTalk, delivery: Delivery) -> None:
    """Deliver it three times at once, and once more."""
    await asyncio.gather(*(talk.deliver(delivery, retry) for retry in range(3)))
    await talk.deliver(delivery, 3)


async def asking(talk: SlackTalk, root: Path) -> str:
    """A run that waits for its review, with its card in the room."""
    await talk.bot.say(f"define\n{notes(root)}")
    await talk.deliver(talk.people.command(ANN, ROOM, "subscribe notes on everything"))
    await talk.until(lambda: "is told about notes" in words(talk.slack.messages(ROOM)), "the room is told of runs")
    run = await talk.bot.start("run notes")
    await talk.bot.asks(run)
    return run


@BOTH
async def test_every_kind_of_delivery_three_times_at_once_has_one_effect_and_one_line_in_the_audit(
    tmp_path: Path, slack: SlackWire, *, http: bool
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", "bob", http=http) as talk:
        direct = slack.space.direct(ANN)
        run = await asking(talk, tmp_path)
        card = await talk.card(run, "waits for review")
        before, told = len(await talk.audited()), len(talk.whispers("ann"))
        await talk.deliver(talk.people.command(ANN, ROOM, "run notes tag=v2"))
        await talk.form("ann")
        for delivery in (
            talk.people.submit(ANN, {}),
            talk.people.command(ANN, ROOM, "unsubscribe notes"),
            talk.people.mention(ANN, ROOM, f"split {run} 50"),
            talk.people.message(ANN, direct, "subscribe notes on failure"),
            talk.people.press(ANN, ROOM, card["ts"], "Approve"),
        ):
            await thrice(talk, delivery)
        await talk.bot.ends(run, RunState.SUCCEEDED)
        await talk.alone("ann", "whoami")
        await talk.until(
            lambda: len(talk.whispers("ann")) >= told + 3, "the form, the mention and the press are answered"
        )
        assert len(talk.whispers("ann")) == told + 3, "once each"

        async def lines() -> list[tuple[str, str]]:
            return [(deed.outcome, deed.line.split(" ")[0]) for deed in (await talk.audited())[before:]]

        expected = ["press", "press", "run", "split", "subscribe", "unsubscribe"]
        assert sorted(word for _, word in await lines()) == expected
        assert len(await talk.bot.runs("notes")) == 2
        assert [vote.person for vote in (await talk.bot.run(run)).stages[1].votes] == ["ann"]


async def test_what_is_not_signed_or_is_old_is_let_in_nowhere_and_is_one_row_of_the_audit(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", http=True) as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        before = await talk.audited()
        command = talk.people.command(ANN, ROOM, "subscribe notes")
        old = int(time.time()) - 60 * 6
        for forged in ({"secret": "guessed"}, {"at": old}, {"at": int(time.time()) + 60 * 6}, {"secret": ""}):
            assert (await slack.send(command, **forged)).status == 401

        async def written() -> bool:
            return len(await talk.audited()) > len(before)

        await talk.until_true(written, "it stands in the audit")
        [refused] = (await talk.audited())[len(before) :]
        assert (refused.outcome, refused.line, refused.person) == ("refused", "deliver to /slack/events", "")
        assert "without proof" in refused.said
        assert slack.called("chat.postEphemeral") == []
        await talk.deliver(command)


async def test_a_wrong_signing_secret_is_said_until_a_delivery_is_signed_right(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", http=True) as talk:
        command = talk.people.command(ANN, ROOM, "status")
        assert (await slack.send(command, secret="another")).status == 401
        assert "is SLUICE_SLACK_SIGNING_SECRET this app's" in await talk.bot.say("status")
        await talk.deliver(command)
        assert "All quiet" in await talk.bot.say("status")


async def test_what_is_not_signed_at_all_says_nothing_of_the_secret(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", http=True) as talk:
        assert slack._client is not None
        async with slack._client.post(slack.app_url, data=io.BytesIO(b"text=hello")) as answer:
            assert answer.status == 401
        assert "All quiet" in await talk.bot.say("status")


@pytest.mark.parametrize("text", ["", "&command=%2Fsluice&text=subscribe+notes&user_id=U00ANN&channel_id=C00RELEASES"])
async def test_an_unsigned_check_of_the_certificate_is_refused_and_nothing_is_kept(slack: SlackWire, text: str) -> None:
    made = connect(settings_of(slack, http=True))
    assert made is not None
    _, ears = made
    hearing = WeakHearing()
    assert ears.web is not None
    assert slack._client is not None
    async with ears.listening(hearing), door("127.0.0.1", 0, {"slack": ears.web}) as port:
        body = f"ssl_check=1&token=x&team_id={TEAM}&trigger_id=1.1{text}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = f"http://127.0.0.1:{port}/slack/events"
        async with slack._client.post(url, data=io.BytesIO(body.encode()), headers=headers) as answer:
            assert answer.status == 401
    assert hearing.kept == {}


async def test_only_deliveries_are_read_at_the_door(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", http=True):
        assert slack._client is not None
        url = slack.app_url
        for verb, address, body, status in (
            ("POST", url.replace("events", "other"), b"", 404),
            ("GET", url, b"", 405),
            ("POST", url, b"\xff\xfe", 400),
            ("POST", url, b"x" * (2 * 2**20 + 1), 413),
            ("POST", url, b"payload=%7B", 400),
            ("POST", url, b"text=hello", 401),
        ):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            async with slack._client.request(verb, address, data=io.BytesIO(body), headers=headers) as answer:
                assert answer.status == status, (verb, body[:20])


async def test_a_form_that_is_sent_again_after_a_restart_starts_nothing_twice(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.deliver(talk.people.command(ANN, ROOM, "run notes"))
        await talk.form("ann")
        sent = talk.people.submit(ANN, {})
        await talk.deliver(sent)
    async with in_slack(tmp_path / "home", slack) as talk:
        for _ in range(2):
            again = await talk.deliver(sent)
            assert "nothing was done again" in again.body["errors"]["variable:tag"]
        assert len(await talk.bot.runs("notes")) == 1


async def test_a_form_that_was_refused_before_a_restart_is_not_said_to_be_done_and_a_new_one_works(
    tmp_path: Path, slack: SlackWire
) -> None:
    wrong = notes(tmp_path, review="{reviewers: [dora]}")
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.deliver(talk.people.command(ANN, ROOM, "define"))
        await talk.form("ann")
        assert "dora" in str((await talk.deliver(talk.people.submit(ANN, {"definition": wrong}))).body)
    async with in_slack(tmp_path / "home", slack) as talk:
        await talk.bot.app.store.transact(lambda book: book.people.add(Person(PersonId("dora"))))
        said = (await talk.deliver(talk.people.submit(ANN, {"definition": wrong}))).body["errors"]["definition"]
        assert "nothing was done again" in said
        assert "open the form anew" in said
        await talk.deliver(talk.people.command(ANN, ROOM, "define"))
        await talk.until(
            lambda: len(slack.space.forms[ANN]) == 1 and slack.space.forms[ANN][0]["state"]["values"] == {},
            "a new form",
        )
        assert (await talk.deliver(talk.people.submit(ANN, {"definition": wrong}))).body is None
        await talk.until(lambda: "notes is defined, version 1" in words(slack.messages(ROOM)), "everybody is told")


@BOTH
async def test_what_cannot_be_kept_is_not_acknowledged_and_has_its_effect_when_it_comes_again(
    slack: SlackWire, *, http: bool
) -> None:
    made = connect(settings_of(slack, http=http))
    assert made is not None
    _, ears = made
    hearing = WeakHearing(failures=2)
    web = {"slack": ears.web} if ears.web else {}
    async with ears.listening(hearing), door("127.0.0.1", 0, web) as port:
        slack.app_url = f"http://127.0.0.1:{port}/slack/events" if http else ""
        for delivery in (slack.people.mention(ANN, ROOM, "list"), slack.people.command(ANN, ROOM, "list")):
            hearing.failures = 1
            first = await slack.send(delivery)
            assert first.status == (503 if http else 0)
            assert (await slack.send(delivery, 1)).status == 200
            assert (await slack.send(delivery, 2)).status == 200
    assert [update.line for update in hearing.kept.values()] == ["list", "list"]


async def test_a_slack_that_cannot_say_who_sluice_is_gets_no_acknowledgement(slack: SlackWire) -> None:
    slack.go_wrong(Trouble(BROKEN, "auth.test", number=503, times=2))
    made = connect(settings_of(slack, http=True))
    assert made is not None
    _, ears = made
    hearing = WeakHearing()
    assert ears.web is not None
    async with ears.listening(hearing), door("127.0.0.1", 0, {"slack": ears.web}) as port:
        slack.app_url = f"http://127.0.0.1:{port}/slack/events"
        mention = slack.people.mention(ANN, ROOM, "list")
        assert (await slack.send(mention)).status == 503
        assert hearing.kept == {}
        assert (await slack.send(mention, 1)).status == 200
        assert len(hearing.kept) == 1


async def test_a_button_of_another_room_a_forged_one_and_one_of_an_ended_run_do_nothing(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        run = await asking(talk, tmp_path)
        card = await talk.card(run, "waits for review")
        press = talk.people.press(ANN, ROOM, card["ts"], "Approve")
        elsewhere = talk.people.press(ANN, ROOM, card["ts"], "Approve")
        elsewhere.payload["channel"] = {"id": "C00OTHER", "name": "other"}
        forged = talk.people.press(ANN, ROOM, card["ts"], "Approve")
        forged.payload["actions"][0]["value"] = "A" * 24
        for delivery in (elsewhere, forged):
            before = len(talk.whispers("ann"))
            await talk.deliver(delivery)
            assert "not one that this room was shown" in words(await talk.whisper("ann", before))
        assert (await talk.bot.run(run)).stage.votes == ()
        await talk.bot.say(f"approve {run}")
        await talk.bot.ends(run, RunState.SUCCEEDED)
        before = len(talk.whispers("ann"))
        await talk.deliver(press)
        assert run in words(await talk.whisper("ann", before))
        assert [deed.outcome for deed in await talk.audited()][-1] == "refused"


async def test_bots_and_guests_of_other_companies_are_nobody_that_sluice_knows(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        run = await asking(talk, tmp_path)
        bot = talk.people.mention(ANN, ROOM, f"approve {run}")
        bot.payload["event"] |= {"bot_id": "B00OTHER", "subtype": "bot_message"}
        guest = talk.people.mention(ANN, ROOM, f"approve {run}")
        guest.payload["event"] |= {"user_team": "T00GUESTS"}
        card = await talk.card(run, "waits for review")
        press = talk.people.press(ANN, ROOM, card["ts"], "Approve")
        press.payload["user"] |= {"team_id": "T00GUESTS"}
        for delivery, answer in (
            (bot, "I take no commands from bots."),
            (guest, "I do not know this account"),
            (press, "I do not know this account"),
        ):
            before = len(talk.whispers("ann"))
            await talk.deliver(delivery)
            assert answer in words(await talk.whisper("ann", before))
        assert (await talk.bot.run(run)).stage.votes == ()
        refused = [deed for deed in await talk.audited() if deed.outcome == "refused"]
        guests = f"slack:T00GUESTS/{ANN}"
        assert [deed.account for deed in refused] == [f"slack:{TEAM}/{ANN}", guests, guests]


async def test_an_unknown_account_is_refused_in_every_way(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        run = await asking(talk, tmp_path)
        card = await talk.card(run, "waits for review")
        mallory = user("mallory")
        for delivery in (
            talk.people.command(mallory, ROOM, f"approve {run}"),
            talk.people.mention(mallory, ROOM, f"approve {run}"),
            talk.people.press(mallory, ROOM, card["ts"], "Approve"),
        ):
            before = len(talk.whispers("mallory"))
            await talk.deliver(delivery)
            said = words(await talk.whisper("mallory", before))
            assert "I do not know this account" in said
            assert run not in said
        assert (await talk.bot.run(run)).stage.votes == ()

"""What Telegram does to updates and messages (twice, late, limited, lost, away) and what becomes of them."""

import asyncio
import logging
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from bot.cards import Tone
from bot.chat import Answer, Update
from bot.switchboard import Switchboard
from bot.telegram.connect import connect
from engine.errors import Broken, Interrupted
from engine.model import RunState
from tests.support.eventually import eventually
from tests.support.notes import notes
from tests.support.telegram_chats import Chat, Fate
from tests.support.telegram_house import (
    ANN,
    BOB,
    SECRET,
    OnTelegram,
    both_sides,
    on_telegram,
    telegram_settings,
)
from tests.support.telegram_weather import SENDING, Kind
from tests.support.telegram_wire import TOKEN, TelegramWire


@pytest.fixture
async def talk(talk: OnTelegram, tmp_path: Path) -> OnTelegram:
    await talk.bot.say(f"define\n{notes(tmp_path)}")
    return talk


@dataclass
class Listener:
    """Takes deliveries, unless it `cannot`."""

    heard: list[Update] = field(default_factory=list)
    cannot: list[Exception] = field(default_factory=list)
    asked: int = 0

    async def accept(self, update: Update) -> bool:
        self.asked += 1
        if self.cannot:
            raise self.cannot.pop(0)
        self.heard.append(update)
        return True

    async def settle(self, update: Update) -> list[Answer]:
        raise AssertionError(update)


def group_of(wire: TelegramWire) -> Chat:
    return wire.people.group("releases", ANN, BOB)


async def test_an_update_is_confirmed_only_after_it_was_kept(wire: TelegramWire, tmp_path: Path) -> None:
    _, ears = both_sides(tmp_path, wire)
    listener = Listener(cannot=[Interrupted("The database is away."), Broken("The disk is full.")])
    first = wire.people.says(ANN, wire.people.private(ANN), "list")
    second = wire.people.says(BOB, wire.people.private(BOB), "status")
    assert second is not None
    waiting = len(wire.updates.waiting)
    async with ears.listening(listener):
        await wire.until(lambda: bool(listener.cannot) is False)
        assert len(wire.updates.waiting) == waiting
        await wire.until(lambda: wire.updates.waiting == [])
    keys = [update.key for update in listener.heard]
    assert set(keys) == {f"telegram:110201543:update:{one}" for one in (first, second)}
    offsets = [call.parameters.get("offset") for call in wire.made("getUpdates")]
    assert offsets[0] is None
    assert offsets[-1] == str(second + 1)


async def test_updates_of_one_person_are_kept_in_their_order_though_one_needs_a_file(
    wire: TelegramWire, tmp_path: Path
) -> None:
    _, ears = both_sides(tmp_path, wire)
    listener, alone = Listener(), wire.people.private(ANN)
    wire.people.uploads(ANN, alone, "notes.yaml", b"pipeline: notes\n")
    wire.people.says(ANN, alone, "run notes")
    wire.people.says(BOB, wire.people.private(BOB), "status")
    async with ears.listening(listener):
        await wire.until(lambda: wire.updates.waiting == [])
    anns = [update.line for update in listener.heard if update.account == "telegram:7"]
    assert anns == ["define\npipeline: notes\n", "run notes"]


async def test_what_was_said_while_the_bot_was_away_is_carried_out_once_it_is_back(
    wire: TelegramWire, tmp_path: Path
) -> None:
    group = group_of(wire)
    async with on_telegram(tmp_path / "home", wire, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        run = await talk.begins(ANN, group, "notes")
        card = await talk.shows(group, run, "waits for review")
    update = wire.people.presses(ANN, group, "Approve")
    async with on_telegram(tmp_path / "home", wire) as talk:
        assert update is not None
        assert (await talk.is_told(update)).text == f"Your approval of {run} is counted."
        assert (await talk.shows(group, run, "succeeded")).id == card.id
        wire.updates.again(update, times=3)
        await talk.quiet()
        deeds = [deed for deed in await talk.audited() if deed.key.endswith(str(update))]
        assert [deed.outcome for deed in deeds] == ["done"]
    async with on_telegram(tmp_path / "home", wire) as talk:
        wire.updates.again(update)
        await talk.quiet()
        assert len([deed for deed in await talk.audited() if deed.key.endswith(str(update))]) == 1
        assert len(talk.cards(group, run)) == 1


async def test_a_press_that_is_too_old_to_be_answered_is_answered_by_a_message(talk: OnTelegram) -> None:
    group = group_of(talk.wire)
    run = await talk.begins(ANN, group, "notes")
    card = await talk.shows(group, run, "waits for review")
    talk.wire.methods.queries.clear()
    talk.wire.updates.make(
        "callback_query",
        {
            "id": "forgotten",
            "from": ANN.as_json(),
            "chat_instance": "1",
            "data": card.button("Approve"),
            "message": {"message_id": card.id, "date": card.date, "chat": group.as_json(), "from": card.by.as_json()},
        },
    )
    answer = await talk.reads(group, f"Your approval of {run} is counted.")
    assert answer.reply_to == card.id


async def test_what_a_webhook_brings_three_times_at_once_has_one_effect(wire: TelegramWire, tmp_path: Path) -> None:
    async with on_telegram(tmp_path / "home", wire, "ann", webhook=True) as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        group = group_of(wire)
        run = await talk.begins(ANN, group, "notes")
        card = await talk.shows(group, run, "waits for review")
        update = talk.presses(ANN, group, "Approve")
        wire.updates.again(update, times=3)
        assert (await talk.is_told(update)).text == f"Your approval of {run} is counted."
        assert (await talk.shows(group, run, "succeeded")).id == card.id
        await wire.updates.settled()
        assert {one.status for one in wire.updates.deliveries} == {200}
        deeds = [deed for deed in await talk.audited() if deed.key.endswith(str(update))]
        assert [deed.outcome for deed in deeds] == ["done"]
        assert wire.made("getUpdates") == []


async def test_a_webhook_takes_only_what_shows_the_secret(wire: TelegramWire, tmp_path: Path) -> None:
    async with on_telegram(tmp_path / "home", wire, "ann", webhook=True) as talk, httpx.AsyncClient() as stranger:
        hook = f"http://127.0.0.1:{talk.hooks}/telegram/hook"
        forged = {"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": {"id": 7, "type": "private"}}}
        header = "X-Telegram-Bot-Api-Secret-Token"
        statuses = [
            (await stranger.post(hook, json=forged)).status_code,
            (await stranger.post(hook, json=forged, headers={header: SECRET + "x"})).status_code,
            (await stranger.get(hook, headers={header: SECRET})).status_code,
            (await stranger.post(f"{hook}s", headers={header: SECRET})).status_code,
            (await stranger.post(hook, content=b"x" * (2**20 + 1), headers={header: SECRET})).status_code,
            (await stranger.post(hook, content=b"{", headers={header: SECRET})).status_code,
            (await stranger.post(hook, json={"update_id": 1}, headers={header: SECRET})).status_code,
        ]
    assert statuses == [403, 403, 405, 404, 413, 400, 200]


async def test_another_secret_than_ours_is_said_and_written_down_until_ours_is_shown(
    wire: TelegramWire, tmp_path: Path
) -> None:
    async with on_telegram(tmp_path / "home", wire, "ann", webhook=True) as talk, httpx.AsyncClient() as stranger:
        hook, header = f"http://127.0.0.1:{talk.hooks}/telegram/hook", "X-Telegram-Bot-Api-Secret-Token"
        before = len(await talk.audited())
        for _ in range(3):
            assert (await stranger.post(hook, json={}, headers={header: SECRET + "x"})).status_code == 403
        assert "with another secret than SLUICE_TELEGRAM_SECRET" in await talk.bot.say("status")

        async def written() -> bool:
            return len(await talk.audited()) > before

        await eventually(written, "it stands in the audit")
        [refused] = (await talk.audited())[before:]
        assert (refused.outcome, refused.line) == ("refused", "deliver to /telegram/hook")
        assert (await stranger.post(hook, json={"update_id": 1}, headers={header: SECRET})).status_code == 200
        assert "All quiet" in await talk.bot.say("status")


async def test_what_a_webhook_brings_and_cannot_be_kept_is_brought_again(wire: TelegramWire, tmp_path: Path) -> None:
    _, ears = both_sides(tmp_path, wire, webhook="http://127.0.0.1:0")
    listener = Listener(cannot=[Interrupted("The database is away."), Broken("The disk is full.")])

    async def announce(sentence: str, _tone: Tone) -> None:
        raise AssertionError(sentence)

    board = Switchboard({"telegram": ears}, "127.0.0.1", 0, announce)
    wire.people.says(ANN, wire.people.private(ANN), "list")
    async with board.connected(listener):
        ears.webhook = f"http://127.0.0.1:{board.hooks}"
        await wire.until(lambda: bool(listener.heard))
        await wire.updates.settled()
    assert [one.status for one in wire.updates.deliveries] == [503, 503, 200]
    assert wire.updates.webhook is not None
    assert wire.updates.webhook.url.endswith("/telegram/hook")


async def test_a_press_that_cannot_be_kept_is_answered_so_and_counted_later(wire: TelegramWire, tmp_path: Path) -> None:
    _, ears = both_sides(tmp_path, wire)
    listener, alone = Listener(cannot=[Interrupted("The database is away.")]), wire.people.private(ANN)
    wire.people.says(ANN, alone, "x")
    message = next(iter(alone.messages.values()))
    wire.updates.waiting.clear()
    wire.people.sends_data(ANN, alone, message, "token")
    async with ears.listening(listener):
        await wire.until(lambda: bool(listener.heard))
    assert [toast.text for toast in wire.methods.toasts] == [
        "Sluice cannot take this in just now. It tries again by itself."
    ]
    assert [update.token for update in listener.heard] == ["token"]


async def test_asking_for_updates_takes_a_webhook_away_that_was_set_before(wire: TelegramWire, tmp_path: Path) -> None:
    async with on_telegram(tmp_path / "home", wire, "ann", webhook=True):
        assert wire.updates.webhook is not None
    async with on_telegram(tmp_path / "home", wire) as talk:
        assert wire.updates.webhook is None
        await talk.quiet()


async def test_after_a_restart_the_same_card_is_edited(wire: TelegramWire, tmp_path: Path) -> None:
    group = group_of(wire)
    async with on_telegram(tmp_path / "home", wire, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        run = await talk.begins(ANN, group, "notes")
        card = await talk.shows(group, run, "waits for review")
    async with on_telegram(tmp_path / "home", wire) as talk:
        await talk.bot.say(f"approve {run}")
        assert (await talk.shows(group, run, "succeeded")).id == card.id


async def test_a_server_that_was_away_shows_the_final_states_when_it_is_back(talk: OnTelegram) -> None:
    group = group_of(talk.wire)
    run = await talk.begins(ANN, group, "notes")
    card = await talk.shows(group, run, "waits for review")
    await talk.wire.go_away()
    await talk.bot.say(f"approve {run}")
    await talk.bot.ends(run, RunState.SUCCEEDED)
    await eventually(lambda: _holds(bool(talk.bot.app.feed.troubles())), "it is noticed")
    assert "Telegram cannot be reached (" in await talk.bot.say("status")
    await eventually(lambda: _holds("(getUpdates: " in talk.ears.trouble), "it is noticed there too")
    await talk.wire.come_back()
    assert (await talk.shows(group, run, "succeeded")).id == card.id
    await talk.quiet()
    await eventually(lambda: _holds(not talk.ears.trouble), "it is over there too")


async def _holds(found: bool) -> bool:  # noqa: FBT001 - what `eventually` asks
    return found


async def test_though_a_third_of_the_calls_is_limited_every_wait_is_kept_and_every_end_is_shown(
    talk: OnTelegram,
) -> None:
    group = talk.wire.people.group("releases", ANN, is_forum=True)
    for thread in (4, 5):
        await talk.asks(ANN, group, "/subscribe notes on everything", "This room is told", thread=thread)
    rule = talk.wire.weather.order(Kind.FLOOD, every=3, retry_after=1, chat=group.id)
    runs = [await talk.bot.start("run notes") for _ in range(6)]
    for run in runs:
        await talk.bot.asks(run)
        await talk.bot.say(f"approve {run}")
    for run in runs:
        await talk.wire.until(lambda run=run: _ends_in(talk, group, run) == {4, 5}, 40)  # type: ignore[misc]
    assert rule.met > len(runs)
    assert not any(call.impatient for call in talk.wire.calls)
    calls = [call for call in talk.wire.calls if call.chat == group.id]
    waits = [after.at - call.at for call, after in pairwise(calls) if call.answered == 429]
    assert len(waits) >= 3
    assert all(1.0 <= wait < 2.5 for wait in waits), waits


def _ends_in(talk: OnTelegram, group: Chat, run: str) -> set[int | None]:
    """The topics where the run's one card shows its end."""
    return {shown.thread for shown in talk.cards(group, run) if "succeeded" in shown.text}


@pytest.mark.parametrize(
    ("fate", "sentence"),
    [
        (Fate.KICKED, "The bot was sent away from the group. Adding it again brings it back."),
        (Fate.SILENCED, "The bot may not write in the group."),
        (Fate.GONE, "There is no such chat for the bot"),
    ],
)
async def test_a_group_that_is_lost_is_reported_with_the_reason_and_bothered_no_more(
    talk: OnTelegram, fate: Fate, sentence: str
) -> None:
    group = group_of(talk.wire)
    run = await talk.begins(ANN, group, "notes")
    await talk.shows(group, run, "waits for review")
    group.fate = fate
    await talk.bot.say(f"approve {run}")
    await eventually(lambda: _told(talk, f"telegram:{group.id} is not told anything more: {sentence}"), "it is said")
    calls = len([call for call in talk.wire.calls if call.chat == group.id])
    again = await talk.bot.start("run notes")
    await talk.shows(talk.alone(ANN), again, "waits for review")
    assert len([call for call in talk.wire.calls if call.chat == group.id]) == calls
    group.fate = Fate.OPEN
    await talk.asks(ANN, group, "/whoami", "Sent to you alone.")


async def test_a_person_who_blocked_the_bot_is_asked_again_once_they_are_back(talk: OnTelegram) -> None:
    alone = talk.alone(ANN)
    talk.wire.people.changes_membership(ANN, alone, "kicked")
    run = await talk.bot.start("run notes")
    await eventually(lambda: _told(talk, "The person has blocked the bot."), "it is said")
    talk.wire.people.changes_membership(ANN, alone, "member")
    await talk.asks(ANN, alone, "/start", "What you can say")
    await talk.bot.say(f"approve {run}", "bob")
    await talk.bot.ends(run, RunState.SUCCEEDED)


async def _told(talk: OnTelegram, words: str) -> bool:
    return any(words in card.title for card in await talk.bot.cards())


async def test_a_group_that_became_a_supergroup_takes_its_wishes_along(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN, kind="group")
    await talk.asks(ANN, group, "/subscribe notes on everything", "This room is told")
    new = talk.wire.people.upgrades(group)
    run = await talk.bot.start("run notes")
    await talk.bot.asks(run)
    await talk.bot.say(f"approve {run}")
    await talk.shows(new, run, "succeeded")
    await talk.asks(ANN, new, "/subscriptions", "Sent to you alone.")
    assert "notes" in (await talk.reads(talk.alone(ANN), "This room is told about")).text


async def test_an_answer_follows_a_group_that_moved_meanwhile(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN, kind="group")
    talk.says(ANN, group, "/whoami")
    new = talk.wire.people.upgrades(group)
    await talk.reads(new, "Sent to you alone.")


async def test_a_card_that_was_deleted_is_posted_anew(talk: OnTelegram) -> None:
    group = group_of(talk.wire)
    run = await talk.begins(ANN, group, "notes")
    card = await talk.shows(group, run, "waits for review")
    group.messages.pop(card.id)
    await talk.bot.say(f"approve {run}")
    assert (await talk.shows(group, run, "succeeded")).id != card.id


async def test_a_passing_error_of_the_server_loses_nothing(talk: OnTelegram) -> None:
    group = group_of(talk.wire)
    talk.wire.weather.order(Kind.ERROR, times=2, status=500)
    talk.wire.weather.order(Kind.ERROR, times=3, status=502, methods=frozenset({"getUpdates"}))
    run = await talk.begins(ANN, group, "notes")
    await talk.shows(group, run, "waits for review")
    assert len(talk.cards(group, run)) == 1


async def test_two_programs_with_one_bot_are_noticed_and_it_is_said_once(wire: TelegramWire, tmp_path: Path) -> None:
    _, ears = both_sides(tmp_path, wire)
    told: list[str] = []
    said = asyncio.Event()

    async def announce(sentence: str, _tone: Tone) -> None:
        told.append(sentence)
        said.set()

    async with Switchboard({"telegram": ears}, "127.0.0.1", 0, announce).connected(Listener()):
        await wire.until(lambda: bool(wire.made("getUpdates")))
        async with httpx.AsyncClient() as other:
            await other.post(f"{wire.base_url}{TOKEN}/getUpdates")
        await said.wait()
    [sentence] = told
    assert sentence.startswith("telegram cannot be listened to: Another program asks for this bot's updates. Stop it")


async def test_a_revoked_token_is_said_with_what_to_do(wire: TelegramWire, tmp_path: Path) -> None:
    _, ears = both_sides(tmp_path, wire)
    wire.token = "another"
    with pytest.raises(Broken, match="Telegram does not take the bot's token") as broken:
        async with ears.listening(Listener()):
            raise AssertionError
    assert "@BotFather" in broken.value.hint


async def test_a_server_that_is_away_at_the_start_interrupts_and_no_more(wire: TelegramWire, tmp_path: Path) -> None:
    _, ears = both_sides(tmp_path, wire)
    await wire.go_away()
    with pytest.raises(Interrupted, match="Telegram cannot be reached"):
        async with ears.listening(Listener()):
            raise AssertionError
    await wire.come_back()
    async with ears.listening(Listener()):
        await wire.until(lambda: bool(wire.made("getUpdates")))


async def test_no_secret_is_written_down_anywhere(
    wire: TelegramWire, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with on_telegram(tmp_path / "home", wire, "ann", webhook=True) as talk:
        wire.people.uploads(ANN, talk.alone(ANN), "notes.yaml", notes(tmp_path).encode())
        await talk.reads(talk.alone(ANN), "is defined")
        wire.weather.order(Kind.ERROR, times=1, methods=SENDING)
        await talk.asks(ANN, talk.alone(ANN), "whoami", "You are ann")
        assert TOKEN not in repr(talk.chat) + repr(talk.ears)
        assert SECRET not in repr(talk.ears)
    assert "HTTP Request: POST" in caplog.text, "the addresses are there, without the token"
    for record in caplog.records:
        assert TOKEN not in caplog.handler.format(record)
        assert SECRET not in caplog.handler.format(record)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"token": "12 34"}, "SLUICE_TELEGRAM_TOKEN is no bot's token."),
        ({"webhook": "https://bot.example", "secret": ""}, "SLUICE_TELEGRAM_SECRET has not 1 to 256 letters"),
        ({"webhook": "https://bot.example", "secret": "a b"}, "SLUICE_TELEGRAM_SECRET has not 1 to 256 letters"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_set(
    tmp_path: Path, more: dict[str, str], sentence: str
) -> None:
    settings = telegram_settings(tmp_path, "http://127.0.0.1:1", **more)
    with pytest.raises(Broken, match=sentence) as broken:
        connect(settings)
    assert broken.value.hint


def test_without_a_token_there_is_no_telegram(tmp_path: Path) -> None:
    settings = telegram_settings(tmp_path, "http://127.0.0.1:1").model_copy(update={"telegram_token": None})
    assert connect(settings) is None

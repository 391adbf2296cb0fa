"""The Telegram stand-in behaves as documented, asked by python-telegram-bot."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from telegram import Bot, BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, Message, ReplyParameters
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from tests.support.store import ManualClock
from tests.support.telegram_chats import Account, Chat, Fate
from tests.support.telegram_weather import Kind
from tests.support.telegram_wire import TOKEN, TelegramWire, telegram_wire

pytestmark = pytest.mark.live

ANN, BOB = Account(7, "Ann", "ann_b"), Account(8, "Bob")
FOREVER = 20


@pytest_asyncio.fixture
async def wire() -> AsyncIterator[TelegramWire]:
    async with telegram_wire() as running:
        yield running


@pytest_asyncio.fixture
async def bot(wire: TelegramWire) -> AsyncIterator[Bot]:
    async with client(wire) as one:
        yield one


def client(wire: TelegramWire, patience: float = 5.0) -> Bot:
    quick = HTTPXRequest(read_timeout=patience, httpx_kwargs={"trust_env": False})
    poll = HTTPXRequest(read_timeout=patience, httpx_kwargs={"trust_env": False})
    return Bot(TOKEN, wire.base_url, wire.base_file_url, request=quick, get_updates_request=poll)


def keys(*data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(one, callback_data=one)] for one in data])


async def posted(bot: Bot, chat: Chat, text: str = "hello", **more: Any) -> Message:
    return await bot.send_message(chat.id, text, **more)


async def test_a_message_is_shown_and_an_edit_takes_its_place(wire: TelegramWire, bot: Bot) -> None:
    chat = wire.people.private(ANN)
    first = await posted(bot, chat, "<b>one</b>", parse_mode="HTML", reply_markup=keys("yes", "no"))
    await bot.edit_message_text("two", chat.id, first.message_id)
    (shown,) = wire.shows(chat)
    assert (shown.text, shown.keyboard, shown.edits) == ("two", (), 1)
    assert [call.method for call in wire.calls] == ["getMe", "sendMessage", "editMessageText"]


@pytest.mark.parametrize(
    ("text", "more", "sentence"),
    [
        ("<b>x", {"parse_mode": "HTML"}, "Can't parse entities: can't find end tag corresponding to start tag b"),
        ("x" * 4097, {}, "Message is too long"),
        (" ", {}, "Message text is empty"),
        ("x", {"reply_markup": keys("y" * 65)}, "Button_data_invalid"),
        ("x", {"reply_markup": keys(*map(str, range(101)))}, "Reply markup is too long"),
        ("x", {"message_thread_id": 3}, "Message thread not found"),
        ("x", {"reply_parameters": ReplyParameters(99)}, "Message to be replied not found"),
    ],
)
async def test_what_telegram_does_not_take_is_refused(
    wire: TelegramWire, bot: Bot, text: str, more: dict[str, Any], sentence: str
) -> None:
    chat = wire.people.private(ANN)
    with pytest.raises(BadRequest) as refused:
        await posted(bot, chat, text, **more)
    assert str(refused.value).lower() == sentence.lower()
    assert wire.shows(chat) == []


async def test_what_fits_exactly_is_taken(wire: TelegramWire, bot: Bot) -> None:
    chat = wire.people.private(ANN)
    await posted(bot, chat, "&lt;" * 4096, parse_mode="HTML", reply_markup=keys("y" * 64))
    assert wire.shows(chat)[0].read.length == 4096


async def test_an_edit_that_changes_nothing_or_hits_nothing_is_refused(wire: TelegramWire, bot: Bot) -> None:
    chat = wire.people.private(ANN)
    first = await posted(bot, chat)
    wire.people.says(ANN, chat, "mine")
    for message, sentence in ((first.message_id, "not modified"), (99, "edit not found"), (2, "can't be edited")):
        with pytest.raises(BadRequest, match=sentence):
            await bot.edit_message_text("hello", chat.id, message)


@pytest.mark.parametrize(
    ("fate", "error"),
    [(Fate.BLOCKED, Forbidden), (Fate.KICKED, Forbidden), (Fate.NEVER_MET, Forbidden), (Fate.GONE, BadRequest)],
)
async def test_a_lost_chat_says_how_it_was_lost(
    wire: TelegramWire, bot: Bot, fate: Fate, error: type[Exception]
) -> None:
    chat = wire.people.private(ANN)
    chat.fate = fate
    with pytest.raises(error) as refused:
        await posted(bot, chat)
    assert str(refused.value).lower().endswith(fate.partition(": ")[2].lower())


async def test_a_group_that_became_a_supergroup_tells_its_new_id(wire: TelegramWire, bot: Bot) -> None:
    old = wire.people.group("releases", ANN, kind="group")
    new = wire.people.upgrades(old)
    with pytest.raises(ChatMigrated) as moved:
        await posted(bot, old)
    assert moved.value.new_chat_id == new.id
    await posted(bot, new)


async def test_a_revoked_token_is_refused(wire: TelegramWire, bot: Bot) -> None:
    wire.token = "another"
    with pytest.raises(InvalidToken):
        await bot.get_me()


async def test_methods_and_parameters_that_there_are_not_are_refused(wire: TelegramWire) -> None:
    async with httpx.AsyncClient(trust_env=False) as raw:
        unknown = await raw.post(f"{wire.base_url}{TOKEN}/sendMesage", json={})
        wrong = await raw.post(f"{wire.base_url}{TOKEN}/getMe", json={"chatid": 1})
    assert (unknown.status_code, wrong.status_code) == (404, 400)
    assert "chatid" in wrong.json()["description"]


async def test_updates_come_in_order_until_they_are_confirmed(wire: TelegramWire, bot: Bot) -> None:
    chat = wire.people.private(ANN)
    first, second = wire.people.says(ANN, chat, "/status"), wire.people.says(ANN, chat, "hello")
    assert first is not None
    for _ in range(2):
        assert [one.update_id for one in await bot.get_updates()] == [first, second]
    assert [one.update_id for one in await bot.get_updates(offset=first + 1, limit=1)] == [second]
    assert await bot.get_updates(offset=first + 2) == ()


async def test_an_update_can_come_three_times_though_it_was_confirmed(wire: TelegramWire, bot: Bot) -> None:
    update = wire.people.says(ANN, wire.people.private(ANN), "hello")
    assert update is not None
    await bot.get_updates()
    await bot.get_updates(offset=update + 1)
    wire.updates.again(update, times=3)
    assert [one.update_id for one in await bot.get_updates(offset=update + 1)] == [update] * 3
    assert await bot.get_updates(offset=update + 1) == ()


async def test_a_poll_waits_for_what_comes(wire: TelegramWire, bot: Bot) -> None:
    polling = asyncio.ensure_future(bot.get_updates(timeout=FOREVER))
    await wire.until(lambda: bool(wire.made("getUpdates")))
    wire.people.says(ANN, wire.people.private(ANN), "hello")
    (update,) = await polling
    assert update.message is not None
    assert update.message.text == "hello"


async def test_of_two_that_poll_the_first_is_sent_away(wire: TelegramWire, bot: Bot) -> None:
    first = asyncio.ensure_future(bot.get_updates(timeout=FOREVER))
    await wire.until(lambda: bool(wire.made("getUpdates")))
    await bot.get_updates(timeout=0)
    with pytest.raises(Conflict, match="only one bot instance"):
        await first


async def test_a_press_brings_its_data_and_is_answered_once_it_is_known(wire: TelegramWire, bot: Bot) -> None:
    group = wire.people.group("releases", ANN)
    await posted(bot, group, reply_markup=keys("Approve"))
    update = wire.people.presses(ANN, group, "Approve")
    (told,) = await bot.get_updates()
    assert told.callback_query is not None
    assert told.callback_query.data == "Approve"
    assert told.callback_query.message is not None
    assert told.callback_query.id == wire.people.query_of(update)
    await bot.answer_callback_query(told.callback_query.id, "Counted.", show_alert=True)
    assert [(one.text, one.is_alert) for one in wire.methods.toasts] == [("Counted.", True)]
    with pytest.raises(BadRequest, match="too old"):
        await bot.answer_callback_query("q99")


async def test_privacy_mode_hides_what_is_not_meant_for_the_bot(wire: TelegramWire, bot: Bot) -> None:
    group = wire.people.group("releases", ANN)
    mine = await posted(bot, group)
    seen: Callable[..., int | None] = wire.people.says
    assert seen(ANN, group, "shall we?") is None
    assert seen(ANN, group, "/status@other_bot") is None
    assert seen(ANN, group, "/status@sluice_bot") is not None
    assert seen(ANN, group, "/status") is not None
    assert seen(ANN, group, "yes", reply_to=mine.message_id) is not None
    wire.methods.reads_all = True
    assert seen(ANN, group, "shall we?") is not None
    assert (await bot.get_me()).can_read_all_group_messages


async def test_every_kind_of_update_is_one_that_the_library_understands(wire: TelegramWire, bot: Bot) -> None:
    people = wire.people
    chat, forum = people.private(ANN), people.group("releases", ANN, is_forum=True)
    channel = people.group("news", kind="channel")
    people.says(Account(9, "robot", is_bot=True), forum, "/run shop", thread=4)
    people.says(ANN, chat, "mistake")
    people.corrects(chat, max(chat.messages), "mended")
    people.uploads(ANN, chat, "shop.yaml", b"pipeline: shop\n", "define")
    people.publishes(channel, "/news")
    people.changes_membership(ANN, forum, "administrator")
    people.changes_membership(ANN, chat, "kicked")
    in_topic, _, edited, document, post, raised, blocked = await bot.get_updates()
    assert in_topic.message is not None
    assert (in_topic.message.message_thread_id, in_topic.message.chat.is_forum) == (4, True)
    assert in_topic.message.from_user is not None
    assert in_topic.message.from_user.is_bot
    assert edited.edited_message is not None
    assert edited.edited_message.text == "mended"
    assert document.message is not None
    assert document.message.document is not None
    assert document.message.document.file_name == "shop.yaml"
    assert post.channel_post is not None
    assert post.channel_post.from_user is None
    assert raised.my_chat_member is not None
    assert raised.my_chat_member.new_chat_member.status == "administrator"
    assert blocked.my_chat_member is not None
    assert blocked.my_chat_member.new_chat_member.status == "kicked"


async def test_documents_go_both_ways(wire: TelegramWire, bot: Bot) -> None:
    chat = wire.people.private(ANN)
    wire.people.uploads(ANN, chat, "shop.yaml", b"pipeline: shop\n")
    (update,) = await bot.get_updates()
    assert update.message is not None
    assert update.message.document is not None
    file = await bot.get_file(update.message.document.file_id)
    assert bytes(await file.download_as_bytearray()) == b"pipeline: shop\n"
    log = InputFile(b"line\n", filename="shop-1.log")
    await bot.send_document(chat.id, log, caption="<b>Log</b>", parse_mode="HTML", reply_markup=keys("more"))
    (shown,) = wire.shows(chat)
    assert shown.file is not None
    assert (shown.file.name, shown.file.content, shown.text) == ("shop-1.log", b"line\n", "Log")


async def test_commands_chats_and_members_can_be_asked_for(wire: TelegramWire, bot: Bot) -> None:
    forum = wire.people.group("releases", ANN, is_forum=True)
    await bot.set_my_commands([BotCommand("status", "what is going on")])
    assert [one.command for one in await bot.get_my_commands()] == ["status"]
    with pytest.raises(BadRequest, match=r"(?i)bot_command_invalid"):
        await bot.set_my_commands([("Roll-Back", "no")])
    assert (await bot.get_chat(forum.id)).is_forum
    assert (await bot.get_chat_member(forum.id, ANN.id)).status == "member"
    message = await posted(bot, forum, message_thread_id=2)
    assert await bot.delete_message(forum.id, message.message_id)
    assert wire.shows(forum) == []


async def sent(raw: httpx.AsyncClient, wire: TelegramWire, chat: Chat) -> httpx.Response:
    return await raw.post(f"{wire.base_url}{TOKEN}/sendMessage", json={"chat_id": chat.id, "text": "x"})


async def test_every_third_call_is_asked_to_wait_and_impatience_is_noted(wire: TelegramWire) -> None:
    chats = [wire.people.private(Account(number, f"p{number}")) for number in range(1, 7)]
    wire.weather.order(Kind.FLOOD, every=3, retry_after=40)
    async with httpx.AsyncClient(trust_env=False) as raw:
        answers = [await sent(raw, wire, chat) for chat in chats]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 429]
        assert answers[2].json()["parameters"] == {"retry_after": 40}
        assert (await sent(raw, wire, chats[2])).status_code == 429
    assert [call.impatient for call in wire.made("sendMessage", chats[2])] == [False, True]
    assert [len(wire.shows(chat)) for chat in chats] == [1, 1, 0, 1, 1, 0]


async def test_flood_control_of_one_chat_opens_again_to_the_second_and_leaves_others_alone() -> None:
    clock = ManualClock()
    async with (
        telegram_wire(now=lambda: datetime.timestamp(clock.at)) as wire,
        httpx.AsyncClient(trust_env=False) as raw,
    ):
        chat, other = wire.people.private(ANN), wire.people.private(BOB)
        wire.weather.pace(chat.id, calls=2, within=60)
        answers = []
        for wait in (0, 1, 1, 57, 1):
            clock.pass_time(timedelta(seconds=wait))
            answers.append(await sent(raw, wire, chat))
            assert (await sent(raw, wire, other)).status_code == 200
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429, 200]
    assert [answer.json().get("parameters") for answer in answers[2:]] == [
        {"retry_after": 58},
        {"retry_after": 1},
        None,
    ]
    assert [call.impatient for call in wire.made("sendMessage", chat)] == [False, False, False, True, False]


async def test_errors_and_lost_answers_come_when_they_are_ordered(wire: TelegramWire) -> None:
    chat = wire.people.private(ANN)
    async with client(wire, patience=0.3) as bot:
        wire.weather.order(Kind.ERROR, times=1)
        with pytest.raises(NetworkError, match="Bad Gateway"):
            await posted(bot, chat, "refused")
        wire.weather.order(Kind.SWALLOWED, times=1)
        with pytest.raises(TimedOut):
            await posted(bot, chat, "swallowed")
        wire.weather.order(Kind.LOST, times=1)
        with pytest.raises(TimedOut):
            await posted(bot, chat, "arrived unheard")
        await posted(bot, chat, "heard")
    assert [shown.text for shown in wire.shows(chat)] == ["arrived unheard", "heard"]


async def test_a_server_that_was_away_comes_back_with_everything_it_had(wire: TelegramWire, bot: Bot) -> None:
    chat = wire.people.private(ANN)
    await posted(bot, chat, "before")
    await wire.go_away()
    with pytest.raises(NetworkError):
        await posted(bot, chat, "meanwhile")
    await wire.come_back()
    await posted(bot, chat, "after")
    assert [shown.text for shown in wire.shows(chat)] == ["before", "after"]


@dataclass
class Hook:
    """A webhook that answers with the statuses it is given, then 200."""

    statuses: list[int] = field(default_factory=list)
    secrets: list[str | None] = field(default_factory=list)
    got: list[int] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.secrets.append(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        self.got.append((await request.json())["update_id"])
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[tuple[Hook, str]]:
    one = Hook()
    application = web.Application()
    application.router.add_post("/hook", one.take)
    async with TestServer(application) as server:
        yield one, str(server.make_url("/hook"))


async def test_a_webhook_gets_the_secret_and_what_it_refuses_comes_again(
    wire: TelegramWire, bot: Bot, hook: tuple[Hook, str]
) -> None:
    taking, url = hook
    chat = wire.people.private(ANN)
    waiting = wire.people.says(ANN, chat, "before")
    taking.statuses = [500, 503]
    await bot.set_webhook(url, secret_token="s3cret")
    await wire.updates.settled()
    assert taking.got == [waiting] * 3
    assert set(taking.secrets) == {"s3cret"}
    assert (await bot.get_webhook_info()).pending_update_count == 0
    with pytest.raises(Conflict, match=r"(?i)webhook is active"):
        await bot.get_updates()


async def test_what_a_webhook_never_takes_stays_and_can_be_polled_for_later(
    wire: TelegramWire, bot: Bot, hook: tuple[Hook, str]
) -> None:
    taking, url = hook
    await bot.set_webhook(url)
    taking.statuses = [500] * 3
    update = wire.people.says(ANN, wire.people.private(ANN), "hello")
    await wire.updates.settled()
    told = await bot.get_webhook_info()
    assert told.pending_update_count == 1
    assert told.last_error_message == "Wrong response from the webhook: 500"
    await bot.delete_webhook()
    assert [one.update_id for one in await bot.get_updates()] == [update]


async def test_an_update_can_be_brought_to_a_webhook_three_times_at_once(
    wire: TelegramWire, bot: Bot, hook: tuple[Hook, str]
) -> None:
    taking, url = hook
    await bot.set_webhook(url)
    update = wire.people.says(ANN, wire.people.private(ANN), "hello")
    assert update is not None
    await wire.updates.settled()
    wire.updates.again(update, times=3)
    await wire.updates.settled()
    assert taking.got == [update] * 4

"""The stand-in that others wrote serves python-telegram-bot, and shows what the bot shows."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ParseMode

from bot.telegram.render import Message, render
from tests.support.slack_cards import CARDS
from tests.support.telegram_chats import Account
from tests.support.telegram_world import TOKEN, TelegramWorld, telegram_world

pytestmark = pytest.mark.live

ANN = Account(7, "Ann", "ann_b")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[TelegramWorld]:
    async with telegram_world() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def bot(world: TelegramWorld) -> AsyncIterator[Bot]:
    async with Bot(TOKEN, base_url=world.base_url) as one:
        yield one


def keyboard(message: Message) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(said, callback_data=data) for said, data in row] for row in message.keyboard]
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_a_card_is_posted_edited_and_pressed(world: TelegramWorld, bot: Bot) -> None:
    asked, ended = (render(CARDS[name], lambda button: f"t{len(button.line)}") for name in ("review", "succeeded"))
    posted = await bot.send_message(ANN.id, asked.text, parse_mode=ParseMode.HTML, reply_markup=keyboard(asked))
    await world.presses(ANN, "Approve")
    (update,) = await bot.get_updates(timeout=5)
    assert update.callback_query is not None
    assert update.callback_query.data == dict(asked.keyboard[0])["Approve"]
    assert update.callback_query.from_user.id == ANN.id
    await bot.answer_callback_query(update.callback_query.id, "Counted.")
    await bot.edit_message_text(ended.text, ANN.id, posted.message_id, reply_markup=keyboard(ended))
    (shown,) = await world.shows(ANN)
    assert (shown.text, shown.keyboard) == (ended.text, ended.keyboard)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_person_writes_reaches_a_bot_that_waits_for_it(world: TelegramWorld, bot: Bot) -> None:
    await world.says(ANN, "/status shop-api")
    (update,) = await bot.get_updates(timeout=5)
    assert update.message is not None
    assert update.message.text == "/status shop-api"
    assert update.message.entities[0].type == "bot_command"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_bot_can_tell_its_commands(bot: Bot) -> None:
    assert await bot.set_my_commands([("status", "what is going on")])

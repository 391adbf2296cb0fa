"""That an account is unbound is said where it was asked for, and somewhere in any case."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.model import PersonId
from storage.code_accounts import CodeAccount
from tests.support.bot import Bot, a_bot
from tests.support.model_messenger import CHANNEL, ModelMessenger, unreachable

DONE = "forge is unbound: Sluice cannot sign in as ann-dev any more."


@pytest.fixture
def chat() -> ModelMessenger:
    return ModelMessenger()


@pytest.fixture
async def bot(tmp_path: Path, chat: ModelMessenger) -> AsyncIterator[Bot]:
    async with a_bot(tmp_path / "home", messengers={"model": chat}) as bot:
        yield bot


async def unbound_in(bot: Bot, room: str) -> list[str]:
    """Unbind an account as was asked for in a room; returns what the lobby hears."""
    store, now = bot.app.store, bot.app.code.attaching.clock.now()
    account = CodeAccount("forge", "gitlab", "https://git.example.com", "ann-dev", PersonId("ann"), now, "sealed")
    await store.transact(lambda book: book.code_accounts.put(account))
    await store.transact(lambda book: book.code_accounts.leave("forge", now, room))
    await bot.app.code.attaching.tend()
    assert await store.read(lambda book: book.code_accounts.all()) == []
    return [card.title for card in await bot.cards() if "unbound" in card.title]


async def test_whoever_unbinds_in_a_chat_hears_there_that_it_is_done(bot: Bot, chat: ModelMessenger) -> None:
    assert await unbound_in(bot, CHANNEL) == []
    assert DONE in [message.card.title for message in chat.rooms[CHANNEL].values()]


@pytest.mark.parametrize("room", [CHANNEL, "terminal:ann"])
async def test_where_a_room_cannot_be_told_the_lobby_hears_it(bot: Bot, chat: ModelMessenger, room: str) -> None:
    chat.fails = unreachable
    assert await unbound_in(bot, room) == [DONE]

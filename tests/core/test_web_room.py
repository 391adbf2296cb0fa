"""The console's room: stored before it is shown, one card for each run."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cards import Card, Tone
from bot.web.room import LOBBY, WebChat
from bot.web.said import Line
from engine.model import PersonId
from tests.support import console_cards as cards
from tests.support.console import Console, a_console


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    async with a_console(tmp_path) as opened:
        yield opened


def again(console: Console) -> WebChat:
    """The room as another process would find it."""
    return WebChat(console.chat.store, console.clock)


async def documents(chat: WebChat) -> list[object]:
    return [shown.document for shown in await chat.present(LOBBY)]


async def test_what_is_posted_is_there_after_a_restart(console: Console) -> None:
    await console.chat.say(LOBBY, PersonId("ann"), Line("list"))
    await console.chat.post(LOBBY, cards.pipelines())
    assert await documents(again(console)) == [Line("list"), cards.pipelines()]


async def test_an_edit_changes_the_card_in_its_place(console: Console) -> None:
    message = await console.chat.post(LOBBY, cards.gray_release(19.4))
    await console.chat.post(LOBBY, cards.pipelines())
    await console.chat.edit(LOBBY, message, cards.gray_release(20.1))
    expected = [cards.gray_release(20.1), cards.pipelines()]
    assert await documents(console.chat) == expected
    assert await documents(again(console)) == expected


async def test_a_run_has_one_card_in_the_room_however_often_it_is_shown(console: Console) -> None:
    await console.chat.post(LOBBY, cards.gray_release(10.0))
    await console.chat.post(LOBBY, cards.pipelines())
    await console.chat.post(LOBBY, cards.gray_release(19.4))
    assert await documents(console.chat) == [cards.pipelines(), cards.gray_release(19.4)]
    assert await documents(again(console)) == [cards.pipelines(), cards.gray_release(19.4)]


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_edit_follows_a_card_that_has_moved(console: Console, restarted: bool) -> None:  # noqa: FBT001
    first = await console.chat.post(LOBBY, cards.gray_release(10.0))
    await console.chat.post(LOBBY, cards.gray_release(19.4))
    chat = again(console) if restarted else console.chat
    await chat.edit(LOBBY, first, cards.gray_release(30.0))
    assert await documents(chat) == [cards.gray_release(30.0)]


async def test_browsers_are_told_in_the_order_in_which_it_was_stored(console: Console) -> None:
    message = await console.chat.post(LOBBY, cards.gray_release(0.0))
    hub = console.chat.hub
    with hub.listen(LOBBY, hub.position) as listener:
        edits = [console.chat.edit(LOBBY, message, cards.gray_release(float(n))) for n in range(1, 20)]
        await asyncio.gather(*edits)
        told = [listener.queue.get_nowait() for _ in range(listener.queue.qsize())]
    last = [change for change in told if change is not None and change.kind == "message"][-1]
    assert "19.00%" in str(last.data["html"])
    assert await documents(again(console)) == [cards.gray_release(19.0)]


async def test_what_is_under_way_is_listed_until_it_is_over(console: Console) -> None:
    message = await console.chat.post(LOBBY, cards.building())
    await console.chat.post(LOBBY, cards.finished_run())
    assert [shown.key for shown in await console.chat.live(LOBBY)] == ["search-3"]
    await console.chat.edit(LOBBY, message, replace(cards.finished_run("search-3"), tone=Tone.GOOD))
    assert await console.chat.live(LOBBY) == []


async def test_a_room_shows_its_last_hundred_messages(console: Console) -> None:
    for n in range(105):
        await console.chat.post(LOBBY, Card(f"card {n}"))
    shown = await documents(console.chat)
    assert (len(shown), shown[-1]) == (100, Card("card 104"))


async def test_an_edit_of_a_message_older_than_memory_is_kept(console: Console) -> None:
    message = await console.chat.post(LOBBY, Card("old", key="old-1"))
    chat = again(console)
    await chat.present(LOBBY)
    chat._rooms[LOBBY].clear()
    await chat.edit(LOBBY, message, Card("new", key="old-1"))
    assert await documents(again(console)) == [Card("new", key="old-1")]

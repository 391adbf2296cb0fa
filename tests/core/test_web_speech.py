"""What becomes of a line said in the console, with and without its script."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.cards import Card
from bot.web.room import LOBBY
from bot.web.said import Line
from bot.web.sessions import Session
from bot.web.speech import Spoken, delivery
from engine.model import PersonId
from tests.support import console_cards as cards
from tests.support.console import Console, a_console, origin, say


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    async with a_console(tmp_path) as opened:
        opened.dispatch.answers = {
            "list": say(cards.pipelines()),
            "whoami": say(Card("You are ann"), private=True),
            "(run|stop|approve|press|status|logs|show|runs|define) .*|define\n.*": say(Card("done")),
        }
        yield opened


@pytest.fixture
async def browser(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    async with console.browser() as client:
        yield client


@pytest.fixture
async def token(console: Console, browser: httpx.AsyncClient) -> str:
    return await console.sign_in(browser)


async def post(browser: httpx.AsyncClient, token: str, **fields: str) -> httpx.Response:
    headers = {"Accept": "application/json", "X-Sluice-Token": token, **origin(browser)}
    return await browser.post("/say", data=fields, headers=headers)


async def room(console: Console) -> list[object]:
    return [shown.document for shown in await console.chat.present(LOBBY)]


async def test_a_command_and_its_answer_are_in_the_room(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    await post(browser, token, line="run shop tag=v2")
    assert await room(console) == [Line("run shop tag=v2"), Card("done")]


async def test_a_code_that_is_typed_in_the_console_is_not_shown_in_the_room(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    await post(browser, token, line="link AVSC-WBEL")
    assert await room(console) == [Line("link (a code)")]


async def test_a_private_answer_is_the_askers_alone(console: Console, browser: httpx.AsyncClient, token: str) -> None:
    answer = await post(browser, token, line="whoami")
    assert "You are ann" in answer.json()["html"][0]
    assert await room(console) == []


async def test_a_slip_of_the_finger_is_nobody_elses_business(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    answer = await post(browser, token, line="rnu shop")
    assert "Nobody wrote down" in answer.json()["html"][0]
    assert await room(console) == []


async def test_a_command_is_in_the_room_before_what_it_causes(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    console.dispatch.gate = asyncio.Event()
    asking = asyncio.create_task(post(browser, token, line="stop shop-1 slow"))
    await console.dispatch.until("stop shop-1 slow")
    assert await room(console) == [Line("stop shop-1 slow")]
    console.dispatch.gate.set()
    assert (await asking).status_code == 200


async def test_a_press_is_shown_by_the_buttons_own_text(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    await post(browser, token, line="press approve shop-api-42 4", press="1")
    assert Line("press approve shop-api-42 4", "Approve") in await room(console)


async def test_a_made_up_press_is_shown_as_what_it_says(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    await post(browser, token, line="press approve other-1 1", press="1")
    assert Line("press approve other-1 1") in await room(console)


async def test_the_same_press_has_the_same_key_and_another_press_another(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    for key in ("a", "a", "b", ""):
        await post(browser, token, line="approve shop-1", key=key)
    await post(browser, token, line="approve shop-2", key="a")
    keys = [heard.key for heard in console.dispatch.heard]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert all(len(key) < 200 for key in keys)


def test_two_people_never_share_a_delivery() -> None:
    ann, bob = Session("x", PersonId("ann"), "1"), Session("y", PersonId("bob"), "2")
    assert delivery(ann, Spoken("yes", "k")) != delivery(bob, Spoken("yes", "k"))


async def test_a_definition_keeps_its_lines(console: Console, browser: httpx.AsyncClient, token: str) -> None:
    await post(browser, token, line="define\r\npipeline: shop\r\nstages: []\r\n")
    assert console.dispatch.lines() == ["define\npipeline: shop\nstages: []"]


async def test_without_the_script_a_line_leads_back_to_the_room(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    answer = await browser.post("/say", data={"line": "list", "token": token}, headers=origin(browser))
    assert (answer.status_code, answer.headers["location"]) == (303, "/#end")
    assert "4 pipelines" in (await browser.get("/")).text


async def test_without_the_script_a_private_answer_is_shown_at_once(browser: httpx.AsyncClient, token: str) -> None:
    answer = await browser.post("/say", data={"line": "whoami", "token": token}, headers=origin(browser))
    assert "Only you see this" in answer.text
    assert "You are ann" in answer.text


async def test_without_the_script_danger_is_asked_about_first(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    fields = {"danger": 'stop shop-1 "x"', "token": token, "press": "1"}
    question = await browser.post("/say", data=fields, headers=origin(browser))
    assert console.dispatch.heard == []
    found = re.search(r'name="line" value="([^"]+)"', question.text)
    assert found
    await browser.post("/say", data={"line": html.unescape(found.group(1)), "token": token}, headers=origin(browser))
    assert console.dispatch.lines() == ['stop shop-1 "x"']


async def test_a_page_of_a_run_asks_for_the_run_and_the_logs_of_its_stage(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    assert token
    page = await browser.get("/r/shop-1/logs/build%20it%20%22now%22")
    assert page.status_code == 200
    assert console.dispatch.lines() == ["status shop-1", "logs shop-1 'build it \"now\"'"]


async def test_a_part_of_a_page_asks_for_that_part_only(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    assert token
    answer = await browser.get("/p/shop/runs", headers={"X-Sluice-Part": "1"})
    assert console.dispatch.lines() == ["runs shop"]
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    "path", ["/p/a%20b", "/p/;x", "/p/shop/nothing", "/r/a%0ab", "/r/shop-1/logs/a%0ab", "/p/%2e%2e"]
)
async def test_a_name_that_could_be_more_than_a_name_is_not_found(
    console: Console, browser: httpx.AsyncClient, token: str, path: str
) -> None:
    assert token
    assert (await browser.get(path)).status_code == 404
    assert console.dispatch.heard == []


async def test_looking_at_pages_leaves_no_trace_in_the_room(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    assert token
    for path in ("/", "/pipelines", "/p/shop", "/r/shop-1"):
        assert (await browser.get(path)).status_code == 200
    assert await room(console) == []


async def test_a_store_that_cannot_keep_a_line_is_told_to_the_asker_in_words(
    console: Console, browser: httpx.AsyncClient, token: str
) -> None:
    console.chat.store.writer.stop()
    answer = await post(browser, token, line="stop shop-1")
    assert (answer.status_code, answer.json()["public"]) == (200, 0)
    assert "The store is closed." in answer.json()["html"][0]
    assert console.dispatch.heard == []

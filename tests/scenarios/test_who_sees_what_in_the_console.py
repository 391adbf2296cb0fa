"""The console is a room that is told everything: each browser is shown what its person may see, pages and streams."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from engine.model import PersonId
from tests.support.bot import Bot
from tests.support.closed_shop import a_closed_shop, grant

SAID = re.compile(r"\b(hello-[12]|shop|shop-wl)\b")


@asynccontextmanager
async def a_browser(bot: Bot, person: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=bot.app.url, timeout=20) as client:
        link = bot.app.sessions.new_link(PersonId(person))
        assert (await client.post(link, headers={"Origin": bot.app.url})).status_code == 303
        yield client


def shown(page: str) -> str:
    """What a page shows of this Sluice: without what is in every page."""
    return page.partition("<main")[2]


async def say(client: httpx.AsyncClient, line: str) -> None:
    token = re.search(r'name="token" value="([^"]+)"', (await client.get("/")).text)
    assert token is not None
    headers = {"Origin": str(client.base_url).rstrip("/"), "Accept": "application/json"}
    answer = await client.post("/say", data={"line": line, "token": token[1]}, headers=headers)
    assert answer.status_code == 200, answer.text


async def events(answer: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    """Each event's kind, and what it holds as JSON text."""
    kind = ""
    async for line in answer.aiter_lines():
        kind = line.removeprefix("event: ") if line.startswith("event: ") else kind
        if line.startswith("data: "):
            yield kind, line.removeprefix("data: ")


async def test_the_pages_show_what_somebody_may_see(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as bot, a_browser(bot, "ann") as ann, a_browser(bot, "cleo") as cleo:
        await bot.card("hello-2")
        assert "hello-2" in shown((await ann.get("/")).text)
        assert "hello" in shown((await ann.get("/pipelines")).text)
        for path in ("/", "/pipelines"):
            page = shown((await cleo.get(path)).text)
            assert page
            assert SAID.findall(page) == [], path
        for path in ("/p/hello", "/p/hello/runs", "/r/hello-2", "/r/hello-2/now", "/r/hello-2/logs", "/r/hello-2/yaml"):
            page = (await cleo.get(path, headers={"x-sluice-part": "1"})).text
            assert "There is no" in page, path
            assert "Reads the notes" not in page, path
            assert "Make v1" not in page, path


async def test_a_pipelines_page_begins_with_the_run_that_is_going_on_or_was_last(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as bot, a_browser(bot, "ann") as ann:
        card = await bot.card("hello-2")
        page = (await ann.get("/p/hello", headers={"x-sluice-part": "1"})).text
        assert page.index("hello-2") < page.index("Version")
        assert all(button.text in page for button in card.buttons)
        assert "hello-2" not in (await ann.get("/p/hello/yaml", headers={"x-sluice-part": "1"})).text


async def test_the_stream_tells_what_somebody_may_see_and_follows_their_rights(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as bot, a_browser(bot, "cleo") as cleo, a_browser(bot, "ann") as ann:
        heard: list[tuple[str, str]] = []
        async with cleo.stream("GET", "/events") as answer:
            stream = events(answer)
            heard.append(await anext(stream))
            assert heard[0][0] == "state"
            await say(ann, "approve hello-2")
            await say(
                cleo,
                "define\npipeline: mine\nstages:\n  - name: code\n    source: {git: 'https://git.example.com/a/b.git'}\n",
            )
            while "mine is defined" not in heard[-1][1]:
                heard.append(await anext(stream))
            assert [SAID.findall(text) for _, text in heard if SAID.search(text)] == []
            await grant(bot, "cleo", "read")
            run = await bot.start("run hello")
            while run not in heard[-1][1]:
                heard.append(await anext(stream))
        assert json.loads(heard[-1][1])

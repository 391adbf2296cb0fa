"""Pictures of the console for people who change how it looks: python -m tests.support.look_at_console DIRECTORY."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from bot.cards import Card, Tone
from bot.web.room import LOBBY
from bot.web.said import Line
from engine.model import PersonId
from tests.support import console_cards as cards
from tests.support.browser import CHROMIUM, FLAGS
from tests.support.console import Console, a_served_console, say

SIZES = {"phone": (390, 844), "desk": (1280, 800), "small": (320, 640), "wall": (1920, 1080)}
PAGES = {"room": "/", "pipelines": "/pipelines", "pipeline": "/p/shop-api", "run": "/r/shop-api-42"}


class SampleTraffic:
    """213 requests a second, a fifth of them to v2."""

    def __init__(self) -> None:
        self.total = 0

    def latest(self) -> dict[str, object] | None:
        self.total += 213
        gray = 20 + self.total % 23
        return {"per_second": 213, "failed": 0, "total": self.total, "by_version": {"v1": 213 - gray, "v2": gray}}


async def furnish(console: Console) -> None:
    console.dispatch.answers = {
        "list": say(cards.pipelines()),
        "status .*": say(cards.gray_release()),
        "logs .*": say(cards.long_logs()),
        "show .*": say(cards.finished_run()),
        ".*": say(Card("There is no command lst.", Tone.BAD, "Did you mean `list`?"), private=True),
    }
    chat = console.chat
    await chat.post(LOBBY, cards.finished_run())
    await chat.post(LOBBY, cards.building())
    await chat.say(LOBBY, PersonId("dan"), Line("list"))
    await chat.post(LOBBY, cards.pipelines())
    await chat.post(LOBBY, cards.hostile())
    await chat.post(LOBBY, cards.failed_promotion())
    await chat.say(LOBBY, PersonId("cleo"), Line("run shop-api tag=v2"))
    await chat.post(LOBBY, cards.gray_release())
    await chat.say(LOBBY, PersonId("ann"), Line("press approve", "Approve"))


async def shoot(browser: Browser, console: Console, to: Path) -> None:
    for scheme in ("light", "dark"):
        for size, (width, height) in SIZES.items():
            context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = await context.new_page()
            await page.goto(console.link())
            await page.screenshot(path=to / f"{size}-{scheme}-signin.png")
            await page.get_by_role("button").click()
            for name, path in PAGES.items():
                await page.goto(console.url + path)
                await page.wait_for_timeout(2500 if name == "room" else 400)
                await page.screenshot(path=to / f"{size}-{scheme}-{name}.png")
            await context.close()


async def main(to: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        async with a_served_console(Path(home), SampleTraffic()) as console, async_playwright() as playwright:
            await furnish(console)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            await shoot(browser, console, to)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

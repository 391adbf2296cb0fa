"""The console in Chromium: what a person sees and presses."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect

from bot.cards import Button, Card, Tone
from bot.web.room import LOBBY
from bot.web.said import Line
from engine.model import PersonId
from tests.support import console_cards as cards
from tests.support.browser import CHROMIUM, FLAGS
from tests.support.console import Console, a_served_console, say
from tests.support.console_cards import HOSTILE
from tests.support.console_page import a_page

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is missing: apt-get install chromium"),
]
APPROVE = "press approve shop-api-42 4"
REJECT = "press reject shop-api-42 4"


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    async with a_served_console(tmp_path) as opened:
        opened.dispatch.answers = {
            "list": say(cards.pipelines()),
            "whoami": say(Card("You are ann"), private=True),
            "status .*": say(cards.gray_release()),
            "logs .* image": say(cards.long_logs("image")),
            "logs .*": say(cards.long_logs()),
            "yaml shop-api-42": say(Card("shop-api-42, gray: applied to shop-api", code="a: b\n" * 400)),
            "(show|runs|versions|instances|yaml) .*": say(cards.pipelines()),
            "press .*": say(Card("Your vote is counted", Tone.GOOD), private=True),
            "rollback .*|run .*|retry .*": say(Card("Sure?", buttons=(Button("Yes", "yes"),))),
            "define\n.*": say(Card("shop is defined")),
        }
        yield opened


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        await opened.close()


async def test_a_line_is_said_and_answered_in_everybodys_room(console: Console, browser: Browser) -> None:
    async with a_page(browser, console) as ann, a_page(browser, console, person="bob") as bob:
        await ann.locator("#line").fill("list")
        await ann.keyboard.press("Enter")
        for page in (ann, bob):
            await expect(page.get_by_role("heading", name="4 pipelines")).to_be_visible()
            await expect(page.locator(".said")).to_have_text("list")
        await expect(ann.locator("#line")).to_have_value("")


async def test_a_private_answer_is_on_the_askers_screen_only(console: Console, browser: Browser) -> None:
    async with a_page(browser, console) as ann, a_page(browser, console, person="bob") as bob:
        await ann.locator("#line").fill("whoami")
        await ann.keyboard.press("Enter")
        await expect(ann.get_by_role("heading", name="You are ann")).to_be_visible()
        await console.chat.say(LOBBY, PersonId("cleo"), Line("a later line"))
        await expect(bob.get_by_text("a later line")).to_be_visible()
        await expect(bob.get_by_text("You are ann")).to_have_count(0)


async def test_hostile_text_is_shown_and_does_not_run(console: Console, browser: Browser) -> None:
    await console.chat.post(LOBBY, cards.hostile())
    await console.chat.say(LOBBY, PersonId("mallory"), Line(HOSTILE))
    async with a_page(browser, console) as page:
        await expect(page.locator(".card-title")).to_have_text(f"hostile {HOSTILE}")
        message = await console.chat.post(LOBBY, replace(cards.hostile(), key="live-1"))
        await expect(page.locator(f"#m-{message} .card-text")).to_have_text(HOSTILE)
        await console.chat.edit(LOBBY, message, replace(cards.hostile(), key="live-1", text=HOSTILE * 2))
        await expect(page.locator(f"#m-{message} .card-text")).to_have_text(HOSTILE * 2)
        assert await page.locator("main script, main img, aside script, aside img").count() == 0


async def test_an_edit_is_on_the_screen_within_a_second_and_moves_the_bar(console: Console, browser: Browser) -> None:
    message = await console.chat.post(LOBBY, cards.gray_release(10.0, 10))
    async with a_page(browser, console) as page:
        bar = await page.locator(".bar-seen").element_handle()
        assert bar is not None
        await console.chat.edit(LOBBY, message, cards.gray_release(40.0, 40))
        await expect(page.locator(".split-seen strong")).to_have_text("40 %", timeout=1000)
        assert await bar.get_attribute("width") == "40.00%", "the bar was replaced instead of moved"
        moves = await bar.evaluate("bar => getComputedStyle(bar).transitionProperty")
        assert moves == "width"


async def test_an_edit_keeps_the_focus_and_what_was_unfolded(console: Console, browser: Browser) -> None:
    message = await console.chat.post(LOBBY, cards.gray_release(10.0))
    async with a_page(browser, console) as page:
        button = page.get_by_role("button", name="Approve")
        await button.focus()
        await console.chat.edit(LOBBY, message, cards.gray_release(30.0))
        await expect(page.locator(".split-seen strong")).to_have_text("30 %")
        await expect(button).to_be_focused()


async def test_a_button_says_its_line(console: Console, browser: Browser) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console) as page:
        await page.get_by_role("button", name="Approve").click()
        heard = await console.dispatch.until(APPROVE)
        assert (heard.person, heard.room) == ("ann", LOBBY)
        await expect(page.get_by_role("heading", name="Your vote is counted")).to_be_visible()


async def test_two_presses_are_two_deliveries(console: Console, browser: Browser) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console) as page:
        for times in (1, 2):
            await page.get_by_role("button", name="Approve").click()
            await expect(page.get_by_role("heading", name="Your vote is counted")).to_have_count(times)
        keys = [heard.key for heard in console.dispatch.heard]
        assert len(set(keys)) == 2


async def test_buttons_wait_while_a_press_is_under_way(console: Console, browser: Browser) -> None:

    console.dispatch.gate = asyncio.Event()
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console) as page:
        await page.get_by_role("button", name="Approve").click()
        for button in await page.locator(".buttons button").all():
            await expect(button).to_be_disabled(timeout=1000)
        await console.dispatch.until(APPROVE)
        console.dispatch.gate.set()
        await expect(page.get_by_role("button", name="Approve")).to_be_enabled()


async def test_danger_needs_a_second_tap(console: Console, browser: Browser) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console, width=390) as page:
        await page.get_by_role("button", name="Refuse").click()
        sure = page.get_by_role("button", name="Tap again: Refuse")
        await expect(sure).to_be_visible()
        assert console.dispatch.heard == []
        await sure.click()
        await console.dispatch.until(REJECT)


async def test_danger_is_forgotten_after_four_seconds(console: Console, browser: Browser) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console) as page:
        await page.clock.install()
        await page.reload()
        await page.get_by_role("button", name="Refuse").click()
        await expect(page.get_by_role("button", name="Tap again: Refuse")).to_be_visible()
        await page.clock.fast_forward(4100)
        await expect(page.get_by_role("button", name="Refuse", exact=True)).to_be_visible()
        assert console.dispatch.heard == []


async def test_a_button_whose_answer_asks_needs_one_tap(console: Console, browser: Browser) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console) as page:
        await page.get_by_role("button", name="Roll back").click()
        await console.dispatch.until("rollback shop-api-42")
        await expect(page.get_by_role("button", name="Yes")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/pipelines", "/p/shop-api", "/r/shop-api-42"])
async def test_the_smallest_phone_never_scrolls_sideways(console: Console, browser: Browser, path: str) -> None:
    for card in (
        cards.finished_run(),
        cards.pipelines(),
        cards.hostile(),
        cards.failed_promotion(),
        cards.gray_release(),
    ):
        await console.chat.post(LOBBY, card)
    await console.chat.say(LOBBY, PersonId("ann"), Line("x" * 400))
    await console.chat.post(LOBBY, cards.long_logs())
    async with a_page(browser, console, path, width=320) as page:
        width = await page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        assert width == 320


@pytest.mark.parametrize("width", [320, 1280])
async def test_everything_that_is_touched_is_large_enough(console: Console, browser: Browser, width: int) -> None:
    for card in (cards.long_logs(), cards.failed_promotion(), cards.gray_release()):
        await console.chat.post(LOBBY, card)
    async with a_page(browser, console, width=width) as page:
        small = await page.evaluate(
            """() => [...document.querySelectorAll("button, .nav a, .live-item, .upload, #line")]
                .filter((one) => one.checkVisibility() && Math.min(one.offsetHeight, one.offsetWidth) < 44)
                .map((one) => one.outerHTML)"""
        )
        assert small == []


async def test_a_lost_connection_is_told_and_mends_itself(console: Console, browser: Browser) -> None:
    async with a_page(browser, console) as page:
        for listener in list(console.chat.hub._listeners):
            listener.lost.set()
        await expect(page.locator("#link")).to_have_attribute("data-state", "away")
        await console.chat.say(LOBBY, PersonId("bob"), Line("said meanwhile"))
        await expect(page.get_by_text("said meanwhile")).to_be_visible()
        await expect(page.locator("#link")).to_have_attribute("data-state", "live")


async def test_the_list_of_what_is_under_way_follows(console: Console, browser: Browser) -> None:
    message = await console.chat.post(LOBBY, cards.building())
    async with a_page(browser, console) as page:
        await expect(page.locator(".live-item")).to_contain_text("search-3")
        await console.chat.edit(LOBBY, message, cards.finished_run("search-3"))
        await expect(page.locator(".live-item")).to_have_count(0)


async def test_suggestions_complete_and_history_comes_back(console: Console, browser: Browser) -> None:
    async with a_page(browser, console) as page:
        line = page.locator("#line")
        await line.press_sequentially("who")
        await expect(page.get_by_role("option", name="whoami")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(line).to_have_value("whoami")
        await page.keyboard.press("Enter")
        await expect(line).to_have_value("")
        await page.keyboard.press("ArrowUp")
        await expect(line).to_have_value("whoami")


async def test_a_pasted_definition_keeps_its_lines_until_it_is_sent(console: Console, browser: Browser) -> None:
    async with a_page(browser, console) as page:
        await page.locator("#line").fill("define\npipeline: shop")
        await page.keyboard.press("Enter")
        await page.keyboard.insert_text("stages: []")
        await page.keyboard.press("Control+Enter")
        await console.dispatch.until("define\npipeline: shop\nstages: []")


async def test_a_definition_is_read_from_a_file(console: Console, browser: Browser) -> None:
    async with a_page(browser, console) as page:
        file = {"name": "shop.yaml", "mimeType": "application/yaml", "buffer": b"pipeline: shop\n"}
        await page.locator("#file").set_input_files(file)  # type: ignore[arg-type]
        await expect(page.locator("#line")).to_have_value("define\npipeline: shop\n")
        await page.get_by_role("button", name="Send").click()
        await console.dispatch.until("define\npipeline: shop")


async def test_the_page_of_a_run_follows_its_card_and_its_logs(console: Console, browser: Browser) -> None:
    message = await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console, "/r/shop-api-42") as page:
        await expect(page.locator("#link")).to_have_attribute("data-state", "live")
        await console.chat.edit(LOBBY, message, cards.gray_release(33.0))
        await expect(page.locator(".split-seen strong")).to_have_text("33 %", timeout=1000)
        await page.get_by_role("link", name="image", exact=True).click()
        await expect(page.locator("#logs")).to_contain_text("Logs of image")
        console.dispatch.answers["logs .* image"] = say(Card("Logs", code="a new line"))
        await expect(page.locator("#logs pre")).to_have_text("a new line")
        await page.get_by_role("link", name="YAML", exact=True).click()
        await expect(page).to_have_url(console.url + "/r/shop-api-42/yaml")
        await expect(page.locator("#logs")).to_contain_text("gray: applied")
        assert await page.locator("#logs pre").evaluate("text => text.scrollTop") == 0, "it is read from its beginning"


async def test_the_parts_of_a_pipeline_are_loaded_when_they_are_wanted(console: Console, browser: Browser) -> None:
    async with a_page(browser, console, "/p/shop-api") as page:
        assert console.dispatch.lines() == ["show shop-api", "status shop-api"]
        await page.get_by_role("link", name="YAML").click()
        await console.dispatch.until("yaml shop-api")
        await expect(page).to_have_url(console.url + "/p/shop-api/yaml")


@pytest.mark.parametrize("path", ["/r/shop-api-42/yaml", "/p/shop-api/yaml"])
async def test_the_tab_that_is_open_is_in_sight_on_a_phone(console: Console, browser: Browser, path: str) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console, path, width=320) as page:
        tab = page.locator(".tabs [aria-current]")
        beside = "tab => tab.getBoundingClientRect().left >= 0 && tab.getBoundingClientRect().right <= innerWidth"
        await expect(tab).to_have_text("YAML")
        assert await tab.evaluate(beside)
        first = page.locator(".tabs a").first
        await first.click()
        assert await first.evaluate(beside)


async def test_the_console_works_without_its_script(console: Console, browser: Browser) -> None:
    await console.chat.post(LOBBY, cards.gray_release())
    async with a_page(browser, console, script=False) as page:
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_role("heading", name="Your vote is counted")).to_be_visible()
        await page.get_by_role("button", name="Refuse").click()
        await page.get_by_role("button", name="Yes, do it").click()
        assert console.dispatch.lines() == [APPROVE, REJECT]


async def test_an_ended_session_leads_to_the_way_back_in(console: Console, browser: Browser) -> None:
    async with a_page(browser, console) as page:
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_text("sluice link --as NAME")).to_be_visible()

"""A page of the console in Chromium, signed in and listened to: whatever the page complains of is a failure."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from engine.model import PersonId
from tests.support.console import Console


@asynccontextmanager
async def a_page(
    browser: Browser, console: Console, path: str = "/", *, width: int = 1280, script: bool = True, person: str = "ann"
) -> AsyncIterator[Page]:
    """A page of a person who has signed in by a link. Whatever its console complains of is a failure."""
    context = await browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=script)
    context.set_default_timeout(5000)
    page = await _signed_in(context, console, person)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if _is_wrong(said) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    await page.goto(console.url + path)
    if script and path == "/":
        await expect(page.locator("#link")).to_have_attribute("data-state", "live")
    yield page
    await context.close()
    assert complaints == []


def _is_wrong(said: ConsoleMessage) -> bool:
    return said.type == "error" and "401 (Unauthorized)" not in said.text


async def _signed_in(context: BrowserContext, console: Console, person: str) -> Page:
    page = await context.new_page()
    await page.goto(console.link(PersonId(person)))
    await page.get_by_role("button", name=f"Sign in as {person}").click()
    await page.wait_for_url(console.url + "/")
    return page

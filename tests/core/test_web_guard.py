"""Whom the console lets in, and what it refuses, request by request and without a socket."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bot.cards import Card
from bot.web.guard import BURST, LARGEST, Allowance, host_name
from bot.web.room import LOBBY
from bot.web.said import Line
from bot.web.sessions import LINK_LIFE
from engine.model import PersonId
from tests.support.console import Console, StillClock, a_console, origin, say


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    async with a_console(tmp_path) as opened:
        opened.dispatch.answers = {"list": say(Card("4 pipelines")), "whoami": say(Card("You are ann"), private=True)}
        yield opened


@pytest.fixture
async def browser(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    async with console.browser() as client:
        yield client


@pytest.fixture
async def form(console: Console, browser: httpx.AsyncClient) -> dict[str, str]:
    return {"X-Sluice-Token": await console.sign_in(browser), "Accept": "application/json", **origin(browser)}


PAGES = [
    "/",
    "/pipelines",
    "/p/shop",
    "/p/shop/yaml",
    "/r/shop-1",
    "/r/shop-1/now",
    "/r/shop-1/logs",
    "/events",
    "/nowhere",
]


@pytest.mark.parametrize("path", PAGES)
async def test_who_is_not_signed_in_gets_nothing(console: Console, browser: httpx.AsyncClient, path: str) -> None:
    await console.chat.say(LOBBY, PersonId("ann"), Line("the secret plan"))
    answer = await browser.get(path)
    assert answer.status_code == 401
    assert "sluice link --as NAME" in answer.text
    assert "the secret plan" not in answer.text
    assert console.dispatch.heard == []


async def test_who_is_not_signed_in_says_nothing(console: Console, browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/say", data={"line": "list"}, headers=origin(browser))
    assert answer.status_code == 401
    assert console.dispatch.heard == []


async def test_a_preview_robot_does_not_use_a_link_up(console: Console, browser: httpx.AsyncClient) -> None:
    link = console.sessions.new_link(PersonId("ann"))
    for _ in range(3):
        preview = await browser.get(link)
        assert (preview.status_code, "Sign in as ann" in preview.text) == (200, True)
        assert "set-cookie" not in preview.headers
    assert (await browser.post(link, headers=origin(browser))).status_code == 303
    assert (await browser.post(link, headers=origin(browser))).status_code == 410
    assert (await browser.get(link)).status_code == 410


async def test_a_link_is_no_good_after_ten_minutes(console: Console, browser: httpx.AsyncClient) -> None:
    link = console.sessions.new_link(PersonId("ann"))
    console.clock.pass_time(LINK_LIFE)
    assert (await browser.get(link)).status_code == 410
    assert (await browser.post(link, headers=origin(browser))).status_code == 410


async def test_another_site_cannot_sign_a_browser_in(console: Console, browser: httpx.AsyncClient) -> None:
    link = console.sessions.new_link(PersonId("mallory"))
    assert (await browser.post(link, headers={"Origin": "http://evil.example"})).status_code == 403
    assert (await browser.post(link)).status_code == 403
    assert console.sessions.invited(link.removeprefix("/in/")) == "mallory"


async def test_the_cookie_is_out_of_reach_of_scripts(console: Console, browser: httpx.AsyncClient) -> None:
    answer = await browser.post(console.sessions.new_link(PersonId("ann")), headers=origin(browser))
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


async def test_behind_tls_the_cookie_travels_by_tls_only(tmp_path: Path) -> None:
    async with a_console(tmp_path, https=True, allowed_hosts=frozenset({"sluice.example"})) as console:
        transport = httpx.ASGITransport(console.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://sluice.example") as client:
            answer = await client.post(console.sessions.new_link(PersonId("ann")), headers=origin(client))
            assert answer.headers["set-cookie"].startswith("__Host-sluice=")
            assert "secure" in answer.headers["set-cookie"].lower()
            assert (await client.get("/")).status_code == 200


async def test_a_line_with_the_token_and_from_here_is_said(
    console: Console, browser: httpx.AsyncClient, form: dict[str, str]
) -> None:
    answer = await browser.post("/say", data={"line": "list"}, headers=form)
    assert answer.json() == {"html": [], "public": 1}
    assert [(heard.line, heard.person, heard.room) for heard in console.dispatch.heard] == [("list", "ann", LOBBY)]


@pytest.mark.parametrize(
    "change",
    [
        {"X-Sluice-Token": ""},
        {"X-Sluice-Token": "0" * 64},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost:8787"},
        {"Origin": "http://localhost:8788"},
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_line_that_another_site_makes_the_browser_say_is_refused(
    console: Console, browser: httpx.AsyncClient, form: dict[str, str], change: dict[str, str]
) -> None:
    answer = await browser.post("/say", data={"line": "list"}, headers=form | change)
    assert answer.status_code == 403
    assert console.dispatch.heard == []


async def test_a_line_that_does_not_say_where_it_comes_from_is_refused(
    console: Console, browser: httpx.AsyncClient, form: dict[str, str]
) -> None:
    del form["Origin"]
    assert (await browser.post("/say", data={"line": "list"}, headers=form)).status_code == 403
    assert console.dispatch.heard == []


async def test_the_token_of_another_session_is_refused(
    console: Console, browser: httpx.AsyncClient, form: dict[str, str]
) -> None:
    async with console.browser() as other:
        stolen = await console.sign_in(other, PersonId("bob"))
    answer = await browser.post("/say", data={"line": "list"}, headers=form | {"X-Sluice-Token": stolen})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8787", "localhost.evil.example", "", "127.0.0.1.nip.io", "["]
)
async def test_a_name_that_was_rebound_to_this_machine_is_refused(
    browser: httpx.AsyncClient, form: dict[str, str], host: str
) -> None:
    assert form
    answer = await browser.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "Sluice" not in answer.text.replace("that Sluice answers to", "")


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8787", "[::1]:8787", "LOCALHOST"])
def test_loopback_is_known_by_its_names(host: str) -> None:
    assert host_name(host) in {"localhost", "127.0.0.1", "::1"}


async def test_every_answer_forbids_scripts_from_elsewhere_and_frames(
    browser: httpx.AsyncClient, form: dict[str, str]
) -> None:
    assert form
    for path in ("/", "/pipelines", "/static/console.js", "/nowhere", "/p/..%2f"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


async def test_no_page_needs_anything_from_elsewhere(browser: httpx.AsyncClient, form: dict[str, str]) -> None:
    assert form
    for path in ("/", "/pipelines", "/static/console.css", "/static/card.css"):
        text = (await browser.get(path)).text
        assert "https://" not in text
        assert "@import" not in text
        assert " style=" not in text


async def test_pages_are_not_kept_by_anybody(browser: httpx.AsyncClient, form: dict[str, str]) -> None:
    assert form
    assert (await browser.get("/")).headers["cache-control"] == "no-store"
    assert (await browser.get("/static/console.css")).headers["cache-control"] == "no-cache"


async def test_more_than_a_mebibyte_is_refused(
    console: Console, browser: httpx.AsyncClient, form: dict[str, str]
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"line="
        for _ in range(LARGEST // 65536 + 1):
            yield b"x" * 65536

    announced = await browser.post("/say", content=b"line=" + b"x" * LARGEST, headers=form)
    unannounced = await browser.post("/say", content=endless(), headers=form)
    assert (announced.status_code, unannounced.status_code) == (413, 413)
    assert console.dispatch.heard == []


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"&".join(b"a%d=1" % n for n in range(20)), b"line=%ff", b"line=", b"", b"line=+++"]
)
async def test_what_is_no_form_is_refused(
    console: Console, browser: httpx.AsyncClient, form: dict[str, str], body: bytes
) -> None:
    assert (await browser.post("/say", content=body, headers=form)).status_code == 400
    assert console.dispatch.heard == []


async def test_a_deluge_is_held_back_with_a_clear_answer(
    console: Console, browser: httpx.AsyncClient, form: dict[str, str]
) -> None:
    codes = [(await browser.post("/say", data={"line": "whoami"}, headers=form)).status_code for _ in range(45)]
    assert codes == [200] * int(BURST) + [429] * 5
    refused = await browser.post("/say", data={"line": "whoami"}, headers=form)
    assert "Wait a second" in refused.text
    console.clock.pass_time(timedelta(seconds=1))
    assert (await browser.post("/say", data={"line": "whoami"}, headers=form)).status_code == 200


def test_one_session_does_not_use_up_what_another_may_say() -> None:
    allowance = Allowance(StillClock())
    assert all(allowance.take("ann") for _ in range(int(BURST)))
    assert not allowance.take("ann")
    assert allowance.take("bob")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_not_understood(browser: httpx.AsyncClient, form: dict[str, str], method: str) -> None:
    assert (await browser.request(method, "/say", headers=form)).status_code == 405


async def test_signing_out_ends_the_session(console: Console, browser: httpx.AsyncClient, form: dict[str, str]) -> None:
    assert (await browser.post("/out", headers={**form, "X-Sluice-Token": "x"})).status_code == 403
    cookie = browser.cookies["sluice"]
    assert (await browser.post("/out", headers=form)).status_code == 303
    assert console.sessions.find(cookie) is None
    assert (await browser.get("/")).status_code == 401

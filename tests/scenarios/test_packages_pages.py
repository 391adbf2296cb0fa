"""The console's pages of packages: listed, searched, downloaded; files come in from pages of the console only."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest_asyncio

from engine.model import PersonId
from engine.packages import parse
from storage.audit import SHOWN
from tests.support.bot import Bot, a_bot, words_of

API = "acme/shop/api/1.0/api.tar"
UPLOAD = "/packages/-/upload"
_TOKEN = re.compile(r'data-token="([0-9a-f]+)"')


@dataclass(repr=False)
class Browser:
    """Somebody who is signed in."""

    bot: Bot
    http: httpx.AsyncClient
    token: str = ""

    async def upload(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        own = {"Origin": self.bot.app.url, "X-Sluice-Token": self.token, **headers}
        return await self.http.post(UPLOAD, params={"path": path}, content=content, headers=own)

    async def page(self, path: str) -> str:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text


async def signed_in(bot: Bot, person: str = "ann") -> Browser:
    http = httpx.AsyncClient(base_url=bot.app.url, timeout=20, trust_env=False)
    link = bot.app.sessions.new_link(PersonId(person))
    assert (await http.post(link, headers={"Origin": bot.app.url})).status_code == 303
    found = _TOKEN.search((await http.get("/packages")).text)
    assert found
    return Browser(bot, http, found.group(1))


@pytest_asyncio.fixture
async def ann(tmp_path: Path) -> AsyncIterator[Browser]:
    async with a_bot(tmp_path / "home") as bot:
        browser = await signed_in(bot)
        yield browser
        await browser.http.aclose()


async def test_what_is_uploaded_is_said_in_the_room_listed_found_and_downloaded(ann: Browser) -> None:
    content = b"x" * 3_000_000
    answer = await ann.upload(API, content)
    assert (answer.status_code, answer.json()) == (200, {"html": [], "public": 1})
    assert any(f"{API} is kept" in words_of(card) for card in await ann.bot.cards())
    assert 'href="/packages/acme/shop/api"' in await ann.page("/packages")
    assert "acme/shop/api" in await ann.page("/packages?search=shop%20api")
    assert "matches" in await ann.page("/packages?search=nothing")
    assert 'href="/packages/acme/shop/api/1.0"' in await ann.page("/packages/acme/shop/api")
    assert f'href="/packages/{API}"' in await ann.page("/packages/acme/shop/api/1.0")
    assert f'href="/download/{API}"' in await ann.page(f"/packages/{API}")
    got = await ann.http.get(f"/download/{API}")
    assert got.content == content
    assert got.headers["content-disposition"] == 'attachment; filename="api.tar"'
    again = await ann.http.get(f"/download/{API}", headers={"If-None-Match": got.headers["etag"]})
    assert again.status_code == 304
    store = ann.bot.app.store
    await store.transact(lambda _book: None)
    rows = await store.read(lambda book: book.audit.page(0, 999))
    assert [row.deed.line for row in rows if row.deed.outcome == SHOWN] == [f"package get {API}"]


async def test_what_is_refused_is_told_to_the_sender_and_nothing_is_kept(ann: Browser) -> None:
    await ann.upload(API, b"one")
    other = await ann.upload(API, b"two")
    assert "another content" in "".join(other.json()["html"])
    for path in ("", "../../etc/passwd", "acme/shop/api/1.0/<script>", "acme/shop/Api/1/x"):
        refused = await ann.upload(path, b"x")
        assert refused.status_code == 400
        assert "<script>" not in "".join(refused.json()["html"])
    assert list((ann.bot.app.packages.files.root / "drafts").glob("*")) == []


async def test_only_pages_of_this_session_send_files(ann: Browser) -> None:
    strange = {"Origin": "https://evil.example"}
    assert (await ann.upload(API, b"x", **strange)).status_code == 403
    assert (await ann.upload(API, b"x", **{"X-Sluice-Token": "wrong"})).status_code == 403
    async with httpx.AsyncClient(base_url=ann.bot.app.url, trust_env=False) as nobody:
        own = {"Origin": ann.bot.app.url}
        assert (await nobody.post(UPLOAD, params={"path": API}, content=b"x", headers=own)).status_code == 401
        assert (await nobody.get(f"/download/{API}")).status_code == 401
    large = await ann.http.post("/say", content=b"x" * 2_000_000, headers={"Origin": ann.bot.app.url})
    assert large.status_code == 413, "elsewhere a body is as small as before"


async def test_who_may_not_see_an_organization_downloads_nothing_of_it(ann: Browser) -> None:
    await ann.upload(API, b"x")
    await ann.bot.say("group create acme")
    bob = await signed_in(ann.bot, "bob")
    try:
        assert (await bob.http.get(f"/download/{API}")).status_code == 403
        assert API not in await bob.page("/packages/acme/shop/api/1.0")
        assert "acme" not in (await bob.page("/packages?search=shop")).replace("placeholder", "")
        assert "may not" in "".join((await bob.upload("acme/shop/api/1.0/b", b"b")).json()["html"])
    finally:
        await bob.http.aclose()
    assert (await ann.bot.app.packages.find(parse(API)))[0].by == "ann"


async def test_a_page_of_what_is_not_there_says_so(ann: Browser) -> None:
    assert "no package" in await ann.page("/packages/acme/shop/nothing")
    for path in ("/packages/acme", "/packages/a/b/c/d/e/f", "/download/acme/shop/api", f"/download/{API}"):
        assert (await ann.http.get(path)).status_code == 404

"""GitHub, against a stand-in that others wrote: with a token, as an app, and what it delivers, signed, to our door."""

from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from engine.errors import Refused
from engine.forges.github_app import UnusableKey, proof
from engine.forges.hosting import Access, CodeHost, ForgeName, HookWish, NotAllowed, NotThere, SignInRefused
from engine.forges.hosts import Hosts
from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.github_emulate import APP, READER, TOKEN, GitHubWorld, github_world, private_key

pytestmark = pytest.mark.live
WISH = HookWish("http://127.0.0.1:9/push/one", "s3cret", pushes=True, tags=True)
DEFINITION = """
pipeline: shop
stages:
  - name: code
    source:
      git: https://github.com/shop/api.git
      account: github
      auto_build: {branches: [main]}
"""


class Hearing(ThreadingHTTPServer):
    """Hears what is delivered, and keeps it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.heard: list[tuple[str, dict[str, str], bytes]] = []


class _Keep(BaseHTTPRequestHandler):
    server: Hearing

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.heard.append((self.path, dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
async def github() -> AsyncIterator[GitHubWorld]:
    async with github_world() as world:
        yield world


@pytest.fixture
async def hosts() -> AsyncIterator[Hosts]:
    made = Hosts()
    yield made
    await made.close()


def ann(github: GitHubWorld, hosts: Hosts, token: str = TOKEN) -> CodeHost:
    return hosts.of(Access(ForgeName.GITHUB, "https://github.com", github.url, token, "ann-dev"))


def app(github: GitHubWorld, hosts: Hosts, key: str = "", installation: str = "") -> CodeHost:
    secret = key or github.key
    access = Access(ForgeName.GITHUB, "https://github.com", github.url, secret, "", str(APP), installation)
    return hosts.of(access)


async def test_a_token_sees_what_it_may_see_and_attaches_webhooks(github: GitHubWorld, hosts: Hosts) -> None:
    host = ann(github, hosts)
    assert (await host.whoami()).login == "ann-dev"
    assert [one.path for one in (await host.namespaces()).items] == ["ann-dev", "shop"]
    assert {one.path for one in (await host.repositories("ann-dev")).items} == {f"ann-dev/notes-{n}" for n in range(3)}
    assert (await host.repository("shop/api")).is_private
    assert [one.name for one in (await host.branches("shop/api")).items] == ["main"]
    assert list((await host.tags("shop/api")).items) == []
    number = await host.create_hook("shop/api", WISH)
    [found] = await host.hooks("shop/api")
    assert (found.id, found.fits(WISH)) == (number, True)
    await host.update_hook("shop/api", number, HookWish("http://127.0.0.1:9/push/two", "s"))
    assert [one.url for one in await host.hooks("shop/api")] == ["http://127.0.0.1:9/push/two"]
    await host.delete_hook("shop/api", number)
    assert await github.hooks() == []


async def test_what_github_refuses_is_said(github: GitHubWorld, hosts: Hosts) -> None:
    with pytest.raises(NotThere):
        await ann(github, hosts).repository("shop/nothing")
    with pytest.raises((NotAllowed, NotThere)):
        await ann(github, hosts, READER).create_hook("shop/api", WISH)


async def test_an_app_proves_itself_with_its_key_and_gets_a_token_for_its_installation(
    github: GitHubWorld, hosts: Hosts
) -> None:
    found = await app(github, hosts).whoami()
    assert (found.login, found.installation, found.missing) == ("sluice[bot]", "77", ())
    installed = app(github, hosts, installation="77")
    assert (await installed.repository("shop/api")).path == "shop/api"
    credential = await installed.credential()
    assert credential.username == "x-access-token"
    assert credential.secret.startswith("ghs_")
    assert (await installed.credential()).secret == credential.secret


async def test_another_key_is_refused_and_what_is_no_key_is_said(github: GitHubWorld, hosts: Hosts) -> None:
    with pytest.raises(SignInRefused):
        await app(github, hosts, private_key()).whoami()
    with pytest.raises(UnusableKey, match="no private key"):
        proof("1", "-----BEGIN RSA PRIVATE KEY-----\nnonsense\n-----END RSA PRIVATE KEY-----", 0.0)
    with pytest.raises(Refused, match="no installation 5"):
        await app(github, hosts, installation="5").whoami()


async def test_what_github_delivers_itself_is_taken_at_our_door(github: GitHubWorld, tmp_path: Path) -> None:
    hearing = Hearing()
    thread = Thread(target=hearing.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        settings = {"hooks_url": f"http://127.0.0.1:{hearing.server_port}", "github_api": github.url}
        async with a_bot(tmp_path / "home", settings=settings) as bot:
            assert "github is bound" in await bot.say(f"account bind github {TOKEN}")
            assert "the webhook is attached" in await bot.say(f"define\n{DEFINITION}")
            [hook] = await github.hooks()
            await github.call("POST", f"/repos/shop/api/hooks/{hook['id']}/pings")
            await github.call("PUT", "/repos/shop/api/contents/a.txt", message="Sell more", content="YQ==")
            await _heard(hearing, 2)
            assert await _passed_on(bot, hearing, "ping") == [200]
            assert await _passed_on(bot, hearing, "push") == [202]
            await eventually(lambda: _has_run(bot), "a run")
            [run] = await bot.runs("shop")
            assert run.requested_by == "ann"
            await bot.say("account unbind github")
            await bot.say("yes")
            await bot.app.code.attaching.tend()
            assert await github.hooks() == []
    finally:
        hearing.shutdown()
        hearing.server_close()
        thread.join()


async def _heard(hearing: Hearing, count: int) -> None:
    async def look() -> bool:
        return len(hearing.heard) >= count

    await eventually(look, f"{count} deliveries")


async def _has_run(bot: Bot) -> bool:
    return len(await bot.runs("shop")) == 1


async def _passed_on(bot: Bot, hearing: Hearing, event: str) -> list[int]:
    """Deliver what was heard of an event to the bot's own port; returns how it answers."""
    door = f"http://127.0.0.1:{bot.app.switchboard.hooks}"
    async with httpx.AsyncClient(trust_env=False) as client:
        return [
            (await client.post(door + path, content=body, headers=headers)).status_code
            for path, headers, body in hearing.heard
            if {name.lower(): value for name, value in headers.items()}.get("x-github-event") == event
        ]

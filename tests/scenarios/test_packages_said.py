"""What people say about packages, from the line to the card."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest_asyncio

from bot.chat import Incoming
from bot.web.room import LOBBY
from engine.model import PersonId, RoomId
from engine.packages import parse
from tests.support.bot import Bot, a_bot, words_of

API = "acme/shop/api/1.0/api.tar"
DRAFT = "0123456789abcdef0123456789abcdef"
DEFINITION = """
pipeline: hello
stages:
  - name: code
    source:
      git: https://git.example.com/hello.git
  - name: image
    build:
      image: acme/hello:v1
      builder: docker
      packages:
        - {package}
"""
_TOKEN = re.compile(r"sluicepkg_[0-9a-f]{16}_[A-Za-z0-9_-]{43}")


@pytest_asyncio.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with a_bot(tmp_path / "home") as bot:
        yield bot


async def arrived(bot: Bot, path: str = API, content: bytes = b"hello", draft: str = DRAFT) -> str:
    """Let a file have come with a line, as a chat does it."""
    bot.app.packages.files.append(draft, content)
    return await bot.say(f"package upload {path} {draft}")


async def test_a_package_is_made_filled_listed_shown_and_deleted(bot: Bot) -> None:
    assert "No packages" in await bot.say("packages")
    assert "without any version" in await bot.say("package create acme/shop/api The API of the shop")
    assert "is there already" in await bot.say("package create acme/shop/api")
    assert f"{API} is kept" in await arrived(bot)
    listed = await bot.say("packages shop")
    assert "acme/shop/api" in listed
    assert "The API of the shop" in listed
    assert "matches 'nothing'" in await bot.say("packages nothing")
    assert "acme/shop/api/1.0" in await bot.say("package acme/shop/api")
    assert API in await bot.say("package acme/shop/api/1.0")
    shown = await bot.say(f"package {API}")
    assert "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" in shown
    assert f"sluice package pull {API}" in shown
    assert "DELETE" in await bot.say("package delete acme/shop/api/1.0")
    assert "has to be typed" in await bot.say("yes")
    assert "acme/shop/api/1.0 is deleted" in await bot.say("DELETE")
    assert "no package" in await bot.say(f"package {API}")
    assert "before it was deleted" in await arrived(bot, content=b"other", draft="f" * 32)


async def test_the_same_delivery_twice_is_one_file_and_tells_the_same(bot: Bot) -> None:
    bot.app.packages.files.append(DRAFT, b"hello")
    for _ in range(2):
        assert API in await bot.say(f"package upload {API} {DRAFT}", key="slack:1")
    deeds = await bot.app.store.read(lambda book: book.audit.latest(9))
    assert [one.line for one in deeds].count(f"package upload {API} {DRAFT}") == 1
    assert "not there any more" in await bot.say(f"package upload acme/shop/api/1.0/other {DRAFT}")


async def test_a_file_that_was_kept_by_half_when_the_bot_ended_is_kept_when_the_line_is_said_again(bot: Bot) -> None:
    files = bot.app.packages.files
    files.append(DRAFT, b"hello")
    files.keep(DRAFT, files.measured(DRAFT)[1], bot.app.clock.now())
    assert f"{API} is kept" in await bot.say(f"package upload {API} {DRAFT}", key="slack:1")
    assert files.length(DRAFT) == 0


async def test_whether_a_file_may_come_is_said_before_it_is_fetched(bot: Bot) -> None:
    asked = await bot.say("package upload acme/shop/api/1.0")
    assert "Which file" in asked
    assert f"{bot.app.switchboard.hooks}/packages/acme/shop/api/1.0/FILE" in asked
    for path in ("acme/shop/api/../x", "acme/shop/api", "/etc/passwd", "acme/shop/api/1.0/.x", "acme/shop/Api/1"):
        answer = await bot.say(f"package upload {path}")
        assert "Write" in answer, answer
    assert "no file that came" in await bot.say(f"package upload {API} ../../x")


async def test_who_deletes_what_a_pipeline_names_is_warned(bot: Bot) -> None:
    await arrived(bot)
    await arrived(bot, "acme/shop/api/2.0/api.tar", b"2", "a" * 32)
    text = DEFINITION.format(package="acme/shop/api/1.0")
    assert "is defined" in await bot.say(f"define\n{text}")
    assert "builds" in await bot.say("package delete acme/shop/api/1.0")
    assert "hello" in await bot.say(f"package delete {API}")
    assert "builds" not in await bot.say("package delete acme/shop/api/2.0")
    assert "hello" in await bot.say("package delete acme/shop/api")


async def test_a_token_is_shown_once_alone_and_opens_what_it_was_made_for(bot: Bot) -> None:
    room = Incoming(LOBBY, PersonId("ann"), "package token ci acme write 30", "t1", is_alone=False)
    [refused] = await bot.app.dispatch.answer(room)
    assert "direct chat" in words_of(refused.card)
    [made] = await bot.app.dispatch.answer(replace(room, room=RoomId("telegram:1"), is_alone=True, key="t2"))
    assert made.private
    token = made.card.code
    assert _TOKEN.fullmatch(token)
    url = f"http://127.0.0.1:{bot.app.switchboard.hooks}/packages/{API}"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        assert (await client.put(url, content=b"hello")).status_code == 201
        assert (await client.delete(url)).status_code == 403
        listed = await bot.say("package tokens")
        assert "ci" in listed
        assert token not in listed
        assert "opens nothing" in await bot.say("package revoke ci")
        assert (await client.get(url)).status_code == 401
    said = str(await bot.app.store.read(lambda book: book.audit.latest(99)))
    assert "package token ci acme write 30" in said
    assert token.rpartition("_")[2] not in said


async def test_a_group_of_the_organizations_name_decides_who_may(bot: Bot) -> None:
    await arrived(bot)
    await bot.say("group create acme")
    await bot.say("grant bob read on acme")
    assert API in await bot.say(f"package {API}", "bob")
    assert "acme/shop/api" in await bot.say("packages", "bob")
    assert "You may not" in await bot.say("package upload acme/shop/api/1.0/b", "bob")
    assert "You may not" in await bot.say(f"package delete {API}", "bob")
    assert "You may not" in await bot.say("package token ci acme write", "bob")
    assert "You may not" in await bot.say(f"package get {API}", "cleo")
    assert "No packages" in await bot.say("packages", "cleo")


async def test_a_token_may_no_more_than_its_person_still_may(bot: Bot) -> None:
    asked = Incoming(RoomId("telegram:1"), PersonId("bob"), "package token ci acme delete", "t2")
    token = (await bot.app.dispatch.answer(asked))[0].card.code
    url = f"http://127.0.0.1:{bot.app.switchboard.hooks}/packages/{API}"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        assert (await client.put(url, content=b"hello")).status_code == 201
        await bot.say("group create acme")
        assert (await client.get(url)).status_code == 403
        await bot.say("grant bob read on acme")
        assert (await client.get(url)).status_code == 200
        assert (await client.put(url, content=b"hello")).status_code == 403
        assert "acme" in (await client.get(url.partition("/acme")[0] + "/")).text


async def test_every_word_of_package_that_is_wrong_is_answered_with_how_to_say_it(bot: Bot) -> None:
    assert "package upload" in await bot.say("package")
    for line in (
        "package nothing",
        "package get",
        "package create",
        "package token x",
        "package tokens now",
        "package a/b/c d",
    ):
        assert "Write" in await bot.say(line), line
    assert "neither a right nor" in await bot.say("package token ci acme everything")
    assert "no name for a token" in await bot.say("package token 'a b' acme")
    assert "no token" in await bot.say("package revoke nothing")


async def test_the_terminal_reaches_packages_through_its_socket(bot: Bot) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(bot.app.settings.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://sluice", trust_env=False) as client:
        assert (await client.put(f"/packages/{API}", content=b"hello")).status_code == 401
        named = {"X-Sluice-As": "ann"}
        assert (await client.put(f"/packages/{API}", content=b"hello", headers=named)).status_code == 201
        assert (await client.get(f"/packages/{API}", headers=named)).content == b"hello"
    file, _ = await bot.app.packages.find(parse(API))
    assert file.by == "ann"

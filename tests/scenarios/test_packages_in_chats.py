"""Packages that come and go as files in chats: a document in Telegram, a file in Slack."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bot.chat import Answer, Update
from bot.packages.carrying import Carrier, Parcel, asking
from engine.model import RoomId
from engine.packages import parse
from storage.package_files import PackageFiles
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, in_slack, user, words
from tests.support.telegram_house import ANN, EVE, OnTelegram, on_telegram
from tests.support.telegram_wire import telegram_wire

VERSION = "acme/shop/api/1.0"
CONTENT = bytes(range(256)) * 100
ANNS = "U00ANN"


@pytest_asyncio.fixture
async def talk(tmp_path: Path) -> AsyncIterator[OnTelegram]:
    async with telegram_wire() as wire, on_telegram(tmp_path / "home", wire, "ann") as running:
        yield running


@pytest_asyncio.fixture
async def slack(tmp_path: Path) -> AsyncIterator[SlackTalk]:
    async with a_slack() as wire, in_slack(tmp_path / "home", wire, "ann") as running:
        yield running


async def content(path: Path) -> bytes:
    return await asyncio.to_thread(path.read_bytes)


async def test_a_document_in_telegram_becomes_a_file_of_a_package_and_comes_back(talk: OnTelegram) -> None:
    alone = talk.alone(ANN)
    talk.wire.people.uploads(ANN, alone, "api.tar", CONTENT, f"package upload {VERSION}")
    await talk.reads(alone, f"{VERSION}/api.tar is kept")
    file, place = await talk.bot.app.packages.find(parse(f"{VERSION}/api.tar"))
    assert (file.by, await content(place)) == ("ann", CONTENT)
    await talk.asks(ANN, alone, f"package get {VERSION}", "25.0 KiB")
    await talk.wire.until(lambda: any(one.file for one in talk.wire.shows(alone)))
    [sent] = [one.file for one in talk.wire.shows(alone) if one.file]
    assert (sent.name, sent.content) == ("api.tar", CONTENT)


async def test_in_a_group_the_same_works_and_what_is_refused_is_said_there(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN)
    talk.wire.people.uploads(ANN, group, "api.tar", CONTENT, f"/package upload {VERSION}/other.tar")
    await talk.reads(group, f"{VERSION}/other.tar is kept")
    talk.wire.people.uploads(ANN, group, "api.tar", b"other", f"/package upload {VERSION}/other.tar")
    await talk.reads(group, "another content")
    talk.wire.people.uploads(ANN, group, "../../etc/passwd", b"x", f"/package upload {VERSION}")
    await talk.reads(group, "two dots in a row")
    talk.wire.people.uploads(ANN, group, "my file.txt", b"x", f"/package upload {VERSION}")
    await talk.reads(group, "'my file.txt' cannot be the file of a package")
    talk.wire.people.uploads(ANN, group, "Übung.tar", b"x", f"/package upload {VERSION}")
    await talk.reads(group, "not plain letters")


async def test_a_name_from_slack_that_is_none_is_refused_in_the_words_of_names(slack: SlackTalk) -> None:
    direct = slack.slack.space.direct(ANNS)
    files = [slack.slack.add_file("my file.txt", CONTENT)]
    await slack.deliver(slack.people.message(ANNS, direct, f"package upload {VERSION}", files=files))
    why = "'my file.txt' cannot be the file of a package"
    await slack.until(lambda: why in words(slack.slack.messages(direct)), "the name is refused")
    assert slack.slack.called("files.info") == []


async def test_nobody_can_guess_where_a_file_lies_between_its_coming_and_its_taking(tmp_path: Path) -> None:
    heard: list[Update] = []

    class Ears:
        async def accept(self, update: Update) -> bool:
            heard.append(update)
            return True

        async def settle(self, update: Update) -> list[Answer]:
            raise AssertionError(update)

    async def fetch(_file: str, _most: int) -> bytes:
        return CONTENT

    carrier = Carrier(PackageFiles(tmp_path), fetch, lambda update, _: update, 10**6)
    carrier.onward.listen(Ears())
    line = f"package upload {VERSION}"
    update = Update(key="telegram:1:update:7", room=RoomId("telegram:1"), account="telegram:2", line=line)
    for _ in range(2):
        await carrier.hand_on(asking(update, Parcel("f1", "api.tar")))
    drafts = [one.line.rpartition(" ")[2] for one in heard]
    assert [await content(carrier.files.draft(draft)) for draft in drafts] == [CONTENT] * 2
    assert len({*drafts, hashlib.sha256(heard[0].key.encode()).hexdigest()[:32]}) == 3, "it is made of nothing known"
    assert {one.key for one in heard} == {"telegram:1:update:7:file"}


async def test_a_strangers_document_is_not_fetched(talk: OnTelegram) -> None:
    alone = talk.alone(EVE)
    talk.wire.people.uploads(EVE, alone, "api.tar", CONTENT, f"package upload {VERSION}")
    await talk.reads(alone, "I do not know this account")
    assert talk.wire.made("getFile") == []
    assert await talk.bot.app.store.read(lambda book: book.packages.search("", 9)) == []


async def test_a_file_in_slack_becomes_a_file_of_a_package_and_comes_back(slack: SlackTalk) -> None:
    direct = slack.slack.space.direct(ANNS)
    files = [slack.slack.add_file("api.tar", CONTENT)]
    await slack.deliver(slack.people.message(ANNS, direct, f"package upload {VERSION}", files=files))
    await slack.until(lambda: f"{VERSION}/api.tar is kept" in words(slack.slack.messages(direct)), "it is kept")
    _, place = await slack.bot.app.packages.find(parse(f"{VERSION}/api.tar"))
    assert await content(place) == CONTENT
    await slack.deliver(slack.people.message(ANNS, direct, f"package get {VERSION}"))
    await slack.until(lambda: any(one.get("files") for one in slack.slack.messages(direct)), "the file is sent")
    stored = [one for one in slack.slack.space.files.values() if one.content == CONTENT]
    assert len(stored) == 2


async def test_in_a_channel_a_file_is_taken_once_however_often_it_is_delivered(slack: SlackTalk) -> None:
    files = [slack.slack.add_file("api.tar", CONTENT)]
    sent = slack.people.mention(ANNS, ROOM, f"package upload {VERSION}", files=files)
    for retry in range(3):
        await slack.deliver(sent, retry)
    await slack.until(lambda: f"{VERSION}/api.tar is kept" in words(slack.slack.messages(ROOM)), "it is kept")
    deeds = await slack.audited()
    assert sum("package upload" in one.line and one.outcome == "done" for one in deeds) == 1
    assert len(slack.slack.called("files.info")) == 1


async def test_what_slack_says_is_too_large_or_too_many_is_refused_with_the_other_ways(slack: SlackTalk) -> None:
    file = slack.slack.add_file("api.tar", CONTENT)
    direct = slack.slack.space.direct(ANNS)
    large = [{**file, "size": 10**9}]
    await slack.deliver(slack.people.message(ANNS, direct, f"package upload {VERSION}", files=large))
    await slack.until(lambda: "100.0 MiB is the most" in words(slack.slack.messages(direct)), "it is too large")
    assert "sluice package push" in words(slack.slack.messages(direct))
    await slack.deliver(slack.people.message(ANNS, direct, f"package upload {VERSION}", files=[file, file]))
    await slack.until(lambda: "2 files in one message" in words(slack.slack.messages(direct)), "there are two")
    assert slack.slack.called("files.info") == []


async def test_a_strangers_file_in_slack_is_not_fetched(slack: SlackTalk) -> None:
    mallory = user("mallory")
    direct = slack.slack.space.direct(mallory)
    files = [slack.slack.add_file("api.tar", CONTENT)]
    await slack.deliver(slack.people.message(mallory, direct, f"package upload {VERSION}", files=files))
    await slack.until(lambda: "I do not know this account" in words(slack.slack.messages(direct)), "mallory is told")
    assert slack.slack.called("files.info") == []

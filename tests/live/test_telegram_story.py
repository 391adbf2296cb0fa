"""What the README tells, told through Telegram: real instances, a real proxy, people with phones."""

import re
from pathlib import Path

import pytest

from engine.model import RunState
from tests.support.telegram_house import ANN, BOB, OnTelegram, on_telegram
from tests.support.telegram_wire import telegram_wire
from tests.support.traffic import steady
from tests.support.workload import Shop, versions_served

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


def pipeline(shop: Shop) -> bytes:
    """The shop's pipeline, where ann and bob must both pass."""
    text = shop.gray().replace("{reviewers: [ann], ", "{reviewers: [ann, bob], mode: all, ")
    assert "mode: all" in text
    return text.encode()


async def test_a_team_releases_a_version_by_way_of_gray_and_goes_back_from_their_phones(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with telegram_wire() as wire, on_telegram(tmp_path / "h", wire, "ann", "bob") as talk:
        group = wire.people.group("releases", ANN, BOB)
        # Given a pipeline that came as a document, and v1 everywhere.
        wire.people.uploads(ANN, group, "hello.yaml", pipeline(shop), "/define@sluice_bot")
        await talk.reads(group, "hello is defined, version 1")
        first = await talk.begins(ANN, group, "hello")
        await both_approve(talk, group.id, first)
        async with steady(shop.port, key="version") as visitors:
            # When ann starts v2, then one card shows the stages, the split as it is, and who has to pass.
            run = await talk.begins(ANN, group, "hello tag=v2")
            card = await talk.shows(group, run, "waits for review", 60)
            assert re.search(r"wanted +█+░+ 20 %", card.text)
            await talk.wire.until(lambda: seen(talk.cards(group, run)[0].text) is not None, 30)
            assert "bob has not voted" in card.text
            # When both pass, with buttons, then everybody has v2, and it is still the same card.
            ended = await both_approve(talk, group.id, run)
            assert ended == card.id
            assert await versions_served(shop) == {"v2"}
            # When bob rolls back in two taps, the first of which shows what will happen, then everybody has v1 again.
            await talk.is_told(talk.presses(BOB, group, "⚠️ Roll back"))
            question = await talk.reads(group, "Roll hello back from shop/hello:v2 to shop/hello:v1")
            assert "1. " in question.text
            assert await versions_served(shop) == {"v2"}
            await talk.is_told(talk.presses(BOB, group, "Roll back"))
            back = (await talk.bot.runs("hello"))[0].id
            await talk.bot.ends(back, RunState.SUCCEEDED)
            await talk.shows(group, back, "succeeded")
            assert await versions_served(shop) == {"v1"}
        assert visitors.failures == []


async def both_approve(talk: OnTelegram, chat: int, run: str) -> int:
    """Ann in the group and bob alone pass the review; returns the group's card of the run."""
    group = talk.wire.methods.chats[chat]
    await talk.shows(group, run, "waits for review", 60)
    await talk.shows(talk.alone(BOB), run, "waits for review", 60)
    await talk.is_told(talk.presses(ANN, group, "Approve"))
    await talk.reads(group, "✅ ann")
    await talk.is_told(talk.presses(BOB, talk.alone(BOB), "Approve"))
    await talk.bot.ends(run, RunState.SUCCEEDED)
    return (await talk.shows(group, run, "succeeded", 60)).id


def seen(text: str) -> float | None:
    """The observed share that a card shows."""
    found = re.search(r"seen +[█░]+ ([0-9.]+) %", text)
    return float(found[1]) if found else None

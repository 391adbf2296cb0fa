"""What Sluice posts is taken by the Slack stand-in that others wrote, and shown as it was posted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.slack import modals
from bot.slack.render import render
from tests.support.emulated import FOLDER
from tests.support.slack_cards import CARDS
from tests.support.slack_emulate import SlackWorld, slack_world

pytestmark = pytest.mark.live


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWorld]:
    async with slack_world() as world:
        yield world


async def test_every_card_is_shown_as_it_was_posted(slack: SlackWorld) -> None:
    channel = slack.channels["releases"]
    for card in CARDS.values():
        posted = await slack.call("chat.postMessage", slack.token, channel=channel, **render(card, _token).arguments())
        assert posted["ok"], posted
    shown = await slack.messages("releases")
    assert [one["blocks"] for one in shown] == [render(card, _token).arguments()["blocks"] for card in CARDS.values()]


async def test_an_edited_card_takes_the_place_of_the_old_one(slack: SlackWorld) -> None:
    channel = slack.channels["releases"]
    first, last = (render(CARDS[name], _token).arguments() for name in ("review", "succeeded"))
    posted = await slack.call("chat.postMessage", slack.token, channel=channel, **first)
    edited = await slack.call("chat.update", slack.token, channel=channel, ts=posted["ts"], **last)
    assert edited["ok"], edited
    assert [one["blocks"] for one in await slack.messages("releases")] == [last["blocks"]]


async def test_a_form_opens_with_what_a_person_did(slack: SlackWorld) -> None:
    view = modals.reject_modal("shop-api-42", "{}")
    opened = await slack.call("views.open", slack.token, trigger_id=await slack.trigger("ann"), view=view)
    assert opened["ok"], opened
    assert opened["view"]["private_metadata"] == "{}"


async def test_a_bot_without_the_scope_is_told_which_one_it_needs() -> None:
    async with slack_world(scopes=("im:write",)) as world:
        channel = world.channels["releases"]
        answer = await world.call("chat.postMessage", world.token, channel=channel, text="hello")
    assert (answer["error"], answer["needed"]) == ("missing_scope", "chat:write")


def test_the_lock_names_no_host() -> None:
    assert "://" not in (Path(FOLDER) / "package-lock.json").read_text()


def _token(_button: object) -> str:
    return "t"

"""What forges offer can be pressed instead of typed."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from bot.cards import Card
from bot.chat import Incoming
from bot.creating.conversation import make_creating
from bot.dispatch import Dispatch
from bot.web.room import LOBBY
from engine.forges.hosting import Page
from engine.model import PersonId
from engine.pipeline import check, parse
from tests.support.bot import Bot, a_new_bot

ANN = PersonId("ann")
API = "https://git.example.org/shop/api.git"
ORCHARD = "https://git.example.org/fruit"
LONG = f"{ORCHARD}/{'a-very-long-name-' * 6}of-a-repository.git"


@dataclass(frozen=True)
class ShopsOffers:
    """ann has an account that sees two namespaces with many repositories, in pages."""

    async def accounts(self, person: PersonId) -> Sequence[str]:
        return ("shop-code",) if person == ANN else ()

    spaces: Sequence[str] = ("shop",)

    async def namespaces(self, person: PersonId, account: str, page: str = "") -> Page[str]:
        assert (person, account, page) == (ANN, "shop-code", "")
        return Page(self.spaces)

    async def repositories(self, person: PersonId, account: str, namespace: str = "", page: str = "") -> Page[str]:
        assert (person, account) == (ANN, "shop-code")
        if namespace == "fruit":
            return Page((LONG,)) if page == "2" else Page([f"{ORCHARD}/{n}.git" for n in range(10)], "2")
        return Page((API, "https://git.example.org/shop/web.git"))

    async def branches(self, person: PersonId, account: str, address: str, page: str = "") -> Page[str]:
        assert (person, account, page) == (ANN, "shop-code", "")
        return Page(("main", "next")) if address == API else Page(())

    async def tags(self, person: PersonId, account: str, address: str, page: str = "") -> Page[str]:
        assert (person, account, page) == (ANN, "shop-code", "")
        return Page(("v2", "v1"))


def with_offers(bot: Bot, *spaces: str) -> Dispatch:
    there = bot.app.dispatch
    making = make_creating(there.transports, there.defining.define_all, ShopsOffers(spaces or ("shop",)))
    return Dispatch(bot.app.store, bot.app.control, bot.app.clock, there.desk, there.previews, features=(making,))


async def say(dispatch: Dispatch, line: str, person: PersonId = ANN) -> Card:
    return (await dispatch.answer(Incoming(LOBBY, person, line)))[0].card


def offered(card: Card) -> list[str]:
    return [button.text for button in card.buttons][:-2]


async def test_account_repository_and_branch_are_chosen_from_what_the_forge_has() -> None:
    async with a_new_bot() as bot:
        dispatch = with_offers(bot)
        for line in ("create build", "api"):
            await say(dispatch, line)
        assert offered(await say(dispatch, "default")) == ["none", "shop-code"]
        assert offered(await say(dispatch, "shop-code")) == [API, "https://git.example.org/shop/web.git"]
        assert offered(await say(dispatch, API)) == ["main", "next"]
        assert offered(await say(dispatch, "next")) == ["not by itself", "on a push", "on a new tag", "on both"]
        whole = await say(dispatch, "not by itself")
        assert "auto_build" not in whole.code
        assert "account: shop-code" in whole.code
        assert "branch: next" in whole.code
        bob = PersonId("bob")
        for line in ("create build", "web"):
            await say(dispatch, line, bob)
        assert "Where is its code?" in (await say(dispatch, "default", bob)).title


def line_of(card: Card, text: str) -> str:
    return next(button.line for button in card.buttons if button.text == text)


async def test_the_namespace_comes_first_and_more_shows_the_forges_next_page() -> None:
    async with a_new_bot() as bot:
        dispatch = with_offers(bot, "shop", "fruit")
        for line in ("create build", "api", "default"):
            await say(dispatch, line)
        assert offered(await say(dispatch, "shop-code")) == ["all", "shop", "fruit"]
        first = await say(dispatch, "fruit")
        assert offered(first) == [*(f"{ORCHARD}/{n}.git" for n in range(8)), "More"]
        second = await say(dispatch, line_of(first, "More"))
        assert offered(second) == [f"{ORCHARD}/8.git", f"{ORCHARD}/9.git", "More", "The first ones"]
        third = await say(dispatch, line_of(second, "More"))
        label, _ = offered(third)
        assert (len(label), label[0], LONG.endswith(label[1:])) == (40, "…", True)
        assert offered(await say(dispatch, line_of(third, "The first ones"))) == offered(first)
        assert "Which branch?" in (await say(dispatch, line_of(third, label))).title
        assert "Where is its code?" in (await say(dispatch, "back")).title
        assert "In which namespace" in (await say(dispatch, "back")).title
        assert f"repository {LONG}"[-60:] not in str((await say(dispatch, "all")).fields)


async def test_where_there_is_one_namespace_it_is_not_asked_for_on_the_way_there_or_back() -> None:
    async with a_new_bot() as bot:
        dispatch = with_offers(bot)
        for line in ("create build", "api", "default"):
            await say(dispatch, line)
        assert "Where is its code?" in (await say(dispatch, "shop-code")).title
        assert "With which code account?" in (await say(dispatch, "back")).title
        assert "Where is its code?" in (await say(dispatch, "none")).title
        for line in (API, "main"):
            whole = await say(dispatch, line)
        assert "Create api?" in whole.title, "without an account nothing is asked about pushes"


@pytest.mark.parametrize(
    ("template", "said", "branches", "tags", "parameters"),
    [
        ("build", "on a push", ("next",), (), {}),
        ("build-and-gray", "on a new tag", (), ("*",), {}),
        ("build", "on both", ("next",), ("*",), {}),
        ("environments", "on both", ("next",), ("*",), {"commit": "tag"}),
        ("environments", "on a new tag", (), ("*",), {"tag": "tag"}),
    ],
)
async def test_what_starts_it_by_itself_is_chosen_and_written(
    template: str, said: str, branches: tuple[str, ...], tags: tuple[str, ...], parameters: dict[str, str]
) -> None:
    async with a_new_bot() as bot:
        dispatch = with_offers(bot)
        for line in (f"create {template}", "api", "default", "shop-code", API, "next"):
            await say(dispatch, line)
        card = await say(dispatch, said)
        while card.buttons[0].text != "Create":
            card = await say(dispatch, card.buttons[0].line)
        text = card.code.partition("---\n")[0]
        assert check(text) == ()
        source = parse(text).pipeline.stages[0].source
        assert source is not None
        assert source.auto_build is not None
        assert (source.auto_build.branches, source.auto_build.tags) == (branches, tags)
        assert source.auto_build.parameters == parameters

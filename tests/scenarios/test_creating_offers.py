"""What forges offer can be pressed instead of typed."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.cards import Card
from bot.chat import Incoming
from bot.creating.conversation import make_creating
from bot.dispatch import Dispatch
from bot.web.room import LOBBY
from engine.model import PersonId
from tests.support.bot import Bot, a_new_bot

ANN = PersonId("ann")
API = "https://git.example.org/shop/api.git"


@dataclass(frozen=True)
class ShopsOffers:
    """ann has an account that sees two repositories."""

    async def accounts(self, person: PersonId) -> Sequence[str]:
        return ("shop-code",) if person == ANN else ()

    async def repositories(self, person: PersonId, account: str) -> Sequence[str]:
        assert (person, account) == (ANN, "shop-code")
        return (API, "https://git.example.org/shop/web.git")

    async def refs(self, person: PersonId, account: str, address: str, kind: str) -> Sequence[str]:
        assert (person, account, address) == (ANN, "shop-code", API)
        return ("main", "next") if kind == "branches" else ("v1",)


def with_offers(bot: Bot) -> Dispatch:
    there = bot.app.dispatch
    making = make_creating(there.transports, there.carry_out, ShopsOffers())
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
        whole = await say(dispatch, "next")
        assert "account: shop-code" in whole.code
        assert "branch: next" in whole.code
        bob = PersonId("bob")
        for line in ("create build", "web"):
            await say(dispatch, line, bob)
        assert "Where is its code?" in (await say(dispatch, "default", bob)).title

"""The card of a waiting run tells the rule in effect, in its owner's words too, and one share; none for nothing."""

from pathlib import Path

import pytest

from engine.model import RunState
from tests.support.bot import a_new_bot, words_of
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop, in_gray

COOKIE = "{ratio: 10, content: [{cookie: {exact: beta=yes}}], description: Testers in Berlin first}"


async def test_after_a_new_split_no_share_but_the_new_one_is_on_the_card(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, policy=COOKIE, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await in_gray(bot)
        await bot.say(f"split {run} 30")
        card = await bot.shows(run, lambda card: bool(card.split and card.split.wanted == 30), "wants the new share")
        assert card.split is not None
        assert card.split.rules == "requests with a cookie beta=yes"
        assert "10 %" not in words_of(card)


@pytest.mark.parametrize("policy", [COOKIE, "{ratio: 20, description: Testers in Berlin first}"])
async def test_the_owners_words_about_the_rule_are_on_the_card_while_it_is_in_effect(
    policy: str, tmp_path: Path
) -> None:
    async with a_new_bot(Shop(tmp_path, policy=policy, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await in_gray(bot)
        card = await bot.shows(run, lambda card: card.ballot is not None, "asks")
        assert "Rule\nTesters in Berlin first" in words_of(card)
        await bot.say(f"reject {run} no")
        card = await bot.shows(run, lambda card: card.badge == "rejected", "is over")
        assert "Testers" not in words_of(card)


@pytest.mark.parametrize("strategy", ["canary", "blue_green", "istio"])
async def test_what_is_everywhere_already_has_no_split(strategy: str, tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, strategy, rest="0s").gray(), target=target) as bot:
        await bot.release("run hello")
        run = await bot.start("run hello")
        await bot.asks(run)
        card = await bot.shows(run, lambda card: card.ballot is not None, "asks")
        assert card.split is None
        assert "shop/hello:v1 is already everywhere" in card.text
        await bot.app.keeper.keep()
        assert "gray (100 %)" not in await bot.say(f"status {run}")
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
    assert target.broken() == []

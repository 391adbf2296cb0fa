"""Somebody else changes what a release has placed: it is told while people are asked, and settled by a person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from engine.model import Run, RunState
from engine.ports import Dispute
from tests.support.bot import Bot, a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop, in_gray

SCALED = Dispute("Deployment shop/hello-gray", "spec.replicas", "kubectl", "1", "3")
LIMITED = Dispute("Deployment shop/hello-gray", "spec.limits", "bob", "64Mi", "96Mi")


@asynccontextmanager
async def asking(target: ModelTarget, home: Path) -> AsyncIterator[tuple[Bot, str]]:
    """A bot whose release of the second version asks people, and that run."""
    async with a_new_bot(Shop(home, rest="0s").gray(), target=target) as bot:
        run = await in_gray(bot)
        yield bot, run


async def promotion_held(bot: Bot, run: str) -> Run:
    """Approve, and wait until the run is held."""
    for person in ("ann", "bob"):
        await bot.say(f"approve {run}", person)
    return await bot.is_held(run)


async def test_what_somebody_changes_while_people_are_asked_is_told_at_once_and_once(tmp_path: Path) -> None:
    target = ModelTarget()
    async with asking(target, tmp_path) as (bot, run):
        target.disputed["hello"] = (SCALED,)
        for _ in range(2):
            await bot.app.keeper.keep()
        told = [card.title for card in await bot.cards() if "spec.replicas is 3 by kubectl" in card.title]
        assert [title.partition(": ")[0] for title in told] == [run]


async def test_a_promotion_stops_before_what_somebody_else_has_changed_and_a_person_has_it_put_back(
    tmp_path: Path,
) -> None:
    target = ModelTarget()
    async with asking(target, tmp_path) as (bot, run):
        target.disputed["hello"] = (SCALED,)
        held = await promotion_held(bot, run)
        assert "spec.replicas is 3 by kubectl" in held.stage.reason
        assert (await bot.say(f"restore {run}")).startswith(f"Restore in {run}?")
        await bot.say("yes")
        await bot.ends(run, RunState.SUCCEEDED)
        assert target.settled == [("restore", "ann", (SCALED,))]


async def test_a_yes_settles_what_was_shown_and_what_came_in_between_is_asked_about(tmp_path: Path) -> None:
    target = ModelTarget()
    async with asking(target, tmp_path) as (bot, run):
        target.disputed["hello"] = (SCALED,)
        await promotion_held(bot, run)
        await bot.say(f"restore {run}")
        target.disputed["hello"] = (SCALED, LIMITED)
        await bot.say("yes")
        held = await bot.until(run, lambda run: "is 96Mi by bob" in run.stage.reason, "is held for more")
        assert target.settled == []
        assert "spec.replicas is 3 by kubectl" in held.stage.reason
        await bot.say(f"restore {run}")
        await bot.say("yes")
        await bot.ends(run, RunState.SUCCEEDED)
        assert target.settled == [("restore", "ann", (SCALED, LIMITED))]


async def test_whoever_goes_on_with_a_value_that_has_changed_since_is_asked_again(tmp_path: Path) -> None:
    target = ModelTarget()
    async with asking(target, tmp_path) as (bot, run):
        target.disputed["hello"] = (LIMITED,)
        await promotion_held(bot, run)
        await bot.say(f"adopt {run}")
        target.disputed["hello"] = (replace(LIMITED, theirs="1Gi"),)
        await bot.say("yes")
        await bot.until(run, lambda run: "is 1Gi by bob" in run.stage.reason, "is held for the new value")
        assert target.settled == []

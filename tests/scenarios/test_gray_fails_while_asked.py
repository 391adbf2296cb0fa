"""People are asked about a gray release, and meanwhile all of its instances fail, and come back."""

from pathlib import Path

import pytest

from engine.model import RunState
from engine.ports import Dispute
from engine.rollout.rolling import InstanceState
from tests.support.bot import Bot, a_new_bot, words_of
from tests.support.model_fleet import ModelFleet
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop, in_gray

SCALED = Dispute("Deployment shop/hello", "spec.replicas", "kubectl", "3", "5")


def gray_fails(fleet: ModelFleet) -> None:
    for copy in fleet.of("gray"):
        fleet.bad.add(copy.release)
        fleet.fail(copy.name, InstanceState.UNREADY)


async def kept(bot: Bot) -> None:
    """The keeper has looked often enough for each move to be made and followed."""
    for _ in range(6):
        await bot.app.keeper.keep()


def ready(fleet: ModelFleet) -> dict[str, int]:
    return {name: group.ready_now() for name, group in fleet.observe().groups.items()}


@pytest.mark.parametrize("strategy", ["canary", "istio"])
async def test_stable_answers_in_full_strength_until_gray_has_its_share_back(strategy: str, tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, strategy, rest="0s").gray(), target=target) as bot:
        run = await in_gray(bot)
        fleet = target.fleets["hello"]
        asked, before = fleet.effective, ready(fleet)
        whole = len(fleet.plain()) if strategy == "canary" else before["stable"]
        gray_fails(fleet)
        await kept(bot)
        assert fleet.effective.groups() == {"stable"}
        assert ready(fleet) == {"stable": whole, "gray": 0}
        assert [card.title for card in await bot.cards() if f"{run}: a group has lost" in card.title]
        fleet.bad.clear()
        await kept(bot)
        assert fleet.effective == asked
        assert ready(fleet) == before
        for person in ("ann", "bob"):
            await bot.say(f"approve {run}", person)
        await bot.ends(run, RunState.SUCCEEDED)
    assert target.broken() == []


async def test_a_number_that_somebody_else_has_set_is_left_alone_and_the_share_comes_back_all_the_same(
    tmp_path: Path,
) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        await in_gray(bot)
        fleet = target.fleets["hello"]
        asked, before = fleet.effective, ready(fleet)
        target.disputed["hello"] = (SCALED,)
        gray_fails(fleet)
        await kept(bot)
        assert fleet.effective.groups() == {"stable"}
        assert ready(fleet) == before | {"gray": 0}
        fleet.bad.clear()
        await kept(bot)
        assert fleet.effective == asked
        assert ready(fleet) == before


@pytest.mark.parametrize("strategy", ["canary", "istio"])
async def test_the_card_shows_what_there_is_now_and_what_others_have_changed_while_it_is_so(
    strategy: str, tmp_path: Path
) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, strategy, rest="0s").gray(), target=target) as bot:
        run = await in_gray(bot)
        asking = await bot.run(run)
        fleet = target.fleets["hello"]
        before = ready(fleet)
        as_asked = f"{before['stable']} stable, {before['gray']} gray"
        await kept(bot)
        assert as_asked in (quiet := await bot.say(f"status {run}"))
        assert "Now" not in quiet
        gray_fails(fleet)
        target.disputed["hello"] = (SCALED,)
        await kept(bot)
        card = await bot.shows(
            run, lambda card: "gray gets 0 % of the plain" in words_of(card), "says that gray is away"
        )
        assert card.split is not None
        assert (card.split.wanted, card.split.instances) == (20, f"{ready(fleet)['stable']} stable, 0 gray (0 %)")
        assert f"Changed by others\n{SCALED}" in words_of(card)
        told = await bot.say(f"status {run}")
        assert "gray gets 0 % of the plain requests, not 20 %" in told
        assert f"{SCALED}" in told
        fleet.bad.clear()
        target.disputed.clear()
        await kept(bot)
        told = await bot.say(f"status {run}")
        assert as_asked in told
        assert "Changed by others" not in told
        assert "gray gets 0 %" not in told
        assert (await bot.run(run)).seq == asking.seq, "looking is not written down"
    assert target.broken() == []


async def test_what_was_seen_of_one_moment_is_not_shown_of_another(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, "istio", rest="0s").gray(), target=target) as bot:
        run = await in_gray(bot)
        asking = await bot.run(run)
        await kept(bot)
        await bot.say(f"split {run} 50")
        await bot.until(run, lambda now: now.seq > asking.seq and now.stage.state is asking.stage.state, "asks again")
        assert "not 50 %" not in await bot.say(f"status {run}")
        await bot.say(f"rollback {run}")
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert "of the plain requests" not in await bot.say(f"status {run}")

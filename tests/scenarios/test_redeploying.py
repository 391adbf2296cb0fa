"""Any earlier version is had again: through the stages of today, or at once; where a rollback is refused, too."""

from pathlib import Path

import pytest

from bot.cards import Card, Tone
from engine.model import RunState, StageKind, StageState
from engine.ports import Dispute
from tests.support.bot import Bot, a_new_bot, words_of
from tests.support.messaging import button, talking
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop

every_strategy = pytest.mark.parametrize("strategy", ["canary", "blue_green", "istio"])


async def versions(bot: Bot) -> list[str]:
    history = await bot.app.store.read(lambda book: book.releases.history("hello", 9))
    return [release.image.rpartition(":")[2] for release in history]


async def released(bot: Bot, *tags: str) -> None:
    for tag in tags:
        await bot.release(f"run hello tag={tag}")


def lines(card: Card) -> list[str]:
    return [one.line for one in card.buttons]


@every_strategy
async def test_an_earlier_version_goes_through_gray_and_review_again(strategy: str, tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, strategy, rest="0s").gray(), target=target) as bot:
        await released(bot, "v1", "v2")
        asked = await bot.say("redeploy hello 1 v2 is slow")
        assert "Redeploy shop/hello:v1 (version 1) of hello?" in asked
        assert "It goes through gray → review (ann) → official." in asked
        assert "gray:\n1. " in asked
        assert "locked" not in asked
        assert await versions(bot) == ["v2", "v1"], "a question does nothing"
        run = await bot.start("redeploy hello 1 v2 is slow")
        asking = await bot.asks(run)
        assert [stage.kind for stage in asking.stages] == [StageKind.GRAY, StageKind.REVIEW, StageKind.OFFICIAL]
        assert [stage.state for stage in asking.stages[:2]] == [StageState.SUCCEEDED, StageState.AWAITING_REVIEW]
        card = await bot.shows(run, lambda card: card.ballot is not None, "asks")
        assert "tag=v1" in card.title
        assert "v2 is slow" in words_of(card)
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions(bot) == ["v1", "v2", "v1"]
        assert "locked" not in await bot.say("status hello")
        await released(bot, "v3")
    assert target.broken() == []


@every_strategy
async def test_an_earlier_version_is_had_at_once_and_that_is_a_rollback(strategy: str, tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, strategy, rest="0s").gray(), target=target) as bot:
        await released(bot, "v1", "v2")
        asked = await bot.say("redeploy hello 1 fast v2 is slow")
        assert "Redeploy shop/hello:v1 (version 1) at once, without any review?" in asked
        assert "Afterwards hello is locked until somebody unlocks it." in asked
        run = await bot.start("redeploy hello 1 fast v2 is slow")
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions(bot) == ["v1", "v2", "v1"]
        assert "rolled back by ann from shop/hello:v2: v2 is slow" in await bot.say("status hello")
        # The way forth again is a release of its own, and locks nothing.
        await bot.say("unlock hello")
        await bot.say("yes")
        assert "locked" not in await bot.say("redeploy hello 2 fast")
        await bot.ends(await bot.start("redeploy hello 2 fast"), RunState.SUCCEEDED)
        assert "locked" not in await bot.say("status hello")
        assert await versions(bot) == ["v2", "v1", "v2", "v1"]
        await bot.say("runs hello")
        table = bot.heard[0].table
        assert table is not None
        assert [row[-1].partition(",")[0] for row in table.rows][:3] == [
            "redeploy",
            "rollback",
            "tag=v2 health=200 patience=30s",
        ]
    assert target.broken() == []


@pytest.mark.parametrize("strategy", ["blue_green", "istio"])
async def test_where_a_rollback_is_refused_two_buttons_lead_to_the_version_before(
    strategy: str, tmp_path: Path
) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, strategy, rest="0s").gray(), target=target) as bot:
        await released(bot, "v1", "v2")
        refused = await bot.say("rollback hello")
        assert f"hello was released with {strategy}; after the official release only canary" in refused
        assert bot.heard[0].tone is Tone.BAD
        assert lines(bot.heard[0]) == ["redeploy hello 1", "redeploy hello 1 fast"]
        again, fast = lines(bot.heard[0])
        assert "It goes through gray → review (ann) → official." in await bot.say(again)
        await bot.say(fast)
        await bot.say(bot.heard[0].buttons[0].line)
        run = (await bot.runs("hello"))[0].id
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions(bot) == ["v1", "v2", "v1"]
    assert target.broken() == []


async def test_a_version_is_chosen_in_a_pipeline_with_gray_by_redeploying_it(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await released(bot, "v1", "v2", "v3")
        assert "only a pipeline without one can choose a version" in await bot.say("rollback hello 1")
        assert lines(bot.heard[0]) == ["redeploy hello 1", "redeploy hello 1 fast"]


@pytest.mark.parametrize("line", ["rollback hello", "redeploy hello 1 fast"])
async def test_the_way_back_after_success_does_not_wait_for_what_somebody_has_changed(
    line: str, tmp_path: Path
) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        await released(bot, "v1", "v2")
        target.disputed["hello"] = (Dispute("Deployment shop/hello", "spec.replicas", "kubectl", "3", "5"),)
        await bot.ends(await bot.start(line), RunState.SUCCEEDED)
        assert await versions(bot) == ["v1", "v2", "v1"]
        assert target.settled == [], "nobody was asked"


async def test_a_redeploy_forth_waits_for_what_somebody_has_changed_and_says_what_serves(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        await released(bot, "v1", "v2")
        await bot.ends(await bot.start("redeploy hello 1 fast"), RunState.SUCCEEDED)
        await bot.say("unlock hello")
        await bot.say("yes")
        target.disputed["hello"] = (Dispute("Deployment shop/hello", "spec.replicas", "kubectl", "3", "5"),)
        run = await bot.start("redeploy hello 2 fast")
        held = await bot.is_held(run)
        assert held.stage.reason.startswith("Bringing shop/hello:v2 back failed: Deployment shop/hello: spec.replicas")
        assert "Nothing has changed: shop/hello:v1 still serves." in held.stage.reason
        assert "promotion" not in held.stage.reason
        card = await bot.shows(run, lambda card: "Nothing has changed" in card.text, "says what serves")
        assert "versions hello" in lines(card)
        assert "Roll back" not in [one.text for one in card.buttons]


async def test_in_a_chat_the_refusal_leads_to_the_plan_and_the_second_tap_does_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "istio", rest="0s")
    async with talking(tmp_path / "home", "ann", target=ModelTarget()) as talk:
        await talk.bot.say(f"define\n{shop.gray()}")
        await released(talk.bot, "v1", "v2")
        card = await talk.say("ann", "status hello")
        refused = await talk.press("ann", button(card, "Roll back"))
        assert "only canary can be rolled back" in refused.title
        asked = await talk.press("ann", button(refused, "Version 1 at once"))
        assert "1. " in asked.text
        assert await versions(talk.bot) == ["v2", "v1"]
        run = (await talk.press("ann", button(asked, "Redeploy at once"))).title.split()[0]
        await talk.bot.ends(run, RunState.SUCCEEDED)
        asked = await talk.press("ann", button(await talk.say("ann", f"status {run}"), "Unlock"))
        assert asked.title == "Unlock hello?"
        assert (await talk.press("ann", button(asked, "Unlock"))).title == "hello is unlocked."


async def test_what_cannot_be_redeployed_says_why(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        assert "hello has no version 1" in await bot.say("redeploy hello 1")
        await released(bot, "v1")
        assert "shop/hello:v1 is what is deployed now" in await bot.say("redeploy hello 1 fast")
        assert "is no version" in await bot.say("redeploy hello fast")
        assert "There is no pipeline hell" in await bot.say("redeploy hell 1")
        assert "Write `redeploy PIPELINE VERSION [fast] [REASON]`" in await bot.say("redeploy hello")


async def test_a_redeploy_is_not_done_when_something_else_was_released_meanwhile(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await released(bot, "v1", "v2")
        await bot.say("redeploy hello 1", "bob")
        await released(bot, "v3")
        assert "Something else was released" in await bot.say("yes", "bob")
        assert await versions(bot) == ["v3", "v2", "v1"]


async def test_a_redeploy_that_is_refused_in_its_review_leaves_what_was_there(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        await released(bot, "v1", "v2")
        run = await bot.start("redeploy hello 1")
        await bot.asks(run)
        assert "gray" in await bot.say(f"plan {run}")
        await bot.say(f"reject {run} no")
        await bot.ends(run, RunState.REJECTED)
        assert await versions(bot) == ["v2", "v1"]
        assert target.fleets["hello"].effective.weights == {"stable": 100}
    assert target.broken() == []

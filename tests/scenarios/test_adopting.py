"""Whoever has put something right with kubectl has it taken as a version: between two releases, and in one."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import StageFailure
from engine.events import VotesVoided
from engine.model import Release, RunId, RunState
from engine.ports import Dispute, Hotfix, Instance, Placement
from engine.rollout.fleet import ReleaseId
from tests.scenarios.test_found_workloads import WORKLOAD, a_cluster, defined, stand, versions
from tests.support.bot import Bot
from tests.support.closed_shop import close, grant
from tests.support.eventually import eventually
from tests.support.model_target import ModelTarget

IMAGE = Dispute(
    "Deployment shop/web", "spec.template...image", "kubectl-set", "v1", "v1-hot", decided=True, hotfix=True
)
SCALED = Dispute("Deployment shop/web", "spec.replicas", "kubectl", "4", "6", decided=True)


def hotfix(deployed: Release, tag: str = "v1-hot") -> Hotfix:
    name = ReleaseId(f"{WORKLOAD}@adopted-{tag}")
    settings = {**deployed.settings, "creation": "found"}
    at = datetime(2026, 11, 24, tzinfo=UTC)
    made = Release(name, WORKLOAD, f"shop/web:{tag}", "", settings, "", RunId(""), {}, at, changed_by="kubectl-set")
    return Hotfix(made, (IMAGE,))


async def deployed_now(bot: Bot) -> Release:
    found = await bot.app.store.read(lambda book: book.releases.deployed(WORKLOAD))
    assert found is not None
    return found


async def hotfixed(bot: Bot, target: ModelTarget, tag: str = "v1-hot") -> None:
    """Let somebody put another image in the place of what is deployed."""
    target.hot[WORKLOAD] = hotfix(await deployed_now(bot), tag)
    target.disputed[WORKLOAD] = (IMAGE,)


async def left_adopted(bot: Bot, target: ModelTarget, tag: str) -> None:
    """Let a run have adopted something that ended before it could write that down."""
    left = replace(hotfix(await deployed_now(bot), tag), disputes=())
    target.hot[WORKLOAD] = left
    runs_as(target, left.release.id)


def runs_as(target: ModelTarget, release: ReleaseId) -> None:
    """Let everything that runs be this release."""
    for group in target.fleets[WORKLOAD].groups.values():
        group.spec = replace(group.spec, release=release)
    for copy in target.fleets[WORKLOAD].copies.values():
        copy.release = release


async def released(bot: Bot, target: ModelTarget, tag: str = "v1") -> None:
    target.standing.clear()
    await bot.say(defined("istio"))
    await bot.release(f"run web tag={tag}")


async def test_what_somebody_has_put_there_is_shown_and_becomes_a_version(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        await hotfixed(bot, target)
        target.moves.clear()
        shown = await bot.say("adopt web")
        for words in ("Adopt what runs of prod/shop/web, shop/web:v1-hot?", "by kubectl-set", "Nothing restarts"):
            assert words in shown
        assert await versions(bot) == ["v1"], "asking changes nothing"
        run = await bot.start("adopt web")
        await bot.ends(run, RunState.SUCCEEDED)
        assert target.moves == []
        assert await versions(bot) == ["v1-hot", "v1"]
        now = await deployed_now(bot)
        assert (now.adopted_by, now.changed_by, now.run) == ("ann", "kubectl-set", run)
        said = await bot.say("versions web")
        assert "put there by kubectl-set, adopted by ann" in said
        assert "there is nothing to adopt" in await bot.say("adopt web")
        audit = await bot.say("audit")
        assert "adopt web" in audit
        card = await bot.card(run)
        assert "put there by kubectl-set" in str(card)
        nxt = await bot.start("run web tag=v2")
        await bot.asks(nxt)
        assert (await bot.run(nxt)).stages[1].outputs["plan"]["from"] == now.id
        await bot.say(f"approve {nxt}")
        await bot.ends(nxt, RunState.SUCCEEDED)
        await bot.ends(await bot.start("redeploy web 2 fast"), RunState.SUCCEEDED)
        assert await versions(bot) == ["v1-hot", "v2", "v1-hot", "v1"]
    assert target.broken() == []


async def test_of_two_who_press_one_adopts_and_the_other_is_told(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        await hotfixed(bot, target)
        for person in ("ann", "bob"):
            assert "Adopt what runs" in await bot.say("adopt web", person)
        first, second = await asyncio.gather(bot.say("yes", "ann"), bot.say("yes", "bob"))
        assert sorted("is on its way" in said for said in (first, second)) == [False, True]
        assert any("has prod/shop/web now" in said or "another version" in said for said in (first, second))

        async def is_adopted() -> bool:
            return await versions(bot) == ["v1-hot", "v1"]

        await eventually(is_adopted, "one of them has")
        await bot.say("adopt web", "bob")
        assert await versions(bot) == ["v1-hot", "v1"]


async def test_what_is_put_back_or_changed_again_before_it_is_done_is_not_adopted(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        for tag in (None, "v1-hotter"):
            await hotfixed(bot, target)
            await bot.say("adopt web")
            target.hot.clear()
            if tag:
                await hotfixed(bot, target, tag)
            run = (await bot.say("yes")).partition(" ")[0]
            over = await bot.ends(run, RunState.FAILED)
            assert "nothing was adopted" in over.reason
            assert await versions(bot) == ["v1"]
            assert await bot.app.store.read(lambda book: book.runs.holder(WORKLOAD)) is None


async def test_only_whoever_may_edit_adopts(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        await hotfixed(bot, target)
        await close(bot, "default")
        await grant(bot, "bob", "read", "default")
        said = await bot.say("adopt web", "bob")
        assert "Adopt what runs" not in said
        assert "ann" in said
        assert "Adopt what runs" in await bot.say("adopt web", "ann")


async def test_how_many_there_are_is_no_version(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        target.disputed[WORKLOAD] = (SCALED,)
        said = await bot.say("adopt web")
        assert "nothing that it runs was changed" in said
        assert "spec.replicas is 6 by kubectl" in said
        run = await bot.start("run web tag=v2")
        held = await bot.is_held(run)
        assert held.stage.outputs["ways"] == ["restore"]
        assert "Restore it" in await bot.say(f"adopt {run}") or "cannot settle this" in bot.heard[0].title


async def test_what_others_run_becomes_the_first_version_before_any_release(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await bot.say(defined("istio"))
        assert "shop/web:v1?" in await bot.say("adopt web")
        await bot.ends(await bot.start("adopt web"), RunState.SUCCEEDED)
        assert await versions(bot) == ["v1"]
        assert target.moves == []
        stand(target, "v1b")
        await bot.ends(await bot.start("adopt web"), RunState.SUCCEEDED)
        assert await versions(bot) == ["v1b", "v1"]
        assert "is a version already" in await bot.say("adopt web")
        target.standing.clear()
        assert "could be adopted" in await bot.say("adopt web")


async def test_a_hotfix_beside_gray_is_adopted_and_the_way_back_leads_to_it(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        run = await bot.start("run web tag=v2")
        await bot.asks(run)
        assert "nothing to adopt" in await bot.say("adopt web")
        await hotfixed(bot, target)
        await bot.say(f"approve {run}")
        held = await bot.is_held(run)
        assert held.stage.outputs["ways"] == ["restore", "adopt"]
        shown = await bot.say(f"adopt {run}")
        assert "What runs becomes a version" in shown
        await bot.say("yes")
        await bot.asks(run)
        journal = await bot.app.store.read(lambda book: book.journal.of(RunId(run)))
        assert any(isinstance(entry.event, VotesVoided) and "from was" in entry.event.difference for entry in journal)
        assert await versions(bot) == ["v1-hot", "v1"]
        assert (await deployed_now(bot)).adopted_by == "ann"
        await bot.say(f"rollback {run}")
        assert "back to shop/web:v1-hot?" in bot.heard[0].title
        await bot.say("yes")
        await bot.until(run, lambda run: run.state.is_over, "is over")
        fleet = target.fleets[WORKLOAD].observe()
        assert {group.release for group in fleet.groups.values()} == {(await deployed_now(bot)).id}
    assert target.broken() == []


async def test_while_people_are_asked_it_is_adopted_at_once_and_they_are_asked_again(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        run = await bot.start("run web tag=v2")
        before = await bot.asks(run)
        await hotfixed(bot, target)
        gray = replace(IMAGE, thing="Deployment shop/web-gray", hotfix=False)
        target.disputed[WORKLOAD] = (IMAGE, gray)
        said = await bot.say("adopt web")
        assert "Deployment shop/web-gray" in said
        assert "Undo that first" in said
        target.disputed[WORKLOAD] = (IMAGE,)
        await bot.app.keeper.keep()
        await bot.shows(run, lambda card: f"adopt {run}" in [one.line for one in card.buttons], "offers it")
        shown = await bot.say("adopt web")
        assert "its reviewers are asked again" in shown
        stale = bot.heard[0]
        assert "adopts what runs" in await bot.say("yes")

        async def is_adopted() -> bool:
            return await versions(bot) == ["v1-hot", "v1"]

        await eventually(is_adopted, "it is a version")
        again = await bot.until(
            run, lambda run: run.stage.fingerprint not in ("", before.stage.fingerprint), "asks about the new way back"
        )
        assert again.stage.name == "review"
        assert stale.buttons
        assert "nothing to adopt" in await bot.say("adopt web")
        await bot.say(f"rollback {run}")
        assert "back to shop/web:v1-hot?" in bot.heard[0].title
        await bot.say("no")
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions(bot) == ["v2", "v1-hot", "v1"]
    assert target.broken() == []


async def test_what_was_adopted_before_another_in_the_same_run_is_adopted_again(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        run = await bot.start("run web tag=v2")
        await bot.asks(run)
        for tag in ("v1-hot", "v1-hotter", "v1-hot"):
            await hotfixed(bot, target, tag)
            await bot.say(f"approve {run}")
            await bot.is_held(run)
            await bot.say(f"adopt {run}")
            await bot.say("yes")
            await bot.asks(run)
        assert await versions(bot) == ["v1-hot", "v1-hotter", "v1-hot", "v1"]
        await bot.say(f"rollback {run}")
        assert "back to shop/web:v1-hot?" in bot.heard[0].title
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        fleet = target.fleets[WORKLOAD].observe()
        assert {group.release for group in fleet.groups.values()} == {(await deployed_now(bot)).id}
    assert target.broken() == []


async def test_what_changes_between_the_question_and_the_yes_while_people_are_asked_is_asked_about(
    tmp_path: Path,
) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        run = await bot.start("run web tag=v2")
        await bot.asks(run)
        await hotfixed(bot, target)
        await bot.say("adopt web")
        target.disputed[WORKLOAD] = (replace(IMAGE, theirs="v1-hotter"),)
        await bot.say("yes")
        held = await bot.is_held(run)
        assert held.stage.name == "review"
        assert "v1-hotter" in held.stage.reason
        await hotfixed(bot, target, "v1-hotter")
        target.disputed[WORKLOAD] = (replace(IMAGE, theirs="v1-hotter"),)
        await bot.say(f"adopt {run}")
        await bot.say("yes")
        await bot.asks(run)
        assert await versions(bot) == ["v1-hotter", "v1"]


async def test_a_hotfix_that_does_not_run_everywhere_yet_is_asked_about_again(tmp_path: Path) -> None:
    class Rolling(ModelTarget):
        late = True

        async def hotfix(self, placement: Placement) -> Hotfix | None:
            if self.late and placement.workload in self.hot:
                raise StageFailure("2 of 4 instances are ready with what kubectl-set has changed.", "Say it again.")
            return await super().hotfix(placement)

    target = Rolling()
    async with a_cluster(tmp_path, target) as (bot, _):
        await released(bot, target)
        await hotfixed(bot, target)
        assert "2 of 4 instances" in await bot.say("adopt web")
        run = await bot.start("run web tag=v2")
        await bot.is_held(run)
        await bot.say(f"adopt {run}")
        await bot.say("yes")
        again = await bot.until(run, lambda run: "2 of 4" in run.stage.reason, "says why not")
        assert again.stage.outputs["ways"] == ["restore", "adopt"]
        target.late = False
        await bot.say(f"adopt {run}")
        await bot.say("yes")
        await bot.asks(run)
        assert await versions(bot) == ["v1-hot", "v1"]


async def test_what_was_adopted_in_the_cluster_by_a_run_that_was_stopped_is_written_down_by_the_next(
    tmp_path: Path,
) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        old = await deployed_now(bot)
        await left_adopted(bot, target, "v1-hot")
        target.moves.clear()
        await bot.asks(await bot.start("run web tag=v2"))
        assert await versions(bot) == ["v1-hot", "v1"]
        assert not any("stable" in str(move) and old.id in str(move) for move in target.moves)
    assert target.broken() == []


class Mortal(ModelTarget):
    """A place that is told what it runs by a bot that is killed before it writes that down."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()
        self.killed = asyncio.Event()

    async def hotfix(self, placement: Placement) -> Hotfix | None:
        hot = await super().hotfix(placement)
        return None if hot is None or list(placement.releases)[-1] == hot.release.id else hot

    async def adopt(
        self, placement: Placement, disputes: Sequence[Dispute], by: str, hotfix: Release | None = None
    ) -> None:
        if not self.told.is_set():
            await super().adopt(placement, disputes, by, hotfix)
            assert hotfix is not None
            self.hot[placement.workload] = Hotfix(replace(hotfix, adopted_by=""), ())
            self.told.set()
        await self.killed.wait()
        raise StageFailure("The bot is gone.")


async def test_a_way_back_leads_to_what_was_adopted_by_a_bot_that_was_killed_at_that_moment(tmp_path: Path) -> None:
    target = Mortal()
    async with a_cluster(tmp_path, target) as (bot, _):
        await released(bot, target)
        run = await bot.start("run web tag=v2")
        await bot.asks(run)
        await hotfixed(bot, target)
        await bot.say(f"approve {run}")
        await bot.is_held(run)
        await bot.say(f"adopt {run}")
        await bot.say("yes")
        await asyncio.wait_for(target.told.wait(), 20)
        assert await versions(bot) == ["v1"]
        target.moves.clear()
        await bot.say(f"rollback {run}")
        await bot.say("yes")
        target.killed.set()
        await bot.ends(run, RunState.ROLLED_BACK)
        assert await versions(bot) == ["v1-hot", "v1"]
        now = await deployed_now(bot)
        assert (now.adopted_by, now.changed_by) == ("ann", "kubectl-set")
        fleet = target.fleets[WORKLOAD].observe()
        assert {group.release for group in fleet.groups.values()} == {now.id}
    assert target.broken() == []


@pytest.mark.parametrize("how", ["fast", "reviewed"])
async def test_a_version_is_brought_back_in_the_place_of_what_was_adopted_by_a_run_that_was_stopped(
    tmp_path: Path, how: str
) -> None:
    target = Mortal()
    target.told.set()
    async with a_cluster(tmp_path, target) as (bot, _):
        await released(bot, target)
        old = await deployed_now(bot)
        await bot.release("run web tag=v2")
        await left_adopted(bot, target, "v2-hot")
        run = await bot.start(f"redeploy web 1 {how}".removesuffix(" reviewed"))
        if how == "reviewed":
            await bot.asks(run)
            assert await versions(bot) == ["v2-hot", "v2", "v1"]
            assert (await bot.run(run)).stages[1].outputs["plan"]["from"] == (await deployed_now(bot)).id
            await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert await versions(bot) == ["v1", "v2-hot", "v2", "v1"]
        assert (await deployed_now(bot)).id == old.id
    assert target.broken() == []


async def test_a_stop_leaves_what_runs_as_it_is_and_locks_nothing(tmp_path: Path) -> None:
    class Away(ModelTarget):
        is_back = asyncio.Event()

        async def hotfix(self, placement: Placement) -> Hotfix | None:
            await self.is_back.wait()
            return await super().hotfix(placement)

    target = Away()
    target.is_back.set()
    async with a_cluster(tmp_path, target) as (bot, _):
        await released(bot, target)
        await hotfixed(bot, target)
        await bot.say("adopt web")
        target.is_back.clear()
        target.moves.clear()
        run = (await bot.say("yes")).partition(" ")[0]
        assert "has not deployed anything" in await bot.say(f"rollback {run}")
        assert "shop/web:v1-hot becomes a version" in await bot.say(f"plan {run}")
        assert f"{run} has prod/shop/web now, and adopts what runs." in await bot.say("adopt web")
        await bot.say(f"stop {run}")
        target.is_back.set()
        await bot.ends(run, RunState.CANCELLED)
        assert target.moves == []
        assert await bot.app.store.read(lambda book: book.locks.find(WORKLOAD)) is None


async def test_neither_a_freeze_nor_a_lock_keeps_anybody_from_adopting(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        await hotfixed(bot, target)
        await bot.say("freeze web for 4h the night")
        await bot.say("lock web the audit")
        await bot.ends(await bot.start("adopt web"), RunState.SUCCEEDED)
        assert await versions(bot) == ["v1-hot", "v1"]
        assert "audit" in await bot.say("status web")


async def test_what_was_taken_back_and_put_there_again_is_adopted_though_a_lock_bars_it(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        await hotfixed(bot, target)
        hot = target.hot[WORKLOAD]
        adopted = await bot.start("adopt web")
        await bot.ends(adopted, RunState.SUCCEEDED)
        back = await bot.start("redeploy web 1 fast")
        await bot.ends(back, RunState.SUCCEEDED)
        lock = await bot.app.store.read(lambda book: book.locks.find(WORKLOAD))
        assert lock is not None
        assert hot.release.id in lock.barred
        target.hot[WORKLOAD], target.disputed[WORKLOAD] = hot, (IMAGE,)
        await bot.ends(await bot.start("adopt web"), RunState.SUCCEEDED)
        assert await versions(bot) == ["v1-hot", "v1", "v1-hot", "v1"]
        assert "is locked" in await bot.say("run web tag=v2")


async def test_an_earlier_version_that_somebody_has_brought_back_past_sluice_is_told_and_adopted(
    tmp_path: Path,
) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        first = await deployed_now(bot)
        await bot.release("run web tag=v2")
        assert "there is nothing to adopt" in await bot.say("adopt web")
        runs_as(target, first.id)
        late = next(iter(target.fleets[WORKLOAD].copies.values()))
        late.release = (await deployed_now(bot)).id
        said = await bot.say("adopt web")
        assert "3 of 4 instances are ready with shop/web:v1" in said
        assert "Say it again" in said
        late.release = first.id
        target.moves.clear()
        shown = await bot.say("adopt web")
        assert "Adopt what runs of prod/shop/web, shop/web:v1?" in shown
        assert "instead of what was deployed last" in shown
        await bot.ends(await bot.start("adopt web"), RunState.SUCCEEDED)
        assert target.moves == []
        assert await versions(bot) == ["v1", "v2", "v1"]
        assert "there is nothing to adopt" in await bot.say("adopt web")
        run = await bot.start("run web tag=v3")
        await bot.asks(run)
        await bot.say(f"rollback {run}")
        assert "back to shop/web:v1?" in bot.heard[0].title
    assert target.broken() == []


async def test_an_earlier_version_that_is_away_again_by_the_time_of_the_yes_is_not_adopted(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        first = await deployed_now(bot)
        await bot.release("run web tag=v2")
        runs_as(target, first.id)
        assert "shop/web:v1?" in await bot.say("adopt web")
        runs_as(target, (await deployed_now(bot)).id)
        over = await bot.ends((await bot.say("yes")).partition(" ")[0], RunState.FAILED)
        assert "nothing was adopted" in over.reason
        assert await versions(bot) == ["v2", "v1"]


async def test_the_bare_word_offers_what_is_released_in_a_cluster(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        await bot.say("adopt")
        assert [button.line for button in bot.heard[0].buttons] == ["adopt web"]


async def test_what_runs_and_was_changed_offers_to_be_adopted(tmp_path: Path) -> None:
    class Changed(ModelTarget):
        async def instances(self, workload: str) -> tuple[Instance, ...]:
            found = await super().instances(workload)
            return tuple(replace(one, image="shop/web:v1-hot", changed_by="kubectl-set") for one in found)

    target = Changed()
    async with a_cluster(tmp_path, target) as (bot, _):
        await released(bot, target)
        assert "changed by kubectl-set" in await bot.say("instances web")
        assert "adopt web" in [button.line for button in bot.heard[0].buttons]

"""What a run has applied can be read for as long as logs are: while it goes on, and when nothing of it is left."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx

from bot.tidying import Tidying
from engine.model import Json, PersonId, RunId, RunState
from engine.ports import Placement
from tests.scenarios.test_adopting import hotfixed, released
from tests.scenarios.test_found_workloads import a_cluster
from tests.scenarios.test_left_gray import keeping, left
from tests.support.bot import Bot, a_new_bot
from tests.support.closed_shop import a_closed_shop
from tests.support.model_target import ModelTarget
from tests.support.store import ManualClock
from tests.support.workload import Shop


class Gone(ModelTarget):
    """Tells nothing of what was applied while it `hides`: as if the bot had been killed each time before the note."""

    hides = False

    async def applied(self, placement: Placement) -> Mapping[str, Json]:
        return {} if self.hides else await super().applied(placement)


async def taken_back(bot: Bot) -> RunId:
    """A gray release that ann has refused, after one that is everywhere."""
    await bot.release("run hello")
    run = await bot.start("run hello tag=v2")
    await bot.asks(run)
    await bot.say(f"reject {run} no")
    await bot.ends(run, RunState.REJECTED)
    return run


async def tidied(bot: Bot, days: int) -> None:
    """Everything that is older than 90 days is taken away, so many days from now."""
    app = bot.app
    clock = ManualClock(app.clock.now() + timedelta(days=days))
    await Tidying(app.store, clock, app.builder, app.targets, timedelta(days=90)).tidy()


async def test_what_a_gray_version_had_applied_can_be_read_when_it_is_gone(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        run = await taken_back(bot)
        assert "gray" not in target.fleets["hello"].observe().groups
        said = await bot.say(f"yaml {run}")
        assert f"{run}, gray: applied to hello" in said
        assert "count: 1" in said
        assert "weights:\n  stable: 80\n  gray: 20" in said
        assert "stable: 100" not in said, "the way back is not what it applied"
        card = await bot.shows(run, lambda card: card.badge == "rejected", "is refused")
        assert [one.line for one in card.buttons] == [f"yaml {run}"]
        told = (await bot.say(f"timeline {run}")).splitlines()
        assert any("going back: Bringing stable" in line for line in told)
        assert not any(line.rstrip().endswith(":") for line in told), "what only the journal needs is no news"


async def test_each_stage_says_what_it_changed(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        first = await bot.release("run hello")
        run = await bot.start("run hello tag=v2")
        await bot.asks(run)
        going_on = await bot.say(f"yaml {run}")
        assert f"{run}, gray: applied" in going_on
        assert f"{run}, review: applied" not in going_on
        assert f"{run}, official: applied" not in going_on
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        said = await bot.say(f"yaml {run}")
        assert said.startswith(going_on)
        assert f"{run}, official: applied" in said
        assert first not in said


async def test_what_nobody_has_noted_yet_is_noted_before_it_is_taken_back(tmp_path: Path) -> None:
    target = Gone()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        await bot.release("run hello")
        target.hides = True
        run = await bot.start("run hello tag=v2")
        await bot.asks(run)
        assert "not come to that yet" in await bot.say(f"yaml {run}")
        target.hides = False
        await bot.say(f"reject {run} no")
        await bot.ends(run, RunState.REJECTED)
        assert "Deployment hello-gray" in str(await bot.app.store.read(lambda book: book.applied.of(run)))


async def test_what_is_long_over_is_said_to_be_kept_no_more(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        first = await bot.release("run hello")
        run = await bot.start("run hello tag=v2")
        await bot.asks(run)
        await tidied(bot, 91)
        assert "gray: applied" in await bot.say(f"yaml {run}"), "it is not over"
        await bot.say(f"reject {run} no")
        await bot.ends(run, RunState.REJECTED)
        await tidied(bot, 89)
        assert "gray: applied" in await bot.say(f"yaml {run}")
        await tidied(bot, 91)
        assert await bot.app.store.read(lambda book: book.applied.of(run)) == []
        said = await bot.say(f"yaml {first}")
        assert f"{first} released shop/hello:v1" in said
        assert "object by object is not kept." in said
        assert "SERVICE_VERSION: v1" in said
        again = await bot.start("run hello tag=v2")
        await bot.asks(again)
        lost = await bot.say(f"yaml {run}")
        assert f"What {run} applied is not kept any more." in lost
        assert f"`timeline {run}`" in lost


async def test_a_run_that_has_applied_nothing_says_so(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await bot.start("run hello tag=nowhere")
        await bot.is_held(run)
        assert f"{run} has applied nothing" in await bot.say(f"yaml {run}")
        assert "not come to that yet" in await bot.say(f"yaml {run}")
        await bot.say(f"stop {run}")
        await bot.ends(run, RunState.CANCELLED)
        assert "ended before it came to that" in await bot.say(f"yaml {run}")
        await bot.shows(run, lambda card: [one.text for one in card.buttons] == [], "has nothing to show")


async def test_a_run_of_what_was_everywhere_says_that(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await bot.release("run hello")
        again = await bot.release("run hello")
        said = await bot.say(f"yaml {again}")
        assert f"{again} has applied nothing" in said
        assert "shop/hello:v1 was everywhere already." in said


async def test_a_run_that_only_takes_gray_back_says_that_and_has_no_button(tmp_path: Path) -> None:
    async with a_new_bot(keeping(Shop(tmp_path, rest="0s")), target=ModelTarget()) as bot:
        await bot.release("run hello")
        run = await left(bot)
        await bot.say(f"rollback {run}")
        back = await bot.start(f"rollback {run}")
        await bot.ends(back, RunState.ROLLED_BACK)
        said = await bot.say(f"yaml {back}")
        assert f"{back} has applied nothing" in said
        assert f"It takes gray back: {run} left it standing." in said
        assert "not kept" not in said
        card = await bot.shows(back, lambda card: card.badge == "rolled back", "is taken back")
        assert "YAML" not in [one.text for one in card.buttons]


async def test_a_run_that_adopts_says_that_it_took_what_ran(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        await hotfixed(bot, target)
        await bot.say("adopt web")
        run = await bot.start("adopt web")
        await bot.ends(run, RunState.SUCCEEDED)
        said = await bot.say(f"yaml {run}")
        assert f"{run} adopted shop/web:v1-hot" in said
        assert "It changed nothing: this is what ran." in said
        assert "not kept" not in said


async def test_what_a_run_has_adopted_on_its_way_is_not_what_it_released(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as (bot, target):
        await released(bot, target)
        run = await bot.start("run web tag=v2")
        await bot.asks(run)
        await hotfixed(bot, target)
        await bot.say(f"approve {run}")
        await bot.is_held(run)
        await bot.say(f"adopt {run}")
        await bot.say("yes")
        await bot.asks(run)
        await bot.say(f"reject {run} no")
        await bot.ends(run, RunState.REJECTED)
        await tidied(bot, 91)
        said = await bot.say(f"yaml {run}")
        assert "released shop/web:v1-hot" not in said
        assert "This is its release as a whole." in said
        assert f"{run} released shop/web:v2" in said


async def test_a_version_of_a_run_is_refused_with_both_ways_to_say_it(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await bot.release("run hello")
        said = await bot.say(f"yaml {run} 1")
        assert f"`yaml {run}`" in said
        assert "`yaml hello 1`" in said
        assert "hello, version 1" in await bot.say("yaml hello 1")
        assert "hello has no version 999999999." in await bot.say("yaml hello 999999999")
        assert "There is no pipeline hello-77." in await bot.say("yaml hello-77")


async def test_nobody_reads_what_a_run_applied_whose_group_is_closed_to_them(tmp_path: Path) -> None:
    async with a_closed_shop(tmp_path) as bot:
        said = await bot.say("yaml hello-2", "cleo")
        assert "There is no pipeline hello-2." in said
        assert "applied" not in said


async def test_the_console_shows_it_on_the_page_of_the_run(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await taken_back(bot)
        async with httpx.AsyncClient(base_url=bot.app.url, timeout=20) as client:
            link = bot.app.sessions.new_link(PersonId("ann"))
            assert (await client.post(link, headers={"Origin": bot.app.url})).status_code == 303
            page = (await client.get(f"/r/{run}")).text
            assert f'href="/r/{run}/yaml"' in page
            assert "gray: applied to hello" not in page
            opened = (await client.get(f"/r/{run}/yaml")).text
            assert f"{run}, gray: applied to hello" in opened
            assert "is refused" not in opened
            part = (await client.get(f"/r/{run}/yaml", headers={"x-sluice-part": "1"})).text
            assert "<main" not in part
            assert "gray: applied to hello" in part
            assert f"There is no pipeline {run}7" in (await client.get(f"/r/{run}7/yaml")).text

"""The place does not answer, or lets nobody look: going back is ordered all the same, and done when it can be."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.deployment import Deployment
from engine.errors import Broken, Interrupted, SluiceError
from engine.model import RunState
from engine.ports import Placement
from engine.rollout.fleet import Fleet, Move
from tests.support.bot import Bot, a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop, in_gray

SILENT = Interrupted("Cluster prod does not answer: connection refused (list deployments).")
SHUT = Broken("Cluster prod does not let Sluice list deployments.", "Give it the role again.")
every_trouble = pytest.mark.parametrize("trouble", [SILENT, SHUT], ids=["silent", "shut"])


class Gate(ModelTarget):
    """A target that raises what it is told to, until it is open again."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: SluiceError | None = None

    def _check(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def fit(self, workload: str, spec: Deployment) -> Deployment:
        self._check()
        return await super().fit(workload, spec)

    async def observe(self, placement: Placement) -> Fleet:
        self._check()
        return await super().observe(placement)

    async def perform(self, placement: Placement, move: Move) -> None:
        self._check()
        await super().perform(placement, move)

    async def changes(self, placement: Placement, moves: Sequence[Move]) -> tuple[str, ...]:
        self._check()
        return await super().changes(placement, moves)

    async def tend(self, placement: Placement) -> None:
        self._check()
        await super().tend(placement)


async def deployed(bot: Bot) -> str:
    history = await bot.app.store.read(lambda book: book.releases.history("hello", 1))
    return history[0].image


def tells_why(asked: str, trouble: SluiceError) -> bool:
    return f"What it does cannot be shown now: {trouble}" in asked and "as soon as that is over" in asked


@every_trouble
@pytest.mark.parametrize("strategy", ["canary", "blue_green", "istio"])
async def test_a_run_in_progress_is_taken_back_when_its_place_answers_again(
    strategy: str, trouble: SluiceError, tmp_path: Path
) -> None:
    place = Gate()
    async with a_new_bot(Shop(tmp_path, strategy, rest="0s").gray(), target=place) as bot:
        run = await in_gray(bot)
        place.trouble = trouble
        await bot.say(f"approve {run}")
        asked = await bot.say(f"rollback {run} it fails")
        assert f"Roll {run} back to shop/hello:v1?" in asked
        assert tells_why(asked, trouble)
        assert "is being rolled back" in await bot.say("yes")
        place.trouble = None
        await bot.ends(run, RunState.ROLLED_BACK)
        assert await deployed(bot) == "shop/hello:v1"
    assert place.broken() == []


@every_trouble
async def test_an_official_release_is_rolled_back_when_its_place_answers_again(
    trouble: SluiceError, tmp_path: Path
) -> None:
    place = Gate()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=place) as bot:
        await bot.release("run hello")
        await bot.release("run hello tag=v2")
        place.trouble = trouble
        asked = await bot.say("rollback hello")
        assert "Roll hello back from shop/hello:v2 to shop/hello:v1 (version 1)?" in asked
        assert tells_why(asked, trouble)
        back = await bot.start("rollback hello")
        place.trouble = None
        await bot.ends(back, RunState.SUCCEEDED)
        assert await deployed(bot) == "shop/hello:v1"
    assert place.broken() == []


async def test_what_was_left_standing_and_any_earlier_version_are_asked_about_as_well(tmp_path: Path) -> None:
    place = Gate()
    text = Shop(tmp_path, rest="0s").gray().replace("on_refusal: take_back", "on_refusal: keep")
    async with a_new_bot(text, target=place) as bot:
        await bot.release("run hello")
        await bot.release("run hello tag=v2")
        run = await bot.start("run hello tag=v3")
        await bot.asks(run)
        await bot.say(f"reject {run} later")
        await bot.ends(run, RunState.REJECTED)
        place.trouble = SILENT
        for line in (f"rollback {run}", "rollback hello", "redeploy hello 1", "redeploy hello 1 fast"):
            assert tells_why(await bot.say(line), SILENT), line
        back = await bot.start(f"rollback {run}")
        place.trouble = None
        await bot.ends(back, RunState.ROLLED_BACK)
        assert await deployed(bot) == "shop/hello:v2"
    assert place.broken() == []

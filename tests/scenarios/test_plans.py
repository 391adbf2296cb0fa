"""`plan` says what a run would do, and says it where the run would be held."""

from pathlib import Path

import pytest

from engine.ports import Dispute
from tests.support.bot import a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop

SCALED = Dispute("Deployment shop/hello", "spec.replicas", "kubectl", "3", "5")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("port: 18080,", "port: 18081,", "service.port of hello is 18080 and cannot become 18081"),
        (
            "      drain:",
            "      upgrade: recreate\n      drain:",
            "upgrade of hello is rolling and cannot become recreate",
        ),
    ],
)
async def test_what_a_run_would_be_held_with_is_no_plan(before: str, after: str, said: str, tmp_path: Path) -> None:
    text = Shop(tmp_path, rest="0s", port=18080).gray()
    async with a_new_bot(text, target=ModelTarget()) as bot:
        await bot.release("run hello")
        assert "gray:\n1. " in await bot.say("plan hello tag=v2")
        assert "is defined" in await bot.say(f"define\n{text.replace(before, after)}")
        assert said in await bot.say("plan hello tag=v2")
        run = await bot.start("run hello tag=v2")
        assert said in (await bot.is_held(run)).stage.reason
        assert said in await bot.say(f"plan {run}")


async def test_a_run_that_is_held_before_its_first_move_shows_what_it_would_do(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        await bot.release("run hello")
        target.disputed["hello"] = (SCALED,)
        run = await bot.start("run hello tag=v2")
        held = await bot.is_held(run)
        assert "adopt" in held.stage.outputs["ways"]
        plan = await bot.say(f"plan {run}")
        assert "gray → review → official\ngray:\n1. " in plan
        assert "shop/hello:v2" in plan
        assert "promote:\n" in plan

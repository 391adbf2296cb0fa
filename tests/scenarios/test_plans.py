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


@pytest.mark.parametrize(
    ("strategy", "setting", "said"),
    [
        ("canary", "", "at least 3 of 3 serve"),
        ("canary", "max_unavailable: 34%", "at least 2 of 3 serve"),
        ("istio", "max_unavailable: 2", "at least 1 of 3 serve"),
        ("canary", "max_unavailable: 100%", "Careful: at least 1 of 3 serve"),
        ("istio", "max_unavailable: 5", "Careful: at least 1 of 3 serve"),
        ("canary", "upgrade: recreate", "only gray serves while all 3 are replaced at once"),
        ("blue_green", "max_unavailable: 100%", "all 3 serve"),
    ],
)
async def test_how_many_serve_at_the_least_is_said_before_anything_is_released(
    strategy: str, setting: str, said: str, tmp_path: Path
) -> None:
    text = Shop(tmp_path, strategy, rest="0s").gray().replace("      drain:", f"      {setting}\n      drain:")
    async with a_new_bot(target=ModelTarget()) as bot:
        for line in (f"check\n{text}", f"define\n{text}", "show hello", "plan hello"):
            assert f"During a release\n{said}" in await bot.say(line), line


async def test_a_release_to_everybody_at_once_that_lets_nobody_serve_is_warned_of(tmp_path: Path) -> None:
    text = Shop(tmp_path, rest="0s").official().replace("      drain:", "      upgrade: recreate\n      drain:")
    async with a_new_bot(target=ModelTarget()) as bot:
        assert "Careful: none serves while all 3 are replaced at once" in await bot.say(f"check\n{text}")


@pytest.mark.parametrize("strategy", ["canary", "blue_green", "istio"])
async def test_no_plan_speaks_of_a_preview_port_that_there_is_not(strategy: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, strategy, rest="0s")
    text = shop.gray()
    async with a_new_bot(text, target=ModelTarget()) as bot:
        await bot.release("run hello")
        assert "the preview port to" in await bot.say("plan hello tag=v2")
        await bot.say(f"define\n{text.replace(f', preview_port: {shop.preview}', '')}")
        assert "preview port" not in await bot.say("plan hello tag=v2")


async def test_who_gets_a_second_colour_is_told_by_its_port(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "blue_green", policy="{}", rest="0s")
    async with a_new_bot(target=ModelTarget()) as bot:
        text = shop.gray()
        assert f"nobody before the promotion; port {shop.preview} leads to it" in await bot.say(f"define\n{text}")
        text = text.replace(f", preview_port: {shop.preview}", "")
        assert "Gray gets\nnobody before the promotion\n" in await bot.say(f"define\n{text}")

"""A gray release that nobody promotes: everybody is told until when it stands, and then it is gone."""

from datetime import timedelta
from pathlib import Path

import pytest

from engine.model import RunId, RunState
from engine.ports import Timer
from tests.support.bot import Bot, a_new_bot, words_of
from tests.support.eventually import eventually
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop

every_strategy = pytest.mark.parametrize("strategy", ["canary", "blue_green", "istio"])


def keeping(shop: Shop, more: str = "") -> str:
    text = shop.gray().replace("on_refusal: take_back", "on_refusal: keep")
    return text.replace("    gray:\n", f"    gray:\n{more}")


async def left(bot: Bot, line: str = "run hello tag=v2") -> RunId:
    """A run whose gray release ann has refused and kept."""
    run = await bot.start(line)
    await bot.asks(run)
    await bot.say(f"reject {run} later perhaps")
    await bot.ends(run, RunState.REJECTED)
    return run


async def fire(bot: Bot, kind: str, run: RunId) -> None:
    """Let the run's timer of this kind be due now."""
    now = bot.app.clock.now()
    timer = Timer(run, kind, 0, 0, now)
    await bot.app.store.transact(lambda book: bot.app.control.fire(book, timer))


async def run_after(bot: Bot, run: RunId) -> RunId:
    async def is_there() -> bool:
        return (await bot.runs("hello"))[0].id != run

    await eventually(is_there, "another run follows")
    return (await bot.runs("hello"))[0].id


async def test_the_card_says_until_when_gray_stands_and_has_a_button_that_takes_it_back(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(keeping(Shop(tmp_path, rest="0s")), target=target) as bot:
        await bot.release("run hello")
        run = await left(bot)
        card = await bot.shows(run, lambda card: card.badge == "rejected", "is refused")
        ended = await bot.run(run)
        assert ended.gray_until is not None
        assert ended.ended_at is not None
        assert ended.gray_until - ended.ended_at == timedelta(days=14)
        assert f"until {ended.gray_until:%d %B, %H:%M} UTC" in words_of(card)
        assert "then it is taken back" in words_of(card)
        assert [one.text for one in card.buttons] == ["Take gray back", "YAML"]
        asked = await bot.say(card.buttons[0].line)
        assert f"Take shop/hello:v2, which {run} left standing as gray, back to shop/hello:v1?" in asked
        assert "1. " in asked
        back = await bot.start(card.buttons[0].line)
        await bot.ends(back, RunState.ROLLED_BACK)
        assert target.fleets["hello"].effective.weights == {"stable": 100}
        assert "rolled back by ann from shop/hello:v2" in await bot.say("status hello")
        await bot.shows(run, lambda card: [one.text for one in card.buttons] == ["YAML"], "stands no longer")
    assert target.broken() == []


@every_strategy
async def test_at_its_deadline_it_is_taken_back_by_a_run_that_everybody_sees(strategy: str, tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, strategy, rest="0s")
    async with a_new_bot(keeping(shop, "      deadline: 50ms\n"), target=target) as bot:
        await bot.release("run hello")
        run = await left(bot)
        back = await run_after(bot, run)
        ended = await bot.ends(back, RunState.ROLLED_BACK)
        assert ended.reason == f"Nobody promoted the gray release that {run} left standing."
        card = await bot.shows(back, lambda card: card.badge == "rolled back", "is taken back")
        assert f"{run} left it standing." in words_of(card)
        assert target.fleets["hello"].effective.groups() in ({"stable"}, {"blue"}, {"green"})
        assert {one.release for one in await target.instances("hello")} == {
            release.id for release in await bot.app.store.read(lambda book: book.releases.history("hello", 1))
        }
        assert "locked" not in await bot.say("status hello"), "nobody has judged it"
        assert "has no earlier version" in await bot.say("rollback hello")
    assert target.broken() == []


async def test_a_first_release_that_nobody_promotes_is_taken_back_to_nothing_and_that_is_said_before(
    tmp_path: Path,
) -> None:
    target = ModelTarget()
    async with a_new_bot(keeping(Shop(tmp_path, rest="0s")), target=target) as bot:
        run = await left(bot, "run hello")
        await fire(bot, "gray_soon", run)

        async def is_said() -> bool:
            return any("its address answers nothing then" in words_of(card) for card in await bot.cards())

        await eventually(is_said, "the room is reminded")
        asked = await bot.say("rollback hello")
        assert "back to nothing: this was its first release?" in asked
        await bot.ends(await bot.start("rollback hello"), RunState.ROLLED_BACK)
        assert await target.instances("hello") == ()
        assert target.forgotten == ["hello"], "its address is gone as well"


async def test_rooms_are_reminded_once_and_told_when_it_is_kept(tmp_path: Path) -> None:
    text = keeping(Shop(tmp_path, rest="0s"), "      deadline: 300ms\n      on_deadline: keep\n")
    async with a_new_bot(text, target=ModelTarget()) as bot:
        await bot.release("run hello")
        run = await left(bot)

        async def is_kept() -> bool:
            entries = await bot.app.store.read(lambda book: book.journal.of(run))
            kinds = [type(entry.event).__name__ for entry in entries]
            return "GrayReminded" in kinds and "GrayKept" in kinds

        await eventually(is_kept, "it is reminded of and kept")

        async def is_said() -> bool:
            words = [words_of(card) for card in await bot.cards()]
            return any("as the pipeline says" in one for one in words)

        await eventually(is_said, "that it is kept is said")
        assert (await bot.runs("hello"))[0].id == run
        await bot.say(f"rollback {run}")
        await bot.say("yes")
        await bot.ends(await run_after(bot, run), RunState.ROLLED_BACK)


async def test_the_next_run_takes_its_place(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(keeping(Shop(tmp_path, rest="0s")), target=target) as bot:
        await bot.release("run hello")
        run = await left(bot)
        await bot.release("run hello tag=v3")
        assert (await bot.run(run)).gray_until is None
        await bot.shows(run, lambda card: [one.text for one in card.buttons] == ["YAML"], "stands no longer")
    assert target.broken() == []


async def test_a_review_that_nobody_decides_passes_where_the_pipeline_says_so(tmp_path: Path) -> None:
    text = Shop(tmp_path, rest="0s").gray()
    text = text.replace("on_refusal: take_back", "deadline: 300ms, on_deadline: pass")
    async with a_new_bot(text, target=ModelTarget()) as bot:
        run = await bot.start("run hello")
        await bot.ends(run, RunState.SUCCEEDED)
        card = await bot.shows(run, lambda card: card.badge == "succeeded", "is released")
        assert "It passes then, as the pipeline says." in words_of(card)

"""Freeze windows, from what is said to what is shown."""

from pathlib import Path

from engine.definition import Start
from engine.model import RunState, StageState
from tests.support.bot import Bot, a_new_bot, words_of
from tests.support.model_target import ModelTarget
from tests.support.workload import Shop, in_gray


async def is_frozen(bot: Bot, run: str) -> None:
    await bot.until(run, lambda run: run.stage.state is StageState.FROZEN, "is frozen")


async def test_a_start_by_hand_is_refused_with_the_window_who_why_and_until_when(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        made = await bot.say("freeze hello for 4h the fair", "bob")
        assert "Pipeline hello is frozen by bob" in made
        assert "It holds now, until" in made
        for line in ("run hello", "run hello tag=v2"):
            answer = await bot.say(line)
            assert "Pipeline hello is frozen until" in answer
            assert "by bob: the fair (f1)" in answer
            assert "`override hello REASON`" in answer
        assert "You are not asked anything" in await bot.say("yes")
        assert await bot.runs("hello") == []
        for line in ("status", "status hello", "show hello", "plan hello", "freezes"):
            assert "the fair" in await bot.say(line), line
        assert "Take f1 away?" in await bot.say("unfreeze hello", "bob")
        await bot.say("yes", "bob")
        assert "Nothing is frozen" in await bot.say("freezes")
        await bot.release("run hello")


async def test_a_run_past_its_review_waits_and_goes_on_at_once_when_two_people_overrule(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        run = await bot.start("run hello")
        await bot.asks(run)
        made = await bot.say("freeze hello for 4h the fair", "bob")
        assert f"{run} began before" in made
        await bot.say(f"approve {run}")
        await is_frozen(bot, run)
        card = await bot.shows(run, lambda card: card.badge == "frozen", "is frozen")
        assert "official begins after it" in card.text
        assert "Pipeline hello is frozen until" in card.text
        assert "a second person" in await bot.say("help override")
        assert "That is not how override is said" in await bot.say(f"override {run}")
        asked = await bot.say("override hello the checkout is broken")
        assert f"ann asks for what lets {run} go on in spite of a freeze: the checkout is broken" in asked
        assert "somebody else has to confirm it" in await bot.say("confirm o1")
        assert "Somebody else says `confirm o1`" in await bot.say(f"override {run} once more", "bob")
        assert (await bot.run(run)).stage.state is StageState.FROZEN
        assert f"{run} is let through" in await bot.say("confirm o1", "cleo")
        assert "it was answered" in await bot.say("confirm o1", "bob")
        ended = await bot.ends(run, RunState.SUCCEEDED)
        assert ended.override is not None
        card = await bot.shows(run, lambda card: card.badge == "succeeded", "has succeeded")
        assert "ann, confirmed by cleo: the checkout is broken" in words_of(card)
        deeds = await bot.app.store.read(lambda book: book.audit.latest(50))
        said = [(deed.person, deed.line, deed.outcome) for deed in deeds]
        assert ("cleo", "confirm o1", "done") in said
        assert ("ann", "confirm o1", "refused") in said
        assert ("ann", "override hello the checkout is broken", "done") in said
    assert target.broken() == []


async def test_a_frozen_run_can_be_rolled_back_and_stopped(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await in_gray(bot)
        await bot.say("freeze all for 4h the fair", "bob")
        await bot.say(f"approve {run}")
        await is_frozen(bot, run)
        await bot.say(f"rollback {run} errors")
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        await bot.say("unlock hello")
        await bot.say("yes")
        assert "Everything is frozen until" in await bot.say("run hello tag=v2")


async def test_a_way_back_after_success_begins_inside_a_window(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await bot.release("run hello")
        await bot.release("run hello tag=v2")
        await bot.say("freeze hello for 4h the fair", "bob")
        back = await bot.start("rollback hello errors")
        await bot.ends(back, RunState.SUCCEEDED)
        await bot.say("unlock hello")
        await bot.say("yes")
        await bot.say("redeploy hello 2 fast")
        assert "Pipeline hello is frozen until" in await bot.say("yes"), "that is a way forth"


async def test_what_waits_goes_on_when_the_freeze_is_taken_away_by_two(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await bot.start("run hello")
        await bot.asks(run)
        await bot.say("freeze workload:hello for 4h the fair", "bob")
        await bot.say("freeze hello for 5h all day long", "bob")
        await bot.say(f"approve {run}")
        await is_frozen(bot, run)
        assert "needs a reason" in await bot.say("unfreeze f1")
        assert "hello has 2 freezes: f1 and f2" in await bot.say("unfreeze hello")
        for name, plea in (("f1", "o1"), ("f2", "o2")):
            assert f"takes {name} away" in await bot.say(f"unfreeze {name} the fair is over")
            assert "You asked for" in await bot.say(f"confirm {plea}")
            assert (await bot.run(run)).stage.state is StageState.FROZEN
            assert f"{name} is taken away" in await bot.say(f"confirm {plea}", "cleo")
        await bot.ends(run, RunState.SUCCEEDED)


async def test_one_start_is_let_in_when_two_people_agree(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await bot.say("freeze all for 4h the fair", "bob")
        assert "lets one run of hello begin" in await bot.say("override hello the checkout is broken")
        assert "hello may be started once" in await bot.say("confirm o1", "bob")
        assert "ann and bob have agreed to let this start through" in await bot.say("run hello")
        await bot.say("no")
        run = await bot.start("run hello", "cleo")
        await bot.asks(run)
        assert "is frozen until" in await bot.say("run hello tag=v2")
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)


async def test_a_start_by_the_clock_is_turned_away_in_sight_once_in_each_window(tmp_path: Path) -> None:
    text = Shop(tmp_path, rest="0s").gray() + 'starts:\n  - cron: "0 4 * * *"\n'
    async with a_new_bot(text, target=ModelTarget()) as bot:
        await bot.say("freeze hello for 4h the fair")
        for _ in range(3):
            await bot.app.timekeeper.begin("hello", Start(cron="0 4 * * *"))
        turned_away = (await bot.runs("hello"))[0]
        card = await bot.shows(turned_away.id, lambda card: card.badge == "cancelled", "is turned away")
        assert "Pipeline hello is frozen until" in card.text
        assert len(await bot.runs("hello")) == 1


async def test_what_is_meant_by_a_name_is_found_or_asked_back(tmp_path: Path) -> None:
    text = Shop(tmp_path, rest="0s").gray()
    other = text.replace("pipeline: hello", "pipeline: cart").replace("port: 180", "port: 181")
    async with a_new_bot("group: hello\n" + text, "group: web\n" + other, target=ModelTarget()) as bot:
        assert "the name of more than one thing" in await bot.say("freeze hello for 4h why")
        assert "Group hello is frozen" in await bot.say("freeze group:hello for 4h why")
        assert "Group web is frozen" in await bot.say("freeze web weekend why")
        assert "Group hello is frozen until" in await bot.say("run hello")
        assert "Start cart?" in await bot.say("run cart")
        assert "Freeze to come" in await bot.say("show cart") or "Frozen now" in await bot.say("show cart")


async def test_in_a_closed_group_a_prefix_says_which_of_the_things_with_one_name_is_meant(tmp_path: Path) -> None:
    text = "group: hello\n" + Shop(tmp_path, rest="0s").gray()
    async with a_new_bot(text, target=ModelTarget()) as bot:
        await bot.say("grant bob read on hello")
        await bot.say("yes")
        assert "Write `pipeline:hello` or" in await bot.say("freeze hello for 4h why")
        run = await bot.start("run hello")
        await bot.asks(run)
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        for reach in ("group", "Pipeline", "workload"):
            line = f"freeze {reach}:hello for 4h why"
            assert "You may not freeze" in await bot.say(line, "bob"), line
            assert "There is no" in await bot.say(line, "cleo"), line
            assert f"{reach.capitalize()} hello is frozen" in await bot.say(line), line
        for number, reach in ((1, "group"), (2, "pipeline"), (3, "workload")):
            assert "You may not unfreeze" in await bot.say(f"unfreeze {reach}:hello why", "bob")
            assert f"Take f{number} away?" in await bot.say(f"unfreeze {reach}:hello")
            await bot.say("yes")
        assert "There is no" in await bot.say("freeze group:nobody for 4h why")
        assert "There is no" in await bot.say("unfreeze pipeline:hello")


async def test_a_prefix_does_not_find_the_freeze_of_something_else(tmp_path: Path) -> None:
    async with a_new_bot("group: web\n" + Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await bot.say("freeze pipeline:hello for 4h why")
        for other in ("group:hello", "workload:hello", "all"):
            assert f"There is no freeze {other}" in await bot.say(f"unfreeze {other}"), other
        assert "Take f1 away?" in await bot.say("unfreeze F1")


HALVES = {
    "freeze hello": "That is not how freeze is said",
    "freeze hello for 4h": "A freeze needs a reason",
    "freeze hello 22:00 - 06:00 why": "On which days?",
    "freeze hello tomorrow why": "'tomorrow' is no day",
    "freeze hello fri 16:00 - mon 08:00 Europe/Berln why": "For example Europe/Berlin",
    "freeze hell for 4h why": "Did you mean hello?",
    "unfreeze f9": "There is no freeze f9",
    "confirm o9": "Nobody asks for o9 now",
    "override hello-9 why": "There is no pipeline hello-9",
    "override hello why": "Nothing freezes hello now",
}


async def test_half_of_a_freeze_freezes_nothing(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        for line, answer in HALVES.items():
            assert answer in await bot.say(line), line
        assert "Nothing is frozen" in await bot.say("freezes")


async def test_who_may_not_change_a_group_neither_freezes_nor_confirms_there(tmp_path: Path) -> None:
    text = "group: web\n" + Shop(tmp_path, rest="0s").gray()
    async with a_new_bot(text, target=ModelTarget()) as bot:
        await bot.say("grant bob read on web")
        await bot.say("yes")
        for line in ("freeze hello for 4h why", "freeze web for 4h why", "freeze all for 4h why"):
            assert "You may not freeze" in await bot.say(line, "bob"), line
            assert "There is no" in await bot.say(line, "cleo") or "You may not" in await bot.say(line, "cleo"), line
        await bot.say("freeze web for 4h the fair")
        assert "the fair" in await bot.say("freezes", "bob")
        assert "the fair" not in await bot.say("freezes", "cleo")
        assert "You may not unfreeze" in await bot.say("unfreeze f1 why", "bob")
        await bot.say("override hello the checkout is broken", "ann")
        assert "You may not confirm" in await bot.say("confirm o1", "bob")

"""After a rollback the workload is locked: who, when and why is said wherever somebody would release it again."""

from pathlib import Path

from bot.cards import Button, Card, Tone
from engine.definition import Start
from engine.model import RunState
from engine.ports import Dispute
from tests.support.bot import Bot, a_new_bot, words_of
from tests.support.eventually import eventually
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop, in_gray


def lines(card: Card) -> list[str]:
    return [button.line for button in card.buttons]


def find(card: Card, text: str) -> Button:
    return next(button for button in card.buttons if button.text == text)


async def rolled_back(bot: Bot) -> str:
    """A run of v2 that ann has taken back while it was asked about."""
    run = await in_gray(bot)
    asked = await bot.say(f"rollback {run} too many errors")
    assert "Afterwards hello is locked until somebody unlocks it." in asked
    await bot.say("yes")
    await bot.ends(run, RunState.ROLLED_BACK)
    return run


async def test_a_run_that_is_rolled_back_locks_the_workload_and_its_card_has_a_button_to_unlock(
    tmp_path: Path,
) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await rolled_back(bot)
        card = await bot.shows(run, lambda card: card.badge == "rolled back", "is rolled back")
        said = words_of(card)
        assert "hello is locked by ann since" in said
        assert "rolled back by ann from shop/hello:v2: too many errors." in said
        assert find(card, "Unlock") == Button("Unlock", "unlock hello", danger=True)
        # Whoever looks is told, too.
        for line in ("status", "status hello", "show hello", "versions hello"):
            assert "hello is locked by ann" in await bot.say(line)
            assert any("unlock hello" in lines(card) for card in bot.heard)
        assert "rolled back, locked" in await bot.say("list")


async def test_a_run_of_what_is_locked_is_shown_to_be_refused_before_anybody_confirms_it(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await rolled_back(bot)
        asked = await bot.say("run hello tag=v2", "bob")
        assert "hello is locked by ann since" in asked
        assert "too many errors" in asked
        assert "`unlock hello`" in asked
        assert "unlock hello" in lines(bot.heard[0])
        refused = await bot.say("yes", "bob")
        assert refused.startswith("hello is locked by ann since")
        assert (bot.heard[0].tone, lines(bot.heard[0])) == (Tone.BAD, ["unlock hello"])
        assert len(await bot.runs("hello")) == 2


async def test_unlocking_takes_two_taps_shows_the_lock_first_and_lets_runs_begin_again(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await rolled_back(bot)
        asked = await bot.say("unlock hello the fix is in v3", "bob")
        assert asked.startswith("Unlock hello?")
        assert "too many errors" in asked
        assert "hello is locked" in await bot.say("status hello"), "one tap does nothing"
        assert "hello is unlocked." in await bot.say("yes", "bob")
        assert "hello is not locked" in await bot.say("unlock hello")
        assert "locked" not in await bot.say(f"status {run}")
        await bot.release("run hello tag=v3")
        deeds = await bot.app.store.read(lambda book: book.audit.latest(20))
        said = {(deed.person, deed.line, deed.outcome) for deed in deeds}
        assert ("bob", "unlock hello the fix is in v3", "done") in said
        assert ("ann", "unlock hello", "refused") in said


async def test_a_question_about_a_lock_does_not_unlock_a_newer_one(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await bot.say("lock hello the audit")
        await bot.say("unlock hello", "bob")
        await bot.say("unlock hello")
        await bot.say("yes")
        await bot.say("lock hello another audit")
        assert "That was after you were asked" in await bot.say("yes", "bob")
        assert "another audit" in await bot.say("status hello")


async def test_a_pipeline_is_locked_by_hand_before_it_has_ever_released(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), notes(tmp_path / "n"), target=ModelTarget()) as bot:
        answer = await bot.say("lock hello the audit on Friday", "bob")
        assert answer.startswith("hello is locked by bob since")
        assert "the audit on Friday" in answer
        assert "never run, locked" in await bot.say("list")
        assert "the audit on Friday" in await bot.say("run hello")
        assert "Nothing was changed" in await bot.say("lock hello because")
        assert "Write `lock PIPELINE|WORKLOAD REASON`" in await bot.say("lock hello")
        assert "There is no pipeline hell" in await bot.say("lock hell because")
        assert "releases nothing" in await bot.say("lock notes because")


async def test_a_lock_by_hand_leaves_what_has_begun_and_says_how_to_stop_it(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        run = await bot.start("run hello")
        await bot.asks(run)
        waits = await bot.start("run hello tag=v2")
        answer = await bot.say("lock hello the audit")
        assert f"{run} has begun already and goes on" in answer
        assert f"stop {run}" in lines(bot.heard[0])
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        ended = await bot.ends(waits, RunState.CANCELLED)
        assert "hello is locked by ann" in ended.reason
        card = await bot.shows(waits, lambda card: card.badge == "cancelled", "is cancelled")
        assert "unlock hello" in lines(card)


async def test_a_start_by_the_clock_that_is_turned_away_is_said_in_the_rooms_once(tmp_path: Path) -> None:
    text = Shop(tmp_path, rest="0s").gray() + 'starts:\n  - cron: "0 4 * * *"\n'
    async with a_new_bot(text, target=ModelTarget()) as bot:
        await bot.say("lock hello the audit")
        keeper = bot.app.timekeeper
        for _ in range(3):
            await keeper.begin("hello", Start(cron="0 4 * * *"))

        async def is_said() -> bool:
            cards = [card for card in await bot.cards() if card.key.startswith("hello-")]
            return [card.badge for card in cards] == ["cancelled"] and "the audit" in words_of(cards[0])

        await eventually(is_said, "the run that was turned away is shown")
        assert len(await bot.runs("hello")) == 1
        assert "Turned away meanwhile\nhello" in await bot.say("unlock hello")


async def test_the_way_further_back_is_open_and_leads_past_what_was_bad(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        for tag in ("v1", "v2", "v3"):
            await bot.release(f"run hello tag={tag}")
        back = await bot.start('rollback hello "v3 is slow"')
        await bot.ends(back, RunState.SUCCEEDED)
        card = await bot.shows(back, lambda card: card.badge == "succeeded", "has gone back")
        assert "unlock hello" in lines(card)
        assert "v3 is slow" in words_of(card)
        assert "rolled back from" in await bot.say("versions hello")
        again = await bot.say("rollback hello")
        assert "to shop/hello:v1" in again, "not to v3, which was just left"
        await bot.ends(await bot.start("rollback hello"), RunState.SUCCEEDED)
        assert "has no earlier version" in await bot.say("rollback hello")
        for line in ("redeploy hello 3", "redeploy hello 3 fast", "redeploy hello 2"):
            assert "is what hello was rolled back from" in await bot.say(line)
            assert lines(bot.heard[0]) == ["unlock hello"]
    assert target.broken() == []


async def test_stopping_and_refusing_lock_nothing(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=ModelTarget()) as bot:
        await bot.release("run hello")
        for line, state in (("stop {} enough", RunState.CANCELLED), ("reject {} no", RunState.REJECTED)):
            run = await bot.start("run hello tag=v2")
            await bot.asks(run)
            await bot.say(line.format(run))
            await bot.ends(run, state)
        assert "locked" not in await bot.say("status hello")
        await bot.release("run hello tag=v2")


async def test_going_back_from_a_run_that_has_placed_nothing_locks_nothing(tmp_path: Path) -> None:
    target = ModelTarget()
    async with a_new_bot(Shop(tmp_path, rest="0s").gray(), target=target) as bot:
        await bot.release("run hello")
        target.disputed["hello"] = (Dispute("Deployment hello", "spec.replicas", "kubectl", "3", "5"),)
        run = await bot.start("run hello tag=v2")
        await bot.is_held(run)
        asked = await bot.say(f"rollback {run}")
        assert "Nothing of it takes traffic yet" in asked
        assert "locked" not in asked
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert "locked" not in await bot.say("status hello")


async def test_a_reason_that_may_be_a_version_is_asked_back_about(tmp_path: Path) -> None:
    async with a_new_bot(Shop(tmp_path, rest="0s").official(), target=ModelTarget()) as bot:
        for tag in ("v1", "v2", "v3"):
            await bot.ends(await bot.start(f"run hello tag={tag}"), RunState.SUCCEEDED)
        for line in ("rollback hello v1 is better", "rollback hello 1 error", "rollback hello 1 2"):
            assert "may be a version, or the beginning of the reason" in await bot.say(line)
        for reason in ("5xx everywhere", "500s", "v1x", "2nd try fails", "1.5 s for a page"):
            asked = await bot.say(f"rollback hello {reason}")
            assert "to shop/hello:v2 (version 2)?" in asked, reason
            assert f"Because\n{reason}" in asked
        assert "to shop/hello:v2 (version 2)?" in await bot.say("rollback hello 'v3 is slow'")
        assert "to shop/hello:v2 (version 2)?" in await bot.say("rollback hello slow")
        assert "to shop/hello:v1 (version 1)?" in await bot.say("rollback hello 1")
        back = await bot.start("rollback hello v1 'it is slow'")
        await bot.ends(back, RunState.SUCCEEDED)
        assert "from shop/hello:v3: it is slow" in await bot.say("status hello")

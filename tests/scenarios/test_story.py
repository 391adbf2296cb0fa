"""What the README tells, said by people in a room."""

from pathlib import Path

from engine.model import RunState, StageState
from tests.support.bot import a_bot, a_new_bot, words_of
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop, in_gray


async def test_a_team_releases_a_version_by_way_of_gray_and_goes_back(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        await bot.release("run hello")
        # Given v1 everywhere, when somebody starts v2, then the card shows each stage, the split and who is asked.
        run = await bot.start("run hello tag=v2", "bob")
        await bot.asks(run)
        card = await bot.shows(run, lambda card: card.ballot is not None, "asks")
        assert [stop.state for stop in card.topology] == [
            "succeeded",
            "succeeded",
            "succeeded",
            "awaiting_review",
            "pending",
        ]
        assert card.split is not None
        assert (card.split.wanted, card.split.gray, card.split.stable) == (20, "shop/hello:v2", "shop/hello:v1")
        assert card.ballot is not None
        assert card.ballot.missing == ("ann",)
        # When gray gets more, then it has more; when ann approves, then everybody has v2.
        await bot.say("split hello 50")
        await bot.shows(run, lambda card: card.split is not None and card.split.wanted == 50, "shows the new share")
        await bot.asks(run)
        assert target.fleets["hello"].effective.weights == {"stable": 50, "gray": 50}
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert "everywhere now" in await bot.say("versions hello")
        # When somebody rolls back and says yes, then everybody has v1 again.
        assert "Roll hello back from shop/hello:v2 to shop/hello:v1" in await bot.say("rollback hello")
        back = await bot.start("rollback hello")
        await bot.ends(back, RunState.SUCCEEDED)
        history = await bot.app.store.read(lambda book: book.releases.history("hello", 5))
        assert [release.image for release in history] == ["shop/hello:v1", "shop/hello:v2", "shop/hello:v1"]
    assert target.broken() == []


async def test_a_version_that_was_rolled_back_can_be_released_again_and_one_that_is_there_already_changes_nothing(
    tmp_path: Path,
) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        await bot.release("run hello")
        await bot.release("run hello tag=v2")
        await bot.ends(await bot.start("rollback hello"), RunState.SUCCEEDED)
        await bot.say("unlock hello")
        assert "hello is unlocked" in await bot.say("yes")
        await bot.release("run hello tag=v2")
        moves = len(target.moves)
        await bot.release("run hello tag=v2")
        assert len(target.moves) == moves
        history = await bot.app.store.read(lambda book: book.releases.history("hello", 9))
        assert [release.image.rpartition(":")[2] for release in history] == ["v2", "v2", "v1", "v2", "v1"]
        assert "to shop/hello:v1" in await bot.say("rollback hello"), "back to another version, not to the same one"
    assert target.broken() == []


async def test_a_run_that_is_rolled_back_by_its_name_after_it_is_over_is_gone_back_from(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        first = await bot.release("run hello")
        second = await bot.release("run hello tag=v2")
        assert f"what is deployed now came from {second}" in await bot.say(f"rollback {first}")
        back = await bot.start(f"rollback {second}")
        await bot.ends(back, RunState.SUCCEEDED)
        assert target.fleets["hello"].effective.weights == {"stable": 100}


async def test_a_refusal_takes_gray_back_and_says_why(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        run = await in_gray(bot)
        await bot.say(f"reject {run} too many errors")
        ended = await bot.ends(run, RunState.REJECTED)
        assert ended.reason == "ann refused: too many errors"
        await bot.shows(run, lambda card: "too many errors" in words_of(card), "says why")
        assert target.fleets["hello"].effective.weights == {"stable": 100}
    assert target.broken() == []


async def test_a_bot_that_starts_again_in_the_same_home_edits_the_same_card(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with a_bot(home) as bot:
        await bot.say(f"define\n{notes(tmp_path)}")
        run = await bot.start("run notes")
        await bot.asks(run)
        await bot.shows(run, lambda card: card.badge == "waits for review", "waits for review")
        before = [one.seq for one in await bot.app.chat.present("web:lobby") if one.key == run]  # type: ignore[arg-type]
    async with a_bot(home) as bot:
        assert (await bot.run(run)).stage.state is StageState.AWAITING_REVIEW
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        await bot.shows(run, lambda card: card.badge == "succeeded", "is over")
        after = [one.seq for one in await bot.app.chat.present("web:lobby") if one.key == run]  # type: ignore[arg-type]
        assert before == after
        assert len(after) == 1


async def test_a_question_is_still_answered_after_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with a_bot(home) as bot:
        await bot.say(f"define\n{notes(tmp_path)}")
        await bot.say("run notes tag=v2")
    async with a_bot(home) as bot:
        assert "notes-1 is on its way" in await bot.say("yes")
        assert (await bot.run("notes-1")).variables["tag"] == "v2"

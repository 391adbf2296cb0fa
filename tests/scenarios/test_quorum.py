"""A review that needs more than one vote, and not that of whoever asked for it, as people meet it."""

from pathlib import Path

from engine.clock import CRON
from engine.control import Order
from engine.model import RunId, RunState
from tests.support.bot import a_new_bot, words_of
from tests.support.command import sluice
from tests.support.notes import notes
from tests.support.store import ANN, LOBBY

REVIEW = "{reviewers: [ann, bob, cleo], mode: at least 2, no_self_approval: true}"


async def test_who_asked_cannot_pass_and_two_others_have_to(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, review=REVIEW)) as bot:
        assert "(at least 2; not whoever asks for the run)" in await bot.say("show notes")
        run = await bot.start("run notes")
        await bot.asks(run)
        card = await bot.shows(run, lambda card: card.ballot is not None, "asks")
        assert card.ballot is not None
        assert (card.ballot.needed, card.ballot.missing) == ("2 of 2 must pass", ("bob", "cleo"))
        assert "May not pass it\nann, who asked for the run" in words_of(card)
        for line in (f"approve {run}", f"promote {run}", card.buttons[0].line):
            answer = await bot.say(line)
            assert "You asked for run notes-1 yourself, so somebody else has to pass review" in answer
            assert "bob and cleo can" in answer
        await bot.say(f"approve {run}", "bob")
        await bot.shows(run, lambda card: "1 more" in (card.ballot.needed if card.ballot else ""), "counts")
        await bot.say(f"approve {run}", "cleo")
        await bot.ends(run, RunState.SUCCEEDED)
        deeds = await bot.app.store.read(lambda book: book.audit.latest(50))
        refused = [deed for deed in deeds if (deed.person, deed.outcome) == ("ann", "refused")]
        assert len(refused) == 3


async def test_a_review_that_nobody_could_pass_is_said_at_once(tmp_path: Path) -> None:
    review = "{reviewers: [ann], no_self_approval: true}"
    async with a_new_bot(notes(tmp_path, review=review)) as bot:
        assert "Nobody could pass review: it needs 1 vote of ann" in await bot.say("run notes")
        run = await bot.start("run notes", "bob")
        await bot.asks(run)
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        pushed = Order(pipeline="notes", by=ANN, room=LOBBY, changes={}, by_itself=True)
        begun = await bot.app.control.request(pushed)
        held = await bot.is_held(begun.id)
        assert "it needs 1 vote of ann, and ann asks for the run" in held.stage.reason
        await bot.app.control.request(Order(pipeline="notes", by=CRON, room=LOBBY, changes={}, by_itself=True))
        await bot.asks(RunId("notes-3"))


async def test_deputies_are_told_when_their_time_has_come(tmp_path: Path) -> None:
    review = "{reviewers: [ann], deputies: [bob], escalate_after: 1s, deadline: 1h}"
    async with a_new_bot(notes(tmp_path, review=review)) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        await bot.shows(run, lambda card: "bob, since" in words_of(card), "is open to the deputy")
        await bot.until(run, lambda run: run.stage.is_escalated, "is escalated")
        assert run in await bot.say("whoami", "bob")
        await bot.say(f"approve {run}", "bob")
        await bot.ends(run, RunState.SUCCEEDED)
        assert any(card.title == f"{run} waits for bob now, too" for card in await bot.cards())


async def test_who_is_not_known_any_more_keeps_no_run_waiting_that_is_asked_for_afterwards(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path, review="{reviewers: [ann, bob], mode: all}")) as bot:
        first = await bot.start("run notes")
        await bot.asks(first)
        await bot.say("run notes")
        removed = await sluice(bot.home, "person", "remove", "bob")
        way_out = "`sluice person add bob`, on Sluice's machine, makes bob known; or `define` who is asked instead."
        assert removed.output.splitlines() == [
            "bob is not known any more.",
            f"Open reviews that nobody can pass now: {first}.",
            "Pipelines whose reviews ask bob: notes.",
            way_out,
        ]
        why = "Nobody could pass review: it needs 2 votes of ann and bob, and bob is not known here."
        for line in ("yes", "run notes"):
            answer = await bot.say(line)
            assert why in answer
            assert way_out in answer
        assert [run.id for run in await bot.runs("notes")] == [first]
        await sluice(bot.home, "person", "add", "bob")
        await bot.start("run notes")


async def test_who_is_not_known_any_more_is_not_needed_where_others_can_pass(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        removed = await sluice(bot.home, "person", "remove", "bob")
        assert f"Open reviews that others can pass: {run}." in removed.output
        await bot.start("run notes")

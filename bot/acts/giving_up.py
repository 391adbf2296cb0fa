"""Giving up a way back that cannot succeed: its cluster is gone, its namespace was removed, nobody can mend the place.

The danger: a run that is tried on and on has its workload, and nothing else can be done to that; but what is given up
too early leaves a bad version with visitors. So nothing ends it by itself, and a person is told first what stays.
"""

from bot.acting import Acting, reason_of
from bot.cards import Card, Field, Tone
from bot.chat import Answer, Incoming
from bot.feature import Ask, Feature
from bot.grammar import Said
from engine import commands as c
from engine.errors import Refused
from engine.model import Json, Run, RunId
from storage.book import SqlBook


def make_giving_up(acting: Acting, ask: Ask) -> Feature:
    """Make the feature."""

    async def give_up(incoming: Incoming, said: Said) -> list[Answer]:
        """Show what stays, and ask."""
        run, reason = await acting.meant(said.words[0]), reason_of(said.words[1:])
        _check_goes_back(run)
        text = (
            "Nobody tries to take it back any more. What it placed stays as it is, and so does its share of the "
            f"requests; {run.workload} is free for other runs."
        )
        fields = [Field("What is in the way", run.stage.note)] if run.stage.note else []
        fields += [Field("Because", reason)] if reason else []
        card = Card(f"Give up taking {run.id} back?", Tone.BAD, text, fields=tuple(fields))
        return await ask(incoming, card, "yes", {"verb": "giveup", "run": run.id, "reason": reason}, "Give up")

    return Feature(says={"giveup": give_up}, confirms={"giveup": _given_up})


def _given_up(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    run = book.runs.load(RunId(what["run"]))
    _check_goes_back(run)
    acting.control.apply(book, c.GiveUp(run=run.id, by=incoming.person, reason=what["reason"]))
    ways = f"`instances {run.pipeline}` shows what is there, `retire {run.workload}` ends all of it."
    return Card(f"{run.id} is given up.", Tone.STOPPED, ways)


def _check_goes_back(run: Run) -> None:
    if run.unwinding is None:
        hint = f"`status {run.id}` shows where it is." if run.state.is_over else f"`stop {run.id}` takes it back."
        raise Refused(f"{run.id} is not being taken back, so there is nothing to give up.", hint)

"""What people do to runs: by a line, or by a button that carries what it was made for."""

import re
from dataclasses import dataclass

from bot.acting import Acting, reason_of
from bot.cards import Card
from bot.chat import Answer, Incoming
from bot.grammar import BY_NAME, Said
from bot.presenters import wanted_share
from engine import commands as c
from engine.errors import Refused
from engine.model import Run, RunId, StageState, Verdict
from engine.pipeline import parse as parse_definition
from storage.book import SqlBook

_NUMBER = re.compile(r"[0-9]{1,9}")
_NOUNS = {"approve": "approval", "reject": "rejection"}


@dataclass(frozen=True, slots=True)
class RunActs:
    """Stops, retries, votes, splits, triggers."""

    acting: Acting

    async def press(self, incoming: Incoming) -> list[Answer]:
        """A button that carries what it was made for: VERB RUN STAGE ATTEMPT FINGERPRINT [MORE].

        More is a reason for a rejection, and the shares from which and to which a split is changed.
        """
        words = incoming.line.split()[1:]
        if words == ["leave"]:
            return [Answer(Card("Nothing was done."), private=True)]
        if len(words) < 5 or not all(_NUMBER.fullmatch(word) for word in words[2:4]):  # noqa: PLR2004 - the form above
            raise Refused("That button is not one of ours.")
        verb, run, stage, attempt, fingerprint, *more = words
        if verb in ("approve", "reject"):
            vote = c.CastVote(
                run=RunId(run),
                by=incoming.person,
                verdict=Verdict(verb),
                stage=int(stage),
                attempt=int(attempt),
                fingerprint="" if fingerprint == "-" else fingerprint,
                reason=reason_of(more),
            )
            return await self.acting.change(incoming, vote, f"Your {_NOUNS[verb]} of {run} is counted.")
        command, done = self._pressed(incoming, verb, RunId(run), more)
        moment = int(stage), int(attempt), more[0] if verb == "split" else None
        again = await self.acting.once(incoming, lambda book: self._at(book, command, moment), done)
        return [] if again is None else [Answer(Card(done), private=True)]

    def _pressed(self, incoming: Incoming, verb: str, run: RunId, more: list[str]) -> tuple[c.Command, str]:
        """What a button does, and what is said then."""
        match verb, more:
            case "retry", []:
                return c.Retry(run=run, by=incoming.person), f"{run} tries again."
            case "stop", _:
                stop = c.Stop(run=run, by=incoming.person, reason=reason_of(more))
                return stop, f"{run} is being stopped; what it placed is taken back."
            case "split", [was, percent] if _NUMBER.fullmatch(was) and _NUMBER.fullmatch(percent):
                share = c.ChangeShare(run=run, by=incoming.person, percent=int(percent))
                return share, f"{run} gives gray {percent} %."
            case _:
                raise Refused("That button is not one of ours.")

    def _at(self, book: SqlBook, command: c.Command, moment: tuple[int, int, str | None]) -> Run:
        """Do it, if the run is where the button was made."""
        now = book.runs.load(command.run)
        stage, attempt, share = moment
        is_same = (now.position, now.stage.attempt) == (stage, attempt) and share in (None, str(wanted_share(now)))
        if not is_same or now.state.is_over:
            raise Refused(
                f"That button belongs to an earlier moment of {now.id}; nothing was done.", "Use the newest card."
            )
        return self.acting.control.apply(book, command)

    async def stop(self, incoming: Incoming, said: Said) -> list[Answer]:
        """End a run."""
        reason = reason_of(said.words[1:])
        run = await self.acting.meant(said.words[0])
        command = c.Stop(run=run.id, by=incoming.person, reason=reason)
        return await self.acting.change(incoming, command, f"{run.id} is being stopped; what it placed is taken back.")

    async def retry(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Try a held stage again."""
        run = await self.acting.meant(said.words[0])
        return await self.acting.change(incoming, c.Retry(run=run.id, by=incoming.person), f"{run.id} tries again.")

    async def approve(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Pass the open review."""
        return await self._vote(incoming, said, Verdict.APPROVE)

    async def reject(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Refuse the open review."""
        return await self._vote(incoming, said, Verdict.REJECT)

    async def _vote(self, incoming: Incoming, said: Said, verdict: Verdict) -> list[Answer]:
        run, reason = (await self.acting.meant(said.words[0])).id, reason_of(said.words[1:])
        vote = c.CastVote(run=run, by=incoming.person, verdict=verdict, reason=reason)
        return await self.acting.change(incoming, vote, f"Your {_NOUNS[verdict]} of {run} is counted.")

    async def split(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Give gray another share."""
        run, percent = await self._run_and_percent(said.words)
        command = c.ChangeShare(run=run, by=incoming.person, percent=percent)
        return await self.acting.change(incoming, command, f"{run} gives gray {percent} %.")

    async def promote(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Pass the review, or retry a failed promotion."""
        run = await self.acting.meant(said.words[0])
        if run.stage.state is StageState.HELD:
            return await self.acting.change(incoming, c.Retry(run=run.id, by=incoming.person), f"{run.id} tries again.")
        vote = c.CastVote(run=run.id, by=incoming.person, verdict=Verdict.APPROVE)
        return await self.acting.change(incoming, vote, f"Your approval of {run.id} is counted.")

    async def trigger(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Meet a condition that a stage waits for."""
        run, key = RunId(said.words[0]), said.words[1]
        given = Said(said.verb, said.words[1:], said.text).settings()
        pipeline, version = await self.acting.store.read(lambda book: _version_of(book.runs.load(run)))
        stored = await self.acting.store.read(lambda book: book.pipelines.load(pipeline, version))
        hooks = [hook for stage in parse_definition(stored.text).pipeline.stages for hook in stage.conditions.of]
        parameters = {name: variable for hook in hooks if hook.key == key for name, variable in hook.parameters.items()}
        unknown = next((name for name in given if name not in parameters), None)
        if unknown is not None:
            raise Refused(f"{key} takes no parameter {unknown}.", f"It takes {', '.join(parameters) or 'none'}.")
        values = {parameters[name]: value for name, value in given.items()}
        command = c.MeetCondition(run=run, by=incoming.person, key=key, variables=values)
        return await self.acting.change(incoming, command, f"{key} is met for {run}.")

    async def _run_and_percent(self, words: tuple[str, ...]) -> tuple[RunId, int]:
        number = words[-1].rstrip("%")
        if not _NUMBER.fullmatch(number):
            raise Refused(f"{words[-1]!r} is no percentage.", f"Write `{BY_NAME['split'].example}`.")
        if len(words) == 2:  # noqa: PLR2004 - RUN PERCENT
            return (await self.acting.meant(words[0])).id, int(number)
        active = [run for run in await self.acting.store.read(lambda book: book.runs.active()) if run.workload]
        if len(active) != 1:
            raise Refused("Which run is meant?", f"Write `{BY_NAME['split'].example}`.")
        return active[0].id, int(number)


def _version_of(run: Run) -> tuple[str, int]:
    return run.pipeline, run.version

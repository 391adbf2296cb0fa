"""What a chat's front page shows a person: what waits for them, what is going on, the pipelines. Changes nothing."""

from dataclasses import dataclass

from bot.cards import Card
from bot.desk import Desk
from bot.grammar import BY_NAME, Said
from bot.rights.holders import sight_of
from engine.model import PersonId, Run, StageState
from engine.transitions import missing_reviewers
from storage.store import SqlStore

MOST = 10


@dataclass(frozen=True, slots=True)
class Page:
    """A person's front page. `pipelines` is the card that `list` gives."""

    person: PersonId
    waiting: tuple[Card, ...]
    running: tuple[Card, ...]
    pipelines: Card


@dataclass(frozen=True, slots=True)
class Front:
    """Makes front pages."""

    store: SqlStore
    desk: Desk

    async def page(self, account: str) -> Page | None:
        """The page of whoever has the account; None when nobody known has it."""
        found = await self.store.read(lambda book: book.accounts.find(account))
        if found is None:
            return None
        active = await self.store.read(lambda book: book.runs.active())
        sight = await self.store.read(lambda book: sight_of(book, found.person))
        waiting = [run for run in active if _waits_for(run, found.person)]
        running = [run for run in active if run not in waiting and sight.sees(run)]
        return Page(
            person=found.person,
            waiting=await self._cards(waiting),
            running=await self._cards(running),
            pipelines=await self.desk.pipelines(Said(BY_NAME["list"], (), ""), sight),
        )

    async def _cards(self, runs: list[Run]) -> tuple[Card, ...]:
        return tuple([await self.desk.card_of(run) for run in runs[:MOST]])


def _waits_for(run: Run, person: PersonId) -> bool:
    return run.stage.state is StageState.AWAITING_REVIEW and person in missing_reviewers(run)

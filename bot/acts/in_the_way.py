"""What is in the way of a run, and what becomes of it: said before the run is started, and again when it is.

Pipelines can share a workload, so this is about whoever has the workload, and not about the pipeline alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.presenters import badge_of
from bot.rights.holders import Sight, sight_of
from engine.control import in_the_way, replaceable
from engine.errors import Refused
from engine.model import PersonId, Run
from engine.pipeline import parse, resolve
from engine.ports import StoredPipeline
from engine.transitions import was_placed
from engine.variables import system_variables
from storage.book import SqlBook

_NAMED = 3


@dataclass(frozen=True, slots=True)
class InTheWay:
    """The runs that have a workload or wait for it, and what `concurrency` says about them.

    `beside` are runs that one more leaves alone. Whoever asks is told of what is in their `sight`.
    """

    concurrency: str
    sight: Sight
    runs: Sequence[Run]
    beside: Sequence[Run] = ()

    @classmethod
    def of_run(
        cls, book: SqlBook, stored: StoredPipeline, values: Mapping[str, str], person: PersonId, now: datetime
    ) -> "InTheWay":
        """Find what is in the way of a run of this definition with these values."""
        pipeline = resolve(stored.text, {**values, **system_variables(now, 0)})
        runs = in_the_way(book, pipeline.workload)
        beside = () if runs else book.runs.active(stored.name)
        return cls(pipeline.concurrency, sight_of(book, person), runs, beside)

    @classmethod
    def of_return(cls, book: SqlBook, pipeline: str, workload: str, person: PersonId, *, straight: bool) -> "InTheWay":
        """Find what is in the way of a run that brings a version back. One that goes straight waits for nobody."""
        concurrency = "replace" if straight else parse(book.pipelines.load(pipeline).text).pipeline.concurrency
        return cls(concurrency, sight_of(book, person), in_the_way(book, workload))

    @property
    def ends(self) -> list[Run]:
        """The runs that end when one more is started."""
        return replaceable(self.runs) if self.concurrency == "replace" else []

    @property
    def refuses(self) -> bool:
        """Whether one more cannot be started now."""
        return self.concurrency == "reject" and bool(self.runs)

    @property
    def in_words(self) -> str:
        """What becomes of them, or of the run that is to start; empty when nothing is going on."""
        if not self.runs:
            goes = "goes" if len(self.beside) == 1 else "go"
            return f"{self._some(self.beside)} {goes} on beside it." if self.beside else ""
        first, *others = self.runs
        name = self._named(first)
        if self.refuses:
            way_out = f" `stop {first.id}` ends that." if self.sight.sees(first) else ""
            return f"It is refused while {name} goes on.{way_out}"
        if self.concurrency == "replace":
            return self.endings or f"It waits until {name} is taken back."
        return f"It waits behind {name}{f' and {len(others)} more' if others else ''}."

    @property
    def endings(self) -> str:
        """Which runs end: a few of them, then how many more."""
        placed = [run for run in self.ends if was_placed(run)]
        others = [run for run in self.ends if not was_placed(run)]
        said = {"Stopped and taken back": placed, "Stopped": others}
        return "\n".join(f"{what}: {self._some(runs)}." for what, runs in said.items() if runs)

    def check_shown(self, shown: Sequence[str], line: str) -> None:
        """Refuse a start that would end a run of which nothing was said; `line` is said again to see it."""
        new = next((run for run in self.ends if run.id not in shown), None)
        if new is not None:
            who = f"{self._named(new)} has come in its way since you were asked, and would be stopped"
            raise Refused(f"Nothing was started: {who}.", f"Say `{line}` again.")

    def _some(self, runs: Sequence[Run]) -> str:
        names = ", ".join(self._named(run) for run in runs[:_NAMED])
        return f"{names} and {len(runs) - _NAMED} more" if len(runs) > _NAMED else names

    def _named(self, run: Run) -> str:
        if not self.sight.sees(run):
            return "a run that you may not see"
        return f"{run.id} (asked for by {run.requested_by}, {badge_of(run)})"

"""What is said about what was done: `audit`, `audit verify` and `timeline`.

Everybody may look back, at what they may see: rows that name what is hidden from them are left out.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from bot.audit.marks import Marks
from bot.audit.timeline import Sources, Timeline, phone, plain, tell
from bot.cards import Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.feature import Feature
from bot.grammar import PRESS, Said
from bot.presenters import clock_time
from bot.rights.holders import Sight, sight_of
from engine.model import RunId
from engine.ports import Clock
from storage.audit import Deed, Sought
from storage.book import SqlBook
from storage.store import SqlStore
from storage.verification import Verdict

SHOWN = 30
_LOOKED_AT = 2000
_TOLD = 10
_MOST_LINES = 40
"""A longer story is one for a wide screen, or for a file."""
_ABOUT_A_RUN = 1000
_BEFORE = timedelta(minutes=1)
"""A run is asked for before it is made."""
_HEAD = ("When (UTC)", "Who", "Where", "What", "Outcome")


@dataclass(frozen=True, slots=True)
class Auditing:
    """Answers lines about what was done."""

    store: SqlStore
    clock: Clock
    marks: Marks

    def feature(self) -> Feature:
        """Return what `bot.dispatch` joins."""
        return Feature({"audit": self.audit, "timeline": self.timeline})

    async def audit(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show the latest deeds, or look whether all of them are as they were written."""
        word = said.words[0] if said.words else ""
        if word.lower() == "verify":
            return [Answer(present_verdict(await self.marks.verify()), private=True)]
        deeds = await self.store.read(lambda book: _deeds(book, incoming, word))
        about = f" about {word}" if word else ""
        if not deeds:
            return [Answer(Card(f"Nothing was written down{about}"), private=True)]
        table = Table(_HEAD, tuple(map(_row, deeds)))
        text = "`sluice audit export --since DAY` on its machine gives all of it."
        return [Answer(Card(f"The latest{about}", text=text, table=table), private=True)]

    async def timeline(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Tell of a run as an incident."""
        run = RunId(said.words[0])
        now = self.clock.now()

        def read(book: SqlBook) -> Timeline:
            sight = sight_of(book, incoming.person)
            return timeline_of(book, run, now, sight)

        story = await self.store.read(read)
        if len(story.lines) > _MOST_LINES:
            return [Answer(Card(f"Timeline of {run}", code=plain(story)), private=True)]
        facts = Card(story.title, fields=tuple(Field(name, value) for name, value in story.facts))
        notes = "\n".join(story.notes)
        happened = Card(f"Timeline of {run}", text=f"{phone(story)}\n{notes}".strip())
        return [Answer(facts, private=True), Answer(happened, private=True)]


def timeline_of(book: SqlBook, name: RunId, now: datetime, sight: Sight | None = None) -> Timeline:
    """Read a run's story; without what `sight` hides."""
    run = book.runs.load(name)
    deeds = book.audit.latest(_ABOUT_A_RUN, Sought(since=run.created_at - _BEFORE, word=run.id))
    about = [deed for deed in reversed(deeds) if is_about(deed, run.id, exactly=True) and _may_read(sight, deed)]
    told = book.outbox.latest(_ABOUT_A_RUN, run=run.id)
    lock = book.locks.find(run.workload) if run.workload else None
    deployed = book.releases.deployed(run.workload) if run.workload else None
    return tell(run, Sources(book.journal.of(run.id), about, told, lock, deployed), now)


def is_about(deed: Deed, word: str, *, exactly: bool = False) -> bool:
    """Whether a deed is by this person, or names this run or pipeline; a pipeline's runs name it, unless `exactly`."""
    number = "" if exactly else r"(-\d+)?"
    pattern = re.compile(rf"(?<![\w.-]){re.escape(word)}{number}(?![\w-])", re.IGNORECASE)
    return deed.person == word or bool(pattern.search(deed.line) or pattern.search(deed.said))


def present_verdict(verdict: Verdict) -> Card:
    """Show whether the audit is as it was written, and where it is not."""
    fields = [Field("Looked at", f"{verdict.rows} rows of the audit, {verdict.entries} entries of the journal")]
    if verdict.head is not None:
        fields.append(Field("Newest row", f"{verdict.head.seq}, {clock_time(verdict.head.deed.at)} UTC"))
    if verdict.sealed_from is not None:
        since = verdict.sealed_from
        fields.append(Field("Sealed since", f"row {since.seq}, {clock_time(since.deed.at)} UTC"))
    if verdict.holds:
        return Card("The audit is as it was written", Tone.GOOD, fields=tuple(fields))
    first = next((fault.at for fault in verdict.faults if fault.at is not None), None)
    count = len(verdict.faults) + verdict.more
    text = "What stands at these places cannot be trusted; what lies between them can."
    since_when = f" since {clock_time(first)} UTC" if first else ""
    title = f"The audit is not as it was written: {count} fault{'s' if count > 1 else ''}{since_when}"
    told = "\n".join(map(str, verdict.faults[:_TOLD]))
    if count > _TOLD:
        told += f"\n... and {count - _TOLD} more; `sluice audit verify` tells them."
    return Card(title, Tone.BAD, text, fields=tuple(fields), code=told)


def _deeds(book: SqlBook, incoming: Incoming, word: str) -> list[Deed]:
    sight = sight_of(book, incoming.person)
    found = book.audit.latest(_LOOKED_AT if word or sight.hidden else SHOWN, Sought(word=word))
    seen = (deed for deed in found if (not word or is_about(deed, word)) and _may_read(sight, deed))
    return list(islice(seen, SHOWN))


def _may_read(sight: Sight | None, deed: Deed) -> bool:
    return sight is None or deed.person == sight.person or sight.may_read(f"{deed.line} {deed.said}")


def _row(deed: Deed) -> tuple[str, ...]:
    who = deed.person or deed.account or "-"
    pressed = deed.line.startswith(PRESS)
    line = f"pressed: {' '.join(deed.line.split()[1:3])}" if pressed else deed.line
    said = deed.said if deed.outcome == "done" else f"{deed.outcome}: {deed.said}"
    return (clock_time(deed.at), who, deed.room, line, said)

"""Freeze windows: times in which nothing of a pipeline, a workload, a group or of everything is begun. Pure.

The danger is the release on Friday at five, and the one that waited for its approval until everybody had gone home. The
promise: inside a window nothing begins that a person or a machine asks for, and no gray or official release begins
that was approved before it; whoever tries hears which window it is, who froze it, why and until when. Ways back and
stops are let through always. Where several windows are open, any one of them is enough.

A weekly window is written by the wall clock of a time zone, so its moments are found anew for every week. Where clocks
change, it is never shorter than what is written: a time that comes twice begins a window the first time and ends one
the second time, and one that is skipped counts as the moment of the change.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Literal, NewType
from zoneinfo import ZoneInfo

from engine.errors import Offer, Refused
from engine.model import PersonId, RoomId

FreezeId = NewType("FreezeId", str)
"""What people type: ``f3``."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
FARTHEST = timedelta(days=366)
"""How far windows that follow each other are looked at: what stands still for longer is looked at again then."""
_SECOND = timedelta(seconds=1)
_NOBODY = PersonId("")


class Reach(StrEnum):
    """What a freeze is about."""

    EVERYTHING = "everything"
    GROUP = "group"
    PIPELINE = "pipeline"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a run belongs to. `workload` is empty when it deploys nothing."""

    pipeline: str
    group: str
    workload: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything, or what has this name."""

    reach: Reach
    name: str = ""

    def __str__(self) -> str:
        """Say it in words."""
        return "Everything" if self.reach is Reach.EVERYTHING else f"{self.reach.capitalize()} {self.name}"

    def covers(self, subject: Subject) -> bool:
        """Whether `subject` belongs to it."""
        names = {Reach.GROUP: subject.group, Reach.PIPELINE: subject.pipeline, Reach.WORKLOAD: subject.workload}
        return self.reach is Reach.EVERYTHING or (bool(self.name) and names[self.reach] == self.name)


@dataclass(frozen=True, slots=True)
class Window:
    """From `begins` on until `ends`, which does not belong to it any more. Aware UTC."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Weekly:
    """Every week: on each of `days` (0 is Monday) from `begins` until `ends`, `later` days after.

    `begins` and `ends` are minutes after midnight by the wall clock of `zone`; `ends` may be 24:00.
    """

    days: tuple[int, ...]
    begins: int
    later: int
    ends: int
    zone: str
    kind: Literal["weekly"] = "weekly"

    def __str__(self) -> str:
        """Say it as it is written."""
        last = DAYS[(self.days[0] + self.later) % 7]
        same_end = len(self.days) == 1 and self.later > 0 and not self._is_overnight
        until = f"{last} {clock(self.ends)}" if same_end else clock(self.ends)
        days = "day" if len(self.days) == len(DAYS) else ", ".join(DAYS[day] for day in self.days)
        return f"every {days} {clock(self.begins)} - {until} {self.zone}"

    @property
    def _is_overnight(self) -> bool:
        return self.later == 1 and self.ends <= self.begins

    @property
    def is_always(self) -> bool:
        """Whether no minute of the week is outside."""
        covered = bytearray(WEEK_MINUTES)
        for day in self.days:
            first = day * DAY_MINUTES + self.begins
            for minute in range(first, min(self._length + first, first + WEEK_MINUTES)):
                covered[minute % WEEK_MINUTES] = 1
        return all(covered)

    @property
    def _length(self) -> int:
        return self.later * DAY_MINUTES + self.ends - self.begins

    def near(self, at: datetime) -> Iterator[Window]:
        """Every window that is open at `at`, and those of the week after it, in order."""
        zone = ZoneInfo(self.zone)
        today = at.astimezone(zone).date()
        for step in range(-self.later - 2, 9):
            day = today + timedelta(days=step)
            if day.weekday() not in self.days:
                continue
            begins = first_at(_wall(day, self.begins), zone)
            ends = last_at(_wall(day + timedelta(days=self.later), self.ends), zone)
            if at < ends and begins < ends:
                yield Window(begins, ends)


@dataclass(frozen=True, slots=True)
class Once:
    """One time: two moments, aware UTC, said in `zone`."""

    begins: datetime
    ends: datetime
    zone: str
    kind: Literal["once"] = "once"

    def __str__(self) -> str:
        """Say it in words."""
        return f"{said_at(self.begins, self.zone)} - {said_at(self.ends, self.zone)} {self.zone}"

    def near(self, at: datetime) -> Iterator[Window]:
        """The window, unless it is over."""
        if at < self.ends:
            yield Window(self.begins, self.ends)


@dataclass(frozen=True, slots=True)
class Freeze:
    """Who has frozen what, when and why. `told` names the starts that were turned away in sight: see `Standing`."""

    id: FreezeId
    scope: Scope
    when: Weekly | Once
    reason: str
    by: PersonId
    at: datetime
    told: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in one sentence."""
        return f"{self.scope} is frozen by {self.by}, {self.when}: {self.reason.rstrip('.')} ({self.id})."

    def open_at(self, at: datetime) -> Window | None:
        """The window that is open at `at`: of several, the one that ends last."""
        found = [window for window in self.when.near(at) if window.begins <= at]
        return max(found, key=lambda window: window.ends, default=None)

    def next_after(self, at: datetime) -> Window | None:
        """The window that begins next after `at`."""
        found = (window for window in self.when.near(at) if window.begins > at)
        return min(found, key=lambda window: window.begins, default=None)

    def is_over(self, at: datetime) -> bool:
        """Whether nothing of it is to come."""
        return isinstance(self.when, Once) and self.when.ends <= at


@dataclass(frozen=True, slots=True)
class Standing:
    """Something stands still now: the freeze that holds it longest, its window, and until when all of them do.

    `zone` is that of the window that ends last; `others` are more freezes that are open now.
    """

    freeze: Freeze
    window: Window
    until: datetime
    zone: str
    others: tuple[FreezeId, ...] = ()

    def __str__(self) -> str:
        """Say it in one sentence."""
        freeze = self.freeze
        named = " and ".join((freeze.id, *self.others))
        until = f"{said_at(self.until, self.zone)} ({self.zone})"
        return f"{freeze.scope} is frozen until {until} by {freeze.by}: {freeze.reason.rstrip('.')} ({named})."

    def told_key(self, pipeline: str) -> str:
        """What is remembered of a start of `pipeline` that was turned away in this window."""
        return f"{pipeline}@{self.window.begins.isoformat()}"


class Frozen(Refused):
    """A start was asked for inside a freeze window."""

    def __init__(self, standing: Standing, name: str) -> None:
        hint = f"`override {name} REASON` asks for it all the same; somebody else has to confirm that."
        super().__init__(f"{standing}", hint, (Offer("Freezes", "freezes"),))


@dataclass(frozen=True, slots=True)
class Plea:
    """Somebody asks to overrule freezes, and somebody else has to confirm it before `expires_at`.

    It is about a run, about one start of a pipeline, or about taking a freeze away: `about` names it. A confirmed one
    that is about a start waits for that start until `expires_at`.
    """

    id: str
    kind: Literal["run", "start", "unfreeze"]
    about: str
    by: PersonId
    at: datetime
    reason: str
    room: RoomId
    expires_at: datetime
    confirmed_by: PersonId = _NOBODY


def standing(freezes: Iterable[Freeze], subject: Subject, at: datetime) -> Standing | None:
    """Tell what freezes `subject` at `at`, if anything does, and when nothing will any more."""
    covering = [freeze for freeze in freezes if freeze.scope.covers(subject)]
    now = [(window, freeze) for freeze in covering if (window := freeze.open_at(at)) is not None]
    if not now:
        return None
    window, longest = max(now, key=lambda one: (one[0].ends, one[1].id))
    others = tuple(sorted(freeze.id for _, freeze in now if freeze.id != longest.id))
    until, zone = window.ends, longest.when.zone
    while until < at + FARTHEST:
        ends = [(more.ends, freeze.when.zone) for freeze in covering if (more := freeze.open_at(until)) is not None]
        if not ends:
            break
        until, zone = max(ends)
    return Standing(longest, window, until, zone, others)


def clock(minutes: int) -> str:
    """Minutes after midnight as people write them."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def said_at(moment: datetime, zone: str) -> str:
    """Say a moment by the wall clock of a time zone."""
    return f"{moment.astimezone(ZoneInfo(zone)):%a %d %B %Y, %H:%M}"


def first_at(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which clocks of `zone` show `wall` or later."""
    early, late = _readings(wall, zone)
    return early if early <= late else _change(late, early, zone)


def last_at(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) from which on clocks of `zone` never show less than `wall` again."""
    early, late = _readings(wall, zone)
    return late if early <= late else _change(late, early, zone)


def _readings(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The two moments that a wall clock time may mean. The first is the later one where the time is skipped."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Find the moment between the two at which the clocks of `zone` are changed, to the second."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def _wall(day: date, minutes: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minutes)

"""When a freeze holds, as people type it on a phone: from words to a value, or to what is wrong with them. Pure.

    for 4h REASON                                  from now on
    until mon 08:00 [ZONE] REASON                  from now on; also until 18:00, until 2026-12-24 18:00
    2026-12-23 18:00 - 2027-01-02 [ZONE] REASON    once; a date alone is the whole day
    fri 16:00 - mon 08:00 [ZONE] REASON            every week
    mon-fri 22:00 - 06:00 [ZONE] REASON            also daily, weekdays, weekend; no time: the whole days

What may be meant in two ways is refused. A time zone is UTC, or an area and a city as in Europe/Berlin, in any case.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from engine.complaints import nearest
from engine.errors import Refused
from engine.fields import parse_duration
from engine.freezes import DAY_MINUTES, DAYS, FARTHEST, Once, Weekly, first_at, last_at
from engine.section import Mistake

EXAMPLES = (
    "`freeze shop for 4h WHY`, `freeze shop fri 16:00 - mon 08:00 Europe/Berlin WHY`, "
    "`freeze all 2026-12-23 18:00 - 2027-01-02 WHY`"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_GLUED = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}:[0-9]{2}|[a-z]{3,9})([-,])(.*)")
_DASHES = str.maketrans("–—−", "---")  # noqa: RUF001 - what phones make of a dash
_TO = ("-", "to", "until", "till")
_SETS = {
    "daily": range(7),
    "everyday": range(7),
    "weekdays": range(5),
    "weekend": (5, 6),
    "weekends": (5, 6),
}
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LOOKS_LIKE_A_ZONE = re.compile(r"[A-Za-z_]+/[A-Za-z_+\-0-9/]+")
_HOURS = 24


@dataclass(frozen=True, slots=True)
class Point:
    """A moment by some wall clock: a date or the next such weekday or today, and perhaps a time (minutes)."""

    on: date | int | None
    minutes: int | None

    def wall(self, now: datetime, *, is_end: bool) -> datetime:
        """The wall clock's reading; `now` is the same clock's. A date alone is a whole day, also as an end."""
        minutes = self.minutes if self.minutes is not None else DAY_MINUTES if is_end else 0
        if isinstance(self.on, date):
            return _at(self.on, minutes)
        step = 1 if self.on is None else 7
        day = now.date() if self.on is None else now.date() + timedelta(days=(self.on - now.weekday()) % 7)
        return _at(day, minutes) if _at(day, minutes) > now else _at(day + timedelta(days=step), minutes)


def read_window(words: Sequence[str], now: datetime) -> tuple[Once | Weekly, str]:
    """Read when a freeze holds, and the reason after it. Raises `Refused`."""
    reader = _Reader(deque(words))
    head = reader.peek()
    if head == "now":
        reader.take()
        head = reader.peek()
    if head == "for":
        reader.take()
        when: Once | Weekly = _lasting(reader, now)
    elif head in _TO:
        reader.take()
        when = _once(None, reader.point(), reader.zone(), now)
    elif head == "from" or _DATE.fullmatch(head):
        if head == "from":
            reader.take()
        when = _from_to(reader, now)
    else:
        when = _weekly(reader)
    reason = " ".join(reader.words).strip()
    if not reason:
        raise Refused("A freeze needs a reason, for those who meet it.", f"Write it at the end: {EXAMPLES}.")
    return when, reason


def _lasting(reader: "_Reader", now: datetime) -> Once:
    word = reader.take()
    try:
        span = parse_duration(word)
    except Mistake as mistake:
        raise Refused(f"{mistake.problem}.", f"Write {mistake.instead}.") from mistake
    if not isinstance(span, timedelta) or not span:
        raise Refused(f"{word!r} is no time.", f"For example {EXAMPLES}.")
    return _checked(Once(now, now + span, reader.zone()), now)


def _from_to(reader: "_Reader", now: datetime) -> Once:
    first = reader.point()
    if not isinstance(first.on, date):
        raise Refused(
            "`from` is followed by a date, as in 2026-12-23 18:00.",
            "Leave it out for what comes every week, or write `until` for what begins now.",
        )
    if first.minutes is None and reader.peek() not in _TO:
        return _once(first, first, reader.zone(), now)
    reader.expect_to()
    last = reader.point()
    if last.on is None:
        last = Point(first.on, last.minutes)
    return _once(first, last, reader.zone(), now)


def _once(first: Point | None, last: Point, zone_name: str, now: datetime) -> Once:
    zone = ZoneInfo(zone_name)
    here = now.astimezone(zone).replace(tzinfo=None)
    begins = now if first is None else first_at(first.wall(here, is_end=False), zone)
    after = here if first is None else begins.astimezone(zone).replace(tzinfo=None)
    return _checked(Once(begins, last_at(last.wall(after, is_end=True), zone), zone_name), now)


def _checked(once: Once, now: datetime) -> Once:
    if once.ends <= once.begins:
        raise Refused("That ends before it begins.", "Write the beginning first.")
    if once.ends <= now:
        raise Refused("That is over already.", f"For example {EXAMPLES}.")
    if once.ends > now + FARTHEST:
        raise Refused(
            "That ends more than a year from now.", "Freeze less, or `lock WORKLOAD REASON` until somebody unlocks it."
        )
    return once


def _weekly(reader: "_Reader") -> Weekly:
    if _TIME.fullmatch(reader.peek()):
        hint = f"For example `daily {reader.peek()} - ...`, or `until ...` for what begins now."
        raise Refused("On which days?", hint)
    days = reader.days()
    if not _TIME.fullmatch(reader.peek()):
        return _sure(Weekly(days, 0, 0, DAY_MINUTES, reader.zone()))
    begins = reader.minutes()
    reader.expect_to()
    last = reader.day()
    ends = reader.minutes()
    if last is None:
        return _sure(Weekly(days, begins, int(ends <= begins), ends, reader.zone()))
    if len(days) > 1:
        raise Refused(
            "With several days, the end is a time alone.", "For example `freeze shop mon-fri 22:00 - 06:00 WHY`."
        )
    later = (last - days[0]) % 7 or (0 if ends > begins else 7)
    return _sure(Weekly(days, begins, later, ends, reader.zone()))


def _sure(weekly: Weekly) -> Weekly:
    if weekly.is_always:
        raise Refused("That is always.", "`lock WORKLOAD REASON` keeps it until somebody unlocks it.")
    return weekly


@dataclass(slots=True)
class _Reader:
    """Takes words from the front; one that is several written together is taken apart when its turn comes."""

    words: deque[str]

    def peek(self) -> str:
        """The next word in small letters; empty when there is none."""
        if not self.words:
            return ""
        glued = _GLUED.fullmatch(self.words[0].lower().translate(_DASHES))
        if glued and (not glued.group(1).isalpha() or _day(glued.group(1)) is not None):
            rest = [part for part in glued.groups()[1:] if part]
            self.words.popleft()
            self.words.extendleft(reversed([glued.group(1), *rest]))
        return self.words[0].lower().translate(_DASHES)

    def take(self) -> str:
        """The next word, which is gone then."""
        word = self.peek()
        if not self.words:
            raise Refused("The time of the freeze is not whole.", f"For example {EXAMPLES}.")
        self.words.popleft()
        return word

    def expect_to(self) -> None:
        """The word between two times."""
        word = self.take()
        if word not in _TO:
            raise Refused(f"{word!r} stands where a dash and the end of the freeze should be.", f"{EXAMPLES}.")

    def point(self) -> Point:
        """A date or a weekday, with a time perhaps, or a time."""
        on: date | int | None = _date(self.take()) if _DATE.fullmatch(self.peek()) else self.day()
        is_time = _TIME.fullmatch(self.peek()) is not None
        if on is None or (isinstance(on, int) and not is_time):
            return Point(on, self.minutes())
        return Point(on, self.minutes() if is_time else None)

    def minutes(self) -> int:
        """A time, in minutes after midnight; 24:00 is one."""
        word = self.take()
        found = _TIME.fullmatch(word)
        hours, minutes = (int(found.group(1)), int(found.group(2))) if found else (_HOURS, 1)
        if hours > _HOURS or minutes > 59 or (hours == _HOURS and minutes):  # noqa: PLR2004 - what a clock shows
            raise Refused(f"{word!r} is no time of day.", "For example 08:00 or 22:30.")
        return hours * 60 + minutes

    def day(self) -> int | None:
        """A weekday, if one is next."""
        number = _day(self.peek())
        if number is not None:
            self.take()
        return number

    def days(self) -> tuple[int, ...]:
        """Weekdays: one, several with commas, from one to another, or a word for some of them."""
        if self.peek() == "every":
            self.take()
        if self.peek() in _SETS:
            return tuple(_SETS[self.take()])
        found: list[int] = []
        while True:
            first = self.day()
            if first is None:
                raise _no_day(self.peek())
            last = self._until_day(first)
            found += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
            if self.peek() != ",":
                return tuple(sorted(set(found)))
            self.take()

    def _until_day(self, first: int) -> int:
        if self.peek() != "-":
            return first
        self.take()
        last = self.day()
        if last is None:
            raise _no_day(self.peek())
        return last

    def zone(self) -> str:
        """A time zone, if one is next; UTC otherwise."""
        word = self.words[0] if self.words else ""
        known = _zones().get(word.lower())
        if known is not None:
            self.words.popleft()
            return known
        area = word.partition("/")[0].lower() + "/"
        like = [name for name in _zones().values() if name.lower().startswith(area)]
        if like and _LOOKS_LIKE_A_ZONE.fullmatch(word):
            near = nearest(word, like) or like[0]
            raise Refused(f"{word!r} is no time zone.", f"For example {near}. A reason may not begin like one.")
        return "UTC"


def _no_day(word: str) -> Refused:
    said = f"{word!r} is no day" if word else "There is no day"
    return Refused(f"{said}, and no time that a freeze begins or ends at.", f"For example {EXAMPLES}.")


def _day(word: str) -> int | None:
    for names in (DAYS, _FULL):
        if word in names:
            return names.index(word)
    return None


def _date(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError as error:
        raise Refused(f"{word} is no date.", "For example 2026-12-24.") from error


def _at(day: date, minutes: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minutes)


@cache
def _zones() -> dict[str, str]:
    names = (name for name in available_timezones() if "/" in name)
    return {"utc": "UTC", **{name.lower(): name for name in names}}

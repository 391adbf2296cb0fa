"""The kinds of values that a pipeline definition holds: durations, amounts, names, addresses, expressions.

Every scalar of a definition arrives as the text that stands there, and the field decides what it means: `1.10`, `007`
and `yes` stay what people wrote where a text is asked for. A kind refuses with a `Mistake`: what is wrong, and what to
write.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import re2
from apscheduler.triggers.cron import CronTrigger
from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from engine.section import Mistake

MAX_INSTANCES = 300
LONGEST = timedelta(days=365)
_SHOWN = 80
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PERCENT = re.compile(r"(?:100|[1-9]?[0-9])%")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")
_CRON_FIELDS = 5
_LEAP_YEAR = 2024


def shown(value: object) -> str:
    """`value` as it stands in a complaint: quoted, and cut when it is long."""
    text = str(value)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def parse_duration(value: object) -> object:
    """Read ``90s``, ``1h30m`` or ``500ms`` as a timedelta, at most 365 days."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise Mistake(f"{value} has no unit", f"for example {value}s, {value}m or {value}h")
    text = str(value)
    if re.fullmatch(r"[0-9]{1,9}", text):
        raise Mistake(f"{text} has no unit", f"for example {text}s, {text}m or {text}h")
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Mistake(f"{shown(value)} is not a duration", "for example 500ms, 30s, 10m, 1h30m or 7d")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > LONGEST.total_seconds():
        raise Mistake(f"{shown(value)} is too long", "365d or less")
    return timedelta(seconds=seconds)


def write_duration(value: timedelta) -> str:
    """`value` as `parse_duration` reads it, to the millisecond."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def _some_time(value: timedelta) -> timedelta:
    if value < timedelta(milliseconds=50):
        raise Mistake(f"{write_duration(value)} is too short", "50ms or more")
    return value


def whole_number(value: object) -> int | None:
    """`value` as a count if it is one, written in digits or an int; None otherwise."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def from_to(least: int, most: int) -> Callable[[object], int]:
    """Make a reader of whole numbers between two bounds, both included."""

    def read(value: object) -> int:
        number = whole_number(value)
        if number is None:
            raise Mistake(f"{shown(value)} is not a whole number", f"a number from {least} to {most}")
        if not least <= number <= most:
            raise Mistake(f"{number} is too {'many' if number > most else 'few'}", f"a number from {least} to {most}")
        return number

    return read


def read_amount(value: object) -> int | str:
    """Read a count or a percentage."""
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    number = whole_number(value)
    if number is None:
        raise Mistake(f"{shown(value)} is neither a count nor a percentage", "for example 1 or 20%")
    if number > MAX_INSTANCES:
        raise Mistake(f"{number} is too many", f"a count from 0 to {MAX_INSTANCES}, or a percentage")
    return number


def spelled(pattern: str, problem: str, instead: str) -> Callable[[str], str]:
    """Make a check that the whole of a text has a certain spelling."""
    expression = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not expression.fullmatch(value):
            raise Mistake(f"{shown(value)} {problem}", instead)
        return value

    return check


def _free_name(value: str) -> str:
    name = value.strip()
    if not 1 <= len(name) <= 63 or not name.isprintable():  # noqa: PLR2004 - as long as any other name
        raise Mistake(f"{shown(value)} cannot be a name", "1 to 63 printable characters on one line")
    return name


def _one_line(value: str) -> str:
    if any(character in "\r\n" for character in value):
        raise Mistake(f"{shown(value)} has more than one line", "it on one line")
    return value


def check_re2(pattern: str) -> str:
    """Refuse what RE2 cannot compile: look-around, back references, unbalanced brackets."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise Mistake(
            f"{shown(pattern)} is not an RE2 expression ({said})", "one without look-around and back references"
        ) from None
    return pattern


def check_cron(value: str) -> str:
    """Refuse what is no five-field cron expression. Weekdays by number are refused: clocks count them differently."""
    example = 'for example "30 6 * * mon-fri"'
    fields = value.split()
    if len(fields) != _CRON_FIELDS:
        problem = f"{shown(value)} has {len(fields)} fields and not five (minute hour day month weekday)"
        raise Mistake(problem, example)
    if re.match(r"[0-9]", fields[-1]) or re.search(r"[,-][0-9]", fields[-1]):
        raise Mistake(f"{shown(value)} gives weekdays by number", "their names: mon, tue, wed, thu, fri, sat, sun")
    try:
        CronTrigger.from_crontab(value, timezone="UTC")
    except (ValueError, OverflowError):
        raise Mistake(f"{shown(value)} is not a cron expression", example) from None
    day, month = fields[2], fields[3]
    if day.isdecimal() and month.isdecimal() and int(day) > monthrange(_LEAP_YEAR, int(month))[1]:
        raise Mistake(f"{shown(value)} names a day that never comes", "a day that the month has")
    return value


def check_timezone(value: str) -> str:
    """Refuse what is not in the IANA time zone database."""
    try:
        ZoneInfo(value)
    except (ValueError, KeyError, OSError):
        raise Mistake(f"{shown(value)} is no time zone", "for example Europe/Berlin, Asia/Shanghai or UTC") from None
    return value


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(write_duration, return_type=str, when_used="json")
]
SomeTime = Annotated[Duration, AfterValidator(_some_time)]
"""A duration of 50 ms or more."""
Amount = Annotated[int | str, BeforeValidator(read_amount)]
"""A count (int) or a percentage (``"20%"``)."""
Name = Annotated[
    str,
    AfterValidator(
        spelled(
            r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
            "is not a name of small letters, digits and dashes",
            "for example shop-api; at most 63 characters, no dash at either end",
        )
    ),
]
FreeName = Annotated[str, AfterValidator(_free_name)]
ImageName = Annotated[
    str,
    AfterValidator(
        spelled(
            r"[a-z0-9][a-z0-9._-]{0,127}/[a-z0-9][a-z0-9._-]{0,127}:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
            "is not an image name",
            "organization/repository:tag, for example shop/api:v1",
        )
    ),
]
Port = Annotated[int, BeforeValidator(from_to(1, 65535))]
VariableName = Annotated[
    str,
    AfterValidator(
        spelled(
            r"[A-Za-z_][A-Za-z0-9_]{0,127}", "is not the name of a variable", "letters, digits and _, no digit in front"
        )
    ),
]
HeaderName = Annotated[
    str,
    AfterValidator(
        spelled(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", "is not the name of a request header", "for example X-Tester")
    ),
]
HttpPath = Annotated[str, AfterValidator(spelled(r"/[!-~]{0,1000}", "is not a path", "for example /healthz"))]
WebAddress = Annotated[
    str,
    AfterValidator(
        spelled(r"https?://[!-~]{1,4000}", "is not a web address", "for example https://hooks.example.com/sluice")
    ),
]
RefPattern = Annotated[
    str,
    AfterValidator(
        spelled(
            r"(?![/-])[^\x00-\x20\x7f~^:\\]{1,100}",
            "is no pattern of a branch or tag",
            "a name in which * stands for any letters, for example main, release/* or v*",
        )
    ),
]
OneLine = Annotated[str, AfterValidator(_one_line)]
Cron = Annotated[str, AfterValidator(check_cron)]
TimeZone = Annotated[str, AfterValidator(check_timezone)]

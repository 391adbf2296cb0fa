"""When a freeze holds, as people type it: what is understood, and what is refused."""

from datetime import UTC, datetime

import pytest

from bot.freezes.windows import read_window
from engine.errors import Refused

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
WHY = "nobody is on call"

UNDERSTOOD = {
    "for 4h": "Wed 04 March 2026, 12:00 - Wed 04 March 2026, 16:00 UTC",
    "now for 1h30m Asia/Shanghai": "Wed 04 March 2026, 20:00 - Wed 04 March 2026, 21:30 Asia/Shanghai",
    "until mon 08:00 Europe/Berlin": "Wed 04 March 2026, 13:00 - Mon 09 March 2026, 08:00 Europe/Berlin",
    "until wed 11:00": "Wed 04 March 2026, 12:00 - Wed 11 March 2026, 11:00 UTC",
    "until 18:00": "Wed 04 March 2026, 12:00 - Wed 04 March 2026, 18:00 UTC",
    "until 11:00": "Wed 04 March 2026, 12:00 - Thu 05 March 2026, 11:00 UTC",
    "until 2026-12-24": "Wed 04 March 2026, 12:00 - Fri 25 December 2026, 00:00 UTC",
    "2026-12-23 18:00 - 2027-01-02 europe/berlin": (
        "Wed 23 December 2026, 18:00 - Sun 03 January 2027, 00:00 Europe/Berlin"
    ),
    "from 2026-03-05 14:00 until 16:00": "Thu 05 March 2026, 14:00 - Thu 05 March 2026, 16:00 UTC",
    "2026-03-05 14:00-16:00": "Thu 05 March 2026, 14:00 - Thu 05 March 2026, 16:00 UTC",
    "2026-12-24": "Thu 24 December 2026, 00:00 - Fri 25 December 2026, 00:00 UTC",
    "fri 16:00 - mon 08:00 Europe/Berlin": "every fri 16:00 - mon 08:00 Europe/Berlin",
    "Friday 16:00\u2013Monday 8:00 Europe/Berlin": "every fri 16:00 - mon 08:00 Europe/Berlin",
    "every fri 16:00 until sun 24:00": "every fri 16:00 - sun 24:00 UTC",
    "fri 16:00 - fri 18:00": "every fri 16:00 - 18:00 UTC",
    "mon-fri 22:00 \u2014 06:00": "every mon, tue, wed, thu, fri 22:00 - 06:00 UTC",
    "mon, wed 1:00-2:00": "every mon, wed 01:00 - 02:00 UTC",
    "fri-mon": "every mon, fri, sat, sun 00:00 - 24:00 UTC",
    "weekend Asia/Shanghai": "every sat, sun 00:00 - 24:00 Asia/Shanghai",
    "weekdays 09:00 - 10:00": "every mon, tue, wed, thu, fri 09:00 - 10:00 UTC",
    "daily 22:00-06:00 utc": "every day 22:00 - 06:00 UTC",
}
REFUSED = {
    "": "There is no day",
    "for 4": "4 has no unit",
    "for": "The time of the freeze is not whole",
    "tomorrow": "'tomorrow' is no day",
    "22:00 - 06:00": "On which days?",
    "from fri 16:00 until mon 08:00": "`from` is followed by a date",
    "fri 16:00": "The time of the freeze is not whole",
    "fri 16:00 mon 08:00": "'mon' stands where a dash",
    "fri 25:00 - 03:00": "'25:00' is no time of day",
    "fri 24:01 - 03:00": "'24:01' is no time of day",
    "fri 10:00 - mon": "The time of the freeze is not whole",
    "sat,sun 10:00 - mon 08:00": "With several days, the end is a time alone",
    "daily 00:00 - 24:00": "That is always",
    "fri 16:00 - fri 16:00": "That is always",
    "2026-02-30": "2026-02-30 is no date",
    "2026-03-05 18:00 - 08:00": "That ends before it begins",
    "2026-03-01 - 2026-03-02": "That is over already",
    "until 2028-01-01": "more than a year from now",
    "fri 16:00 - mon 08:00 Europe/Berln": "'Europe/Berln' is no time zone",
}


@pytest.mark.parametrize("said", UNDERSTOOD)
def test_a_time_is_understood_as_people_write_it(said: str) -> None:
    when, reason = read_window([*said.split(), *WHY.split()], NOW)
    assert (f"{when}", reason) == (UNDERSTOOD[said], WHY)


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_no_time_is_refused_with_the_reason(said: str) -> None:
    with pytest.raises(Refused) as refused:
        read_window(said.split(), NOW)
    assert REFUSED[said] in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize("said", UNDERSTOOD)
def test_a_freeze_without_a_reason_is_refused(said: str) -> None:
    with pytest.raises(Refused, match="needs a reason"):
        read_window(said.split(), NOW)


@pytest.mark.parametrize("reason", ["shop/api is slow", "Japan has a holiday", "see https://x.example/a"])
def test_a_reason_is_not_taken_for_a_time_zone(reason: str) -> None:
    assert read_window(f"fri 16:00 - mon 08:00 {reason}".split(), NOW)[1] == reason

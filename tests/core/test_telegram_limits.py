"""How often Telegram is written to, by the clock alone."""

import pytest

from bot.chat import Pace
from bot.rooms.pacing import Bucket
from bot.telegram.limits import GROUP, OVERALL, PRIVATE, Limits

GROUP_CHAT, PERSON = -100, 7


def taken(pace: Pace, seconds: float, step: float = 0.01) -> list[float]:
    """When messages go if there are always more of them."""
    bucket, times = Bucket.full(pace, 0.0), []
    for number in range(int(seconds / step)):
        now = number * step
        while bucket.delay(now, is_urgent=True) <= 0:
            bucket.take(now)
            times.append(now)
    return times


@pytest.mark.parametrize(("pace", "span", "most"), [(GROUP, 60.0, 20), (OVERALL, 1.0, 30), (PRIVATE, 60.0, 63)])
def test_a_pace_holds_in_any_span_of_time(pace: Pace, span: float, most: int) -> None:
    times = taken(pace, 4 * span)
    counts = [sum(at <= one < at + span for one in times) for at in times]
    assert max(counts) <= most
    assert max(counts) >= most - 2, "and is not slower than it has to be"


def test_topics_of_one_group_share_its_minute() -> None:
    limits = Limits()
    for second in range(20):
        assert limits.wait(GROUP_CHAT, second) == 0
        limits.sent(GROUP_CHAT, second)
    assert limits.wait(GROUP_CHAT, 20.0) == pytest.approx(40.5)
    assert limits.wait(GROUP_CHAT - 1, 20.0) == 0
    assert limits.wait(GROUP_CHAT, 60.5) == 0


def test_one_person_may_be_written_to_more_often_than_a_group() -> None:
    limits = Limits()
    for second in range(100):
        assert limits.wait(PERSON, second) == 0
        limits.sent(PERSON, second)


def test_a_chat_that_asked_to_wait_is_left_alone_exactly_that_long_and_others_are_not() -> None:
    limits = Limits()
    limits.close(PERSON, 40.0)
    limits.close(PERSON, 10.0)
    assert limits.wait(PERSON, 39.5) == 0.5
    assert limits.wait(PERSON, 40.0) == 0
    assert limits.wait(PERSON + 1, 0.0) == 0

"""A bucket gives a room what its chat allows, and leaves the last token to what matters."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat import Pace
from bot.rooms.pacing import Bucket

GROUP = Pace(every=timedelta(seconds=3), burst=4, refresh=timedelta(seconds=6))


def test_a_burst_is_sent_at_once_and_then_one_at_a_time() -> None:
    bucket = Bucket.full(GROUP, 0.0)
    for _ in range(4):
        assert bucket.delay(0.0, is_urgent=True) == 0.0
        bucket.take(0.0)
    assert bucket.delay(0.0, is_urgent=True) == pytest.approx(3.0)
    assert bucket.delay(2.0, is_urgent=True) == pytest.approx(1.0)
    assert bucket.delay(3.0, is_urgent=True) == 0.0


def test_progress_leaves_the_last_token_to_an_outcome() -> None:
    bucket = Bucket.full(GROUP, 0.0)
    for _ in range(3):
        assert bucket.delay(0.0, is_urgent=False) == 0.0
        bucket.take(0.0)
    assert bucket.delay(0.0, is_urgent=False) == pytest.approx(3.0)
    assert bucket.delay(0.0, is_urgent=True) == 0.0


def test_a_wait_that_was_asked_for_holds_for_everything() -> None:
    bucket = Bucket.full(GROUP, 0.0)
    bucket.pause(10.0, timedelta(seconds=30))
    bucket.pause(11.0, timedelta(seconds=1))
    assert bucket.delay(12.0, is_urgent=True) == pytest.approx(28.0)
    assert bucket.delay(40.0, is_urgent=True) == 0.0


def test_a_room_that_takes_everything_never_waits() -> None:
    bucket = Bucket.full(Pace(timedelta(0), 1, timedelta(seconds=1)), 0.0)
    for _ in range(10):
        assert bucket.delay(0.0, is_urgent=False) == 0.0
        bucket.take(0.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=200))
def test_no_minute_holds_more_than_the_pace_allows(asked: list[tuple[float, bool]]) -> None:
    bucket, now, sent = Bucket.full(GROUP, 0.0), 0.0, []
    for later, is_urgent in asked:
        now += later + bucket.delay(now + later, is_urgent=is_urgent)
        assert bucket.delay(now, is_urgent=is_urgent) == pytest.approx(0.0, abs=1e-6)
        bucket.take(now)
        sent.append(now)
    for first in sent:
        assert sum(first <= moment < first + 60 for moment in sent) <= GROUP.burst + 20 + 1

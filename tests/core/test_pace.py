"""How soon a release is looked at again: soon where something moves, seldom where nothing does."""

from datetime import timedelta
from itertools import pairwise

from engine.model import RunId
from engine.stages.pace import SOON, TICK, Pace, until_next_look
from tests.support.store import ManualClock

RUN, OTHER = RunId("shop-1"), RunId("shop-2")


def looks(pace: Pace, clock: ManualClock, picture: str, number: int) -> list[timedelta]:
    """How long was waited after each of so many looks at the same picture."""
    pauses = []
    for _ in range(number):
        pauses.append(until_next_look(pace.still(RUN, picture, clock.now())))
        clock.pass_time(pauses[-1])
    return pauses


def test_looks_get_rarer_the_longer_nothing_moves_and_never_rarer_than_ten_in_a_second() -> None:
    pauses = looks(Pace(), ManualClock(), "1 of 3", 20)
    assert pauses[0] == SOON
    assert all(before <= after <= 2 * before for before, after in pairwise(pauses))
    assert set(pauses[8:]) == {TICK}
    assert sum(pauses[:6], timedelta(0)) < 3 * TICK


def test_what_moves_is_looked_at_soon_again() -> None:
    pace, clock = Pace(), ManualClock()
    looks(pace, clock, "1 of 3", 20)
    assert looks(pace, clock, "2 of 3", 2) == [SOON, SOON]
    looks(pace, clock, "2 of 3", 20)
    assert pace.moved(RUN) == SOON
    assert looks(pace, clock, "2 of 3", 1) == [SOON]


def test_how_long_nothing_has_moved_is_counted_for_each_run() -> None:
    pace, clock = Pace(), ManualClock()
    pace.still(RUN, "1 of 3", clock.now())
    pace.still(OTHER, "1 of 3", clock.now())
    clock.pass_time(timedelta(seconds=7))
    assert pace.still(OTHER, "2 of 3", clock.now()) == timedelta(0)
    assert pace.still(RUN, "1 of 3", clock.now()) == timedelta(seconds=7)

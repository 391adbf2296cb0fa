"""Freeze windows through every change of clocks, in any number, and votes in any order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bot.freezes.windows import read_window
from engine.errors import Refused
from engine.freezes import Freeze, FreezeId, Once, Reach, Scope, Subject, Weekly, clock, first_at, last_at, standing
from engine.model import Mode, PersonId, StageState, Verdict
from engine.voting import needed
from tests.support.engine import OFFICIAL, Story, quorum
from tests.support.store import ANN, BOB, EVE

CLEO = PersonId("cleo")
SUBJECT = Subject("shop", "web", "shop")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Pacific/Apia")
zones = st.sampled_from(ZONES)
moments = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 - aware in the next step
    lambda at: at.replace(second=0, microsecond=0, tzinfo=UTC)
)
changes = st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
near_changes = st.builds(lambda at, by: at + timedelta(minutes=by), changes, st.integers(-3000, 3000))
minutes = st.integers(0, 24 * 60 - 1)


@st.composite
def weeklies(draw: st.DrawFn, zone: st.SearchStrategy[str] = zones) -> Weekly:
    days = tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1))))
    begins, later, ends = draw(minutes), draw(st.integers(0, 3)), draw(minutes)
    if later == 0 and ends <= begins:
        later = 1
    return Weekly(days, begins, later, ends, draw(zone))


def freezes(whens: st.SearchStrategy[Weekly | Once]) -> st.SearchStrategy[list[Freeze]]:
    scope, at = Scope(Reach.EVERYTHING), datetime(2026, 1, 1, tzinfo=UTC)
    made = st.lists(whens, min_size=1, max_size=4)
    return made.map(
        lambda all_of: [
            Freeze(FreezeId(f"f{number}"), scope, when, "why", ANN, at) for number, when in enumerate(all_of)
        ]
    )


onces = st.builds(
    lambda at, span, zone: Once(at, at + timedelta(minutes=span), zone), moments, st.integers(1, 9999), zones
)


def by_the_clock(when: Weekly, at: datetime) -> bool:
    """Whether a window holds, found another way: by what the wall clock shows. True only where no clock changes."""
    wall = at.astimezone(ZoneInfo(when.zone)).replace(tzinfo=None)
    for back in range(when.later + 1):
        day = (wall - timedelta(days=back)).date()
        begins = datetime.combine(day, datetime.min.time()) + timedelta(minutes=when.begins)
        ends = datetime.combine(day, datetime.min.time()) + timedelta(days=when.later, minutes=when.ends)
        if day.weekday() in when.days and begins <= wall < ends:
            return True
    return False


@given(weeklies(), st.one_of(moments, near_changes))
def test_where_the_wall_clock_shows_a_time_inside_a_window_it_holds(when: Weekly, at: datetime) -> None:
    freeze = Freeze(FreezeId("f1"), Scope(Reach.EVERYTHING), when, "why", ANN, at)
    is_open = freeze.open_at(at) is not None
    assert is_open or not by_the_clock(when, at), "never shorter than what is written"
    zone = ZoneInfo(when.zone)
    far = timedelta(days=when.later + 2)
    if (at - far).astimezone(zone).utcoffset() == (at + far).astimezone(zone).utcoffset():
        assert is_open == by_the_clock(when, at), "and exactly that where no clock changes"


@given(st.one_of(moments, near_changes), zones)
def test_a_wall_clock_shows_its_reading_from_the_first_moment_to_before_the_last(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    wall = at.astimezone(zone).replace(tzinfo=None)
    first, last = first_at(wall, zone), last_at(wall, zone)
    assert first <= at <= last
    assert first.astimezone(zone).replace(tzinfo=None) >= wall
    assert (last + timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) > wall
    assert (first - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) < wall


@given(freezes(st.one_of(weeklies(), onces)), moments)
def test_deny_wins_whatever_windows_overlap_and_the_end_that_is_said_is_the_first_free_moment(
    all_of: list[Freeze], at: datetime
) -> None:
    found = standing(all_of, SUBJECT, at)
    assert (found is not None) == any(freeze.open_at(at) for freeze in all_of)
    if found is None:
        return
    assert found.until > at
    assert not any(freeze.open_at(found.until) for freeze in all_of) or found.until >= at + timedelta(days=366)
    for step in _steps(at, found.until):
        assert any(freeze.open_at(step) for freeze in all_of)


def _steps(begins: datetime, ends: datetime) -> Iterator[datetime]:
    span = (ends - begins) / 7
    yield from (begins + span * number for number in range(7))


@given(weeklies(), moments)
def test_what_is_said_of_a_weekly_window_can_be_typed_again(when: Weekly, at: datetime) -> None:
    said = f"{when}".replace("every day", "daily").replace(", ", ",").split()
    if when.is_always or (len(when.days) > 1 and (when.later > 1 or (when.later == 1 and when.ends > when.begins))):
        return  # more than people can type
    assert read_window([*said, "why"], at) == (when, "why")
    assert clock(when.begins) in said


WORDS = (
    "fri",
    "mon-fri",
    "sat,",
    "16:00",
    "8:00",
    "24:00",
    "-",
    "until",
    "for",
    "4h",
    "from",
    "2026-12-24",
    "now",
    "UTC",
    "why",
)


@given(st.lists(st.sampled_from(WORDS)))
def test_any_words_are_a_time_or_are_refused(words: list[str]) -> None:
    try:
        when, reason = read_window(words, datetime(2026, 3, 4, 12, tzinfo=UTC))
    except Refused:
        return
    assert reason
    assert next(iter(when.near(datetime(2026, 3, 4, 12, tzinfo=UTC))), None) is not None


votes = st.lists(st.tuples(st.sampled_from((ANN, BOB, CLEO, EVE)), st.booleans()), max_size=12)


@given(votes, st.integers(0, 3), st.sampled_from(Mode), st.booleans(), st.integers(0, 12))
def test_votes_in_any_order_pass_a_review_when_enough_of_those_who_may_have_passed_it(
    cast: list[tuple[PersonId, bool]],
    at_least: int,
    mode: Mode,
    no_self: bool,  # noqa: FBT001 - drawn
    escalates_at: int,
) -> None:
    hour = timedelta(hours=1)
    rule = quorum(ANN, BOB, CLEO, at_least=at_least, needed=mode, no_self=no_self, deputies=(EVE,), after=hour)
    story = Story([rule, OFFICIAL]).admitted().ask(within=9 * hour)
    passed: set[PersonId] = set()
    able = {ANN, BOB, CLEO} - ({ANN} if no_self else set())
    for number, (person, is_approval) in enumerate(cast):
        if story.run.stage.state is not StageState.AWAITING_REVIEW:
            break
        if number == escalates_at:
            story.clock.pass_time(hour)
            story.escalate()
            able |= {EVE}
        try:
            story.vote(person, Verdict.APPROVE if is_approval else Verdict.REJECT)
        except Refused:
            assert person not in able or person in passed
            continue
        assert is_approval is False or person in able
        passed |= {person} if is_approval else set()
        is_refused = not is_approval
        is_enough = len(passed) >= needed(rule, ANN)
        assert (story.run.unwinding is not None or story.run.state.is_over) == is_refused
        assert (story.run.stage.name == "official") == (is_enough and not is_refused)

"""kill -9 of the bot at every commit to the journal of a release: the next one ends it as if nothing had been.

Point n is right after the nth commit, -n right before it. The dry runs at the end count the commits, so that a release
that learns to commit more often fails here until all of its points are tried.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.house_on_disk import House
from tests.support.traffic import Tally, ask_once, steady
from tests.support.victims import Ended, Home

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

RELEASE = 15
"""How often a release commits to the journal, at most."""
TAKEN_BACK = 15
"""How often one does that is taken back at its review."""
AT_REVIEW = 10
"""The commit that opens the review; the people's decision is the next one."""
RATE = 50


def _both_sides(first: int, last: int) -> list[int]:
    return [sign * point for point in range(first, last + 1) for sign in (1, -1)]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Home]]:
    homes: list[Home] = []
    with ExitStack() as every_one:
        yield homes
        for home in homes:
            every_one.callback(home.clear)


@pytest.fixture
def home(homes: list[Home], tmp_path_factory: pytest.TempPathFactory) -> Home:
    if not homes or homes[-1].is_spoiled:
        homes.append(Home(House(tmp_path_factory.mktemp("home"))))
        homes[-1].is_spoiled = True
        homes[-1].settle()
        homes[-1].is_spoiled = False
    return homes[-1]


@pytest.mark.parametrize("die_at", _both_sides(1, RELEASE))
async def test_a_release_that_was_killed_ends_as_it_would_have(home: Home, die_at: int) -> None:
    with home.used():
        tag = home.house.new_tag()
        load = await _killed_and_ended(home, tag, "approve", die_at)
        home.deployed = tag
        told = home.house.told(tag)
        assert told is not None
        assert (told.state, told.deployments) == ("succeeded", 1)
        assert told.kinds["Voted"] == 2
        assert told.shown == [(told.card, "succeeded")]
        assert home.house.builds(tag) == 1
        assert home.house.starts(tag) == 3  # the gray instance, then the two that replace the stable ones
        await _serves(home, tag, load)


@pytest.mark.parametrize(
    ("ending", "die_at"),
    [
        *(("rollback", point) for point in _both_sides(AT_REVIEW, TAKEN_BACK)),
        *(("reject", point) for point in range(AT_REVIEW, TAKEN_BACK + 1)),
    ],
)
async def test_a_way_back_that_was_killed_ends_as_it_would_have(home: Home, ending: str, die_at: int) -> None:
    with home.used():
        tag = home.house.new_tag()
        load = await _killed_and_ended(home, tag, ending, die_at)
        told = home.house.told(tag)
        assert told is not None
        final = {"rollback": "rolled_back", "reject": "rejected"}[ending]
        assert (told.state, told.deployments) == (final, 0)
        assert told.kinds["Voted"] == (ending == "reject")
        assert told.shown == [(told.card, final.replace("_", " "))]
        assert home.house.builds(tag) == home.house.starts(tag) == 1
        await _serves(home, home.deployed, load)


@pytest.mark.parametrize(("ending", "points"), [("approve", RELEASE), ("rollback", TAKEN_BACK), ("reject", TAKEN_BACK)])
async def test_every_point_at_which_a_release_can_be_killed_is_tried(home: Home, ending: str, points: int) -> None:
    with home.used():
        tag = home.house.new_tag()
        ended = await home.play(tag, ending)
        if ending == "approve":
            home.deployed = tag
        assert ended.code == 0, ended.complaints
        assert ended.commits <= points


async def _killed_and_ended(home: Home, tag: str, ending: str, die_at: int) -> Tally:
    async with steady(home.house.port, rate=RATE, connections=2, key="version") as load:
        first = await home.play(tag, ending, die_at)
        before = home.house.told(tag)
        second = await home.play(tag, ending)
    after = home.house.told(tag)
    _check(first, second, die_at)
    if before is not None and before.card is not None:
        assert after is not None
        assert after.card == before.card
    return load


def _check(first: Ended, second: Ended, die_at: int) -> None:
    """The first was killed, unless its work was done in fewer commits; the second ended well."""
    assert first.was_killed or (first.code == 0 and first.commits < abs(die_at)), first.complaints
    assert second.code == 0, second.complaints


async def _serves(home: Home, tag: str, load: Tally) -> None:
    """Only the two instances of `tag` are left, they answer, and whoever asked meanwhile was answered."""
    assert home.house.alive() == {tag: 2}
    status, answer = await ask_once(home.house.port)
    assert (status, answer["version"]) == (200, tag)
    assert load.total > RATE
    assert load.failures == []

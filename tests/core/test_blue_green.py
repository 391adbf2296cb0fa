"""Blue-green: which colour is which is read off the route, and the way back stays open for the hold time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.rollout.blue_green import next_move
from engine.rollout.fleet import Done, Fleet, Goal, GoalKind, Group, Launch, ReleaseId, Reroute, Retire, Route, Wait
from engine.rollout.rolling import InstanceState
from tests.support.model_fleet import START, ModelFleet

R0, R1, R2, R3 = (ReleaseId(f"hello@{number}") for number in range(4))
GRAY = Goal(GoalKind.GRAY, R2, R1, instances=2, hold=timedelta(minutes=1))
PROMOTE = replace(GRAY, kind=GoalKind.PROMOTE)
ROLL_BACK = replace(GRAY, kind=GoalKind.ROLL_BACK)
BLUE, GREEN = (Route({name: 100}, preview=name) for name in ("blue", "green"))
PREVIEW_GREEN = Route({"blue": 100}, preview="green")


def whole(name: str, release: ReleaseId, *, unrouted: bool = False) -> Group:
    return Group(name, release, 2, {release: 2}, {release: 2}, unrouted_since=START if unrouted else None)


def fleet(*groups: Group, route: Route) -> Fleet:
    return Fleet({group.name: group for group in groups}, route)


@pytest.fixture
def model() -> ModelFleet:
    deployed = ModelFleet()
    deployed.reach("blue_green", replace(PROMOTE, new=R1, old=None))
    return deployed


def test_the_first_deployment_is_blue() -> None:
    first = replace(PROMOTE, new=R1, old=None)
    assert ModelFleet().moves("blue_green", first) == [Launch("blue", R1, 2), Reroute(BLUE)]


def test_a_gray_release_of_something_new_gets_everything_at_once() -> None:
    first = replace(GRAY, new=R1, old=None)
    assert ModelFleet().moves("blue_green", first) == [Launch("blue", R1, 2), Reroute(BLUE)]


def test_the_idle_colour_comes_up_whole_behind_the_preview(model: ModelFleet) -> None:
    assert model.moves("blue_green", GRAY) == [Launch("green", R2, 2), Reroute(PREVIEW_GREEN)]


def test_a_share_goes_to_the_idle_colour_when_one_is_asked_for(model: ModelFleet) -> None:
    split = Route({"blue": 70, "green": 30}, preview="green")
    assert model.moves("blue_green", replace(GRAY, share=30))[-1] == Reroute(split)
    assert model.moves("blue_green", replace(GRAY, share=100)) == [Reroute(GREEN)]
    assert model.moves("blue_green", replace(GRAY, share=30)) == [Reroute(split)]


def test_promoting_switches_once_holds_and_upgrades_the_old_colour(model: ModelFleet) -> None:
    model.reach("blue_green", GRAY)
    assert model.moves("blue_green", PROMOTE) == [Reroute(GREEN), Launch("blue", R2, 2)]


def test_promoting_removes_the_old_colour_when_that_is_asked_for(model: ModelFleet) -> None:
    model.reach("blue_green", GRAY)
    moves = model.moves("blue_green", replace(PROMOTE, after_hold="remove"))
    assert moves == [Reroute(GREEN), Retire("blue", timedelta(0))]


def test_the_old_colour_is_left_alone_until_the_hold_time_is_over() -> None:
    seen = fleet(whole("blue", R1, unrouted=True), whole("green", R2), route=GREEN)
    over = START + timedelta(minutes=1)
    said = "the hold time of blue, which can be switched back to at once"
    assert next_move(PROMOTE, seen, over - timedelta(seconds=1)) == Wait(said, over)
    assert next_move(PROMOTE, seen, over) == Launch("blue", R2, 2)


def test_the_old_colour_drains_even_if_there_is_no_hold_time() -> None:
    seen = fleet(whole("blue", R1, unrouted=True), whole("green", R2), route=GREEN)
    at_once = replace(PROMOTE, hold=timedelta(0))
    assert isinstance(next_move(at_once, seen, START + timedelta(seconds=4)), Wait)
    assert next_move(at_once, seen, START + timedelta(seconds=5)) == Launch("blue", R2, 2)


@pytest.mark.parametrize(("live", "idle"), [("blue", "green"), ("green", "blue")])
def test_of_two_colours_at_one_release_the_route_says_which_is_live(live: str, idle: str) -> None:
    route = Route({live: 100}, preview=live)
    seen = fleet(whole(live, R1), whole(idle, R1, unrouted=True), route=route)
    later = START + timedelta(minutes=5)
    assert next_move(GRAY, seen, later) == Launch(idle, R2, 2)
    assert next_move(PROMOTE, seen, later) == Launch(idle, R2, 2)
    assert next_move(ROLL_BACK, seen, later) == Done()


def test_within_the_hold_time_rolling_back_is_one_change_of_the_route(model: ModelFleet) -> None:
    model.reach("blue_green", GRAY)
    for _ in model.settle("blue_green", PROMOTE, passes=4):
        pass
    assert model.asked == GREEN
    assert model.moves("blue_green", ROLL_BACK) == [Reroute(BLUE), Retire("green", timedelta(0))]


def test_rolling_back_after_the_upgrade_launches_the_old_release_first(model: ModelFleet) -> None:
    model.reach("blue_green", PROMOTE)
    expected = [Launch("blue", R1, 2), Reroute(BLUE), Retire("green", timedelta(0))]
    assert model.moves("blue_green", ROLL_BACK) == expected


def test_a_half_upgraded_old_colour_is_not_switched_to() -> None:
    half = replace(whole("blue", R2, unrouted=True), present={R1: 1, R2: 1}, ready={R1: 1})
    later = START + timedelta(minutes=5)
    seen = fleet(half, whole("green", R2), route=GREEN)
    assert next_move(ROLL_BACK, seen, later) == Launch("blue", R1, 2)
    asked = fleet(replace(half, release=R1), whole("green", R2), route=GREEN)
    assert isinstance(next_move(ROLL_BACK, asked, later), Wait)


def test_the_next_release_uses_the_colour_that_stands_by(model: ModelFleet) -> None:
    model.reach("blue_green", PROMOTE)
    following = replace(GRAY, new=R3, old=R2)
    assert model.moves("blue_green", following) == [
        Launch("blue", R3, 2),
        Reroute(Route({"green": 100}, preview="blue")),
    ]
    moves = model.moves("blue_green", replace(following, kind=GoalKind.PROMOTE))
    assert moves == [Reroute(BLUE), Launch("green", R3, 2)]


def test_a_colour_that_is_still_shown_is_freed_before_it_changes_its_release(model: ModelFleet) -> None:
    model.reach("blue_green", replace(GRAY, new=R0, share=30))
    assert model.moves("blue_green", GRAY) == [Reroute(BLUE), Launch("green", R2, 2), Reroute(PREVIEW_GREEN)]


def test_releasing_what_is_live_already_asks_for_nothing(model: ModelFleet) -> None:
    assert model.moves("blue_green", replace(GRAY, new=R1)) == []
    assert model.moves("blue_green", replace(PROMOTE, new=R1)) == []


def test_a_deployment_that_somebody_removed_is_brought_back_and_served_first() -> None:
    moves = ModelFleet().moves("blue_green", GRAY)
    assert moves == [Launch("blue", R1, 2), Reroute(BLUE), Launch("green", R2, 2), Reroute(PREVIEW_GREEN)]


def test_plain_requests_go_back_to_the_old_colour_when_the_new_one_goes_down(model: ModelFleet) -> None:
    model.reach("blue_green", GRAY)
    for _ in model.settle("blue_green", PROMOTE, passes=4):
        pass
    for copy in model.of("green"):
        model.change(copy.name, InstanceState.UNREADY)
    assert model.ask("blue_green", PROMOTE) == Reroute(BLUE)


def test_a_stable_track_of_canary_is_the_old_colour_and_is_removed_in_the_end() -> None:
    model = ModelFleet()
    model.reach("canary", replace(PROMOTE, new=R1, old=None))
    moves = model.moves("blue_green", PROMOTE)
    assert moves == [Launch("blue", R2, 2), Reroute(BLUE), Retire("stable", timedelta(0))]


def test_adopting_routes_to_the_colour_of_the_old_release() -> None:
    adopt = replace(GRAY, kind=GoalKind.ADOPT)
    seen = fleet(whole("blue", R0, unrouted=True), whole("green", R1, unrouted=True), route=Route())
    assert next_move(adopt, seen, START) == Reroute(GREEN)
    assert next_move(adopt, Fleet(), START) == Done()

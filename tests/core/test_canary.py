"""Canary, and what it shares with istio: the order of moves, and what happens when something is not as it should be."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import InvariantViolation
from engine.rollout.canary import next_move
from engine.rollout.fleet import (
    Done,
    Fleet,
    Goal,
    GoalKind,
    Group,
    HeaderTest,
    Launch,
    Matcher,
    ReleaseId,
    Reroute,
    Retire,
    Route,
    Rule,
    Scale,
    Wait,
)
from engine.rollout.rolling import InstanceState
from tests.support.model_fleet import START, ModelFleet

R0, R1, R2 = ReleaseId("hello@0"), ReleaseId("hello@1"), ReleaseId("hello@2")
TESTERS = (Rule((HeaderTest("x-tester", Matcher.EXACT, "yes"),)),)
GRAY = Goal(GoalKind.GRAY, R2, R1, instances=4, share=20)
PROMOTE = replace(GRAY, kind=GoalKind.PROMOTE)
ROLL_BACK = replace(GRAY, kind=GoalKind.ROLL_BACK)
ALL_STABLE = Route({"stable": 100}, preview="stable")
SPLIT = Route({"stable": 80, "gray": 20}, preview="gray")
AT_ONCE = timedelta(0)


def whole(name: str, release: ReleaseId, count: int, *, unrouted: bool = False) -> Group:
    there = {release: count}
    return Group(name, release, count, there, there, unrouted_since=START if unrouted else None)


def fleet(*groups: Group, route: Route, in_effect: bool = True) -> Fleet:
    return Fleet({group.name: group for group in groups}, route, in_effect)


@pytest.fixture
def model() -> ModelFleet:
    deployed = ModelFleet()
    deployed.reach("canary", replace(PROMOTE, new=R1, old=None))
    return deployed


def test_the_first_deployment_is_launched_and_then_routed_to() -> None:
    first = replace(PROMOTE, new=R1, old=None)
    assert ModelFleet().moves("canary", first) == [Launch("stable", R1, 4), Reroute(ALL_STABLE)]


def test_gray_comes_up_gets_its_share_and_then_stable_shrinks(model: ModelFleet) -> None:
    assert model.moves("canary", GRAY) == [Launch("gray", R2, 1), Reroute(SPLIT), Scale("stable", 3)]


def test_promoting_rolls_stable_then_routes_to_it_then_ends_gray(model: ModelFleet) -> None:
    model.reach("canary", GRAY)
    expected = [Launch("stable", R2, 4), Reroute(ALL_STABLE), Retire("gray", AT_ONCE)]
    assert model.moves("canary", PROMOTE) == expected


def test_rolling_back_makes_stable_whole_before_it_gets_everything(model: ModelFleet) -> None:
    model.reach("canary", GRAY)
    expected = [Launch("stable", R1, 4), Reroute(ALL_STABLE), Retire("gray", AT_ONCE)]
    assert model.moves("canary", ROLL_BACK) == expected


def test_rolling_back_to_before_the_first_deployment_empties_route_and_fleet() -> None:
    model, goal = ModelFleet(), replace(GRAY, old=None)
    assert model.moves("canary", goal)[-1] == Reroute(Route({"gray": 100}, preview="gray"))
    assert model.moves("canary", replace(goal, kind=GoalKind.ROLL_BACK)) == [
        Reroute(Route()),
        Retire("gray", AT_ONCE),
    ]
    assert not model.observe().groups


def test_a_live_change_of_the_share_changes_the_route_and_nothing_else(model: ModelFleet) -> None:
    model.reach("canary", GRAY)
    half = Route({"stable": 50, "gray": 50}, preview="gray")
    assert model.moves("canary", replace(GRAY, share=50)) == [Reroute(half)]


def test_the_share_can_be_lowered_while_gray_is_not_well(model: ModelFleet) -> None:
    two = replace(GRAY, gray_instances=2)
    model.reach("canary", two)
    model.change(model.of("gray")[0].name, InstanceState.UNREADY)
    assert isinstance(model.ask("canary", replace(two, share=1)), Reroute)


def test_fewer_gray_instances_are_asked_for_only_when_stable_has_grown(model: ModelFleet) -> None:
    model.reach("canary", replace(GRAY, gray_instances=2))
    assert model.moves("canary", GRAY) == [Scale("stable", 3), Launch("gray", R2, 1)]


def test_gray_that_gets_no_request_yet_is_made_smaller_and_stable_is_left_whole(model: ModelFleet) -> None:
    model.ask("canary", replace(GRAY, gray_instances=3))
    assert model.moves("canary", GRAY) == [Launch("gray", R2, 1), Reroute(SPLIT), Scale("stable", 3)]


def test_stable_serves_in_full_strength_while_gray_is_down_and_makes_room_again_when_it_is_back(
    model: ModelFleet,
) -> None:
    model.reach("canary", GRAY)
    (gray,) = model.of("gray")
    model.fail(gray.name, InstanceState.UNREADY)
    model.bad, goal = {R2}, replace(GRAY, shared=True)
    answers = list(model.settle("canary", goal, passes=20))
    assert [each for each in answers if not isinstance(each, Wait)] == [Reroute(ALL_STABLE), Scale("stable", 4)]
    assert len(model.plain()) == 4
    model.bad = set()
    assert model.moves("canary", goal) == [Reroute(SPLIT), Scale("stable", 3)]


def test_stable_does_not_grow_beyond_its_part_of_a_larger_whole_before_gray_has_its_first_share(
    model: ModelFleet,
) -> None:
    larger = replace(GRAY, instances=8, gray_instances=2)
    assert model.moves("canary", larger) == [Launch("gray", R2, 2), Reroute(SPLIT), Scale("stable", 6)]


def test_stable_does_not_shrink_while_one_of_its_instances_is_not_ready() -> None:
    stable = replace(whole("stable", R1, 4), ready={R1: 3})
    seen = fleet(stable, whole("gray", R2, 1), route=SPLIT)
    assert next_move(GRAY, seen, START) == Wait("stable: 3 of 4 ready with hello@1")


def test_a_gray_track_gets_no_request_before_all_of_it_is_ready() -> None:
    gray = replace(whole("gray", R2, 2), ready={R2: 1})
    seen = fleet(whole("stable", R1, 4), gray, route=ALL_STABLE)
    assert next_move(replace(GRAY, gray_instances=2), seen, START) == Wait("gray: 1 of 2 ready with hello@2")


def test_no_route_is_set_to_a_stable_track_without_ready_instances() -> None:
    down = replace(whole("stable", R1, 3), ready={})
    goal = replace(GRAY, share=0, rules=TESTERS)
    seen = fleet(down, whole("gray", R2, 1), route=Route({"stable": 100}, (), None, "gray"))
    assert next_move(goal, seen, START) == Wait("stable: nothing ready yet")


def test_nothing_is_launched_or_shrunk_before_the_proxy_follows() -> None:
    seen = fleet(whole("stable", R1, 4), whole("gray", R2, 1), route=SPLIT, in_effect=False)
    assert next_move(GRAY, seen, START) == Wait("the proxy to follow the route")


def test_a_route_that_the_proxy_does_not_take_can_be_rolled_back() -> None:
    seen = fleet(whole("stable", R1, 4), whole("gray", R2, 1), route=SPLIT, in_effect=False)
    assert next_move(ROLL_BACK, seen, START) == Reroute(ALL_STABLE)


def test_gray_is_ended_only_after_it_has_drained_unrouted() -> None:
    seen = fleet(whole("stable", R2, 4), whole("gray", R2, 1, unrouted=True), route=ALL_STABLE)
    later = START + timedelta(seconds=5)
    assert next_move(PROMOTE, seen, START) == Wait("gray to drain", later)
    assert next_move(PROMOTE, seen, later) == Retire("gray", AT_ONCE)


def test_a_half_updated_stable_is_rolled_back_before_it_is_routed_to() -> None:
    half = replace(whole("stable", R2, 4), ready={R1: 3, R2: 1}, present={R1: 3, R2: 1})
    seen = fleet(half, whole("gray", R2, 1), route=SPLIT)
    assert next_move(ROLL_BACK, seen, START) == Launch("stable", R1, 4)
    asked = fleet(replace(half, release=R1), whole("gray", R2, 1), route=SPLIT)
    assert next_move(ROLL_BACK, asked, START) == Wait("stable: 3 of 4 ready with hello@1, 1 of another release")


def test_a_gray_track_of_an_earlier_release_is_taken_away_before_the_new_one_comes(model: ModelFleet) -> None:
    model.reach("canary", replace(GRAY, new=R0))
    retired = model.moves("canary", GRAY)
    assert retired[:4] == [Launch("stable", R1, 4), Reroute(ALL_STABLE), Retire("gray", AT_ONCE), Launch("gray", R2, 1)]


def test_releasing_what_is_everywhere_already_asks_for_nothing(model: ModelFleet) -> None:
    assert model.moves("canary", replace(GRAY, new=R1)) == []
    assert model.moves("canary", replace(PROMOTE, new=R1)) == []


def test_a_stable_track_that_somebody_removed_is_brought_back_first() -> None:
    moves = ModelFleet().moves("canary", GRAY)
    assert moves[:2] == [Launch("stable", R1, 4), Launch("gray", R2, 1)]
    assert moves[2] == Reroute(SPLIT)


def test_plain_requests_leave_a_gray_track_that_has_nothing_ready() -> None:
    down = replace(whole("gray", R2, 1), ready={})
    seen = fleet(whole("stable", R1, 3), down, route=replace(SPLIT, rules=TESTERS, matched="gray"))
    assert next_move(GRAY, seen, START) == Reroute(ALL_STABLE)


def test_plain_requests_leave_a_stable_track_that_has_nothing_ready() -> None:
    down = replace(whole("stable", R1, 3), ready={})
    seen = fleet(down, whole("gray", R2, 1), route=SPLIT)
    assert next_move(GRAY, seen, START) == Reroute(Route({"gray": 100}, preview="gray"))


def test_a_gray_track_for_testers_alone_does_not_inherit_plain_requests() -> None:
    down = replace(whole("stable", R1, 3), ready={})
    seen = fleet(down, whole("gray", R2, 1), route=Route({"stable": 100}, TESTERS, "gray", "gray"))
    assert isinstance(next_move(replace(GRAY, share=0, rules=TESTERS), seen, START), Wait)


def test_recreating_stable_sends_its_requests_to_gray_for_that_time(model: ModelFleet) -> None:
    model.reach("canary", GRAY)
    moves = model.moves("canary", replace(PROMOTE, recreate=True))
    assert moves[:2] == [Reroute(Route({"gray": 100}, preview="gray")), Launch("stable", R2, 4, recreate=True)]
    assert moves[2:] == [Reroute(ALL_STABLE), Retire("gray", AT_ONCE)]


def test_groups_of_another_strategy_are_retired_when_nothing_leads_to_them() -> None:
    model = ModelFleet()
    model.reach("blue_green", replace(PROMOTE, new=R1, old=None))
    moves = model.moves("canary", PROMOTE)
    assert moves == [Launch("stable", R2, 4), Reroute(ALL_STABLE), Retire("blue", AT_ONCE)]


def test_adopting_routes_to_what_is_there() -> None:
    seen = fleet(whole("stable", R1, 4), route=Route())
    adopt = replace(GRAY, kind=GoalKind.ADOPT)
    assert next_move(adopt, seen, START) == Reroute(ALL_STABLE)
    assert next_move(adopt, replace(seen, route=ALL_STABLE), START) == Done()
    assert next_move(adopt, Fleet(), START) == Done()


def test_a_gray_release_without_a_new_release_is_a_bug() -> None:
    with pytest.raises(InvariantViolation, match="names no new release"):
        next_move(replace(GRAY, new=None), Fleet(), START)

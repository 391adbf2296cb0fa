"""Replacing the instances of one group: what goes, what comes, and what must stay."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.rollout.fleet import ReleaseId
from engine.rollout.rolling import Action, Drain, End, GroupSpec, InstanceState, InstanceView, Start, next_actions

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OLD, NEW, OTHER = ReleaseId("hello@1"), ReleaseId("hello@2"), ReleaseId("hello@3")
STATES = {"ready": InstanceState.READY, "starting": InstanceState.STARTING, "unready": InstanceState.UNREADY}


def views(*words: str) -> list[InstanceView]:
    """Read ``old ready``, ``new starting`` and so on; the first named is the oldest."""
    releases = {"old": OLD, "new": NEW, "other": OTHER}
    split = [word.split() for word in words]
    return [
        InstanceView(
            f"i{index}",
            releases[release],
            STATES[state],
            NOW - timedelta(seconds=100 - index),
            routed=state != "starting",
        )
        for index, (release, state) in enumerate(split)
    ]


def draining(name: str, *, seconds: int, routed: bool = True) -> InstanceView:
    return InstanceView(name, OLD, InstanceState.DRAINING, NOW - timedelta(seconds=seconds), routed=routed)


def spec(count: int, **more: int | bool) -> GroupSpec:
    missing = int(more.get("max_unavailable", 0))
    return GroupSpec(NEW, count, missing, recreate=bool(more.get("recreate")), drain=timedelta(seconds=5))


def test_a_fresh_group_starts_all_its_instances_at_once() -> None:
    assert next_actions(spec(5), [], NOW) == (Start(NEW),) * 5


def test_a_group_that_is_as_wanted_is_left_alone() -> None:
    assert next_actions(spec(2), views("new ready", "new ready"), NOW) == ()


def test_an_instance_that_vanished_is_replaced() -> None:
    assert next_actions(spec(3), views("new ready", "new ready"), NOW) == (Start(NEW),)


@pytest.mark.parametrize(("count", "started"), [(1, 1), (4, 1), (5, 2), (8, 2), (300, 75)])
def test_a_quarter_of_the_group_but_at_least_one_instance_comes_beyond_it(count: int, started: int) -> None:
    assert next_actions(spec(count), views(*["old ready"] * count), NOW) == (Start(NEW),) * started


def test_instances_that_drain_count_as_running() -> None:
    seen = [*views("old ready", "old ready", "old ready", "new ready"), draining("gone", seconds=1)]
    assert next_actions(spec(4), seen, NOW) == ()


def test_a_good_old_instance_goes_only_when_a_new_one_is_ready() -> None:
    assert next_actions(spec(2), views("old ready", "old ready", "new starting"), NOW) == ()
    assert next_actions(spec(2), views("old ready", "old ready", "new ready"), NOW) == (Drain("i1"),)


def test_as_many_good_ones_go_ahead_as_may_be_missing() -> None:
    actions = next_actions(spec(4, max_unavailable=2), views(*["old ready"] * 4), NOW)
    assert actions == (Drain("i3"), Drain("i2"), Start(NEW))


def test_the_last_ready_instance_stays_even_if_all_may_be_missing() -> None:
    assert Drain("i0") not in next_actions(spec(2, max_unavailable=2), views("old ready", "old unready"), NOW)


def test_a_release_that_never_gets_ready_stops_the_roll_and_is_left_to_be_looked_at() -> None:
    assert next_actions(spec(4), views(*["old ready"] * 4, "new unready"), NOW) == ()


def test_old_instances_that_are_down_are_not_all_replaced_by_a_release_that_does_not_get_ready() -> None:
    seen = views("old unready", "old unready", "old unready", "old unready", "new starting")
    assert next_actions(spec(4), seen, NOW) == ()


def test_a_broken_instance_of_a_third_release_goes_first() -> None:
    seen = views("old ready", "old ready", "old ready", "old ready", "other starting")
    assert next_actions(spec(4), seen, NOW) == (End("i4"),)


def test_rolling_back_in_the_middle_ends_what_never_got_a_request_at_once() -> None:
    back = GroupSpec(OLD, 2, drain=timedelta(seconds=5))
    assert next_actions(back, views("old ready", "old ready", "new starting"), NOW) == (End("i2"),)


def test_rolling_back_in_the_middle_keeps_as_many_ready_as_rolling_forward() -> None:
    back = GroupSpec(OLD, 2, drain=timedelta(seconds=5))
    assert next_actions(back, views("old ready", "new ready"), NOW) == (Start(OLD),)


@pytest.mark.parametrize(
    ("seconds", "routed", "actions"), [(4, True, ()), (5, True, (End("gone"),)), (0, False, (End("gone"),))]
)
def test_an_instance_ends_when_it_has_drained_or_was_never_reached(
    seconds: int,
    routed: bool,  # noqa: FBT001 - a parameter of the case
    actions: tuple[Action, ...],
) -> None:
    seen = [*views("new ready"), draining("gone", seconds=seconds, routed=routed)]
    assert next_actions(spec(1), seen, NOW) == actions


def test_scaling_down_takes_the_broken_and_then_the_newest() -> None:
    seen = views("new ready", "new unready", "new ready", "new ready")
    assert next_actions(spec(2), seen, NOW) == (Drain("i1"), Drain("i3"))


def test_recreating_ends_everything_old_before_anything_new_starts() -> None:
    both = spec(2, recreate=True)
    assert next_actions(both, views("old ready", "old starting"), NOW) == (End("i1"), Drain("i0"))
    assert next_actions(both, [draining("gone", seconds=1)], NOW) == ()
    assert next_actions(both, [draining("gone", seconds=9)], NOW) == (End("gone"), Start(NEW), Start(NEW))

"""Istio: gray instances come beside the official ones, none of which is touched before the promotion.

Stable keeps its N instances while gray is there: they are neither restarted nor fewer, so the first gray release of a
workload interrupts nothing, and refusing it costs nothing. The rest is told in `engine.rollout.two_tracks`.
"""

from datetime import datetime

from engine.rollout.fleet import Advice, Fleet, Goal
from engine.rollout.steps import Scene
from engine.rollout.two_tracks import advise


def next_move(goal: Goal, fleet: Fleet, now: datetime) -> Advice:
    """Say what is next on the way to `goal`."""
    return advise(Scene(goal, fleet, now), beside_gray=goal.instances)

"""Canary, without a mesh: gray is a part of the whole, so that N instances are there in all, `g` of them gray.

Gray comes up first, then gets its share, and only then stable shrinks to N-g (never below one, and not at all where its
instances need shelter): at no time are there fewer than N. When all of gray fails, requests go to stable alone, and
stable grows back to N until gray is there again. Promoting, it grows back while it is rolled. The rest is told in
`engine.rollout.two_tracks`.
"""

from datetime import datetime

from engine.rollout.fleet import Advice, Fleet, Goal
from engine.rollout.steps import Scene
from engine.rollout.two_tracks import advise


def next_move(goal: Goal, fleet: Fleet, now: datetime) -> Advice:
    """Say what is next on the way to `goal`."""
    beside_gray = goal.instances if goal.shelter else max(1, goal.instances - goal.gray_instances)
    return advise(Scene(goal, fleet, now), beside_gray)

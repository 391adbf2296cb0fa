"""Which strategy a definition's word stands for.

A strategy is a pure function of the goal, of the fleet as it is observed, and of the time. It is asked again after
every pass and after every crash, and answers with one move, with what to await, or with Done.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from engine.errors import InvariantViolation
from engine.rollout import blue_green, canary, istio
from engine.rollout.fleet import Advice, Fleet, Goal, GoalKind
from engine.rollout.steps import STABLE, Scene, emptied

Strategy = Callable[[Goal, Fleet, datetime], Advice]

STRATEGIES: Mapping[str, Strategy] = {
    "canary": canary.next_move,
    "blue_green": blue_green.next_move,
    "istio": istio.next_move,
}


def next_move(strategy: str, goal: Goal, fleet: Fleet, now: datetime) -> Advice:
    """Say what `strategy` does next on the way to `goal`, seeing `fleet` at `now` (aware UTC).

    Without instances there is nothing to decide for any of them. What was taken over without any and has some is its
    makers' doing, and a way back leaves it as it is.
    """
    chosen = STRATEGIES.get(strategy)
    if chosen is None:
        raise InvariantViolation(f"{strategy!r} is not a strategy; there are {', '.join(STRATEGIES)}.")
    back = {GoalKind.PROMOTE: goal.new, GoalKind.ROLL_BACK: goal.old}.get(goal.kind)
    if back is None or goal.instances:
        return chosen(goal, fleet, now)
    if started := _started(goal, fleet):
        return chosen(replace(goal, instances=started), fleet, now)
    return emptied(Scene(goal, fleet, now), back)


def _started(goal: Goal, fleet: Fleet) -> int:
    """How many instances of the old release others have started meanwhile; no release but itself launches any of it."""
    stable = fleet.groups.get(STABLE)
    is_theirs = goal.kind is GoalKind.ROLL_BACK and goal.new != goal.old
    return stable.count if stable is not None and is_theirs and stable.release == goal.old else 0

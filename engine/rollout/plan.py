"""What a release or a roll-back would do, step by step, before it does it: what people see and approve.

The strategy itself is asked, again and again, about a fleet in which everything succeeds. So the plan cannot say
anything else than what will be done, as long as the fleet is the one it was made from; and making it changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.errors import InvariantViolation
from engine.rollout import rehearsal
from engine.rollout.fleet import Advice, Done, Fleet, Goal, Group, Launch, Move, Reroute, Retire, Route, Scale, Wait
from engine.rollout.rolling import least_ready
from engine.rollout.strategies import next_move

_MOST_STEPS = 60
"""More than any strategy needs from any fleet; reaching it means that the strategy does not come to an end."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step. `text` says it in words; `advice` is what the strategy answered."""

    text: str
    advice: Move | Wait


def plan(strategy: str, goal: Goal, fleet: Fleet, now: datetime) -> tuple[PlanStep, ...]:
    """Return what `strategy` would do from `fleet` on until `goal` is reached; empty when it is reached already."""
    return rehearse(strategy, goal, fleet, now)[0]


def rehearse(
    strategy: str, goal: Goal, fleet: Fleet, now: datetime, *, has_preview: bool = True
) -> tuple[tuple[PlanStep, ...], Fleet]:
    """Return the plan, and the fleet as it would be after it: where the next goal's plan begins.

    Where there is no preview port (`has_preview`), nothing is said of it.
    """
    steps: list[PlanStep] = []
    for _ in range(_MOST_STEPS):
        advice = next_move(strategy, goal, fleet, now)
        if isinstance(advice, Done):
            return tuple(steps), fleet
        steps.append(PlanStep(_words(advice, fleet, now, has_preview=has_preview), advice))
        if not isinstance(advice, Wait):
            fleet = rehearsal.perform(fleet, advice, now)
        elif advice.until is not None:
            now = advice.until
        else:
            fleet = rehearsal.mend(fleet, now)
    raise InvariantViolation(f"The strategy {strategy} does not reach {goal.kind} within {_MOST_STEPS} steps.")


def _words(advice: Advice, fleet: Fleet, now: datetime, *, has_preview: bool) -> str:
    match advice:
        case Launch():
            return _launch(advice, fleet.groups.get(advice.group))
        case Scale():
            group = fleet.groups.get(advice.group)
            before = f" from {group.count}" if group else ""
            return f"scale {advice.group}{before} to {_instances(advice.count)}"
        case Reroute(route):
            return _route(fleet.route, route if has_preview else replace(route, preview=None))
        case Retire():
            return f"end every instance of {advice.group}"
        case Wait(what, until):
            return f"wait for {what}" if until is None else f"wait {_duration(until - now)} for {what}"
        case Done():
            return "done"


def _launch(move: Launch, group: Group | None) -> str:
    if group is None or group.count == 0:
        return f"launch {_instances(move.count)} of {move.release} as {move.group}"
    if group.release == move.release:
        return f"bring {move.group} to {_instances(move.count)} of {move.release}"
    if move.recreate:
        how = "all at once"
    else:
        least = least_ready(move.count, move.max_unavailable)
        how = "step by step" if least == move.count else f"step by step, at least {least} of {move.count} ready"
    return f"replace {group.release} by {move.release} on {move.group}, {how}, {_instances(move.count)} in the end"


def _route(before: Route, after: Route) -> str:
    said = [f"{weight} % of plain requests to {name}" for name, weight in after.weights.items() if weight > 0]
    if len(said) == 1:
        said = [f"all plain requests to {name}" for name, weight in after.weights.items() if weight > 0]
    if after.matched:
        labels = ", ".join(rule.label for rule in after.rules if rule.label)
        said.append(f"requests that match {labels or 'the rules'} to {after.matched}")
    if after.preview and after.preview != before.preview:
        said.append(f"the preview port to {after.preview}")
    return f"send {'; '.join(said)}" if said else "send no requests to anybody"


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    minutes = int(seconds // 60)
    rest = f"{seconds - 60 * minutes:g} s"
    return rest if not minutes else f"{minutes} min" if rest == "0 s" else f"{minutes} min {rest}"

"""Channels between pipelines: who tells what, whom it starts, and circles that would never end. Pure.

The danger is a pipeline that starts another which starts the first: machines that keep each other busy all night. A
circle is found when the last definition that closes it is made. Where a channel's name comes from a variable, or a
webhook leads back here, no definition shows it; so every run knows how many others led to it, and at `MAX_DEPTH` the
next one is not started.

Another danger is a pipeline of strangers that tells a channel whose name it has guessed. So a listener hears the
pipelines of its own group, and of others those that it names.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.complaints import Complaint, write_path
from engine.definition import Hook, Pipeline, Stage, Start
from engine.errors import Refused
from engine.pipeline import Definition

MAX_DEPTH = 8


class TooDeep(Refused):
    """Runs have started each other too often."""

    def __init__(self, pipeline: str, by: str) -> None:
        super().__init__(
            f"{pipeline} is not started by {by}: {MAX_DEPTH} runs have led to each other already, which looks like a "
            "circle of pipelines.",
            f"`show {pipeline}` and `triggers {pipeline}` show what starts it.",
        )


@dataclass(frozen=True, slots=True)
class Wiring:
    """What channels are to one pipeline: which start it, which its stages wait for, which its stages tell."""

    pipeline: str
    starts: frozenset[str] = frozenset()
    waits: frozenset[str] = frozenset()
    tells: frozenset[str] = frozenset()


def wiring_of(pipeline: Pipeline) -> Wiring:
    """Read a definition's channels."""
    return Wiring(
        pipeline.pipeline,
        frozenset(start.channel for start in pipeline.starts if start.channel),
        frozenset(hook.channel for stage in pipeline.stages for hook in stage.conditions.of if hook.channel),
        frozenset(tell.channel for stage in pipeline.stages for tell in stage.tell if tell.channel),
    )


Heard = Callable[[str, str, str], bool]
"""Whether a teller is heard on a channel by a pipeline that it starts."""


def hears(listener: Hook | Start, group: str, teller: str, its_group: str) -> bool:
    """Tell whether a listener of a pipeline in `group` hears a teller, which is in `its_group`."""
    return teller in listener.heard if listener.heard else group == its_group


def _everybody(_teller: str, _channel: str, _listener: str) -> bool:
    return True


def circle(wirings: Iterable[Wiring], through: str, is_heard: Heard = _everybody) -> tuple[tuple[str, str], ...]:
    """Find the shortest way from a pipeline back to itself: each pipeline with the channel it tells; empty: none."""
    known = {one.pipeline: one for one in wirings}
    waiting: deque[tuple[tuple[str, str], ...]] = deque([((through, ""),)])
    seen: set[str] = set()
    while waiting:
        way = waiting.popleft()
        name = way[-1][0]
        for channel in sorted(known[name].tells):
            told = (*way[:-1], (name, channel))
            for other in known.values():
                if channel not in other.starts or not is_heard(name, channel, other.pipeline):
                    continue
                if other.pipeline == through:
                    return told
                if other.pipeline not in seen:
                    seen.add(other.pipeline)
                    waiting.append((*told, (other.pipeline, "")))
    return ()


def circle_complaints(
    definition: Definition, others: Iterable[Wiring], is_heard: Heard = _everybody, hidden: Collection[str] = ()
) -> Iterator[Complaint]:
    """Complain about the channel by which a definition closes a circle with `others`. What is `hidden` is not named."""
    own = wiring_of(definition.pipeline)
    way = circle([own, *(one for one in others if one.pipeline != own.pipeline)], own.pipeline, is_heard)
    if not way:
        return
    path = _path_of(definition.pipeline.stages, way[0][1])
    place = definition.tree.place_of(path)
    problem = f"closes a circle that would never end: {_said(way, own.pipeline, hidden)}"
    yield Complaint(
        place.line, place.column, write_path(path), problem, "another channel, or take one of the starts out"
    )


def _said(way: Sequence[tuple[str, str]], back: str, hidden: Collection[str]) -> str:
    if any(name in hidden for name, _ in way):
        name, channel = way[0]
        return f"{name} tells {channel}, which leads back to it through pipelines that you do not see"
    nexts = [*(name for name, _ in way[1:]), back]
    steps = zip(way, nexts, strict=True)
    return ", ".join(f"{name} tells {channel}, which starts {then}" for (name, channel), then in steps)


def _path_of(stages: Iterable[Stage], channel: str) -> tuple[str | int, ...]:
    for number, stage in enumerate(stages):
        for position, tell in enumerate(stage.tell):
            if tell.channel == channel:
                return ("stages", number, "tell", position, "channel")
    return ()

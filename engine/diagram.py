"""The picture of the state machine, drawn from its tables. `engine/README.md` shows it, and a test compares the two."""

from collections.abc import Iterator

from engine.model import RunState, StageState
from engine.transitions import RUN_NEXT, STAGE_NEXT


def diagram() -> str:
    """Draw how a stage and a run move, as two Mermaid state diagrams. What changes no state is left out."""
    return "\n".join([*_block("Stages", _stage_moves()), "", *_block("Runs", _run_moves())])


def _block(title: str, moves: Iterator[str]) -> list[str]:
    return ["```mermaid", "---", f"title: {title}", "---", "stateDiagram-v2", *moves, "```"]


def _stage_moves() -> Iterator[str]:
    yield f"    [*] --> {StageState.PENDING}"
    for (state, event), after in STAGE_NEXT.items():
        if state is not after:
            yield f"    {state} --> {after}: {event.__name__}"


def _run_moves() -> Iterator[str]:
    yield f"    [*] --> {RunState.QUEUED}"
    for event, (allowed, after) in RUN_NEXT.items():
        for state in RunState:
            if state in allowed and after not in (None, state):
                yield f"    {state} --> {after}: {event.__name__}"
    for state in (state for state in RunState if state.is_over):
        yield f"    running --> {state}: RunEnded"

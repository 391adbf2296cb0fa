"""The picture in the engine's README is the machine that runs."""

from pathlib import Path

from engine.diagram import diagram
from engine.model import StageState

README = Path(__file__).parents[2] / "engine" / "README.md"
BEGIN, END = "<!-- state machine: begin -->\n", "\n<!-- state machine: end -->"


def test_the_readme_shows_the_state_machine_as_it_is() -> None:
    shown = README.read_text().partition(BEGIN)[2].partition(END)[0]
    assert shown == diagram(), "run engine.diagram.diagram() and put what it gives between the markers"


def test_every_state_that_a_stage_can_move_through_is_drawn() -> None:
    closed = {StageState.CANCELLED, StageState.ROLLED_BACK, StageState.SKIPPED}
    assert all(state in diagram() for state in set(StageState) - closed)

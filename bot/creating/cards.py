"""What is shown while a pipeline is made: the shelf, one question after another, and the whole before it is created.

Pure.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from bot.cards import Button, Card, Field, Stop, Table, Tone
from bot.creating.filling import Sheet
from bot.creating.questions import Question
from bot.creating.shelf import Template
from bot.grammar import PRESS
from engine.complaints import Complaint, describe
from engine.forges.hosting import Page
from engine.model import StageState
from engine.pipeline import parse

MOST_CHOICES = 8
_SHOWN = 40
"""How long a button's text may be everywhere; of a long answer the end tells more."""


def press(draft: str, *words: str) -> str:
    """The line of a button: which conversation it belongs to, and what it says there."""
    return f"{PRESS}answer {shlex.join((draft, *words))}"


def shelf_card(templates: Sequence[Template]) -> Card:
    """Ask which template a pipeline is made from."""
    rows = tuple((one.name, one.about, one.group or "ships with Sluice") for one in templates)
    buttons = tuple(Button(one.about if not one.group else one.name, f"create {one.name}") for one in templates)
    return Card(
        "What shall the pipeline do?",
        Tone.ASKING,
        "Choose a template; then I ask what it needs. Nothing is made before you have seen the whole.",
        table=Table(("Template", "For", "From"), rows),
        buttons=buttons,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where one is in what can be pressed: how many of a page were shown before, and what asks for the page."""

    after: int = 0
    page: str = ""


def question_card(
    draft: str, sheet: Sheet, question: Question, choices: Page[str], *, complaint: str = "", at: Place | None = None
) -> Card:
    """Ask one question. `choices` can be pressed, some at a time; whatever else is said is an answer too."""
    number = [one.key for one in sheet.asked].index(question.key) + 1
    text = "\n".join(filter(None, (complaint, question.hint)))
    said = [f"{key} {value}" for key, value in sheet.answers.items() if value]
    fields = [Field("So far", ", ".join(said)[-400:])] if said else []
    fields.append(Field("To answer in words", "say it, or `answer WORDS`"))
    buttons = _pressable(draft, question, choices, at or Place())
    if number > 1:
        buttons.append(Button("Back", press(draft, "back", question.key)))
    return Card(
        f"{question.title} ({number} of {len(sheet.asked)})",
        Tone.ASKING,
        text,
        fields=tuple(fields),
        buttons=(*buttons, Button("Leave it", press(draft, "leave"))),
    )


def _pressable(draft: str, question: Question, choices: Page[str], at: Place) -> list[Button]:
    """The answers of which this place tells, and the ways on and back to the first of them."""
    known, end = [one for one in dict.fromkeys(choices.items) if one], at.after + MOST_CHOICES
    buttons = [Button(_label(one), press(draft, "say", question.key, one)) for one in known[at.after : end]]
    if end < len(known):
        buttons.append(Button("More", press(draft, "more", question.key, str(end), at.page)))
    elif choices.next:
        buttons.append(Button("More", press(draft, "more", question.key, "0", choices.next)))
    if at != Place():
        buttons.append(Button("The first ones", press(draft, "more", question.key, "0")))
    return buttons


def _label(answer: str) -> str:
    return answer if len(answer) <= _SHOWN else f"…{answer[1 - _SHOWN :]}"


def whole_card(draft: str, texts: Sequence[str], complaints: Sequence[Complaint]) -> Card:
    """Show everything before it is created; what is wrong with it can only be changed."""
    code = "---\n".join(texts)
    change = (
        Button("Change", press(draft, "change")),
        Button("Back", press(draft, "back")),
        Button("Leave it", press(draft, "leave")),
    )
    if complaints:
        text = describe(complaints, "definition")
        return Card("This does not fit together yet", Tone.ASKING, text, code=code, buttons=change)
    pipelines = [parse(text).pipeline for text in texts]
    stops = tuple(
        Stop(stage.name, stage.kind.value, StageState.PENDING.value) for one in pipelines for stage in one.stages
    )
    names = " and ".join(one.pipeline for one in pipelines)
    return Card(
        f"Create {names}?",
        Tone.ASKING,
        pipelines[-1].description,
        topology=stops,
        fields=(Field("Group", pipelines[0].group),),
        code=code,
        buttons=(Button("Create", press(draft, "create"), primary=True), *change),
    )

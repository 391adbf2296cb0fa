"""Forms both ways: a form of the bot as a modal, and what a modal sends back as the line that it stands for.

What a form was opened for travels in its metadata: where it was asked for, so that it is answered there.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bot.forms import Asked, BindForm, CreateForm, DefineForm, Form, RejectForm, RunForm, SecretForm, fill_line
from bot.slack import modals
from bot.slack.blocks import Block
from bot.slack.files import Shared


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a form was asked for (`home`: in the App Home, whatever the room), and what sending it is about."""

    room: str
    thread: str = ""
    home: str = ""
    pipeline: str = ""
    version: int = 0
    line: str = ""

    @property
    def metadata(self) -> str:
        """The origin, to travel with the form."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> "Origin":
        """Read what travelled with a form."""
        return cls(**json.loads(view["private_metadata"]))


def view_of(form: Form, room: str, context: Mapping[str, str]) -> Block:
    """Return a form as a modal. `context` is that of the update which it answers."""
    thread, home = context.get("thread", ""), context.get("home", "")
    match form:
        case RunForm():
            origin = Origin(room, thread, home, form.pipeline, form.version)
            return modals.run_modal(form.pipeline, form.version, form.variables, origin.metadata)
        case DefineForm():
            origin = Origin(room, thread, home, form.pipeline)
            return modals.define_modal(form.pipeline, form.text, origin.metadata)
        case RejectForm():
            origin = Origin(room, thread, home, line=form.line)
            return modals.reject_modal(form.run, origin.metadata)
        case CreateForm():
            return modals.create_modal(form, Origin(room, thread, home, line=form.draft).metadata)
        case BindForm():
            return modals.bind_modal(form, Origin(room, thread, home, line=form.forge).metadata)
        case SecretForm():
            origin = Origin(room, thread, home, form.pipeline, line=form.name)
            return modals.secret_modal(form.pipeline, form.name, origin.metadata)


def said_by(view: Mapping[str, Any]) -> str | Shared:
    """Return what sending the form says: a line, or the file that is to be defined.

    Refused when a definition is missing or twice there.
    """
    values, origin = view["state"]["values"], Origin.of(view)
    form = view["callback_id"]
    if form == modals.RUN:
        shown = tuple(_asked(block) for block in view["blocks"] if block.get("type") == "input")
        return RunForm(origin.pipeline, origin.version, shown).line(modals.run_values(values))
    if form == modals.DEFINE:
        written = modals.definition(values)
        return Shared("define", written.file, written.file_name) if written.file else f"define\n{written.text}"
    lines: Mapping[str, Callable[[], str]] = {
        modals.REJECT: lambda: f"{origin.line} {modals.reason(values)}",
        modals.CREATE: lambda: fill_line(origin.line, modals.answers(values)),
        modals.BIND: lambda: modals.binding(values, BindForm(origin.line)),
        modals.SECRET: lambda: SecretForm(origin.pipeline, origin.line).line(modals.secret(values)),
    }
    return lines.get(form, lambda: f"link {modals.code(values)}")()


def _asked(block: Mapping[str, Any]) -> Asked:
    """Return a field as it was shown: what is left as it was is not sent."""
    [name] = modals.run_values({block["block_id"]: {}}) or [""]
    return Asked(name, str(block["element"].get("initial_value") or ""))

"""Forms: starting a run, writing a definition, refusing with a reason, linking an account.

Each form has a reader that makes plain values of what Slack sends back (`view["state"]["values"]`), and all share
`complaints_at`, which puts a complaint below the field that it is about. What a form was opened for travels in its
`private_metadata`, 3,000 characters that the person does not see; the caller decides what is in it and signs it if
that matters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.forms import Asked, BindForm, Blank, CreateForm
from bot.slack.blocks import Block, context, piece, plain, rich, section
from bot.slack.text import clean, columns, cut, length, line
from engine.errors import Refused

RUN, DEFINE, REJECT, LINK, SECRET, BIND, CREATE = "run", "define", "reject", "link", "secret", "bind", "create"
"""The forms' `callback_id`."""
WHISPERED = frozenset({SECRET, BIND})
"""Forms that take what nobody else may read."""
VALUE = "value"
FIELD = 3000
_VARIABLE = "variable:"
FILE = "file"
"""The field that takes a file."""
_TEXT, _REASON, _CODE, _SECRET = "definition", "reason", "code", "secret"
_NAME, _ADDRESS, _APP, _INSTALLATION = "name", "address", "app", "installation"
_TITLE = 24
_LABEL = 150
_MOST = 90
_OPTION = 75
_COMPLAINT = 300
"""How long a complaint at a field is: Slack names no limit, and below a field on a phone this is already six lines."""
_WIDE = 60
_REASON_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Written:
    """A definition as it was sent: its text, or else the file it was uploaded as."""

    text: str = ""
    file: str = ""
    file_name: str = ""


def run_modal(pipeline: str, version: int, variables: Sequence[Asked], metadata: str) -> Block:
    """Return the form that starts a run. A variable too long for Slack's field is named and keeps its value."""
    fitting = [one for one in variables if _can_be_asked(one)][:_MOST]
    others = [one.name for one in variables if one not in fitting]
    blocks = rich(section([[piece(line(pipeline, _LABEL), bold=True), piece(f", version {version}")]]))
    blocks += [_variable(one) for one in fitting]
    if others:
        blocks.append(context(f"As they are, because they do not fit in here: {line(', '.join(others), 1000)}."))
    if not variables:
        blocks.append(context("It has no variables."))
    return _modal(RUN, "Start a run", "Start", blocks, metadata)


def run_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables as they were filled in, by name."""
    return {
        block.removeprefix(_VARIABLE): _filled_in(fields)
        for block, fields in values.items()
        if block.startswith(_VARIABLE)
    }


def define_modal(name: str, text: str, metadata: str) -> Block:
    """Return the form for a definition: its text, or a file. What Slack's field would not keep comes as a file."""
    kept = _is_kept(text)
    area = _text_input(text if kept else "", multiline=True)
    blocks = rich(section([[piece(line(name, _LABEL), bold=True)]]))
    if not kept:
        said = f"Slack's field holds {FIELD:,} plain characters and would not keep this one: upload it as a file."
        blocks.append(context(f"{said} `export {line(name, _LABEL)}` gives it to you."))
    blocks.append(_input(_TEXT, "Definition (YAML)", area, optional=True))
    file = {"type": "file_input", "action_id": VALUE, "filetypes": ["yaml", "yml"], "max_files": 1}
    blocks.append(_input(FILE, "Or a file", file, optional=True))
    return _modal(DEFINE, "Define a pipeline", "Define", blocks, metadata)


def definition(values: Mapping[str, Any]) -> Written:
    """Return the definition that was sent. Refused when there is none, or two."""
    text = _filled_in(values.get(_TEXT, {}))
    files = values.get(FILE, {}).get(VALUE, {}).get("files") or []
    if text.strip() and files:
        raise Refused("There is a text and a file.", "Empty the field, or take the file away.")
    if files:
        return Written(file=files[0]["id"], file_name=files[0].get("name", ""))
    if not text.strip():
        raise Refused("There is no definition.", "Write it, or upload a YAML file.")
    return Written(text=text)


def reject_modal(run: str, metadata: str) -> Block:
    """Return the form that asks why a review is refused."""
    area = {**_text_input("", multiline=True), "max_length": _REASON_LENGTH, "min_length": 1}
    blocks = rich(section([[piece("What stands in the way of "), piece(line(run, _LABEL), bold=True), piece("?")]]))
    blocks.append(_input(_REASON, "Reason", area, "Everybody in the room reads it."))
    return _modal(REJECT, "Refuse a release", "Refuse", blocks, metadata)


def reason(values: Mapping[str, Any]) -> str:
    """Return the reason in one line."""
    return " ".join(_filled_in(values.get(_REASON, {})).split())


def secret_modal(pipeline: str, name: str, metadata: str) -> Block:
    """Return the form that takes the value of a secret variable, which only its sender sees."""
    area = {**_text_input("", multiline=True), "min_length": 1}
    about = f"{line(pipeline, _LABEL)}: {line(name, _LABEL)}"
    blocks = rich(section([[piece(about, bold=True)]]))
    blocks.append(_input(_SECRET, "Value", area, "It is kept sealed and shown to nobody again."))
    return _modal(SECRET, "A secret", "Keep it", blocks, metadata)


def secret(values: Mapping[str, Any]) -> str:
    """Return the value as it was typed, without blanks around it."""
    return _filled_in(values.get(_SECRET, {})).strip()


def link_modal(metadata: str) -> Block:
    """Return the form that takes the one-time code of another chat."""
    field = {**_text_input("", multiline=False), "max_length": 64, "min_length": 1}
    hint = "Say `link` in the chat where Sluice knows you already; it gives you the code."
    blocks = [_input(_CODE, "One-time code", field, hint)]
    return _modal(LINK, "Link your account", "Link", blocks, metadata)


def code(values: Mapping[str, Any]) -> str:
    """Return the code without the spaces that people type."""
    return "".join(_filled_in(values.get(_CODE, {})).split())


def bind_modal(form: BindForm, metadata: str) -> Block:
    """Return the form that binds a code account. Only its sender sees what is typed into it."""
    name = {**_text_input(form.name, multiline=False), "max_length": 63}
    address = {**_text_input(form.origin, multiline=False), "max_length": 300}
    secret = {**_text_input("", multiline=True), "min_length": 1}
    blocks = [
        _input(_NAME, "Name here", name, "What definitions call it."),
        _input(_ADDRESS, "Address", address, "Another one for a forge of your own."),
    ]
    if form.forge == "github":
        app = {**_text_input(form.app, multiline=False), "max_length": 20}
        installed = {**_text_input(form.installation, multiline=False), "max_length": 20}
        hint = "Only for an app that is installed more than once."
        blocks += [
            _input(_APP, "App ID", app, "Only for a GitHub App; its private key goes below.", optional=True),
            _input(_INSTALLATION, "Installation", installed, hint, optional=True),
        ]
    blocks.append(_input(_SECRET, "Token", secret, "It is tried at once, kept sealed and shown to nobody."))
    return _modal(BIND, "Bind an account", "Bind", blocks, metadata)


def binding(values: Mapping[str, Any], form: BindForm) -> str:
    """Return what sending the form that binds an account says."""
    fields = (_NAME, _ADDRESS, _APP, _INSTALLATION)
    name, address, app, installed = (" ".join(_filled_in(values.get(block, {})).split()) for block in fields)
    secret = _filled_in(values.get(_SECRET, {})).strip()
    return form.line(secret, name=name, origin=address, app=app, installation=installed)


def create_modal(form: CreateForm, metadata: str) -> Block:
    """Return the form that asks about a new pipeline at once; sending it shows the whole, or goes on asking."""
    blocks = [_input(one.key, one.title, _blank(one), one.hint) for one in form.blanks]
    return _modal(CREATE, "A new pipeline", "Go on" if form.goes_on else "Look at it", blocks, metadata)


def answers(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what was answered, by the keys of the questions."""
    return {key: _chosen(fields) or _filled_in(fields) for key, fields in values.items()}


def complaints_at(blocks: Sequence[Mapping[str, Any]], text: str, at: str = "") -> Block:
    """Return the answer to a submission: each line of `text` below the field that it names, or below the first.

    With `at`, all of it is below that field if the form has it.

    A field is named by its variable's name. Slack shows nothing at all when a complaint is at a block that is no field.
    """
    fields = [str(block["block_id"]) for block in blocks if block.get("type") == "input"]
    if not fields:
        return {"response_action": "clear"}
    found: dict[str, list[str]] = {}
    fields = [at] if at in fields else fields
    for said in filter(None, (one.strip() for one in clean(text).split("\n"))):
        found.setdefault(_about(said, fields), []).append(said)
    errors = {field: cut("\n".join(lines), _COMPLAINT) for field, lines in found.items()}
    return {"response_action": "errors", "errors": errors or {fields[0]: "This was not accepted."}}


def _about(said: str, fields: Sequence[str]) -> str:
    words = {word.strip(".,;:'\"`(){}$=") for word in said.replace("=", " ").split()}
    return next((field for field in fields if field.removeprefix(_VARIABLE) in words), fields[0])


def _can_be_asked(one: Asked) -> bool:
    return _is_kept(one.value) and length(_VARIABLE + one.name) <= 255  # noqa: PLR2004 - Slack's block_id


def _is_kept(text: str) -> bool:
    """Whether a field gives the text back as it was put in."""
    return length(text) <= FIELD and clean(text) == text


def _variable(one: Asked) -> Block:
    element = _text_input(one.value, multiline=_is_wide(one.value))
    return _input(f"{_VARIABLE}{one.name}", one.name, element, one.description, optional=True)


def _is_wide(value: str) -> bool:
    return "\n" in value or columns(value) > _WIDE


def _blank(one: Blank) -> Block:
    if not one.choices:
        return {**_text_input(one.value if _is_kept(one.value) else "", multiline=False), "min_length": 1}
    options = [{"text": plain(line(choice, _OPTION), _OPTION), "value": choice} for choice in one.choices[:_MOST]]
    chosen = next((option for option in options if option["value"] == one.value), options[0])
    return {"type": "static_select", "action_id": VALUE, "options": options, "initial_option": chosen}


def _chosen(fields: Mapping[str, Any]) -> str:
    return str((fields.get(VALUE, {}).get("selected_option") or {}).get("value") or "")


def _text_input(value: str, *, multiline: bool) -> Block:
    made = {"type": "plain_text_input", "action_id": VALUE, "multiline": multiline, "max_length": FIELD}
    return {**made, "initial_value": value} if value else made


def _input(block: str, label: str, element: Block, hint: str = "", *, optional: bool = False) -> Block:
    made = {
        "type": "input",
        "block_id": block,
        "label": plain(line(label, _LABEL) or "…", _LABEL),
        "element": element,
        "optional": optional,
    }
    said = line(hint, _LABEL)
    return {**made, "hint": plain(said, _LABEL)} if said else made


def _modal(form: str, title: str, submit: str, blocks: Iterable[Block], metadata: str) -> Block:
    return {
        "type": "modal",
        "callback_id": form,
        "title": plain(title, _TITLE),
        "submit": plain(submit, _TITLE),
        "close": plain("Leave it", _TITLE),
        "private_metadata": metadata,
        "blocks": list(blocks),
    }


def _filled_in(fields: Mapping[str, Any]) -> str:
    return str(fields.get(VALUE, {}).get("value") or "")

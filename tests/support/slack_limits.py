"""What Slack takes: its documented limits of messages, modals and homes, checked as the real one checks them.

Also what Slack would read in texts: mentions, links and markup, wherever they could hide.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Block = Mapping[str, Any]

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
WHOLE_MESSAGE = 13_200
"""The JSON of a message's blocks; Slack's own limit is higher and not written down, see `bot/slack/room.py`."""
WHOLE_VIEW = 250_000
_NAME = 255
_SURFACES = {
    "message": {"header", "section", "context", "actions", "divider", "rich_text"},
    "home": {"header", "section", "context", "actions", "divider", "rich_text", "input"},
    "modal": {"header", "section", "context", "actions", "divider", "rich_text", "input"},
}
_MARKUP = re.compile(r"<[^>]*>?|&(?!amp;|lt;|gt;)|>")
_CALLS = {"user", "usergroup", "channel", "broadcast", "link", "team"}


def message_complaints(blocks: Sequence[Block]) -> list[str]:
    """What Slack would refuse about a message's blocks."""
    size = len(json.dumps(blocks, ensure_ascii=False))
    too_much = [f"{size} characters in all"] if size > WHOLE_MESSAGE else []
    return [*too_much, *_blocks(blocks, "message", MESSAGE_BLOCKS)]


def view_complaints(view: Mapping[str, Any]) -> list[str]:
    """What Slack would refuse about a modal or a home."""
    kind = view.get("type", "")
    if kind not in ("modal", "home"):
        return [f"a view of type {kind!r}"]
    size = len(json.dumps(view))
    found = [f"{size} bytes in all"] if size > WHOLE_VIEW else []
    known = {"type", "blocks", "private_metadata", "callback_id", "external_id", "title", "submit", "close"}
    known |= {"clear_on_close", "notify_on_close", "submit_disabled"} if kind == "modal" else set()
    found += _keys("view", view, known, {"type", "blocks", *(("title",) if kind == "modal" else ())})
    for part in ("title", "submit", "close"):
        found += _plain(part, view[part], 24) if part in view else []
    found += _short("private_metadata", view.get("private_metadata", ""), 3000, least=0)
    found += _short("callback_id", view.get("callback_id", "-"), _NAME)
    blocks = view.get("blocks", [])
    if kind == "modal" and "submit" not in view and any(one.get("type") == "input" for one in blocks):
        found.append("input blocks and no submit")
    return found + _blocks(blocks, kind, VIEW_BLOCKS)


def read_as_markup(value: Any) -> list[str]:
    """Everything in blocks that Slack reads as more than plain text: elements that call or link, mrkdwn not escaped."""
    return list(_markup(value))


def inputs(view: Mapping[str, Any]) -> dict[str, Block]:
    """The view's fields by their block's id."""
    return {one["block_id"]: one["element"] for one in view.get("blocks", ()) if one.get("type") == "input"}


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _markup(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get("type") in _CALLS:
            yield f"{value['type']} element"
        if value.get("type") == "mrkdwn" and _MARKUP.search(value.get("text", "")):
            yield f"mrkdwn {value['text'][:40]!r}"
        if "url" in value:
            yield "url"
        for one in value.values():
            yield from _markup(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _markup(one)


def _blocks(blocks: Any, surface: str, most: int) -> list[str]:
    if not isinstance(blocks, (list, tuple)) or not all(isinstance(one, Mapping) for one in blocks):
        return ["blocks are no array of objects"]
    found = [f"{len(blocks)} blocks"] if not 1 <= len(blocks) <= most else []
    found += _twice("block_id", [one["block_id"] for one in blocks if "block_id" in one])
    actions = [one.get("action_id") for block in blocks for one in block.get("elements", ()) if "action_id" in one]
    found += _twice("action_id", actions)
    for number, block in enumerate(blocks):
        kind = block.get("type")
        if kind not in _SURFACES[surface]:
            found.append(f"/blocks/{number}: a block of type {kind!r} in a {surface}")
        else:
            said = _short("block_id", block.get("block_id", "-"), _NAME) + _KINDS[kind](block)
            found += [f"/blocks/{number}: {one}" for one in said]
    return found


def _header(block: Block) -> list[str]:
    return _keys("header", block, {"type", "block_id", "text"}, {"text"}) + _plain("text", block.get("text"), 150)


def _section(block: Block) -> list[str]:
    found = _keys("section", block, {"type", "block_id", "text", "fields", "accessory", "expand"}, set())
    fields = block.get("fields", [])
    if "text" not in block and not fields:
        found.append("a section without text")
    found += _text("text", block["text"], 3000) if "text" in block else []
    found += [f"{len(fields)} fields"] if len(fields) > 10 else []
    return found + [one for field in fields for one in _text("field", field, 2000)]


def _context(block: Block) -> list[str]:
    elements = block.get("elements", [])
    found = _keys("context", block, {"type", "block_id", "elements"}, {"elements"})
    found += [] if 1 <= len(elements) <= 10 else [f"{len(elements)} elements"]
    return found + [said for one in elements for said in _text("element", one, 3000)]


def _actions(block: Block) -> list[str]:
    elements = block.get("elements", [])
    found = _keys("actions", block, {"type", "block_id", "elements"}, {"elements"})
    found += [] if 1 <= len(elements) <= 25 else [f"{len(elements)} elements"]
    return found + [said for one in elements for said in _element(one, {"button", "static_select"})]


def _input(block: Block) -> list[str]:
    known = {"type", "block_id", "label", "element", "hint", "optional", "dispatch_action"}
    found = _keys("input", block, known, {"label", "element"}) + _plain("label", block.get("label"), 2000)
    found += _plain("hint", block["hint"], 2000) if "hint" in block else []
    return found + _element(block.get("element"), {"plain_text_input", "static_select", "file_input"})


def _rich_text(block: Block) -> list[str]:
    found = _keys("rich_text", block, {"type", "block_id", "elements"}, {"elements"})
    if not block.get("elements"):
        found.append("an empty rich_text")
    for part in block.get("elements", ()):
        if part.get("type") not in ("rich_text_section", "rich_text_preformatted", "rich_text_quote"):
            found.append(f"a {part.get('type')!r} in rich_text")
        found += _keys("part", part, {"type", "elements", "border"}, {"elements"})
        found += ["an empty part"] if not part.get("elements") else []
        found += [said for one in part.get("elements", ()) for said in _piece(one, part.get("type", ""))]
    return found


def _piece(piece: Block, part: str) -> list[str]:
    if piece.get("type") != "text":
        return [f"a {piece.get('type')!r} in a line"]
    found = _keys("text", piece, {"type", "text", "style"}, {"text"}) + _short("text", piece.get("text"), 3000)
    styles = set(piece.get("style", {}))
    unknown = styles - {"bold", "italic", "strike", "code"}
    return found + ([f"style {unknown}"] if unknown or (styles and part == "rich_text_preformatted") else [])


def _divider(block: Block) -> list[str]:
    return _keys("divider", block, {"type", "block_id"}, set())


_KINDS: dict[str, Callable[[Block], list[str]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "input": _input,
    "rich_text": _rich_text,
    "divider": _divider,
}


def _element(element: Any, allowed: set[str]) -> list[str]:
    if not isinstance(element, Mapping) or element.get("type") not in allowed:
        return [f"an element {str(element)[:60]}"]
    found = _short("action_id", element.get("action_id", "-"), _NAME)
    return found + _ELEMENTS[element["type"]](element)


def _button(element: Block) -> list[str]:
    known = {"type", "action_id", "text", "value", "style", "url", "confirm", "accessibility_label"}
    found = _keys("button", element, known, {"text"}) + _plain("text", element.get("text"), 75)
    found += _short("value", element["value"], 2000) if "value" in element else []
    return found + ([] if element.get("style", "primary") in ("primary", "danger") else ["style"])


def _select(element: Block) -> list[str]:
    known = {"type", "action_id", "options", "placeholder", "initial_option", "confirm", "focus_on_load"}
    options = element.get("options", [])
    found = _keys("static_select", element, known, {"options"})
    found += [] if 1 <= len(options) <= 100 else [f"{len(options)} options"]
    found += _plain("placeholder", element["placeholder"], 150) if "placeholder" in element else []
    for option in options:
        found += _plain("option", option.get("text"), 75) + _short("option value", option.get("value"), 150)
    if "initial_option" in element and element["initial_option"] not in options:
        found.append("an initial_option that is no option")
    return found + _twice("option", [option.get("value") for option in options])


def _text_input(element: Block) -> list[str]:
    known = {"type", "action_id", "multiline", "max_length", "min_length", "initial_value", "placeholder"}
    found = _keys("plain_text_input", element, known | {"focus_on_load", "dispatch_action_config"}, set())
    most = element.get("max_length", 3000)
    found += [] if 1 <= most <= 3000 and 0 <= element.get("min_length", 0) <= most else ["max_length or min_length"]
    return found + _short("initial_value", element.get("initial_value", "-"), most)


def _file(element: Block) -> list[str]:
    found = _keys("file_input", element, {"type", "action_id", "filetypes", "max_files"}, set())
    return found + ([] if 1 <= element.get("max_files", 10) <= 10 else ["max_files"])


_ELEMENTS: dict[str, Callable[[Block], list[str]]] = {
    "button": _button,
    "static_select": _select,
    "plain_text_input": _text_input,
    "file_input": _file,
}


def _text(name: str, value: Any, most: int) -> list[str]:
    if isinstance(value, Mapping) and value.get("type") == "mrkdwn":
        return _keys(name, value, {"type", "text", "verbatim"}, {"text"}) + _short(name, value.get("text"), most)
    return _plain(name, value, most)


def _plain(name: str, value: Any, most: int) -> list[str]:
    if not isinstance(value, Mapping) or value.get("type") != "plain_text":
        return [f"{name} is no plain_text"]
    return _keys(name, value, {"type", "text", "emoji"}, {"text"}) + _short(name, value.get("text"), most)


def _short(name: str, value: Any, most: int, least: int = 1) -> list[str]:
    if not isinstance(value, str):
        return [f"{name} is no text"]
    if not least <= units(value) <= most:
        return [f"{name} has {units(value)} characters and may have {least} to {most}"]
    return [] if value.isprintable() or _is_clean(value) else [f"{name} has characters that cannot be shown"]


def _is_clean(value: str) -> bool:
    return not any((ord(one) < 32 and one not in "\n\t") or 0xD800 <= ord(one) < 0xE000 for one in value)


def _keys(name: str, value: Block, known: set[str], needed: set[str]) -> list[str]:
    unknown = sorted(set(value) - known)
    missing = sorted(needed - set(value))
    found = [f"{name}: invalid additional property: {one}" for one in unknown]
    return found + [f"{name}: missing required field: {one}" for one in missing]


def _twice(name: str, values: list[Any]) -> list[str]:
    return [f"{name} {one!r} twice" for one in sorted({one for one in values if values.count(one) > 1}, key=str)]

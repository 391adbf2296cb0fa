"""A value in a definition's text put in place of another, with the author's comments and layout kept. Pure.

A definition that was read and written anew would have lost what its author wrote for people. So the text itself is
changed, at the place where the value stands, and read again: what does not say then what it should is refused.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from engine.errors import Refused

Path = tuple[str | int, ...]
Value = str | Sequence[str]
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./:@%+-]*[A-Za-z0-9_/%+-])?")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"null", "Null", "NULL"})


class NotChangeable(Refused):
    """The place is written in a way that only its author can change."""

    def __init__(self, path: Path) -> None:
        where = ".".join(str(part) for part in path)
        super().__init__(f"{where} is written in a way that cannot be changed here.", "Change it in the text.")


def written(value: Value) -> str:
    """Write a value as YAML in one line that is read as just this text, or list of texts."""
    if not isinstance(value, str):
        return f"[{', '.join(written(one) for one in value)}]"
    is_plain = _PLAIN.fullmatch(value) is not None and value not in _NULLS
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def value_at(text: str, path: Path) -> Value | None:
    """The text, or list of texts, at a path; None when nothing stands there or something else does."""
    node = _found(_composed(text), path)
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(one, yaml.ScalarNode) for one in node.value):
        return [str(one.value) for one in node.value]
    return None


def with_value(text: str, path: Path, value: Value) -> str:
    """Put a value at a path. A key that is missing is added to the mapping that it belongs to, which may be new."""
    root = _composed(text)
    node = _found(root, path)
    changed = _added(text, root, path, written(value)) if node is None else _replaced(text, node, value)
    now = value_at(changed, path)
    if now != (value if isinstance(value, str) else list(value)):
        raise NotChangeable(path)
    return changed


def without_item(text: str, path: Path) -> str:
    """Take an item out of a list whose items stand on lines of their own, with the comments right above it."""
    *above, number = path
    items = _found(_composed(text), tuple(above))
    is_list = isinstance(items, yaml.SequenceNode) and not items.flow_style
    if not is_list or not isinstance(number, int) or number >= len(items.value):
        raise NotChangeable(path)
    lines = text.splitlines(keepends=True)
    starts = [item.start_mark.line for item in items.value]
    first = _above(lines, starts[number])
    after = _above(lines, starts[number + 1]) if number + 1 < len(starts) else _end(lines, starts[number])
    return "".join(lines[:first] + lines[after:])


def _composed(text: str) -> Any:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise Refused("That is no YAML.", "`check` tells what is wrong.") from error


def _found(node: Any, path: Path) -> Any:
    for part in path:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            return None
    return node


def _replaced(text: str, node: Any, value: Value) -> str:
    end = node
    while isinstance(end, yaml.CollectionNode) and not end.flow_style and end.value:
        end = end.value[-1][1] if isinstance(end, yaml.MappingNode) else end.value[-1]
    start, stop, said = node.start_mark.index, end.end_mark.index, written(value)
    if getattr(end, "style", None) in ("|", ">"):
        said += "\n"
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        if text[:start].rstrip().endswith(":"):
            start, said = len(text[:start].rstrip()), f" {said}"
        else:
            said = f"  {said}"  # below a comment that stands behind the key, further in than it
    return text[:start] + said + text[stop:]


def _added(text: str, root: Any, path: Path, value: str) -> str:
    mapping, said = _found(root, path[:-1]), f"{path[-1]}: {value}"
    if mapping is None and len(path) > 1:
        return _added(text, root, path[:-1], f"{{{said}}}")
    if not isinstance(mapping, yaml.MappingNode) or not mapping.value:
        raise NotChangeable(path)
    key, first = mapping.value[0]
    if mapping.flow_style:
        at = mapping.start_mark.index + 1
        return f"{text[:at]}{said}, {text[at:]}"
    indent = " " * key.start_mark.column
    if isinstance(first, yaml.ScalarNode) and first.style not in ("|", ">"):
        line_end = text.find("\n", first.end_mark.index)
        at = len(text) if line_end < 0 else line_end
        return f"{text[:at]}\n{indent}{said}{text[at:]}"
    at = key.start_mark.index
    return f"{text[:at]}{said}\n{indent}{text[at:]}"


def _above(lines: Sequence[str], number: int) -> int:
    """The line with which an item begins: of the comments right above it, the first."""
    while number > 0 and lines[number - 1].lstrip().startswith("#"):
        number -= 1
    return number


def _end(lines: Sequence[str], start: int) -> int:
    """The line after the last item: the first that stands less far in than the item's own contents."""
    dash = len(lines[start]) - len(lines[start].lstrip())
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if line.strip() and len(line) - len(line.lstrip()) <= dash:
            return number
    return len(lines)

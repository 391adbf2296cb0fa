"""Secret variables: what stands for one wherever a value would, until the moment in which it is used. Pure.

The danger is a value that is kept: in a run, a release, a message that waits, a card, a log. The promise: whatever is
kept holds a marker, and the value takes its place only in what is handed to somebody at once: a build's environment and
arguments, the headers and the body of a request. Where else a definition names a secret, it is refused.

A marker is written with characters that nothing escapes, neither JSON nor an address nor a shell, so it is found again
in whatever it was put into. Nobody can bring one along, whole or in pieces that two values make up: where a definition
is put together, the markers get a tag that depends on every value, and only what has that tag is a secret's place. To
write it into a value, somebody would have to find a SHA-256 that is part of its own text.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

from engine.errors import Refused

LEAST = 8
"""Characters of a value: what is shorter is guessed, and cannot be told from other words in a log."""
MOST = 16 * 1024
_MARKER = re.compile(r"~secret\.([A-Za-z_][A-Za-z0-9_]*)~", re.ASCII)
_TAGGED = re.compile(r"~secret\.([A-Za-z_][A-Za-z0-9_]*)\.([0-9a-f]{32})~", re.ASCII)
_OPENING = "~secret."
_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})


class SecretUnset(Refused):
    """The secret was never given a value, or it was taken away."""

    def __init__(self, pipeline: str, name: str) -> None:
        hint = f"Say `secret set {pipeline} {name}` alone with me, or in a terminal."
        super().__init__(f"The secret {name} of {pipeline} has no value.", hint)


class SecretNotHere(Refused):
    """Somebody wants to set a secret where values are kept."""

    def __init__(self, name: str, value: str = "") -> None:
        self.value = value
        gives = f"`secret set PIPELINE {name}` gives it its value"
        hint = f"Leave it out; {gives}. If this was it, others may have read it: set another."
        super().__init__(f"{name} is secret: its value is not said here, where it would be kept.", hint)


class MarkerSaid(Refused):
    """A value looks like what stands for a secret."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The value of {name} holds {_OPENING}, which stands for a secret.", "Choose another value.")


def marker(name: str) -> str:
    """Give what stands for the secret."""
    return f"{_OPENING}{name}~"


def is_marker(value: str) -> bool:
    """Whether a variable's value is a secret's marker."""
    return _MARKER.fullmatch(value) is not None


def tag_of(values: Mapping[str, str]) -> str:
    """Give the tag of what is put together with these values, of every variable that there is: 32 hex digits."""
    return hashlib.sha256(json.dumps(sorted(values.items())).encode()).hexdigest()[:32]


def tagged(values: Mapping[str, str]) -> dict[str, str]:
    """Give the values as they are put in: the markers of secrets with the tag, all others as they are."""
    secret = of_variables(values)
    if not secret:
        return dict(values)
    tag = tag_of(values)
    return {**values, **{name: f"{_OPENING}{name}.{tag}~" for name in secret}}


def untagged(text: str, tag: str) -> str:
    """Give `text` with plain markers: the same for every run, to compare what was put together."""
    return _replaced(text, tag, marker)


def secrets_in(text: str, tag: str) -> tuple[str, ...]:
    """Find the secrets whose markers with this tag `text` holds, each once."""
    found = _TAGGED.findall(text) if _OPENING in text else ()
    return tuple(dict.fromkeys(name for name, its_tag in found if its_tag == tag))


def of_variables(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Name the secrets among a run's variables."""
    return tuple(name for name, value in variables.items() if value == marker(name))


def revealed(text: str, tag: str, values: Mapping[str, str], write: Callable[[str], str] = str) -> str:
    """Give `text` with every marker of this tag replaced by its value (by name), as `write` writes it there.

    Raises KeyError for a secret without a value: ask for `secrets_in` first.
    """
    return _replaced(text, tag, lambda name: write(values[name]))


def _replaced(text: str, tag: str, write: Callable[[str], str]) -> str:
    if _OPENING not in text:
        return text
    return _TAGGED.sub(lambda found: write(found[1]) if found[2] == tag else found[0], text)


def in_json(value: str) -> str:
    """Write a value as it stands inside a JSON text."""
    return json.dumps(value)[1:-1]


def in_form(value: str) -> str:
    """Write a value as it stands in a form."""
    return quote_plus(value)


def is_secret(entry: Any) -> bool:
    """Whether an entry of ``variables``, as it stands in a definition, is a secret."""
    return isinstance(entry, Mapping) and str(entry.get("secret", "")).lower() in _TRUE


def check_changes(declared: Mapping[str, str], changes: Mapping[str, str]) -> None:
    """Refuse a change of a secret, and a value that looks like one."""
    for name, value in changes.items():
        own = declared.get(name, "")
        if value == own:
            continue
        if own == marker(name):
            raise SecretNotHere(name, value)
        if _OPENING in value:
            raise MarkerSaid(name)


def check_value(value: str) -> Iterator[str]:
    """Say what is wrong with a secret's value, without showing any of it."""
    if len(value) < LEAST:
        yield f"it has {len(value)} characters; it takes at least {LEAST}"
    if len(value) > MOST:
        yield f"it has {len(value)} characters; it may have {MOST}"
    if "\0" in value:
        yield "it holds a zero byte"
    if _OPENING in value:
        yield f"it holds {_OPENING}"

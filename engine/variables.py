"""Variables: `${name}` in a definition, and the value it has in one run.

A value is inserted as it is, once: a value that holds `${x}` itself is not looked into, so nobody who may only change a
value can reach another variable by it. `$${` stands for the two characters `${`.

A build script is different: what stands there is run. Inserting a value would let whoever sets it (a webhook, say)
write commands. So in a script `${name}` stays, and the shell reads it from the environment, where every variable is.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.complaints import listed, nearest
from engine.errors import Refused
from engine.secret_variables import check_changes

SYS_TIMESTAMP = "SYS_TIMESTAMP"
SYS_INCREMENT = "SYS_INCREMENT"
SYSTEM_NAMES = (SYS_TIMESTAMP, SYS_INCREMENT)
SYSTEM_PREFIX = "SYS_"

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_MARK = re.compile(rf"\$\$\{{|\$\{{({_NAME})\}}", re.ASCII)
_OPENING = re.compile(rf"\$\$\{{|\$\{{(?!{_NAME}\}})([^}}\n]{{0,64}}\}}?)", re.ASCII)


class UndeclaredVariable(Refused):
    """A name that the pipeline does not declare."""

    def __init__(self, name: str, declared: Mapping[str, str]) -> None:
        self.name = name
        near = nearest(name, tuple(declared))
        known = f"It has {listed(declared)}." if declared else "It has no variables."
        super().__init__(f"The pipeline has no variable {name}.", f"Did you mean {near}?" if near else known)


class SystemVariable(Refused):
    """A variable that nobody can set."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is set by Sluice and cannot be changed.", f"Leave {name} out.")


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Give `text` with every `${name}` replaced by its value and every `$${` by `${`. A name without a value stays."""
    if "${" not in text:
        return text
    return _MARK.sub(lambda mark: values.get(mark[1], mark[0]) if mark[1] else "${", text)


def replace_marks(text: str, values: Mapping[str, str], write: Callable[[str, str], str]) -> str:
    """Give `text` as `substitute` does, with every value as `write` writes it, which is given name and value."""
    if "${" not in text:
        return text

    def written(mark: re.Match[str]) -> str:
        if not mark[1]:
            return "${"
        return write(mark[1], values[mark[1]]) if mark[1] in values else mark[0]

    return _MARK.sub(written, text)


def escape(text: str) -> str:
    """Write `text` so that `substitute` gives it back."""
    return text.replace("${", "$${")


def names_in(text: str) -> tuple[str, ...]:
    """Find the variables that `text` uses, each once, in order."""
    return tuple(dict.fromkeys(mark[1] for mark in _MARK.finditer(text) if mark[1])) if "${" in text else ()


def misspelled_in(text: str) -> tuple[str, ...]:
    """Find what stands after a `${` that begins no variable's name, for example ``my-tag}``."""
    return tuple(mark[1] for mark in _OPENING.finditer(text) if mark[1] is not None) if "${" in text else ()


def expand(tree: Any, values: Mapping[str, str]) -> Any:
    """Give a tree of str, None, list and dict with the variables of every value (not of keys) replaced by text."""
    if isinstance(tree, str):
        return substitute(tree, values)
    if isinstance(tree, list):
        return [expand(item, values) for item in tree]
    if isinstance(tree, dict):
        return {key: expand(item, values) for key, item in tree.items()}
    return tree


def expand_script(text: str, declared: Mapping[str, str]) -> str:
    """Give a script as the shell gets it: `${name}` stays for it to read from the environment, `$${` is `${`."""
    return substitute(text, {name: f"${{{name}}}" for name in declared})


def system_variables(created_at: datetime, number: int) -> dict[str, str]:
    """Give the variables that every run has: when it was made (UTC, 20261123T041500Z) and its number."""
    stamp = created_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return {SYS_TIMESTAMP: stamp, SYS_INCREMENT: str(number)}


def merge(declared: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Give the values of a run: the declared ones, with the changes of whoever starts it.

    Refuses undeclared names, and values for what is secret.
    """
    for name in changes:
        if name in SYSTEM_NAMES:
            raise SystemVariable(name)
        if name not in declared:
            raise UndeclaredVariable(name, declared)
    check_changes(declared, changes)
    return {**declared, **changes}


def acts_in_a_shell(value: str) -> Iterator[str]:
    """Find the characters of `value` that a shell would act on, each once."""
    yield from dict.fromkeys(re.findall(r"[^A-Za-z0-9._:/@%+=,-]", value))

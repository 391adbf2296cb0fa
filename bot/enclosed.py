"""Definitions that come as files in a chat: how such a file is called, and which words may stand beside it. Pure."""

import re

from engine.errors import Refused

ENDINGS = (".yaml", ".yml")
_BESIDE = re.compile(r"(?:/?sluice\b\s*)?/?(?:(define|check)(?:\s+([\w.-]+))?)?\s*", re.IGNORECASE)
_NAMED = re.compile(r"""^pipeline:[ \t]*["']?([^"'\s#]+)""", re.MULTILINE)


class NoDefinition(Refused):
    """A file came with nothing said beside it that is about another kind of file, and is no definition."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name or 'A file without a name'} is no definition: I take .yaml and .yml.",
            "Rename it and send it again. A file for a package needs `package upload PATH` beside it.",
        )


def meant(line: str) -> tuple[str, str] | None:
    """Return what a definition is sent for, ``define`` or ``check``, and the pipeline if one is named.

    None when other words stand beside it: a half-meant definition touches nothing.
    """
    said = _BESIDE.fullmatch(line)
    return None if said is None else ((said[1] or "define").lower(), said[2] or "")


def is_definition(name: str) -> bool:
    """Whether a file is called as definitions are."""
    return name.lower().endswith(ENDINGS)


def must_be_of(pipeline: str, name: str, text: str) -> None:
    """Refuse the text of the file `name` when it defines another pipeline than the one that was named, if one was."""
    found = _NAMED.search(text)
    if pipeline and found is not None and found[1] != pipeline:
        raise Refused(f"{name} defines {found[1]}, not {pipeline}.", "If it is meant, send it with `define` alone.")

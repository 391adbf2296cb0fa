"""By which words a line begins, whatever marks stand round them.

A line is carried out when the grammar understands it, and shown when it does not. So what is secret in it is looked for
with less care for how it was said: quotes, markup, a quotation's sign and a chat's `@name` change nothing.
"""

import re

_WORD = re.compile(r"\S+")


def end_of(line: str, *wanted: str) -> int | None:
    """Return where the `wanted` words end with which the line begins; None when it begins with others."""
    left = wanted
    for found in _WORD.finditer(line):
        word = _letters(found[0])
        if word == left[0]:
            left = left[1:]
        elif word and not (word == "sluice" and left == wanted):
            return None
        if not left:
            return found.end()
    return None


def _letters(word: str) -> str:
    return "".join(sign for sign in word.partition("@")[0] if sign.isalnum()).lower()

"""One-time codes in what people type: with or without `link`, the hyphen forgotten, a blank in its place, quoted."""

import re

from bot.grammar import WRAPPING, begins_with_no_command, plain
from bot.secrecy.words import end_of

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CODE = re.compile(rf"[{ALPHABET}]{{4}}[-\u2010-\u2015 ]?[{ALPHABET}]{{4}}", re.IGNORECASE)
_WRAPPING = f"{WRAPPING}<>()[]|\u00ab\u00bb"
_NO_WORD = re.compile(r"[0-9\u2010-\u2015-]")


def code_in(line: str) -> str:
    """Return the code in ``link CODE``, or the line when it is nothing but a code; empty when there is none.

    One word behind `link` is taken for a code whatever it is: a wrong one has to be counted.
    """
    typed = _behind_link(plain(line))
    if not typed:
        return _unwrapped(line) if _is_bare(line) else ""
    return typed if len(typed.split()) == 1 or looks_like_code(typed) else ""


def looks_like_code(text: str) -> bool:
    """Whether a text has the form of a code. Ordinary words may have it, too."""
    return _CODE.fullmatch(_unwrapped(text)) is not None


def without_code(line: str) -> str:
    """Return the line as it may be shown: whatever stands behind `link` may be a code, as a code alone is."""
    if _behind_link(plain(line).partition("\n")[0]):
        return "link (a code)"
    return "(a code)" if _is_bare(line) else line


def _behind_link(line: str) -> str:
    """What stands behind `link` in the same line, without quotes and markup; empty when it is not said, or alone."""
    end = end_of(line, "link")
    said = "" if end is None else line[end:].strip()
    return "" if "\n" in said else _unwrapped(said)


def _unwrapped(text: str) -> str:
    """The text without quotes and markup round it."""
    return text.strip(f" \t\r\n{_WRAPPING}")


def _is_bare(line: str) -> bool:
    """Whether the line is nothing but what looks like a code. Two short words, or one of eight letters, are none."""
    is_no_word = line.isupper() or _NO_WORD.search(line) is not None
    return is_no_word and looks_like_code(line) and begins_with_no_command(_unwrapped(line))

"""Text from anywhere, made fit for Slack: what may be in it, how long it is, where it is cut.

Nothing here is Slack's markup: cards use `rich_text` and `plain_text`, in which Slack reads none. Only the fallback
of a message is parsed, and `escape` is for it.
"""

import unicodedata

MORE = "…"
_JOINER = "\u200d"
_REPLACEMENT = "\ufffd"
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of the text after them: with one, a name can make a card read otherwise."""
_UNITS = 0xFFFF
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) != "\n"}
_KEPT = {ord("\t"): "    ", 0x2028: "\n", 0x2029: "\n", **{ord(turn): None for turn in _TURNS}}
_TABLE = _CONTROLS | _KEPT | dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT)


def clean(text: str) -> str:
    """Return the text without control characters, lone surrogates and turns of direction, its lines ended alike."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_TABLE)


def length(text: str) -> int:
    """Return the length as Slack's limits count it at most: in UTF-16 code units."""
    return len(text) + sum(ord(letter) > _UNITS for letter in text)


def cut(text: str, limit: int, mark: str = MORE) -> str:
    """Return at most `limit` units of the text; where something is missing it ends with `mark`."""
    text = text if len(text) <= limit else text[: limit + 1]
    if length(text) <= limit:
        return text
    room = limit - length(mark)
    at = min(len(text), max(0, room))
    while at and (length(text[:at]) > room or _belongs_to_the_last(text, at)):
        at -= 1
    return text[:at].rstrip() + mark


def line(text: str, limit: int) -> str:
    """Return the text in one line."""
    looked_at = 4 * limit + 4
    words = " ".join(clean(text[:looked_at]).split())
    return cut(words if len(text) <= looked_at else f"{words} {MORE}", limit)


def paragraph(text: str, limit: int) -> str:
    """Return the text with its lines, without empty ones at its ends."""
    return cut(clean(text).strip(), limit)


def escape(text: str) -> str:
    """Return the text as Slack's own markup writes it: no mention, no link, no date comes out of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def columns(text: str) -> int:
    """Return how many columns of a fixed-width font the text takes."""
    return sum(_columns(letter) for letter in text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return the text filled with spaces to `width` columns."""
    spaces = " " * max(0, width - columns(text))
    return spaces + text if right else text + spaces


def _columns(letter: str) -> int:
    if letter == _JOINER or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _belongs_to_the_last(text: str, at: int) -> bool:
    """Whether a cut before `at` would tear a letter from its marks, or an emoji apart."""
    if at >= len(text):
        return False
    return text[at] == _JOINER or text[at - 1] == _JOINER or unicodedata.category(text[at]).startswith("M")

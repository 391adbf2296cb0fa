"""What Telegram makes a link of by itself, in the text of a message.

Written from what clients show and from the patterns that Telegram's own library documents, and a little wider: any top
level of two letters is taken for one, and any seven digits in a row of figures for a telephone number. So a text in
which nothing is found here is safe; one in which something is found may be.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LETTER = r"[^\W\d_]"
_LABEL = r"(?:[A-Za-z0-9_~\u200c\u200d-]|[^\x00-\u00bf\u2000-\u206f\s])"
_HASH = r"[\w\u200c\u00b7\u0d80-\u0dff]"
_PATTERNS = {
    "mention": r"(?<!\w)@[A-Za-z0-9_]{2,32}(?!\w)",
    "bot_command": r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])",
    "hashtag": rf"(?<!{_HASH})#(?={_HASH}*?{_LETTER}){_HASH}{{1,256}}(?!{_HASH}*\#)",
    "cashtag": r"(?<![\w$])\$(?:1INCH|[A-Z]{1,8})(?![\w$])",
    "email": r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}",
    "url": rf"(?:https?|ftp|tg|ton)://[\w-]+|(?<!{_LABEL}){_LABEL}+(?:\.{_LABEL}+)*\.(?:(?:[A-Za-z]|[^\W\x00-\x7f]){{2,}}|xn--\w+)",
    "ip_address": r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])",
    "phone_number": r"\+?\d(?:[ \u00a0()\[\]~.\u200b\u2010-\u2015\u2060\u2212-]{0,3}\d){6,}",
}
_COMPILED = {name: re.compile(pattern, re.IGNORECASE if name == "url" else 0) for name, pattern in _PATTERNS.items()}


@dataclass(frozen=True, slots=True)
class Link:
    """Something that can be pressed: its kind, its text or address, its place in UTF-16 code units."""

    kind: str
    target: str
    offset: int = 0
    length: int = 0

    def as_json(self) -> dict[str, object]:
        return {"type": self.kind, "offset": self.offset, "length": self.length}


def links_in(text: str, code: Iterable[tuple[int, int]] = ()) -> tuple[Link, ...]:
    """Find the links of a text outside its code, whose places are (begin, end) in UTF-16 code units.

    Looked for twice: in the whole text, where what touches code is no link, and in each piece between two codes.
    """
    places = sorted(code)
    whole = [
        one
        for one in _found(text)
        if not any(one.offset < end and begin < one.offset + one.length for begin, end in places)
    ]
    pieces = [one for one in _found(_blanked(text, places)) if one not in whole]
    return (*whole, *pieces)


def _blanked(text: str, places: list[tuple[int, int]]) -> str:
    """Put a line break, which ends every link, in place of each code unit of code."""
    raw = text.encode("utf-16-le")
    for begin, end in places:
        raw = raw[: 2 * begin] + "\n".encode("utf-16-le") * (end - begin) + raw[2 * end :]
    return raw.decode("utf-16-le")


def _found(text: str) -> Iterator[Link]:
    for kind, pattern in _COMPILED.items():
        for match in pattern.finditer(text):
            offset = len(text[: match.start()].encode("utf-16-le")) // 2
            yield Link(kind, match[0], offset, len(match[0].encode("utf-16-le")) // 2)

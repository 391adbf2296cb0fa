"""Telegram's HTML as the Bot API reads it: what a message shows, how long it is, what is wrong with it.

Strict where the documentation is: unknown tags, unknown attributes, tags not closed or closed in the wrong order are
errors, in the words of the real server. What the real server drops without a word (formatting inside code, formatting
after the hundredth piece) is dropped here too, and listed in `dropped`.
"""

import html
import re
from dataclasses import dataclass, field

from tests.support.telegram_links import Link, links_in

MOST_ENTITIES = 100
_NAMES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
_ATTRIBUTES = {("a", "href"), ("code", "class"), ("blockquote", "expandable")}
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)?([^>]*)>")
_ATTRIBUTE = re.compile(r"""\s+([a-z-]+)(?:=("[^"]*"|'[^']*'|[A-Za-z0-9.-]+))?""")
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot));?")
_REMOVED = re.compile("[\r\u2028-\u202e\u0333\u033f\u030a]")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


class CannotParse(Exception):
    """The markup is broken; the text is the server's description."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A piece of formatting: its place in UTF-16 code units of the shown text."""

    type: str
    offset: int
    length: int
    url: str = ""
    expandable: bool = False

    @property
    def end(self) -> int:
        return self.offset + self.length

    def as_json(self) -> dict[str, object]:
        name = f"expandable_{self.type}" if self.expandable else self.type
        shown: dict[str, object] = {"type": name, "offset": self.offset, "length": self.length}
        return shown | ({"url": self.url} if self.url else {})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What people see of a message."""

    text: str
    entities: tuple[Entity, ...] = ()
    dropped: tuple[Entity, ...] = ()

    @property
    def length(self) -> int:
        """In UTF-16 code units, as the limits count."""
        return utf16(self.text)

    @property
    def links(self) -> tuple[Link, ...]:
        """What the text lets people press: links that Telegram makes by itself, and links that were written."""
        written = [Link("text_link", one.url, one.offset, one.length) for one in self.entities if one.url]
        code = [(one.offset, one.end) for one in self.entities if one.type in ("code", "pre")]
        return (*written, *links_in(self.text, code))


def utf16(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def parse_html(source: str) -> Parsed:
    """Read a message's HTML; raises `CannotParse` in the server's words."""
    try:
        source.encode()
    except UnicodeEncodeError:
        raise CannotParse("strings must be encoded in UTF-8") from None
    reader = _Reader(_CONTROL.sub(" ", _REMOVED.sub("", source)))
    reader.read()
    return _trimmed(reader.text, _sorted(reader.found))


def parse_plain(source: str) -> Parsed:
    """Read a message that was sent without a parse mode."""
    return _trimmed(_CONTROL.sub(" ", _REMOVED.sub("", source)), [])


@dataclass
class _Reader:
    source: str
    text: str = ""
    found: list[Entity] = field(default_factory=list)
    open: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    at: int = 0

    def read(self) -> None:
        while self.at < len(self.source):
            if self.source[self.at] == "<":
                self._tag()
            elif reference := _REFERENCE.match(self.source, self.at):
                self.text += _decoded(reference)
                self.at = reference.end()
            else:
                end = self.at + 1
                while end < len(self.source) and self.source[end] not in "<&":
                    end += 1
                self.text += self.source[self.at : end]
                self.at = end
        if self.open:
            raise CannotParse(f"Can't find end tag corresponding to start tag {self.open[-1][0]}")

    def _tag(self) -> None:
        where = len(self.source[: self.at].encode())
        tag = _TAG.match(self.source, self.at)
        if tag is None:
            kind = "end" if self.source[self.at : self.at + 2] == "</" else "start"
            raise CannotParse(f"Unclosed {kind} tag at byte offset {where}")
        closes, name = tag[1], (tag[2] or "").lower()
        if closes:
            self._close(name, where)
        else:
            if name not in _NAMES:
                said = name or self.source[self.at + 1 : tag.end() - 1].split(" ")[0]
                raise CannotParse(f'Unsupported start tag "{said}" at byte offset {where}')
            self.open.append((name, _attributes(name, tag[3], where), utf16(self.text)))
        self.at = tag.end()

    def _close(self, name: str, where: int) -> None:
        if not self.open:
            raise CannotParse(f"Unexpected end tag at byte offset {where}")
        opened, attributes, offset = self.open.pop()
        if name and name != opened:
            raise CannotParse(f'Unmatched end tag at byte offset {where}, expected "</{opened}>", found "</{name}>"')
        length = utf16(self.text) - offset
        if length:
            url, expandable = attributes.get("href", ""), "expandable" in attributes
            self.found.append(Entity(_NAMES[opened], offset, length, url, expandable))


def _attributes(tag: str, source: str, where: int) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(source.rstrip()):
        one = _ATTRIBUTE.match(source, at)
        if one is None or (tag, one[1]) not in _ATTRIBUTES:
            raise CannotParse(f'Unexpected attribute in the tag "{tag}" at byte offset {where}')
        found[one[1]] = html.unescape((one[2] or "").strip("\"'"))
        at = one.end()
    return found


def _decoded(reference: re.Match[str]) -> str:
    if reference[3]:
        return {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}[reference[3]]
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    if not 0 < code < 0x10FFFF:
        return reference[0]
    if 0xD800 <= code <= 0xDFFF:
        raise CannotParse("Text contains invalid Unicode characters after decoding HTML entities")
    return _REMOVED.sub("", _CONTROL.sub(" ", chr(code)))


def _sorted(found: list[Entity]) -> list[Entity]:
    return sorted(found, key=lambda one: (one.offset, -one.length, one.type != "blockquote"))


def _trimmed(text: str, entities: list[Entity]) -> Parsed:
    """Take the white space at both ends away, and what the server drops."""
    begin = utf16(text) - utf16(text.lstrip())
    shown = text.strip()
    end = utf16(shown)
    inside = []
    for one in entities:
        offset, last = max(0, one.offset - begin), min(end, one.end - begin)
        if last > offset:
            inside.append(Entity(one.type, offset, last - offset, one.url, one.expandable))
    return _without_what_is_dropped(shown, inside)


def _without_what_is_dropped(text: str, entities: list[Entity]) -> Parsed:
    code = [one for one in entities if one.type in ("code", "pre")]
    kept: list[Entity] = []
    dropped: list[Entity] = []
    for one in entities:
        others = [other for other in code if other is not one and one.offset < other.end and other.offset < one.end]
        bad = bool(others) and one.type != "blockquote"
        if one.type in ("code", "pre"):
            bad = any(_index(entities, other) < _index(entities, one) for other in others)
        (dropped if bad or len(kept) >= MOST_ENTITIES else kept).append(one)
    return Parsed(text, tuple(kept), tuple(dropped))


def _index(entities: list[Entity], wanted: Entity) -> int:
    return next(number for number, one in enumerate(entities) if one is wanted)

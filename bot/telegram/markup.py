"""Telegram's HTML, so that text from anywhere stays text.

The danger: Telegram makes links by itself. `@name` is a mention, and so `example.com`, `10.0.0.1`, mail addresses,
`#tags`, `$CASH`, `/commands`, telephone and card numbers can be pressed, wherever they stand in a message. A commit
message could call people at night, or offer them a link under a card that they trust.

The promise: nothing that comes from a card can be pressed, except the buttons. It holds because links are looked for
in whole lines, after they are put together, and every word that Telegram might take for one is shown as `<code>`, where
Telegram looks for none. The rule is broader than Telegram's own: it asks for what may be a link, not for what is.

Why not an invisible character between the letters: the joiners (U+200C, U+200D) count as letters of an address for
Telegram and part nothing, and any other would be in the clipboard of whoever copies the word. `<code>` reads well, and
is copied with one tap, exactly.

Telegram keeps 100 pieces of formatting in a message and forgets the others, which would make links again of what
stands in them. So formatting is counted (`Block.entities`) like characters.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from bot.telegram.plain import units

_LINK = re.compile(
    r"""
    @[A-Za-z0-9_]                                       # a mention, a mail address
    | (?<![A-Za-z0-9_])/[A-Za-z0-9_]                    # a command
    | ://                                               # an address with its scheme
    | \.[^\W\d_][\w-] | \.[^\x00-\x7f]                  # a bare domain: a dot, then what may be a top level
    | \d\.\d+\.\d+\.\d                                  # an IP address
    | \#\S | \$[A-Z1]                                   # tags
    | (?:\+?\d(?:[^\S\n]|[-./()\[\]~\u200b\u2010-\u2015\u2060\u2212]){0,3}){7,}  # telephone and card numbers
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"(?<!`)`([^`\n]{1,200})`(?!`)")
_OPENING, _CLOSING = "([{'\"", ".,;:!?)]}'\""
_MOST = 6
"""Pieces of code in one line; a line with more is all code."""


class Style(StrEnum):
    """How a part of a line looks: the name of its tag."""

    NONE = ""
    BOLD = "b"
    ITALIC = "i"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Part:
    """Some text of one line, and how it looks."""

    text: str
    style: Style = Style.NONE


@dataclass(frozen=True, slots=True)
class Block:
    """Markup that is complete in itself: its text without markup, and how many pieces of formatting it has."""

    html: str
    text: str
    entities: int = 0

    @property
    def units(self) -> int:
        """Its length as Telegram counts it."""
        return units(self.text)


def bold(text: str) -> Part:
    """Return a part that stands out."""
    return Part(text, Style.BOLD)


def italic(text: str) -> Part:
    """Return a part that stands back."""
    return Part(text, Style.ITALIC)


def code(text: str) -> Part:
    """Return a part that can be copied with a tap."""
    return Part(text, Style.CODE)


def line(*parts: Part | str) -> Block:
    """Return a line of text. What Telegram might make a link of is code, whatever style it was to have."""
    styled = [part if isinstance(part, Part) else Part(part) for part in parts]
    text = "".join(part.text for part in styled)
    found = _joined((*_links(text), *_links(_beside_code(styled))))
    regions = [_bare(text, begin, end) for begin, end in found]
    if len(regions) > _MOST:
        return as_code(text)
    return _written(text, _styles(styled, regions))


def spoken(text: str) -> Block:
    """Return a line of our own kind of prose: what stands between backticks is code."""
    parts: list[Part | str] = []
    after = 0
    for quoted in _QUOTED.finditer(text):
        parts += [text[after : quoted.start()], code(quoted[1])]
        after = quoted.end()
    return line(*parts, text[after:])


def stacked(blocks: Iterable[Block], between: str = "\n") -> Block:
    """Return blocks under each other."""
    kept = list(blocks)
    return Block(
        between.join(block.html for block in kept),
        between.join(block.text for block in kept),
        sum(block.entities for block in kept),
    )


def as_code(text: str) -> Block:
    """Return text of one or more lines as one piece of code."""
    return Block(f"<code>{escaped(text)}</code>", text, 1) if text.strip() else Block("", "")


def preformatted(text: str) -> Block:
    """Return text whose columns stay under each other."""
    return Block(f"<pre>{escaped(text)}</pre>", text, 1) if text.strip() else Block("", "")


def folded(text: str) -> Block:
    """Return long code that shows its first lines and opens when it is tapped."""
    return Block(f"<blockquote expandable><code>{escaped(text)}</code></blockquote>", text, 2)


def escaped(text: str) -> str:
    """Return text without the three characters that Telegram reads as markup."""
    return html.escape(text, quote=False)


def _links(text: str) -> Iterator[tuple[int, int]]:
    """Find the words that might become links, whole, as (begin, end); neighbours are joined."""
    begin = end = -1
    for found in _LINK.finditer(text):
        if found.end() <= end:
            continue
        last = found.start() + len(found[0].rstrip())
        first, last = _word_begin(text, found.start()), _word_end(text, last)
        if end >= 0 and not text[end:first].strip(" "):
            end = last
            continue
        if end >= 0:
            yield begin, end
        begin, end = first, last
    if end >= 0:
        yield begin, end


def _beside_code(parts: Iterable[Part]) -> str:
    """Return the text as it is where code ends every word: what follows it may begin a link."""
    return "".join("\n" * len(part.text) if part.style is Style.CODE else part.text for part in parts)


def _joined(regions: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the regions in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(regions):
        if joined and begin < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _word_begin(text: str, at: int) -> int:
    while at > 0 and not text[at - 1].isspace():
        at -= 1
    return at


def _word_end(text: str, at: int) -> int:
    while at < len(text) and not text[at].isspace():
        at += 1
    return at


def _bare(text: str, begin: int, end: int) -> tuple[int, int]:
    """Return a region without the brackets and stops around it, which nobody wants to copy."""
    while end - begin > 1 and text[end - 1] in _CLOSING:
        end -= 1
    while end - begin > 1 and text[begin] in _OPENING:
        begin += 1
    return begin, end


def _styles(parts: list[Part], regions: list[tuple[int, int]]) -> list[tuple[int, Style]]:
    """Return where each style begins. Where a region is code, all of it is."""
    starts, at = {}, 0
    for part in parts:
        starts[at] = part.style
        at += len(part.text)
    for begin, end in regions:
        after = [style for start, style in sorted(starts.items()) if start <= end][-1]
        starts = {start: style for start, style in starts.items() if not begin <= start <= end}
        starts |= {begin: Style.CODE, end: after}
    return sorted(starts.items())


def _written(text: str, styles: list[tuple[int, Style]]) -> Block:
    pieces, entities = [], 0
    for (begin, style), (end, _) in pairwise([*styles, (len(text), Style.NONE)]):
        piece = text[begin:end]
        if style and piece.strip():
            entities += 1
            pieces.append(f"<{style}>{escaped(piece)}</{style}>")
        else:
            pieces.append(escaped(piece))
    return Block("".join(pieces), text, entities)

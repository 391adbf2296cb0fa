"""Text from anywhere, made fit for a Telegram message: cleaned, measured, cut. Knows no markup.

Telegram takes some characters out of a message after it was sent: `@` and `all` with a direction mark between them are
two words here and a mention there. So everything that Telegram removes is removed before anybody looks for mentions.
"""

import re
import unicodedata

LIMIT = 4096
"""The longest message, in UTF-16 code units, counted without its markup."""
_LOOKED_BACK = 300
MORE = "…"
_JOINERS = "\u200c\u200d"
_GONE = "\u0333\u033f\u030a"
"""Marks that Telegram takes away, because they can cover the lines above and below."""
_BREAKS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_ODD = re.compile(r"[^\n -~]")
"""Characters worth a second look; logs are long and have few of them."""
_WIDE = 0xFFFF
_VIRAMA = 9
"""The class of marks that join the letters on both sides, in Indian scripts."""


def clean(text: str) -> str:
    """Return `text` as Telegram would keep it: no control characters, no direction overrides, no lone surrogates."""
    text = _BREAKS.sub("\n", text).expandtabs(4)
    return _ODD.sub(lambda one: _kept(one[0]), text)


def one_line(text: str) -> str:
    """Return `text`, cleaned, with every run of white space as one space."""
    return " ".join(clean(text).split())


def units(text: str) -> int:
    """Count as Telegram counts: characters outside the basic plane are two."""
    return len(text) + sum(ord(one) > _WIDE for one in text)


def may_be_cut(text: str) -> bool:
    """Whether what somebody sent may be the beginning of something longer, which their client has split.

    Clients split at a line's end before the limit. Android's looks back over 300 characters for one; the desktop's
    prefers a blank line anywhere in the second half, and who leaves one blank line mostly leaves several.
    """
    length = units(text)
    return length >= LIMIT - _LOOKED_BACK or (length >= LIMIT // 2 and _BLANK_LINE.search(text) is not None)


def cut(text: str, limit: int) -> str:
    """Return `text`, or its beginning with an ellipsis, in at most `limit` units (1 or more).

    No character is torn: neither a surrogate pair, nor a letter from its accents, nor an emoji made of several.
    """
    if units(text) <= limit:
        return text
    kept = _beginning(text, limit - 1)
    while kept and _sticks(kept[-1], text[len(kept)]):
        kept = kept[:-1]
    return kept.rstrip() + MORE


def _beginning(text: str, limit: int) -> str:
    left = limit
    for number, one in enumerate(text):
        left -= 1 + (ord(one) > _WIDE)
        if left < 0:
            return text[:number]
    return text


def _sticks(before: str, after: str) -> bool:
    """Whether a cut between the two would tear something people see as one character."""
    if before in _JOINERS or after in _JOINERS or unicodedata.combining(before) == _VIRAMA:
        return True
    if _is_flag_half(before) and _is_flag_half(after):
        return True
    return unicodedata.category(after) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= after <= "\U0001f3ff"


def _is_flag_half(one: str) -> bool:
    return "\U0001f1e6" <= one <= "\U0001f1ff"


def _kept(one: str) -> str:
    """Return what stays of a character: itself, a stand-in, or nothing."""
    if one in _JOINERS:
        return one
    category = unicodedata.category(one)
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    if one == "\N{SOFT HYPHEN}" or category == "Cf" or one in _GONE:
        return ""
    return " " if category == "Cc" else one

"""The last line: whatever is about to be written down is looked through for secrets that are known, and loses them.

It is not what keeps secrets: they are never handed to what writes. It is for what others write with them: a build
script that prints its environment, a library whose error repeats an address. A secret is found as it is, line by line,
and as it is commonly written: percent-encoded, inside JSON, in hexadecimal and in base64, also where something stood
before it ("user:secret"). What is found becomes `HIDDEN`.
"""

import base64
import json
import logging
import re
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "•••"
SHORTEST = 6
"""Characters below which nothing is looked for: it would be found everywhere."""
_STEP = 3
"""Bytes that base64 writes at a time."""


@dataclass(slots=True, eq=False)
class Redaction:
    """Knows secrets, and takes them out of texts. It may be told more at any time."""

    _known: set[str] = field(default_factory=set, repr=False)
    _pattern: re.Pattern[str] | None = field(default=None, repr=False)

    def add(self, *secrets: str) -> None:
        """Know more secrets. What has several lines is known line by line, too."""
        lines = {line.strip() for secret in secrets for line in (secret, *secret.splitlines())}
        fresh = {line for line in lines if len(line) >= SHORTEST} - self._known
        if not fresh:
            return
        self._known |= fresh
        forms = {form for secret in self._known for form in _forms(secret)}
        self._pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))

    def clean(self, text: str) -> str:
        """Give the text without secrets."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def clean_tree(self, tree: Any) -> Any:
        """Give a JSON value whose texts hold no secrets."""
        if isinstance(tree, str):
            return self.clean(tree)
        if isinstance(tree, dict):
            return {key: self.clean_tree(value) for key, value in tree.items()}
        return [self.clean_tree(item) for item in tree] if isinstance(tree, list) else tree

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every log record pass, without secrets: its message, and the error that it tells of."""
        if self._pattern is None:
            return True
        record.msg, record.args = self.clean(record.getMessage()), ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = self.clean("".join(traceback.format_exception(record.exc_info[1])).rstrip())
            record.exc_info = None
        return True


def watch_logs(redaction: Redaction, handlers: Iterable[logging.Handler]) -> None:
    """Have what these handlers write looked through from now on."""
    for handler in handlers:
        if redaction not in handler.filters:
            handler.addFilter(redaction)


def unwatch_logs(redaction: Redaction, handlers: Iterable[logging.Handler]) -> None:
    """Look no more at what these handlers write."""
    for handler in handlers:
        handler.removeFilter(redaction)


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is commonly written."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for safe in ("", "/"):
        yield quote(secret, safe=safe)
    yield quote_plus(secret)
    raw = secret.encode("utf-8", "surrogatepass")
    yield raw.hex()
    for before in range(_STEP):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield from _inside(encode(b"\0" * before + raw).decode(), before, len(raw))


def _inside(written: str, before: int, length: int) -> Iterator[str]:
    """The digits of base64 that hold nothing but the secret: those at its edges depend on what stands beside it."""
    first = (before * 8 + 5) // 6
    last = (before + length) * 8 // 6
    if last - first >= SHORTEST:
        yield written[first:last]

"""Where a child's output goes: line by line into a stage's log, or collected as bytes. Both in bounded memory."""

import re
from collections.abc import Callable

from engine.ports import LogSink

MAX_LINE = 8 * 1024
MAX_LOG = 1024 * 1024
_MAX_TAIL = 16 * 1024
_SHOWN_AT_THE_END = 20
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Scrub = Callable[[str], str]


def keep_text(text: str) -> str:
    """Scrub nothing."""
    return text


class LogOutlet:
    """Feeds a log with whole lines, at most `allowance` bytes; then it only counts, and remembers the last lines.

    What a terminal would not show (colours, overwritten progress lines) is left out. `scrub` takes secrets out of each
    line before the line is cut to its greatest length, so that no half of a secret is left.
    """

    def __init__(self, log: LogSink, *, scrub: Scrub = keep_text, allowance: int = MAX_LOG) -> None:
        self._log = log
        self._scrub = scrub
        self._room = allowance
        self._pending = b""
        self._tail = b""
        self._tail_is_cut = False
        self._dropped = 0

    def __call__(self, chunk: bytes) -> None:
        """Take one chunk of output."""
        self._tail_is_cut = self._tail_is_cut or len(self._tail) + len(chunk) > _MAX_TAIL
        self._tail = (self._tail + chunk)[-_MAX_TAIL:]
        kept = chunk[: self._room]
        self._room -= len(kept)
        self._dropped += len(chunk) - len(kept)
        if not kept:
            return
        *lines, rest = (self._pending + kept).split(b"\n")
        self._pending = rest[: 2 * MAX_LINE]
        self._say(lines)

    def close(self) -> None:
        """Say the unfinished line and what is missing: the output is over."""
        if self._pending and not self._dropped:
            self._say([self._pending])
        self._pending = b""
        if self._dropped:
            note = f"[The output was too long: {self._dropped} bytes of it are not kept. Its last lines:]"
            self._log("\n".join([note, *self.last_lines()]))

    def last_lines(self, count: int = _SHOWN_AT_THE_END) -> list[str]:
        """Return the last lines of the output, empty ones left out."""
        lines = self._tail.split(b"\n")[1 if self._tail_is_cut else 0 :]
        return [text for text in map(self._read, lines) if text.strip()][-count:]

    def _say(self, lines: list[bytes]) -> None:
        if lines:
            self._log("\n".join(map(self._read, lines)))

    def _read(self, line: bytes) -> str:
        text = _ESCAPES.sub("", line.decode("utf-8", "replace").rstrip("\r")).rpartition("\r")[2]
        text = self._scrub(_CONTROLS.sub("", text))
        return text if len(text) <= MAX_LINE else text[:MAX_LINE] + " …"


class Collected:
    """Keeps the first `allowance` bytes."""

    def __init__(self, allowance: int = 4 * MAX_LOG) -> None:
        self._room = allowance
        self._chunks: list[bytes] = []

    def __call__(self, chunk: bytes) -> None:
        """Take one chunk of output."""
        self._chunks.append(chunk[: self._room])
        self._room -= len(self._chunks[-1])

    def text(self) -> str:
        """Return what was collected, as text."""
        return b"".join(self._chunks).decode("utf-8", "replace")

"""A watch as it is read: one event a line, for as long as the cluster sends them.

Reading blocks, so it belongs into a thread of its own. Another thread ends it with `hang_up`, which wakes the one that
reads.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any, Self

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from engine.errors import Interrupted
from engine.targets.kubernetes.exchange import Answer, Asked
from engine.targets.kubernetes.faults import refusal, silence

_PIECE = 64 * 1024


class Stream(Iterator[tuple[str, dict[str, Any]]]):
    """What one watch tells: pairs of a word (ADDED, MODIFIED, DELETED, BOOKMARK) and an object.

    Ends when the cluster ends it, or when `ended` is set. Raises `Gone` when the version it was to begin from is
    forgotten, `Interrupted` when it breaks or tells what nobody can read. Has to be closed.
    """

    def __init__(self, asked: Asked, response: BaseHTTPResponse, ended: threading.Event) -> None:
        self._asked = asked
        self._response = response
        self._ended = ended
        self._lines = self._read()

    def __next__(self) -> tuple[str, dict[str, Any]]:
        """Wait for the next event."""
        return self._event(next(self._lines))

    def __enter__(self) -> Self:
        """Nothing happens; leaving closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def hang_up(self) -> None:
        """End it from another thread, even while it waits; it still has to be closed by the one that reads."""
        self._ended.set()
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._response.shutdown()

    def close(self) -> None:
        """Close the connection."""
        self._response.close()

    def _read(self) -> Iterator[bytes]:
        begun = bytearray()
        while not self._ended.is_set():
            piece = self._piece()
            if not piece:
                break
            *lines, rest = piece.split(b"\n")
            for line in lines:
                begun += line
                if begun.strip() and not self._ended.is_set():
                    yield bytes(begun)
                begun.clear()
            begun += rest
        if begun and not self._ended.is_set():
            raise Interrupted(f"The watch on {self._asked} in cluster {self._asked.cluster} broke off.")

    def _piece(self) -> bytes:
        try:
            return self._response.read1(_PIECE, decode_content=False)
        except (HTTPError, OSError) as error:
            if self._ended.is_set():
                return b""
            raise silence(self._asked, error) from error

    def _event(self, line: bytes) -> tuple[str, dict[str, Any]]:
        try:
            told = json.loads(line)
            word, thing = str(told["type"]), told["object"]
            if word != "ERROR":
                str(thing["metadata"]["resourceVersion"])
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            told = f"The watch on {self._asked} in cluster {self._asked.cluster} told something that is no event."
            raise Interrupted(told) from error
        if word == "ERROR":
            raise refusal(self._asked, Answer(_code(thing), json.dumps(thing).encode()))
        return word, thing


def _code(status: Any) -> int:
    code = status.get("code") if isinstance(status, dict) else None
    return code if isinstance(code, int) else 500

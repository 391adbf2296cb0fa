"""Files pushed to the store of packages and pulled from it: through the bot's socket, or over HTTP with a token.

A large file goes in pieces (tus), so that a broken connection costs one piece; begun again, also by another process, it
goes on where it ended, because the bot knows the upload by the file's checksum. What is pulled is written beside its
place, compared with its checksum and then renamed: half a file never has the name of a whole one.
"""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import file_digest
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, TypeVar

import httpx

from engine.errors import Broken, Interrupted, Refused
from engine.packages import PackagePath, parse

AT_ONCE = 8 * 1024 * 1024
"""Bytes of a file that is sent in one request; a larger one goes in pieces of as many."""
PIECE = 256 * 1024
SECONDS = 60.0
TRIES = 6
TUS = {"Tus-Resumable": "1.0.0"}
_CREATED = HTTPStatus.CREATED
_LATER = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.LOCKED)
T = TypeVar("T")
Moved = Callable[[int, int], None]
"""Told how many bytes of how many are there."""


class Unreachable(Interrupted):
    """The store of packages does not answer."""

    def __init__(self, where: str, why: object) -> None:
        super().__init__(
            f"The store of packages at {where} does not answer: {why}", "Say it again; it goes on from there."
        )


@dataclass(frozen=True, slots=True)
class Parcels:
    """Moves files. `headers` say who asks; `socket`: the bot's, in place of an address that can be reached."""

    url: str
    headers: dict[str, str] = field(repr=False)
    socket: Path | None = None
    pause: Callable[[float], None] = time.sleep

    def push(self, file: Path, to: PackagePath, moved: Moved = lambda _done, _size: None) -> tuple[PackagePath, bool]:
        """Put a file to a version (under its own name) or to a path. Returns where it is now, and whether it is new."""
        path = to if to.file else to.with_file(file.name)
        size, sha256 = file.stat().st_size, _checksum(file)
        if size <= AT_ONCE:
            return path, self._put(file, path, sha256, moved)
        self._in_pieces(file, path, sha256, moved)
        return path, True

    def pull(self, path: PackagePath, to: Path, moved: Moved = lambda _done, _size: None) -> list[Path]:
        """Get a file, or all of a version, into the directory `to`. Returns what is there now."""
        paths = [path] if path.file else self._files(path)
        return [self._get(one, to / one.file, moved) for one in paths]

    def _put(self, file: Path, path: PackagePath, sha256: str, moved: Moved) -> bool:
        size = file.stat().st_size

        def put(http: httpx.Client) -> bool:
            headers = {"Content-Length": str(size), "X-Checksum-Sha256": sha256}
            with file.open("rb") as opened:
                sent = _pieces(opened, range(size), size, moved)
                return _good(http.put(f"{self.url}/{path}", content=sent, headers=headers)).status_code == _CREATED

        return self._patiently(put)

    def _in_pieces(self, file: Path, path: PackagePath, sha256: str, moved: Moved) -> None:
        size = file.stat().st_size
        begin = {**TUS, "Upload-Length": str(size), "Upload-Metadata": _metadata(path=str(path), sha256=sha256)}
        begun = self._patiently(lambda http: _good(http.post(f"{self.url}/-/uploads", headers=begin)))
        address = f"{self.url}/-/uploads/{begun.headers['location'].rpartition('/')[2]}"
        with file.open("rb") as opened:
            while self._patiently(lambda http: _piece(http, address, opened, size, moved)) < size:
                pass

    def _files(self, path: PackagePath) -> list[PackagePath]:
        told = self._patiently(lambda http: _good(http.get(f"{self.url}/{path}")).json())
        return [parse(one["path"], 5, 5) for one in told["files"]]

    def _get(self, path: PackagePath, place: Path, moved: Moved) -> Path:
        if place.exists():
            self._compare(path, place)
            return place
        part = place.with_name(f".{place.name}.part")
        place.parent.mkdir(parents=True, exist_ok=True)
        sha256 = self._patiently(lambda http: _received(http, f"{self.url}/{path}", part, moved))
        if _checksum(part) != sha256:
            part.unlink()
            raise Broken(f"What came of {path} is not what its checksum says.", "Pull it again.")
        part.replace(place)
        return place

    def _compare(self, path: PackagePath, place: Path) -> None:
        known = self._patiently(lambda http: _good(http.head(f"{self.url}/{path}")).headers["x-checksum-sha256"])
        if _checksum(place) != known:
            raise Refused(f"{place} is there, with another content.", "Take it away, or pull into another directory.")

    def _patiently(self, ask: Callable[[httpx.Client], T]) -> T:
        """Ask, and again when the connection breaks or the bot is busy, a little later each time."""
        for number in range(TRIES):
            try:
                with self._open() as http:
                    return ask(http)
            except (httpx.TransportError, Busy) as error:
                failed = error
                self.pause(min(8.0, 0.25 * 2**number))
        raise Unreachable(str(self.socket or self.url), failed) from failed

    @contextmanager
    def _open(self) -> Iterator[httpx.Client]:
        transport = httpx.HTTPTransport(uds=str(self.socket)) if self.socket else None
        if self.socket and not self.socket.exists():
            raise Broken("Sluice is not running here.", "Start it with `sluice serve`, or give --url and a token.")
        with httpx.Client(
            transport=transport, headers=self.headers, timeout=SECONDS, trust_env=not self.socket
        ) as http:
            yield http


class Busy(Interrupted):
    """The bot asks to come again later."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it is busy (HTTP {status}).")


def _good(answer: httpx.Response) -> httpx.Response:
    """Return the answer, unless it refuses. Raises `Refused` with what the bot said."""
    if answer.status_code in _LATER:
        raise Busy(answer.status_code)
    if not answer.is_error:
        return answer
    try:
        told = answer.json()
        raise Refused(str(told["error"]), str(told["hint"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"The store of packages answered with HTTP {answer.status_code}.", "Is the address right?"
        ) from error


def _piece(http: httpx.Client, address: str, opened: BinaryIO, size: int, moved: Moved) -> int:
    """Ask how far it is, and send the next piece. Returns how much is there then."""
    begin = int(_good(http.head(address, headers=TUS)).headers["upload-offset"])
    if begin == size:
        return size
    end = min(size, begin + AT_ONCE)
    headers = {**TUS, "Upload-Offset": str(begin), "Content-Type": "application/offset+octet-stream"}
    headers["Content-Length"] = str(end - begin)
    sent = _pieces(opened, range(begin, end), size, moved)
    return int(_good(http.patch(address, headers=headers, content=sent)).headers["upload-offset"])


def _received(http: httpx.Client, address: str, part: Path, moved: Moved) -> str:
    """Add to a file what is missing of it. Returns the checksum that the whole has to have."""
    there = part.stat().st_size if part.exists() else 0
    asked = {"Range": f"bytes={there}-"} if there else {}
    with http.stream("GET", address, headers=asked) as answer:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
            return _received(http, address, part, moved)
        if answer.is_error:
            answer.read()
        _good(answer)
        has_range = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        done = there if has_range else 0
        size = done + int(answer.headers.get("content-length", "0"))
        with part.open("ab" if has_range else "wb") as opened:
            for piece in answer.iter_raw(PIECE):
                opened.write(piece)
                done += len(piece)
                moved(done, size)
        return str(answer.headers["x-checksum-sha256"])


def _pieces(opened: BinaryIO, part: range, size: int, moved: Moved) -> Iterator[bytes]:
    opened.seek(part.start)
    done = part.start
    while done < part.stop and (piece := opened.read(min(PIECE, part.stop - done))):
        yield piece
        done += len(piece)
        moved(done, size)


def _metadata(**values: str) -> str:
    """Write what tus tells of a file."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def _checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()

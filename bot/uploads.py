"""Files that arrive over HTTP: written down as they come, with little memory and only so much patience.

Whoever may send anything may send it for ever. So a body is bounded in bytes, in the silence between two pieces, and
in its average speed; and only so many arrive at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from bot.delivered import Receive
from engine.errors import Interrupted, Refused
from storage.package_files import PIECE, PackageFiles

DRAINED = 8 * PIECE
"""Bytes that are read of a body nobody wants."""


class SenderGone(Interrupted):
    """Nobody is there any more to be answered."""

    def __init__(self) -> None:
        super().__init__("The sender has gone before the end of the file.")


class TooSlow(Refused):
    """Too little came for too long."""

    def __init__(self) -> None:
        super().__init__("The file came too slowly.", "Upload it in pieces that can be resumed (tus).")


class BodyTooLong(Refused):
    """More came than was announced, or than anybody takes."""

    def __init__(self, most: int) -> None:
        super().__init__(f"More than {most} bytes came.", "Announce the length that the file has.")


class Busy(Refused):
    """Too many transfers at once."""

    def __init__(self) -> None:
        super().__init__("Too many files are on their way now.", "Try again in some seconds.")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long nothing may come (seconds), and how slow all of it may be after a `start` of so many seconds."""

    silence: float = 30.0
    start: float = 30.0
    slowest: float = 16 * 1024.0
    """Bytes per second."""

    def longest(self, size: int) -> timedelta:
        """How long so many bytes may take."""
        return timedelta(seconds=self.start + size / self.slowest)

    def left(self, since: float, now: float, received: int) -> float:
        """Seconds until the next piece has to be there."""
        return min(self.silence, since + self.start + received / self.slowest - now)


@dataclass(slots=True)
class Slots:
    """So many at once, and no more."""

    most: int
    taken: int = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have a slot inside the `with`. Raises `Busy` when there is none."""
        if self.taken >= self.most:
            raise Busy
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


async def receive_into(
    files: PackageFiles, draft: str, receive: Receive, most: int, patience: Patience, *, at: int = 0
) -> int:
    """Add a request's body to a draft that has `at` bytes; returns how many came. At most one piece is in memory.

    What came before something went wrong is kept. Raises `SenderGone`, `TooSlow`, `BodyTooLong`, and `DraftChanged`
    when somebody else writes the draft, or took it away.
    """
    received, waiting = 0, bytearray()
    try:
        async for piece in _pieces(receive, patience):
            received += len(piece)
            if received > most:
                raise BodyTooLong(most)
            waiting += piece
            if len(waiting) >= PIECE:
                whole, waiting = bytes(waiting), bytearray()
                await asyncio.to_thread(files.append, draft, whole, at)
                at += len(whole)
    finally:
        await asyncio.to_thread(_finish, files, draft, bytes(waiting), at)
    return received


async def drain(receive: Receive, most: int = DRAINED, silence: float = 0.3) -> None:
    """Read what is left of a body that nobody wants, a little of it.

    Whoever is still sending when a connection is closed does not see what they were answered.
    """
    left = most
    with contextlib.suppress(TimeoutError):
        while left > 0:
            async with asyncio.timeout(silence):
                message = await receive()
            left -= len(message.get("body", b"")) + 1
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return


def _finish(files: PackageFiles, draft: str, rest: bytes, at: int) -> None:
    files.append(draft, rest, at if rest else None)
    files.sync(draft)


async def _pieces(receive: Receive, patience: Patience) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    since, received = clock(), 0
    while True:
        try:
            async with asyncio.timeout(patience.left(since, clock(), received)):
                message = await receive()
        except TimeoutError as error:
            raise TooSlow from error
        if message["type"] == "http.disconnect":
            raise SenderGone
        body = bytes(message.get("body", b""))
        received += len(body)
        yield body
        if not message.get("more_body"):
            return

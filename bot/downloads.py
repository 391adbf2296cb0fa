"""Files of packages, given over HTTP: whole or a range, with what they can be checked by.

Starlette's response knows ranges and reads a piece at a time. Added here: the checksum is the ETag, so whoever has the
file is told so; nobody's browser takes a package for a page; and who reads too slowly is not waited for.
"""

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from bot.uploads import Busy, Slots
from storage.packages import PackageFile

SILENCE = 60.0
"""Seconds that a reader may take for one piece."""
LONGEST_RANGE = 200
"""Characters of a Range header; a longer one is not read, and the whole file is given."""


class Download(FileResponse):
    """A file of a package. It has one of the `slots` for as long as it is under way."""

    def __init__(self, file: PackageFile, place: Path, slots: Slots) -> None:
        self._slots = slots
        super().__init__(
            place, headers=headers_of(file), filename=file.path.file, media_type="application/octet-stream"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give it, or the range that is asked for."""
        given = [(name, value) for name, value in scope["headers"] if name != b"range" or len(value) <= LONGEST_RANGE]
        try:
            with self._slots.one(), contextlib.suppress(TimeoutError):  # what is cut off is seen to be short
                await super().__call__({**scope, "headers": given}, receive, _patient(send, self.headers))
        except Busy as error:
            words = {"error": str(error), "hint": error.hint}
            answer = JSONResponse(words, HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "5"})
            await answer(scope, receive, send)


def download(file: PackageFile, place: Path, none_match: str, slots: Slots) -> Response:
    """Answer with the file, or with 304 when `none_match` (If-None-Match) names what it is."""
    if _is_named(file, none_match):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers_of(file))
    return Download(file, place, slots)


def headers_of(file: PackageFile) -> dict[str, str]:
    """Return what a file is said to be, in headers."""
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    return {
        "ETag": f'"{file.sha256}"',
        "X-Checksum-Sha256": file.sha256,
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "private, max-age=0, must-revalidate",
        "X-Content-Type-Options": "nosniff",
    }


def _is_named(file: PackageFile, none_match: str) -> bool:
    named = [one.strip().removeprefix("W/") for one in none_match.split(",")]
    return "*" in named or f'"{file.sha256}"' in named


def _patient(send: Send, headers: Mapping[str, str]) -> Send:
    """Wait for a reader, but not for ever; a range that is not there is said as everything else is."""
    refused = False

    async def sent(message: Message) -> None:
        nonlocal refused
        if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
            refused = True
            await _no_range(message, send, headers)
        elif not refused:
            async with asyncio.timeout(SILENCE):
                await send(message)

    return sent


async def _no_range(message: Message, send: Send, headers: Mapping[str, str]) -> None:
    raw: list[tuple[bytes, bytes]] = message["headers"]
    told = {name.decode(): value.decode() for name, value in raw if name == b"content-range"}
    words = {"error": "The file has no such range.", "hint": "Write `Range: bytes=FIRST-LAST`, within its length."}
    answer = JSONResponse(words, message["status"], headers={**told, "ETag": headers["etag"]})

    async def nothing() -> Message:  # pragma: no cover - a response reads no request
        return {"type": "http.disconnect"}

    scope: dict[str, Any] = {"type": "http"}
    await answer(scope, nothing, send)

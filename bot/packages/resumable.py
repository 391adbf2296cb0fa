"""Large files in pieces that survive a broken connection, and a restart of either side: tus 1.0.0.

Of the three ways there are, tus (tus.io, core protocol with creation, expiration and termination) is the one that is
finished and that many programs speak: the IETF's resumable uploads are a draft that still changes, and PUT with
Content-Range is something that RFC 9110 tells servers to refuse unless both sides have agreed on it.

How much has arrived is the length of the draft on the disk, and nothing else: it is asked before each piece, so a crash
between any two writes leaves an upload that can be gone on with. When the last byte is there the file is kept in the
same request; if the answer to that is lost, asking again (HEAD) keeps it or finds it kept. Whoever begins the same
upload again (path, length, checksum, person) is led to the one that is there, so a sender need not remember anything.
"""

import asyncio
import base64
import binascii
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from bot.packages.access import Access
from bot.packages.answers import refusal
from bot.packages.digests import hexadecimal
from bot.packages.noting import noted
from bot.uploads import Patience, Slots, drain, receive_into
from engine.errors import Refused
from engine.packages import parse
from storage.book import SqlBook
from storage.package_refusals import Crowded
from storage.package_shelf import PackageShelf
from storage.package_tokens import Right
from storage.package_uploads import PackageUpload

VERSION = "1.0.0"
GOOD_FOR = timedelta(days=1)
MOST_OPEN = 50
"""Uploads of one person that are not finished."""
PIECES = "application/offset+octet-stream"
_LONGEST_METADATA = 4000


class NoUpload(Refused):
    """There is no upload of that name, or it is somebody else's."""

    def __init__(self) -> None:
        super().__init__("There is no such upload, or it has expired.", "Begin it again with POST to `-/uploads`.")


class WrongOffset(Refused):
    """A piece does not begin where the last one ended."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"So far {offset} bytes are here.", f"Go on with `Upload-Offset: {offset}`.")


class UnderWay(Refused):
    """A piece of the same upload is arriving."""

    def __init__(self) -> None:
        super().__init__("Another piece of this upload is arriving.", "Wait some seconds, then ask with HEAD.")


@dataclass(slots=True)
class Resumable:
    """Answers what tus asks."""

    shelf: PackageShelf
    slots: Slots = field(default_factory=lambda: Slots(32))
    patience: Patience = field(default_factory=Patience)
    _arriving: set[str] = field(default_factory=set)

    def options(self) -> Response:
        """Say what is understood."""
        told = {"Tus-Version": VERSION, "Tus-Extension": "creation,expiration,termination"}
        return _answer(HTTPStatus.NO_CONTENT, {**told, "Tus-Max-Size": str(self.shelf.limits.file)})

    async def begin(self, request: Request, access: Access) -> Response:
        """Set room aside for a file, and say where its pieces go."""
        upload = self._announced(request, access)
        access.check(upload.path.organization, Right.WRITE)
        again = await self.shelf.store.read(lambda book: book.packages.uploads.same(upload))
        if again is None:
            await self.shelf.may_take(upload.path, upload.size)
            await self.shelf.store.transact(lambda book: _begun(book, upload))
            again = upload
        if again.size == 0 and again.id not in self._arriving:
            with self._alone(again):
                await asyncio.to_thread(self.shelf.files.append, again.id, b"")
                await self._finish(again, access)
        place = f"{request.scope.get('root_path', '')}/-/uploads/{again.id}"
        return _answer(HTTPStatus.CREATED, {"Location": place, **_until(again)})

    async def ask(self, request: Request, access: Access) -> Response:
        """Say how much has arrived; keep the file if that is all of it and it is not kept yet."""
        upload = await self._mine(request, access)
        offset = await self._offset(upload)
        if offset == upload.size and not upload.is_done and upload.id not in self._arriving:
            with self._alone(upload):
                await self._finish(upload, access)
        told = {"Upload-Offset": str(offset), "Upload-Length": str(upload.size), "Cache-Control": "no-store"}
        return _answer(HTTPStatus.OK, {**told, **_until(upload)})

    async def go_on(self, request: Request, access: Access) -> Response:
        """Take a piece; with the last one, keep the file."""
        upload = await self._mine(request, access)
        if request.headers.get("content-type", "").partition(";")[0].strip() != PIECES:
            wrong = Refused("That is no piece of an upload.", f"Send it as `Content-Type: {PIECES}`.")
            return refusal(wrong, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        given = _number(request.headers, "upload-offset")
        if upload.id in self._arriving:
            await drain(request.receive)
            return refusal(UnderWay(), HTTPStatus.LOCKED)
        with self._alone(upload):
            upload = await self._mine(request, access)
            offset = await self._offset(upload)
            if given != offset:
                await drain(request.receive)
                return refusal(WrongOffset(offset), HTTPStatus.CONFLICT)
            with self.slots.one():
                offset += await self._receive(request, upload, offset)
            if offset == upload.size:
                await self._finish(upload, access)
        return _answer(HTTPStatus.NO_CONTENT, {"Upload-Offset": str(offset), **_until(upload)})

    async def end(self, request: Request, access: Access) -> Response:
        """Forget an upload and what has arrived of it."""
        upload = await self._mine(request, access)
        if upload.id in self._arriving:
            return refusal(UnderWay(), HTTPStatus.LOCKED)
        with self._alone(upload):
            await self._drop(upload)
        return _answer(HTTPStatus.NO_CONTENT, {})

    @contextmanager
    def _alone(self, upload: PackageUpload) -> Iterator[None]:
        """Let nobody else do anything with an upload's draft. The draft grows, is kept or goes only in here."""
        self._arriving.add(upload.id)
        try:
            yield
        finally:
            self._arriving.discard(upload.id)

    async def _receive(self, request: Request, upload: PackageUpload, offset: int) -> int:
        if upload.is_done:
            return 0
        files, most, now = self.shelf.files, upload.size - offset, self.shelf.clock.now()
        until = now + GOOD_FOR + self.patience.longest(most)
        if not await self.shelf.store.transact(lambda book: book.packages.uploads.renew(upload.id, until, now)):
            raise NoUpload
        return await receive_into(files, upload.id, request.receive, most, self.patience, at=offset)

    async def _finish(self, upload: PackageUpload, access: Access) -> None:
        """Keep the file, unless it is kept. What is refused for good is forgotten."""
        found = await self.shelf.store.read(lambda book: book.packages.uploads.find(upload.id))
        if found is None:
            raise NoUpload
        if found.is_done:
            return
        note = noted(access, f"PUT {upload.path} (in pieces)", self.shelf.clock.now())
        try:
            await self.shelf.take(upload.id, upload.path, upload.by, sha256=upload.sha256, size=upload.size, note=note)
        except Refused:
            await self._drop(upload)
            raise

    async def _drop(self, upload: PackageUpload) -> None:
        await self.shelf.store.transact(lambda book: book.packages.uploads.drop(upload.id))
        await asyncio.to_thread(self.shelf.files.drop, upload.id)

    async def _offset(self, upload: PackageUpload) -> int:
        return upload.size if upload.is_done else await asyncio.to_thread(self.shelf.files.length, upload.id)

    async def _mine(self, request: Request, access: Access) -> PackageUpload:
        name, now = str(request.path_params["upload"])[:64], self.shelf.clock.now()
        upload = await self.shelf.store.read(lambda book: book.packages.uploads.find(name))
        if upload is None or upload.by != access.person or upload.expires_at <= now:
            raise NoUpload
        access.check(upload.path.organization, Right.WRITE)
        return upload

    def _announced(self, request: Request, access: Access) -> PackageUpload:
        told, now = _metadata(request.headers), self.shelf.clock.now()
        path = parse(told.get("path", ""), 4, 5)
        if not path.file:
            path = path.with_file(told.get("filename", ""))
        sha256 = hexadecimal("sha256 in Upload-Metadata", told["sha256"]) if told.get("sha256") else ""
        size = _number(request.headers, "upload-length")
        return PackageUpload(secrets.token_hex(16), path, size, sha256, access.person, now, now + GOOD_FOR)


def check_version(request: Request) -> Response | None:
    """Return what answers a request of another version of the protocol; None when it is ours."""
    if request.headers.get("tus-resumable") == VERSION:
        return None
    words = Refused("That is no tus 1.0.0.", f"Send `Tus-Resumable: {VERSION}`, or PUT the file in one request.")
    answer = refusal(words, HTTPStatus.PRECONDITION_FAILED)
    answer.headers["Tus-Version"] = VERSION
    return answer


def _begun(book: SqlBook, upload: PackageUpload) -> None:
    if book.packages.uploads.count(upload.by, upload.at) >= MOST_OPEN:
        raise Crowded(MOST_OPEN)
    book.packages.uploads.add(upload)


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Read ``Upload-Metadata``: pairs of a name and a value in base64, between commas. Raises `Refused`."""
    given = headers.get("upload-metadata", "")
    if len(given) > _LONGEST_METADATA:
        raise Refused("`Upload-Metadata` is too long.", "Send path, and sha256 if you know it.")
    told = {}
    for pair in filter(None, (one.strip() for one in given.split(","))):
        name, _, value = pair.partition(" ")
        try:
            told[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refused(
                f"{name[:40]!a} in `Upload-Metadata` is no base64.", "See tus.io, Upload-Metadata."
            ) from error
    return told


def _number(headers: Mapping[str, str], name: str) -> int:
    given = headers.get(name, "")
    if not given.isascii() or not given.isdecimal() or len(given) > 18:  # noqa: PLR2004 - what fits into 64 bits
        raise Refused(f"`{name.title()}` is no number.", "Send it in bytes.")
    return int(given)


def _until(upload: PackageUpload) -> dict[str, str]:
    return {"Upload-Expires": format_datetime(upload.expires_at, usegmt=True)}


def _answer(status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": VERSION, **headers})

"""Packages over HTTP, a file at a time: listed, put, got, deleted.

``GET /`` lists (``?search=WORDS&after=PATH``), ``GET /ORG/REPO/PACKAGE`` tells the versions, ``GET .../VERSION`` the
files; ``PUT``, ``GET``, ``HEAD`` and ``DELETE .../VERSION/FILE`` are about one file. What is too large to be sent at
once comes in pieces: `bot.packages.resumable`.
"""

import secrets
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.downloads import download, headers_of
from bot.looking import FILES_AGAIN, Looking
from bot.packages.access import Access
from bot.packages.answers import of_file, of_package, of_version
from bot.packages.digests import announced
from bot.packages.noting import deed, noted
from bot.uploads import Patience, Slots, receive_into
from engine.errors import Refused
from engine.packages import PackagePath, parse
from storage.audit import SHOWN
from storage.package_refusals import NoPackage, QuotaExceeded
from storage.package_shelf import PackageShelf
from storage.package_tokens import Right
from storage.packages import PackageFile

PAGE = 200
MOST_VERSIONS = 500
LONGEST_SEARCH = 200
ONLY_FILES = 5
"""Parts of a path that names a file."""


class NoLength(Refused):
    """There is no room for the largest file, and how large this one is was not said."""

    def __init__(self, full: QuotaExceeded) -> None:
        super().__init__(f"How large the file is was not said. {full}", "Send it with `Content-Length`.")


@dataclass(frozen=True, slots=True)
class Direct:
    """Answers requests about packages and files. So many uploads, and so many downloads, are under way at once."""

    shelf: PackageShelf
    uploads: Slots = field(default_factory=lambda: Slots(32))
    downloads: Slots = field(default_factory=lambda: Slots(64))
    patience: Patience = field(default_factory=Patience)
    looking: Looking = field(default_factory=Looking)

    async def list(self, request: Request, access: Access) -> Response:
        """List packages, a page of them."""
        words = request.query_params.get("search", "")[:LONGEST_SEARCH]
        after = request.query_params.get("after", "")[:LONGEST_SEARCH]
        found = await self.shelf.store.read(
            lambda book: book.packages.search(words, PAGE, after, organization=access.organization)
        )
        more = str(found[-1].path) if len(found) == PAGE else None
        return JSONResponse(
            {"packages": [of_package(one) for one in found if access.sees(one.path.organization)], "next": more}
        )

    async def look(self, request: Request, access: Access, path: PackagePath) -> Response:
        """Tell of a package or a version, or give a file."""
        access.check(path.organization, Right.READ)
        if path.file:
            return await self._give(request, access, path)
        files = await self.shelf.store.read(lambda book: book.packages.files(path))
        told = [of_file(one, _root(request)) for one in files]
        if path.version:
            version = await self.shelf.store.read(lambda book: book.packages.version(path))
            if version is None or not files or version.path != path:
                raise NoPackage(path)
            return JSONResponse({**of_version(version), "files": told})
        package = await self.shelf.store.read(lambda book: book.packages.find(path))
        if package is None:
            raise NoPackage(path)
        versions = await self.shelf.store.read(lambda book: book.packages.versions(path, MOST_VERSIONS))
        return JSONResponse({**of_package(package), "version": [of_version(one) for one in versions], "all": told})

    async def _give(self, request: Request, access: Access, path: PackagePath) -> Response:
        file, place = await self.shelf.find(path)
        if request.method == "GET":
            given = deed(access, f"GET {path}", self.shelf.clock.now(), SHOWN, f"SHA-256 {file.sha256}")
            self.looking.note(self.shelf.store, given, FILES_AGAIN)
        return download(file, place, request.headers.get("if-none-match", ""), self.downloads)

    async def put(self, request: Request, access: Access, path: PackagePath) -> Response:
        """Take a file that comes whole in one request."""
        access.check(path.organization, Right.WRITE)
        length = _length(request)
        sha256 = announced(request.headers)
        draft = secrets.token_hex(16)
        most = await self._set_aside(draft, path, length, access)
        try:
            with self.uploads.one():
                await receive_into(self.shelf.files, draft, request.receive, most, self.patience)
            note = noted(access, f"PUT {path}", self.shelf.clock.now())
            file, is_new = await self.shelf.take(draft, path, access.person, sha256=sha256, size=length, note=note)
        except BaseException:
            await self.shelf.let_go(draft)
            raise
        return taken(file, _root(request), is_new=is_new)

    async def _set_aside(self, draft: str, path: PackagePath, length: int | None, access: Access) -> int:
        """Set room aside for a file before any of it comes. Returns how many bytes may come."""
        most = self.shelf.limits.file if length is None else length
        try:
            await self.shelf.set_aside(draft, path, most, access.person, self.patience.longest(most))
        except QuotaExceeded as error:
            if length is not None:
                raise
            raise NoLength(error) from error
        return most

    async def delete(self, access: Access, path: PackagePath) -> Response:
        """Delete a file, a version or a package."""
        access.check(path.organization, Right.DELETE)
        note = noted(access, f"DELETE {path}", self.shelf.clock.now())
        gone = await self.shelf.delete(path, access.person, note=note)
        return JSONResponse({"deleted": [str(one.path) for one in gone]})


def taken(file: PackageFile, root: str, *, is_new: bool) -> Response:
    """Say that a file is kept, now or since before."""
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    told = of_file(file, root)
    return JSONResponse(told, status, headers={**headers_of(file), "Location": told["url"]})


def path_in(request: Request) -> PackagePath:
    """Return the path that an address ends with. Raises `Refused`, which says what to write."""
    text = str(request.path_params["path"])
    return parse(text, ONLY_FILES if request.method == "PUT" else 3, ONLY_FILES)


def _length(request: Request) -> int | None:
    """Return how many bytes are announced; None when that is left open. Raises `Refused`."""
    if "content-range" in request.headers:
        raise Refused("A PUT takes whole files.", "What comes in pieces goes to `-/uploads` (tus 1.0.0).")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused("Files are taken as they are.", "Leave `Content-Encoding` out.")
    given = request.headers.get("content-length")
    if given is None:
        return None
    if not given.isascii() or not given.isdecimal():
        raise Refused("`Content-Length` is no number.", "Send the file's length in bytes.")
    return int(given)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))

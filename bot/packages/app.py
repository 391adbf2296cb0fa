"""The package store as a web application: at the port for machines, for tokens, and at the terminal's socket.

Whoever asks is known before any of a body is read, and everything that is refused says why and what to do.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.packages.access import Access, Unauthorized, Who
from bot.packages.answers import refusal
from bot.packages.direct import Direct, path_in
from bot.packages.noting import deed
from bot.packages.resumable import VERSION, Resumable, check_version
from bot.uploads import SenderGone, TooSlow, drain
from engine.errors import Refused, SluiceError
from storage.package_shelf import PackageShelf

Asked = Callable[[Request, Access], Awaitable[Response]]
_CHANGES = ("PUT", "POST", "PATCH", "DELETE")
_UPLOADS = ("POST", "OPTIONS")
_UPLOAD = ("HEAD", "PATCH", "DELETE", "OPTIONS", "POST")
_FILES = ("GET", "HEAD", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class PackageWeb:
    """Answers requests about packages of whomever `who` knows."""

    shelf: PackageShelf
    who: Who
    direct: Direct
    resumable: Resumable

    def app(self) -> Starlette:
        """Return the application, to be mounted where packages are to be found."""
        return Starlette(
            routes=[
                Route("/", self.list, methods=["GET"]),
                Route("/-/uploads", self.uploads, methods=_UPLOADS),
                Route("/-/uploads/{upload}", self.upload, methods=_UPLOAD),
                Route("/{path:path}", self.files, methods=_FILES),
            ],
            exception_handlers={404: _nothing, 405: _not_so, 500: _broke},
        )

    async def list(self, request: Request) -> Response:
        """List packages."""
        return await self._answered(request, self.direct.list)

    async def files(self, request: Request) -> Response:
        """Answer about a package, a version or a file."""

        async def answer(request: Request, access: Access) -> Response:
            path = path_in(request)
            if request.method == "PUT":
                return await self.direct.put(request, access, path)
            if request.method == "DELETE":
                return await self.direct.delete(access, path)
            return await self.direct.look(request, access, path)

        return await self._answered(request, answer)

    async def uploads(self, request: Request) -> Response:
        """Begin an upload in pieces."""
        if request.method == "OPTIONS":
            return self.resumable.options()
        return await self._answered(request, self.resumable.begin, is_tus=True)

    async def upload(self, request: Request) -> Response:
        """Go on with an upload in pieces."""
        method = request.headers.get("x-http-method-override", request.method).upper()
        meant = {"HEAD": self.resumable.ask, "PATCH": self.resumable.go_on, "DELETE": self.resumable.end}
        if method == "OPTIONS":
            return self.resumable.options()
        if method not in meant:
            return await _not_so(request, Refused(""))
        return await self._answered(request, meant[method], is_tus=True)

    async def _answered(self, request: Request, answer: Asked, *, is_tus: bool = False) -> Response:
        try:
            access = await self.who(request)
            if is_tus and (other := check_version(request)) is not None:
                return other
            try:
                return await answer(request, access)
            except Refused as error:
                await self._write_down(request, access, error)
                raise
        except SenderGone:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except SluiceError as error:
            return await self._refused(request, error, is_tus=is_tus)

    async def _refused(self, request: Request, error: SluiceError, *, is_tus: bool) -> Response:
        answered = refusal(error)
        if is_tus:
            answered.headers["Tus-Resumable"] = VERSION
        if "expect" not in request.headers and not isinstance(error, TooSlow | Unauthorized):
            await drain(request.receive)
        return answered

    async def _write_down(self, request: Request, access: Access, error: Refused) -> None:
        """Audit what was refused to somebody who is known, if it would have changed something."""
        if request.method not in _CHANGES or isinstance(error, Unauthorized):
            return
        line = f"{request.method} {str(request.path_params.get('path', '-/uploads'))[:200]!a}"
        written = deed(access, line, self.shelf.clock.now(), "refused", str(error))
        await self.shelf.store.transact(lambda book: book.audit.add(written))


def package_web(shelf: PackageShelf, who: Who) -> PackageWeb:
    """Introduce the parts to each other."""
    return PackageWeb(shelf, who, Direct(shelf), Resumable(shelf))


async def _nothing(_request: Request, _error: Exception) -> Response:
    words = {"error": "There is nothing here.", "hint": "Packages are at ORG/REPO/PACKAGE/VERSION/FILE."}
    return JSONResponse(words, HTTPStatus.NOT_FOUND)


async def _not_so(_request: Request, _error: Exception) -> Response:
    words = {"error": "That cannot be done here.", "hint": "GET, HEAD, PUT and DELETE are understood."}
    return JSONResponse(words, HTTPStatus.METHOD_NOT_ALLOWED, headers={"Connection": "close"})


async def _broke(_request: Request, _error: Exception) -> Response:
    words = {"error": "That went wrong in Sluice.", "hint": "Its log says what."}
    return JSONResponse(words, HTTPStatus.INTERNAL_SERVER_ERROR)

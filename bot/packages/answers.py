"""What machines are answered about packages: JSON, and for whatever is refused a status and what to do about it."""

from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

from bot.packages.access import Forbidden, Unauthorized
from bot.uploads import BodyTooLong, Busy, TooSlow
from engine.disk import DiskFull
from engine.errors import Broken, Interrupted, Refused, SluiceError
from storage.faults import StoreUnavailable
from storage.package_refusals import (
    Crowded,
    NoPackage,
    PackageTaken,
    QuotaExceeded,
    TooLarge,
    VersionClosed,
    WrongContent,
)
from storage.packages import Package, PackageFile, PackageVersion

_STATUSES: tuple[tuple[type[SluiceError], HTTPStatus], ...] = (
    (Unauthorized, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NoPackage, HTTPStatus.NOT_FOUND),
    (TooSlow, HTTPStatus.REQUEST_TIMEOUT),
    (PackageTaken, HTTPStatus.CONFLICT),
    (VersionClosed, HTTPStatus.CONFLICT),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (BodyTooLong, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (WrongContent, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Crowded, HTTPStatus.TOO_MANY_REQUESTS),
    (Busy, HTTPStatus.SERVICE_UNAVAILABLE),
    (QuotaExceeded, HTTPStatus.INSUFFICIENT_STORAGE),
    (DiskFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (Interrupted, HTTPStatus.SERVICE_UNAVAILABLE),
    (Refused, HTTPStatus.BAD_REQUEST),
    (Broken, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""The first that fits counts."""
_AGAIN = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}


def status_of(error: SluiceError) -> HTTPStatus:
    """Return the status that says what kind of error it is."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def refusal(error: SluiceError, status: HTTPStatus | None = None) -> Response:
    """Say what was refused, why, and what to do. The connection is not used again: a body may still be on its way."""
    status = status or status_of(error)
    headers = {"Connection": "close"}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="Sluice packages"'
    if status in _AGAIN:
        headers["Retry-After"] = "5"
    return JSONResponse({"error": str(error), "hint": error.hint}, status, headers=headers)


def of_package(package: Package) -> dict[str, Any]:
    """Return a package in a list."""
    return {
        "path": str(package.path),
        "description": package.description,
        "by": package.by,
        "at": package.at.isoformat(),
        "versions": package.versions,
        "files": package.files,
        "size": package.size,
    }


def of_version(version: PackageVersion) -> dict[str, Any]:
    """Return a version in a list."""
    closed = version.closed_at.isoformat() if version.closed_at else None
    return {"path": str(version.path), "by": version.by, "at": version.at.isoformat(), "closed_at": closed}


def of_file(file: PackageFile, root: str) -> dict[str, Any]:
    """Return a file; `root` is the path that the application is mounted at."""
    return {
        "path": str(file.path),
        "size": file.size,
        "sha256": file.sha256,
        "by": file.by,
        "at": file.at.isoformat(),
        "url": f"{root}/{file.path}",
    }

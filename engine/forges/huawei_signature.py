"""How requests to Huawei Cloud are signed with an access key: SDK-HMAC-SHA256, as its API signing guide describes it.

The request is written in one canonical form, whose hash is signed; the secret key itself is never sent.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

import httpx

_ALGORITHM = "SDK-HMAC-SHA256"
_SIGNED = ("content-type", "host", "x-sdk-date")


def sign(request: httpx.Request, access_key: str, secret_key: str, now: datetime) -> None:
    """Put `X-Sdk-Date` and `Authorization` on the request. Its body must have been read."""
    date = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Sdk-Date"] = date
    signed = [name for name in _SIGNED if name in request.headers]
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed)
    canonical = "\n".join(
        (
            request.method,
            _path(request.url.raw_path.decode().partition("?")[0]),
            _query(request.url.query.decode()),
            headers,
            ";".join(signed),
            hashlib.sha256(request.content).hexdigest(),
        )
    )
    to_sign = f"{_ALGORITHM}\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    request.headers["Authorization"] = (
        f"{_ALGORITHM} Access={access_key}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    )


def _path(path: str) -> str:
    """Return the path as it is signed: it ends with a slash, whatever is sent."""
    return path if path.endswith("/") else f"{path}/"


def _query(query: str) -> str:
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)

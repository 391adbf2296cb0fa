"""What a sender says the checksum of a file is: `Content-Digest` or `Repr-Digest` (RFC 9530), `X-Checksum-Sha256`."""

import base64
import binascii
import re
from collections.abc import Mapping

from engine.errors import Refused

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_MEMBER = re.compile(r"\s*sha-256\s*=\s*:([A-Za-z0-9+/=]{43,44}):\s*(?:;.*)?", re.DOTALL)
LENGTH = 32


class BadDigest(Refused):
    """A header that should hold a checksum does not, or two of them differ."""

    def __init__(self, header: str) -> None:
        super().__init__(
            f"{header} is no SHA-256, or another header says another one.",
            "Write `X-Checksum-Sha256: 64 hex digits`, or `Content-Digest: sha-256=:BASE64:`.",
        )


def announced(headers: Mapping[str, str]) -> str:
    """Return the SHA-256 that the headers announce, in 64 hex digits; empty when they announce none.

    Other algorithms in a digest's list are passed over, as RFC 9530 says. Raises `BadDigest`.
    """
    found: dict[str, str] = {}
    for header in ("content-digest", "repr-digest"):
        for member in headers.get(header, "").split(","):
            if member.strip().lower().startswith("sha-256="):
                found[header] = _of_member(header, member)
    if plain := headers.get("x-checksum-sha256", "").strip():
        found["x-checksum-sha256"] = hexadecimal("X-Checksum-Sha256", plain)
    if len(set(found.values())) > 1:
        raise BadDigest(" and ".join(found))
    return next(iter(found.values()), "")


def hexadecimal(name: str, text: str) -> str:
    """Return 64 hex digits in lower case. Raises `BadDigest`, which names where they stood."""
    if _HEX.fullmatch(text) is None:
        raise BadDigest(name)
    return text.lower()


def _of_member(header: str, member: str) -> str:
    match = _MEMBER.fullmatch(member)
    try:
        digest = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error as error:
        raise BadDigest(header) from error
    if len(digest) != LENGTH:
        raise BadDigest(header)
    return digest.hex()

"""How an app signs in at GitHub: with its private key it proves who it is, and gets a token for one installation.

Such a token holds for an hour. It is kept in memory, never elsewhere, and a new one is fetched five minutes before it
ends.
"""

import base64
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.errors import Refused
from engine.forges.api import ForgeApi
from engine.forges.hosting import ForgeBroken

RENEW_BEFORE = timedelta(minutes=5)
_BACKDATED = 60
"""Seconds that a proof is dated back, as GitHub advises: clocks differ."""
_HOLDS = 540


class UnusableKey(Refused):
    """The text is no private key that an app signs with."""

    def __init__(self) -> None:
        super().__init__(
            "That is no private key of a GitHub App.",
            "Send the whole .pem file's text, from -----BEGIN to END-----, on the lines below `account bind`.",
        )


def proof(app: str, private_key: str, now: float) -> str:
    """Make the JSON Web Token (RS256) that proves for nine minutes to be the app. Raises `UnusableKey`."""
    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnusableKey
    claims = {"iat": int(now) - _BACKDATED, "exp": int(now) + _HOLDS, "iss": app}
    signed = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encoded(signature)}"


@dataclass(slots=True)
class InstallationToken:
    """The token of one installation, fetched with `api` when it is needed and when it is about to end."""

    api: ForgeApi
    installation: str
    _token: str = field(default="", repr=False)
    _until: datetime = field(default=datetime(1970, 1, 1, tzinfo=UTC))

    async def get(self) -> str:
        """Give a token that holds for minutes at least."""
        now = datetime.now(UTC)
        if not self._token or now > self._until - RENEW_BEFORE:
            path = f"/app/installations/{self.installation}/access_tokens"
            found = (await self.api.call("POST", path, "make a token for its installation")).object(self.api.origin)
            try:
                self._until = datetime.fromisoformat(str(found["expires_at"]))
                self._token = str(found["token"])
            except (KeyError, ValueError):
                raise ForgeBroken(self.api.origin, "it makes no token") from None
        return self._token


def proof_now(app: str, private_key: str) -> str:
    """`proof` at this moment."""
    return proof(app, private_key, time.time())


def _part(claims: dict[str, object]) -> str:
    return _encoded(json.dumps(claims, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

"""GitHub's REST API as npm `emulate` plays it: stateful, with apps and webhooks that it delivers itself, signed.

It was written by others from the same documents; where it and Sluice agree, neither was bent to suit the other.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.emulated import emulated

TOKEN = "gho_theTokenOfAnnDev000000000000000000"
READER = "gho_theTokenOfAReader00000000000000000"
APP = 4242
Json = dict[str, Any]


@dataclass
class GitHubWorld:
    """A running stand-in. `key` is the private key of the app."""

    url: str
    client: httpx.AsyncClient
    key: str

    async def call(self, method: str, path: str, token: str = TOKEN, **body: Any) -> Any:
        """Call the API as a person."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.client.request(method, f"{self.url}{path}", json=body or None, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def hooks(self) -> list[Json]:
        """Every webhook of shop/api."""
        found: list[Json] = await self.call("GET", "/repos/shop/api/hooks")
        return found


def private_key() -> str:
    """Make a key as an app has one."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@asynccontextmanager
async def github_world() -> AsyncIterator[GitHubWorld]:
    """Start the stand-in, and end it."""
    key = private_key()
    async with emulated("github.mjs", _seed(key)) as (url, client):
        yield GitHubWorld(url, client, key)


def _seed(key: str) -> Json:
    return {
        "tokens": {
            TOKEN: {"login": "ann-dev", "scopes": ["repo", "read:org"]},
            READER: {"login": "reader", "scopes": ["public_repo"]},
        },
        "github": {
            "users": [{"login": "ann-dev", "name": "Ann"}, {"login": "reader", "name": "Reader"}],
            "orgs": [{"login": "shop", "members": [{"login": "ann-dev", "role": "admin"}]}],
            "repos": [
                {"owner": "shop", "name": "api", "private": True},
                *({"owner": "ann-dev", "name": f"notes-{number}"} for number in range(3)),
            ],
            "apps": [
                {
                    "app_id": APP,
                    "slug": "sluice",
                    "name": "Sluice",
                    "private_key": key,
                    "permissions": {"contents": "read", "repository_hooks": "write", "metadata": "read"},
                    "events": ["push"],
                    "installations": [{"installation_id": 77, "account": "shop"}],
                }
            ],
        },
    }

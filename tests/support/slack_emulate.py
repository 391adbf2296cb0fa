"""Slack's Web API as npm `emulate` plays it: stateful, with strict scopes.

It lacks Socket Mode, slash commands, interactions and rate limits; `slack_wire.py` has those. What it has was written
by others, from the same documents: where both agree, neither was bent to suit Sluice.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.emulated import emulated

TOKEN = "xoxb-the-bot"
READER = "xoxb-the-reader"
SCOPES = ("chat:write", "im:write", "files:write", "files:read", "users:read", "channels:read")


@dataclass
class SlackWorld:
    """A running stand-in. `token` is the bot's; ids of users and channels by their names."""

    url: str
    client: httpx.AsyncClient
    token: str = TOKEN
    users: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, token: str = READER, **arguments: Any) -> dict[str, Any]:
        """Call a method, by default as somebody who may do everything."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.client.post(f"{self.url}/api/{method}", json=arguments, headers=headers)
        found: dict[str, Any] = answer.json()
        return found

    async def messages(self, channel: str, token: str = READER) -> list[dict[str, Any]]:
        """What the channel, by its name or id, shows now, oldest first; without threads."""
        channel = self.channels.get(channel, channel)
        found = await self._well("conversations.history", token=token, channel=channel, limit=1000)
        return list(reversed(found["messages"]))

    async def thread(self, channel: str, ts: str) -> list[dict[str, Any]]:
        """A message and what is said below it."""
        found = await self._well("conversations.replies", channel=self.channels.get(channel, channel), ts=ts)
        return list(found["messages"])

    async def trigger(self, user: str) -> str:
        """A trigger id, as one comes with what a person does."""
        found = await self._well("views.generateTriggerId", token=self.token, user_id=self.users.get(user, user))
        return str(found["trigger_id"])

    async def _well(self, method: str, **arguments: Any) -> dict[str, Any]:
        found = await self.call(method, **arguments)
        assert found["ok"], found
        return found

    async def learn(self) -> None:
        """Read which ids the seed was given."""
        users = await self._well("users.list", limit=200)
        channels = await self._well("conversations.list", limit=200, types="public_channel,private_channel")
        self.users = {one["name"]: one["id"] for one in users["members"]}
        self.channels = {one["name"]: one["id"] for one in channels["channels"]}


@asynccontextmanager
async def slack_world(
    scopes: Sequence[str] = SCOPES,
    people: Sequence[str] = ("ann", "bob", "cleo"),
    channels: Sequence[str] = ("releases",),
    *,
    strict: bool = True,
) -> AsyncIterator[SlackWorld]:
    """Start the stand-in, and end it."""
    seed = {"slack": _seed(scopes, people, channels, strict=strict)}
    async with emulated("slack.mjs", seed) as (url, client):
        world = SlackWorld(url, client)
        await world.learn()
        yield world


def _seed(scopes: Sequence[str], people: Sequence[str], channels: Sequence[str], *, strict: bool) -> dict[str, Any]:
    app = {
        "client_id": "1.2",
        "client_secret": "not a secret",
        "app_id": "A000000001",
        "name": "Sluice",
        "redirect_uris": ["http://127.0.0.1/"],
        "scopes": list(scopes),
        "bot_id": "B000000009",
        "bot_user_id": "U000000009",
        "bot_name": "sluice",
    }
    bot = {"token": TOKEN, "type": "bot", "user_id": "U000000009", "scopes": list(scopes)}
    bot |= {"app_id": app["app_id"], "bot_id": app["bot_id"], "bot_user_id": app["bot_user_id"]}
    return {
        "team": {"name": "Sluice's tests", "domain": "tests"},
        "users": [{"name": name, "real_name": name.title()} for name in people],
        "channels": [{"name": name} for name in channels],
        "oauth_apps": [app],
        "tokens": [bot, {"token": READER, "user": "admin"}],
        "strict_scopes": strict,
    }

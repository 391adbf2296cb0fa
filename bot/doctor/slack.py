"""Slack: the tokens, what they may do, Socket Mode or the signing secret, and the channels that Sluice speaks in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from bot.doctor.clock import skew
from bot.doctor.finding import Finding, ill, odd, well
from bot.settings import Settings
from bot.slack.scopes import SCOPES

SECONDS = 10.0
_REINSTALL = "api.slack.com/apps, your app: OAuth & Permissions, then Reinstall to Workspace"
_CURES = {
    "invalid_auth": f"Copy the token again: {_REINSTALL}.",
    "not_authed": f"Copy the token again: {_REINSTALL}.",
    "token_revoked": f"The app was removed: {_REINSTALL}, and copy the new token.",
    "token_expired": f"Copy the token again: {_REINSTALL}.",
    "account_inactive": f"The app was removed: {_REINSTALL}, and copy the new token.",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What Slack said: the answer, and the headers with it. `trouble` when it did not answer."""

    body: dict[str, Any]
    headers: httpx.Headers
    trouble: str = ""


async def slack(settings: Settings, channels: Sequence[str] = ()) -> list[Finding]:
    """Look at Slack; `channels` are those that Sluice shows cards in."""
    if settings.slack_bot_token is None:
        return []
    async with httpx.AsyncClient(base_url=settings.slack_api, timeout=SECONDS, trust_env=True) as http:
        token = settings.slack_bot_token.get_secret_value()
        who = await _call(http, token, "auth.test")
        if who.trouble or not who.body.get("ok"):
            return [_unauthorized("slack token", who)]
        found = [well("slack token", f"{who.body.get('user')} in {who.body.get('team')}"), _scopes(who)]
        found += [*skew("slack clock", who.headers.get("date", "")), await _transport(http, settings)]
        return [*found, *[await _channel(http, token, one) for one in channels]]


def _unauthorized(what: str, said: Said) -> Finding:
    if said.trouble:
        return ill(what, f"Slack cannot be reached: {said.trouble}", "Look at the network and at SLUICE_SLACK_API.")
    error = str(said.body.get("error"))
    return ill(
        what, f"Slack does not take the token: {error}.", _CURES.get(error, f"Copy the token again: {_REINSTALL}.")
    )


def _scopes(who: Said) -> Finding:
    has = {scope.strip() for scope in who.headers.get("x-oauth-scopes", "").split(",")}
    missing = sorted(set(SCOPES) - has)
    if missing:
        cure = f"Paste deploy/slack-manifest.yaml again (App Manifest), or add them: {_REINSTALL}."
        return ill("slack scopes", f"The token lacks {', '.join(missing)}.", cure)
    return well("slack scopes", f"all {len(SCOPES)} that are used")


async def _transport(http: httpx.AsyncClient, settings: Settings) -> Finding:
    if settings.slack_app_token is None:
        if settings.slack_signing_secret is None:
            cure = "Set SLUICE_SLACK_APP_TOKEN (Socket Mode), or SLUICE_SLACK_SIGNING_SECRET (HTTP)."
            return ill("slack deliveries", "Neither Socket Mode nor HTTP is set up, so nothing arrives.", cure)
        return _signing(settings.slack_signing_secret.get_secret_value())
    said = await _call(http, settings.slack_app_token.get_secret_value(), "apps.connections.open")
    if said.body.get("ok"):
        return well("slack deliveries", "Socket Mode connects")
    if said.trouble:
        return ill("slack deliveries", f"Socket Mode: {said.trouble}", "Look at the network.")
    error = str(said.body.get("error"))
    cure = "Basic Information, App-Level Tokens: make one with connections:write; Socket Mode: enable it."
    return ill("slack deliveries", f"Socket Mode does not connect: {error}.", cure)


def _signing(secret: str) -> Finding:
    is_hex = len(secret) == 32 and all(sign in "0123456789abcdef" for sign in secret)  # noqa: PLR2004 - as Slack makes it
    if not is_hex:
        cure = "Basic Information, App Credentials: copy Signing Secret (32 characters 0-9a-f)."
        return odd("slack deliveries", "The signing secret does not look like Slack's.", cure)
    return well("slack deliveries", "HTTP with a signing secret; Slack has to reach /slack/events on the hooks port")


async def _channel(http: httpx.AsyncClient, token: str, channel: str) -> Finding:
    said = await _call(http, token, "conversations.info", channel=channel)
    what = f"slack {channel}"
    if said.trouble:
        return ill(what, said.trouble, "Look at the network.")
    if not said.body.get("ok"):
        return ill(
            what, f"The channel cannot be looked at: {said.body.get('error')}.", "In the channel: /invite @sluice"
        )
    about = said.body["channel"]
    name = f"#{about.get('name', channel)}"
    if about.get("is_archived"):
        return ill(what, f"{name} is archived.", "Unarchive it, or unsubscribe there.")
    if about.get("is_member"):
        return well(what, f"in {name}")
    return ill(what, f"Sluice is not in {name}.", f"In {name}: /invite @sluice")


async def _call(http: httpx.AsyncClient, token: str, method: str, **fields: str) -> Said:
    try:
        answer = await http.post(method, data=fields, headers={"Authorization": f"Bearer {token}"})
        return Said(answer.json(), answer.headers)
    except (httpx.HTTPError, ValueError) as error:
        return Said({}, httpx.Headers(), f"{type(error).__name__} {error}".strip())

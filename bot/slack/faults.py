"""What Slack refuses, as the house's own errors. Pure; every error of every call is sorted here and nowhere else.

Four questions: does the room still exist for Sluice, does the message, is it only a matter of time, or has an operator
to do something? An error that is not listed is about the one message that was sent: it is dropped, and the rest of the
room goes on.
"""

from datetime import timedelta
from http import HTTPStatus

from bot.chat import MessageLost, RoomLost, Slower, Undeliverable
from engine.errors import Broken, Interrupted, SluiceError

_INVITE = "`/invite @sluice` and then `/sluice status` there bring it back."
_LOST = {
    "channel_not_found": f"Sluice is not in the channel, or the channel is gone. {_INVITE}",
    "not_in_channel": f"Sluice is not in the channel. {_INVITE}",
    "is_archived": f"The channel is archived. Unarchive it; then {_INVITE}",
    "restricted_action": "The workspace's owners restrict who posts in the channel. Let Sluice post there.",
    "restricted_action_read_only_channel": "The channel is read-only. Let Sluice post there.",
    "restricted_action_thread_only_channel": "Only threads may be written to in the channel. Let Sluice post there.",
    "restricted_action_non_threadable_channel": "The channel has no threads. Let Sluice post there.",
    "channel_is_limited_access": "The channel is restricted. Let Sluice post there.",
    "messages_tab_disabled": "The app's Messages tab is off. Turn it on: api.slack.com/apps, your app, App Home.",
    "cannot_dm_bot": "It is a bot, and bots are not written to.",
    "user_disabled": "The person's account is deactivated.",
    "user_not_found": "There is no such person any more.",
    "user_not_visible": "The person cannot be seen from here.",
}
_MESSAGE_LOST = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
_WAITS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_PASSES = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "rollup_error"}
)
_NEW_TOKEN = "Install the app again (api.slack.com/apps, Install App) and set the new token."  # noqa: S105 - a sentence
_MANIFEST = "Paste deploy/slack-manifest.yaml again (App Manifest) and install the app again."
_OWNERS = "Ask the workspace's owners to let Sluice in."
_BROKEN = {
    "invalid_auth": _NEW_TOKEN,
    "not_authed": _NEW_TOKEN,
    "token_revoked": _NEW_TOKEN,
    "token_expired": _NEW_TOKEN,
    "account_inactive": _NEW_TOKEN,
    "team_not_found": _NEW_TOKEN,
    "not_allowed_token_type": "SLUICE_SLACK_BOT_TOKEN begins with xoxb-, SLUICE_SLACK_APP_TOKEN with xapp-.",
    "no_permission": _MANIFEST,
    "access_denied": _OWNERS,
    "ekm_access_denied": _OWNERS,
    "enterprise_is_restricted": _OWNERS,
    "accesslimited": _OWNERS,
    "not_enabled": "Turn the Home tab on: api.slack.com/apps, your app, App Home.",
}
_UNSAID = timedelta(seconds=30)
"""How long to wait when Slack says to wait and not for how long."""


def fault(method: str, status: int, error: str, *, after: str = "", needed: str = "") -> SluiceError:
    """Return what an answer means: its HTTP status, its `error`, its ``Retry-After``, the scope that it `needed`."""
    if error in _WAITS or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Slower("Slack", timedelta(seconds=int(after)) if after.isdigit() else _UNSAID)
    if error in _PASSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR or not error:
        return Interrupted(f"Slack does not do {method} now: {error or status}.")
    return _refusal(method, error, needed)


def _refusal(method: str, error: str, needed: str) -> SluiceError:
    if error in _LOST:
        return RoomLost(_LOST[error])
    if error in _MESSAGE_LOST:
        return MessageLost(f"Slack does not have the message any more ({error}).")
    if error == "missing_scope":
        return Broken(f"Slack's token may not do {method}: it lacks the scope {needed}.", _MANIFEST)
    if error in _BROKEN:
        return Broken(f"Slack refuses {method}: {error}.", _BROKEN[error])
    return Undeliverable(f"Slack does not take it ({method}: {error}).")

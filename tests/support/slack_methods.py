"""The methods of Slack's Web API that the stand-in knows: documented arguments, those that are needed, and scopes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Method:
    """What may be, what has to be given, and the scope that the token needs."""

    needed: frozenset[str]
    known: frozenset[str]
    scope: str = ""
    for_app: bool = False


def _method(needed: str, others: str = "", scope: str = "", *, for_app: bool = False) -> Method:
    must = frozenset(needed.split())
    return Method(must, must | frozenset(others.split()) | {"token"}, scope, for_app)


_SAID = "text blocks attachments as_user link_names parse metadata markdown_text"
METHODS = {
    "auth.test": _method(""),
    "apps.connections.open": _method("", scope="connections:write", for_app=True),
    "chat.postMessage": _method(
        "channel",
        f"{_SAID} icon_emoji icon_url mrkdwn reply_broadcast thread_ts unfurl_links unfurl_media username",
        "chat:write",
    ),
    "chat.update": _method("channel ts", f"{_SAID} file_ids reply_broadcast", "chat:write"),
    "chat.postEphemeral": _method(
        "channel user",
        "text blocks attachments as_user icon_emoji icon_url link_names parse thread_ts username",
        "chat:write",
    ),
    "chat.delete": _method("channel ts", "as_user", "chat:write"),
    "conversations.open": _method("", "channel users return_im prevent_creation", "im:write"),
    "conversations.info": _method("channel", "include_locale include_num_members", "channels:read"),
    "users.info": _method("user", "include_locale", "users:read"),
    "views.open": _method("view", "trigger_id interactivity_pointer"),
    "views.push": _method("view", "trigger_id interactivity_pointer"),
    "views.update": _method("view", "view_id external_id hash"),
    "views.publish": _method("user_id view", "hash"),
    "files.getUploadURLExternal": _method("filename length", "alt_txt snippet_type", "files:write"),
    "files.completeUploadExternal": _method(
        "files", "channel_id channels initial_comment thread_ts blocks", "files:write"
    ),
    "files.info": _method("file", "count cursor limit page", "files:read"),
}
BOT_SCOPES = tuple(sorted({one.scope for one in METHODS.values() if one.scope and not one.for_app}))

"""What forges tell of a push, read into one form. Pure: JSON in, a `Push` or None out.

The danger is in the corners: a branch that was deleted is a push to nothing, a tag that was moved looks like a new one,
one delivery may name a dozen commits or none, and every forge writes all that differently. What is not a push of a
branch or a tag is None; what claims to be one and is not written like one is refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import Refused
from engine.forges.hosting import ForgeName

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/(heads|tags)/(.{1,200})", re.DOTALL)
_NOTHING = re.compile(r"0+")
_LONGEST = 200

RefKind = Literal["branch", "tag"]


class Unreadable(Refused):
    """A delivery that is not what the forge's documents say."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The delivery cannot be read: {why}.")


@dataclass(frozen=True, slots=True)
class Push:
    """One push to one branch or tag.

    `before` and `after` are commits, empty where there was, or is, none. `login` is the pusher's name at the forge,
    `name` for people. `repository` is the path, ``namespace/name``. `commits` is how many new ones the forge names;
    None: it does not say.
    """

    kind: RefKind
    ref: str
    before: str
    after: str
    repository: str
    login: str
    name: str = ""
    subject: str = ""
    commits: int | None = None
    forced: bool = False

    @property
    def is_deletion(self) -> bool:
        """Whether the branch or tag is gone."""
        return not self.after

    @property
    def is_new(self) -> bool:
        """Whether the branch or tag was not there before."""
        return not self.before


def read_push(forge: ForgeName, event: str, payload: Mapping[str, Any]) -> Push | None:
    """Read a delivery of `event` (as the forge's header calls it). None: it tells of no push. Raises `Unreadable`."""
    return _READERS[forge](event, payload)


def is_ping(forge: ForgeName, event: str, payload: Mapping[str, Any]) -> bool:
    """Whether the forge only tries the address."""
    return forge is ForgeName.GITHUB and event == "ping" and "hook_id" in payload


def _github(event: str, payload: Mapping[str, Any]) -> Push | None:
    if event != "push":
        return None
    sender, head = _part(payload, "sender"), _part(payload, "head_commit")
    pusher = _part(payload, "pusher")
    return _push(
        payload,
        repository=_text(_part(payload, "repository"), "full_name"),
        login=_text(sender, "login") or _text(pusher, "name"),
        name=_text(pusher, "name"),
        message=_text(head, "message"),
        commit=_text(head, "id"),
        is_deleted=payload.get("deleted") is True,
        forced=payload.get("forced") is True,
    )


def _gitlab(event: str, payload: Mapping[str, Any]) -> Push | None:
    """GitLab's, and DevCloud's, whose deliveries are of the same form."""
    kind = _text(payload, "object_kind") or _text(payload, "event_name")
    if kind not in ("push", "tag_push") or (event and event not in ("Push Hook", "Tag Push Hook", "System Hook")):
        return None
    project, old = _part(payload, "project"), _part(payload, "repository")
    return _push(
        payload,
        repository=_text(project, "path_with_namespace") or _path_in(_text(old, "git_http_url") or _text(old, "url")),
        login=_text(payload, "user_username") or _text(payload, "user_name"),
        name=_text(payload, "user_name"),
        message=_last_message(payload),
        commit=_text(payload, "checkout_sha"),
        count=payload.get("total_commits_count"),
    )


def _gitee(event: str, payload: Mapping[str, Any]) -> Push | None:
    if _text(payload, "hook_name") not in ("push_hooks", "tag_push_hooks") or (
        event and event not in ("Push Hook", "Tag Push Hook")
    ):
        return None
    repository = _part(payload, "repository") or _part(payload, "project")
    sender = _part(payload, "sender") or _part(payload, "pusher") or _part(payload, "user")
    return _push(
        payload,
        repository=_text(repository, "path_with_namespace") or _text(repository, "full_name"),
        login=_text(sender, "login") or _text(sender, "username") or _text(payload, "user_name"),
        name=_text(sender, "name") or _text(payload, "user_name"),
        message=_text(_part(payload, "head_commit"), "message") or _last_message(payload),
        count=payload.get("total_commits_count"),
        is_deleted=payload.get("deleted") is True,
    )


_READERS: Mapping[ForgeName, Callable[[str, Mapping[str, Any]], Push | None]] = {
    ForgeName.GITHUB: _github,
    ForgeName.GITLAB: _gitlab,
    ForgeName.GITEE: _gitee,
    ForgeName.DEVCLOUD: _gitlab,
}


def _push(
    payload: Mapping[str, Any],
    *,
    repository: str,
    login: str,
    name: str,
    message: str,
    commit: str = "",
    count: object = None,
    is_deleted: bool = False,
    forced: bool = False,
) -> Push:
    ref = _REF.fullmatch(_text(payload, "ref"))
    if ref is None:
        raise Unreadable("it names no branch and no tag")
    if not repository or not login:
        raise Unreadable("it does not say which repository, or who pushed")
    commits = payload.get("commits")
    number = count if isinstance(count, int) and not isinstance(count, bool) else None
    if number is None and isinstance(commits, list):
        number = len(commits)
    after = "" if is_deleted else _commit(payload, "after")
    if after and ref[1] == "tags" and _SHA.fullmatch(commit.lower()):
        after = commit.lower()  # `after` of a tag with a message is the tag itself
    return Push(
        kind="branch" if ref[1] == "heads" else "tag",
        ref=_plain(ref[2]),
        before=_commit(payload, "before"),
        after=after,
        repository=_plain(repository),
        login=_plain(login),
        name=_plain(name),
        subject=_plain(message.partition("\n")[0]),
        commits=number,
        forced=forced,
    )


def _commit(payload: Mapping[str, Any], name: str) -> str:
    text = _text(payload, name).lower()
    if not text or _NOTHING.fullmatch(text):
        return ""
    if not _SHA.fullmatch(text):
        raise Unreadable(f"{name} is no commit")
    return text


def _last_message(payload: Mapping[str, Any]) -> str:
    """Return the message of the commit that the push ends at: the one named, or else the last one listed."""
    commits = payload.get("commits")
    listed = [one for one in commits if isinstance(one, dict)] if isinstance(commits, list) else []
    after = _text(payload, "after")
    meant = [one for one in listed if one.get("id") == after] or listed[-1:]
    return _text(meant[0], "message") if meant else ""


def _path_in(url: str) -> str:
    return re.sub(r"^([a-z]+://[^/]+/|[^/:]+:)", "", url).strip("/").removesuffix(".git")


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def _text(payload: Mapping[str, Any], name: str) -> str:
    found = payload.get(name)
    return found if isinstance(found, str) else ""


def _plain(text: str) -> str:
    """Cut what a stranger wrote to one short line."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_LONGEST].strip()

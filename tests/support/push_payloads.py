"""What each forge delivers about a push, written after the payloads in its documents, and how it proves itself."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.forges.hosting import ForgeName
from engine.forges.proving import signing_key

NOTHING = "0" * 40
Json = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """A push as a test tells it."""

    ref: str = "refs/heads/main"
    before: str = "a" * 40
    after: str = "b" * 40
    repository: str = "shop/api"
    login: str = "ann-dev"
    message: str = "Sell more"
    forced: bool = False
    commits: int = 1


def payload_of(forge: ForgeName, told: Told) -> Json:
    """Return the body as JSON."""
    return _PAYLOADS[forge](told)


def _commits(told: Told) -> list[Json]:
    return [
        {"id": told.after, "message": told.message, "timestamp": "2026-01-02T03:04:05+00:00", "author": {"name": "Ann"}}
        for _ in range(told.commits)
    ]


def _github(told: Told) -> Json:
    is_deleted = told.after == NOTHING
    owner, _, name = told.repository.partition("/")
    return {
        "ref": told.ref,
        "before": told.before,
        "after": told.after,
        "created": told.before == NOTHING,
        "deleted": is_deleted,
        "forced": told.forced,
        "base_ref": None,
        "commits": [] if is_deleted else _commits(told),
        "head_commit": None if is_deleted else _commits(replace(told, commits=1))[0],
        "repository": {"id": 1, "name": name, "full_name": told.repository, "owner": {"login": owner}, "pushed_at": 1},
        "pusher": {"name": told.login, "email": "ann@example.com"},
        "sender": {"login": told.login, "id": 7, "type": "User"},
    }


def _gitlab(told: Told) -> Json:
    kind = "tag_push" if told.ref.startswith("refs/tags/") else "push"
    url = f"https://gitlab.com/{told.repository}.git"
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": told.before,
        "after": told.after,
        "ref": told.ref,
        "checkout_sha": None if told.after == NOTHING else told.after,
        "message": None,
        "user_id": 7,
        "user_name": "Ann",
        "user_username": told.login,
        "user_email": "",
        "project_id": 15,
        "project": {"id": 15, "name": "api", "path_with_namespace": told.repository, "git_http_url": url},
        "repository": {"name": "api", "url": f"git@gitlab.com:{told.repository}.git", "git_http_url": url},
        "commits": [] if told.after == NOTHING else _commits(told),
        "total_commits_count": told.commits,
    }


def _gitee(told: Told) -> Json:
    kind = "tag_push_hooks" if told.ref.startswith("refs/tags/") else "push_hooks"
    who = {"id": 7, "name": "Ann", "login": told.login, "username": told.login}
    return {
        "hook_name": kind,
        "hook_id": 1,
        "hook_url": "https://gitee.com/shop/api/hooks/1/edit",
        "password": "",
        "timestamp": "1576754827988",
        "sign": "",
        "ref": told.ref,
        "before": told.before,
        "after": told.after,
        "created": told.before == NOTHING,
        "deleted": told.after == NOTHING,
        "commits": [] if told.after == NOTHING else _commits(told),
        "head_commit": None if told.after == NOTHING else _commits(replace(told, commits=1))[0],
        "total_commits_count": told.commits,
        "repository": {"id": 1, "name": "api", "full_name": told.repository, "path_with_namespace": told.repository},
        "sender": who,
        "pusher": who,
        "user_name": told.login,
    }


def _devcloud(told: Told) -> Json:
    return {name: value for name, value in _gitlab(told).items() if name != "user_username"} | {"user_name": told.login}


_PAYLOADS: Mapping[ForgeName, Callable[[Told], Json]] = {
    ForgeName.GITHUB: _github,
    ForgeName.GITLAB: _gitlab,
    ForgeName.GITEE: _gitee,
    ForgeName.DEVCLOUD: _devcloud,
}


@dataclass
class Posted:
    """A delivery on its way: headers and body."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def posted(
    forge: ForgeName,
    payload: Json,
    secret: str,
    *,
    event: str = "",
    number: str = "",
    at: float = 0.0,
    sign: bool = False,
) -> Posted:
    """Return a delivery that proves to have `secret`; `at` is the forge's time, `sign` its signature in place of it."""
    body = json.dumps(payload).encode()
    is_tag = str(payload.get("ref", "")).startswith("refs/tags/")
    hook = event or ("Tag Push Hook" if is_tag else "Push Hook")
    number = number or str(uuid.uuid4())
    headers = {"Content-Type": "application/json"}
    match forge:
        case ForgeName.GITHUB:
            digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            headers |= {"X-GitHub-Event": event or "push", "X-GitHub-Delivery": number}
            headers |= {"X-Hub-Signature-256": f"sha256={digest}"}
        case ForgeName.GITLAB:
            headers |= {"X-Gitlab-Event": hook, "X-Gitlab-Event-UUID": number, "Idempotency-Key": number}
            headers |= _gitlab_signature(secret, number, at, body) if sign else {"X-Gitlab-Token": secret}
        case ForgeName.GITEE:
            moment = str(int(at * 1000))
            signed = hmac.new(secret.encode(), f"{moment}\n{secret}".encode(), hashlib.sha256).digest()
            headers |= {"X-Gitee-Event": hook, "X-Gitee-Timestamp": moment, "User-Agent": "git-oschina-hook"}
            headers |= {"X-Gitee-Token": base64.b64encode(signed).decode() if sign else secret}
        case ForgeName.DEVCLOUD:
            headers |= {"X-Devcloud-Event": hook, "X-Devcloud-Token": secret}
    return Posted(body, headers)


def _gitlab_signature(secret: str, number: str, at: float, body: bytes) -> dict[str, str]:
    moment = str(int(at))
    digest = hmac.new(signing_key(secret), f"{number}.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": number, "webhook-timestamp": moment, "webhook-signature": signature}

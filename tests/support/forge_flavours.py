"""GitLab, Gitee and DevCloud as `forge_server.py` plays them, by what their documents tell of what Sluice asks."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tests.support.forge_server import LOGIN, Answer, Asked, Flavour, ForgeServer, Json, forge, hooks, paged

GITLAB_TOKEN = "glpat-0123456789abcdefghij"
GITEE_TOKEN = "0123456789abcdef0123456789abcdef"
KEY_ID, KEY_SECRET = "QTWAOYTTINDUT2QVKYUC", "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"
DEVCLOUD_SECRET = f"{KEY_ID} {KEY_SECRET} tenant/{LOGIN} git-password"


def _gitlab_signs(_server: ForgeServer, asked: Asked) -> bool:
    return asked.headers.get("PRIVATE-TOKEN") == GITLAB_TOKEN


def _gitlab_answer(server: ForgeServer, asked: Asked) -> Answer:  # noqa: PLR0911 - a forge has many answers
    parts = [unquote(part) for part in asked.path.strip("/").split("/")]
    match (asked.method, *parts):
        case ("GET", "user"):
            return 200, {"id": 7, "username": LOGIN, "name": "Ann"}, {}
        case ("GET", "personal_access_tokens", "self"):
            return 200, {"id": 1, "scopes": ["api"], "active": True}, {}
        case ("GET", "namespaces"):
            found = sorted({one.partition("/")[0] for one in server.repositories()})
            return _gitlab_page(server, asked, [{"id": 1, "full_path": one, "name": one} for one in found])
        case ("GET", "projects"):
            return _gitlab_page(server, asked, [_gitlab_project(server, one) for one in server.repositories()])
        case ("GET", "groups", group, "projects"):
            found = [one for one in server.repositories() if one.startswith(f"{group}/")]
            return _gitlab_page(server, asked, [_gitlab_project(server, one) for one in found]) if found else None
        case ("GET", "projects", path) if path in server.repositories():
            return 200, _gitlab_project(server, path), {}
        case ("GET", "projects", path, "repository", ("branches" | "tags") as kind) if path in server.repositories():
            refs = server.refs(path, "heads" if kind == "branches" else "tags")
            return _gitlab_page(server, asked, [{"name": name, "commit": {"id": sha}} for name, sha in refs])
        case (_, "projects", path, "hooks", *rest) if path in server.repositories():
            return hooks(server, asked, path, rest, lambda items: _gitlab_page(server, asked, items))
    return None


def _gitlab_project(server: ForgeServer, path: str) -> Json:
    url = f"{server.origin}/{path}"
    return {
        "id": 1,
        "path_with_namespace": path,
        "http_url_to_repo": url,
        "default_branch": "main",
        "visibility": "private",
    }


def _gitlab_page(server: ForgeServer, asked: Asked, items: list[Any]) -> Answer:
    shown, number, pages = paged(server, asked, items)
    return 200, shown, {"X-Next-Page": str(number + 1) if number < pages else "", "X-Page": str(number)}


@contextmanager
def gitlab(root: Path) -> Iterator[ForgeServer]:
    """Serve a GitLab whose repositories want the token."""
    with forge(root, Flavour(_gitlab_signs, _gitlab_answer), "/api/v4", ("oauth2", GITLAB_TOKEN)) as server:
        yield server


def _gitee_signs(_server: ForgeServer, asked: Asked) -> bool:
    return asked.headers.get("Authorization") == f"token {GITEE_TOKEN}"


def _gitee_answer(server: ForgeServer, asked: Asked) -> Answer:
    parts = [unquote(part) for part in asked.path.strip("/").split("/")]
    match (asked.method, *parts):
        case ("GET", "user"):
            return 200, {"id": 7, "login": LOGIN, "name": "Ann"}, {}
        case ("GET", "user", "namespaces"):
            found = sorted({one.partition("/")[0] for one in server.repositories()})
            return 200, [{"id": 1, "path": one, "name": one} for one in found], {}
        case ("GET", "user", "repos"):
            return _gitee_page(server, asked, [_gitee_repo(server, one) for one in server.repositories()])
        case ("GET", "orgs", name, "repos"):
            found = [one for one in server.repositories() if one.startswith(f"{name}/")]
            return _gitee_page(server, asked, [_gitee_repo(server, one) for one in found]) if found else None
        case (_, "repos", owner, name, *rest) if f"{owner}/{name}" in server.repositories():
            return _gitee_in(server, asked, f"{owner}/{name}", rest)
    return None


def _gitee_in(server: ForgeServer, asked: Asked, path: str, rest: list[str]) -> Answer:
    match rest:
        case []:
            return 200, _gitee_repo(server, path), {}
        case [("branches" | "tags") as kind]:
            refs = server.refs(path, "heads" if kind == "branches" else "tags")
            return _gitee_page(server, asked, [{"name": name, "commit": {"sha": sha}} for name, sha in refs])
        case ["hooks", *number]:
            return hooks(server, asked, path, number, lambda items: _gitee_page(server, asked, items))
    return None


def _gitee_repo(server: ForgeServer, path: str) -> Json:
    url = f"{server.origin}/{path}.git"
    return {"id": 1, "full_name": path, "html_url": url, "default_branch": "main", "private": True}


def _gitee_page(server: ForgeServer, asked: Asked, items: list[Any]) -> Answer:
    shown, _, pages = paged(server, asked, items)
    return 200, shown, {"total_page": str(pages), "total_count": str(len(items))}


@contextmanager
def gitee(root: Path) -> Iterator[ForgeServer]:
    """Serve a Gitee."""
    with forge(root, Flavour(_gitee_signs, _gitee_answer), "/api/v5", (LOGIN, GITEE_TOKEN)) as server:
        yield server


def _devcloud_signs(_server: ForgeServer, asked: Asked) -> bool:
    """Sign the request again, as the signing guide describes it, and compare."""
    host, date = asked.headers.get("Host", ""), asked.headers.get("X-Sdk-Date", "")
    kind = asked.headers.get("Content-Type", "")
    path = asked.path if asked.path.endswith("/") else f"{asked.path}/"
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(asked.query.items()))
    body = json.dumps(asked.body, separators=(",", ":")).encode() if asked.body else b""
    canonical = "\n".join(
        (
            asked.method,
            path,
            query,
            f"content-type:{kind}\nhost:{host}\nx-sdk-date:{date}\n",
            "content-type;host;x-sdk-date",
            hashlib.sha256(body).hexdigest(),
        )
    )
    to_sign = f"SDK-HMAC-SHA256\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(KEY_SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    expected = f"SDK-HMAC-SHA256 Access={KEY_ID}, SignedHeaders=content-type;host;x-sdk-date, Signature={signature}"
    return asked.headers.get("Authorization") == expected


def _devcloud_answer(server: ForgeServer, asked: Asked) -> Answer:
    parts = [unquote(part) for part in asked.path.strip("/").split("/")]
    match (asked.method, *parts):
        case ("GET", "v2", "projects", "repositories"):
            return _devcloud_repositories(server, asked)
        case (_, "v4", "repositories", number, *rest) if 0 < int(number) <= len(server.repositories()):
            return _devcloud_in(server, asked, server.repositories()[int(number) - 1], rest)
    return None


def _devcloud_repositories(server: ForgeServer, asked: Asked) -> Answer:
    size, number = int(asked.query["page_size"]), int(asked.query["page_index"])
    found = [_devcloud_repo(server, at + 1, path) for at, path in enumerate(server.repositories())]
    shown = found[(number - 1) * size : number * size]
    return 200, {"result": {"total": len(found), "repositories": shown}, "status": "success"}, {}


def _devcloud_repo(server: ForgeServer, number: int, path: str) -> Json:
    group, _, name = path.partition("/")
    return {
        "repository_id": number,
        "repository_uuid": f"{number:032d}",
        "repository_name": name,
        "group_name": group,
        "https_url": f"{server.origin}/{path}.git",
        "visibility_level": 0,
    }


def _devcloud_in(server: ForgeServer, asked: Asked, path: str, rest: list[str]) -> Answer:
    match rest:
        case ["repository", "branches"]:
            refs = server.refs(path, "heads")
        case ["repository", "refs"] if asked.query.get("type") == "tag":
            refs = server.refs(path, "tags")
        case ["hooks", *number]:
            return hooks(server, asked, path, number, lambda items: _devcloud_page(server, asked, items))
        case _:
            return None
    return _devcloud_page(server, asked, [{"name": name, "commit": {"id": sha}} for name, sha in refs])


def _devcloud_page(server: ForgeServer, asked: Asked, items: list[Any]) -> Answer:
    offset = int(asked.query.get("offset", "0"))
    return 200, items[offset : offset + server.page_size], {"X-Total": str(len(items))}


@contextmanager
def devcloud(root: Path) -> Iterator[ForgeServer]:
    """Serve a CodeArts Repo, whose API and repositories share an address."""
    account = (f"tenant/{LOGIN}", "git-password")
    with forge(root, Flavour(_devcloud_signs, _devcloud_answer), "/v", account) as server:
        server.keeps_prefix = True
        yield server

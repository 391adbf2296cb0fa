"""Gitee's API, version 5, with a personal access token (私人令牌)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from engine.forges.api import ForgeApi, Reply
from engine.forges.credential import Credential
from engine.forges.hosting import (
    PER_PAGE,
    Access,
    HookWish,
    Login,
    Namespace,
    NotThere,
    Page,
    Repository,
    hook_with_events,
    named_in_full,
    needed_text,
)
from engine.forges.repository_api import RepositoryApi, Spelling

_SIGNED = 1
"""How a webhook proves itself: 0 sends the password itself, 1 signs the time with it."""


class Gitee(RepositoryApi):
    """`engine.forges.hosting.CodeHost` for Gitee."""

    def __init__(self, access: Access, client: httpx.AsyncClient) -> None:
        super().__init__(ForgeApi(client, access.origin, access.api, self._sign), _SPELLING)
        self._access = access

    async def _sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"token {self._access.secret}"

    async def whoami(self) -> Login:
        """Who the token is. Gitee does not tell what a token may; what it may not shows when it is tried."""
        found = (await self._api.get("/user", "say who it is")).object(self._access.origin)
        return Login(needed_text(found, "login", self._access.origin), str(found.get("name") or ""))

    async def namespaces(self, page: str = "") -> Page[Namespace]:
        """The person's own, and those of organizations and enterprises."""
        if page:
            return Page(())
        reply = await self._api.get("/user/namespaces", "list namespaces", mode="project")
        found = tuple(
            Namespace(needed_text(one, "path", self._access.origin), str(one.get("name") or ""))
            for one in reply.items(self._access.origin)
        )
        return Page(found)

    async def repositories(self, namespace: str = "", page: str = "") -> Page[Repository]:
        """Newest first."""
        number, what = page or "1", f"list the repositories of {namespace}" if namespace else "list repositories"
        where: dict[str, str | int] = {"per_page": PER_PAGE, "page": number}
        if not namespace:
            reply = await self._api.get("/user/repos", what, sort="pushed", **where)
            return Page(self._repositories(reply), _next(reply, number))
        quoted = quote(namespace, safe="")
        try:
            reply = await self._api.get(f"/orgs/{quoted}/repos", what, **where)
        except NotThere:
            reply = await self._api.get(f"/users/{quoted}/repos", what, **where)
        return Page(self._repositories(reply), _next(reply, number))

    async def credential(self) -> Credential:
        """The login and the token."""
        return Credential(self._access.login or "oauth2", self._access.secret)


def _at(repository: str) -> str:
    return f"/repos/{quote(repository, safe='/')}"


def _repository(found: Mapping[str, Any], origin: str) -> Repository:
    return named_in_full(found, origin, clone="html_url")


def _body(wish: HookWish) -> dict[str, Any]:
    return {
        "url": wish.url,
        "encryption_type": _SIGNED,
        "password": wish.secret,
        "push_events": wish.pushes,
        "tag_push_events": wish.tags,
        "issues_events": False,
        "note_events": False,
        "merge_requests_events": False,
    }


def _next(reply: Reply, page: str) -> str:
    """Return the page after `page`: Gitee says how many there are, and sends no more than fit."""
    total = reply.headers.get("total_page", "")
    if total.isascii() and total.isdigit():
        return str(int(page) + 1) if int(page) < int(total) else ""
    return str(int(page) + 1) if isinstance(reply.data, list) and len(reply.data) >= PER_PAGE else ""


_SPELLING = Spelling(_at, _repository, hook_with_events, _body, _next)

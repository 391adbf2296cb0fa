"""Gitee's API, version 5, with a personal access token (私人令牌)."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from engine.forges.api import ForgeApi, Reply
from engine.forges.credential import Credential
from engine.forges.hosting import (
    PER_PAGE,
    Access,
    HookFound,
    HookWish,
    Login,
    Namespace,
    NotThere,
    Page,
    Ref,
    Repository,
)
from engine.forges.repository_api import RepositoryApi

_SIGNED = 1
"""How a webhook proves itself: 0 sends the password itself, 1 signs the time with it."""


class Gitee:
    """`engine.forges.hosting.CodeHost` for Gitee."""

    def __init__(self, access: Access, client: httpx.AsyncClient) -> None:
        self._access = access
        self._api = ForgeApi(client, access.origin, access.api, self._sign)
        self._each = RepositoryApi(self._api, _at, _hook, _next)

    async def _sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"token {self._access.secret}"

    async def whoami(self) -> Login:
        """Who the token is. Gitee does not tell what a token may; what it may not shows when it is tried."""
        found = (await self._api.get("/user", "say who it is")).object(self._access.origin)
        return Login(self._each.text(found, "login"), str(found.get("name") or ""))

    async def namespaces(self, page: str = "") -> Page[Namespace]:
        """The person's own, and those of organizations and enterprises."""
        if page:
            return Page(())
        reply = await self._api.get("/user/namespaces", "list namespaces", mode="project")
        items = reply.items(self._access.origin)
        return Page(tuple(Namespace(self._each.text(one, "path"), str(one.get("name") or "")) for one in items))

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

    async def repository(self, path: str) -> Repository:
        """One repository."""
        return self._repository((await self._api.get(_at(path), f"read {path}")).object(self._access.origin))

    async def branches(self, repository: str, page: str = "") -> Page[Ref]:
        """The branches of a repository."""
        return await self._each.named(repository, "branches", page)

    async def tags(self, repository: str, page: str = "") -> Page[Ref]:
        """The tags of a repository."""
        return await self._each.named(repository, "tags", page)

    async def hooks(self, repository: str) -> Sequence[HookFound]:
        """Every webhook."""
        return await self._each.hooks(repository)

    async def create_hook(self, repository: str, wish: HookWish) -> str:
        """Attach; its deliveries are signed."""
        return await self._each.create_hook(repository, _body(wish))

    async def update_hook(self, repository: str, hook: str, wish: HookWish) -> None:
        """Make it as wished."""
        await self._each.update_hook(repository, hook, _body(wish))

    async def delete_hook(self, repository: str, hook: str) -> None:
        """Take it away."""
        await self._each.delete_hook(repository, hook)

    async def credential(self) -> Credential:
        """The login and the token."""
        return Credential(self._access.login or "oauth2", self._access.secret)

    def _repositories(self, reply: Reply) -> tuple[Repository, ...]:
        return tuple(map(self._repository, reply.items(self._access.origin)))

    def _repository(self, found: Mapping[str, Any]) -> Repository:
        path = self._each.text(found, "full_name")
        return Repository(
            path=path,
            clone=str(found.get("html_url") or f"{self._access.origin}/{path}.git"),
            default_branch=str(found.get("default_branch") or ""),
            is_private=bool(found.get("private")),
            description=str(found.get("description") or ""),
        )


def _at(repository: str) -> str:
    return f"/repos/{quote(repository, safe='/')}"


def _hook(found: Mapping[str, Any]) -> HookFound:
    return HookFound(
        id=str(found.get("id", "")),
        url=str(found.get("url") or ""),
        pushes=bool(found.get("push_events")),
        tags=bool(found.get("tag_push_events")),
    )


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

"""GitLab's REST API, version 4: gitlab.com and GitLabs of one's own, with a personal, project or group token."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx

from engine.forges.api import ForgeApi, Reply
from engine.forges.credential import Credential
from engine.forges.hosting import (
    PER_PAGE,
    Access,
    ForgeDisagrees,
    HookFound,
    HookWish,
    Login,
    Namespace,
    NotAllowed,
    NotThere,
    Page,
    Repository,
    hook_with_events,
    needed_text,
)
from engine.forges.repository_api import RepositoryApi, Spelling


class GitLab(RepositoryApi):
    """`engine.forges.hosting.CodeHost` for GitLab."""

    def __init__(self, access: Access, client: httpx.AsyncClient) -> None:
        super().__init__(ForgeApi(client, access.origin, access.api, self._sign), _SPELLING)
        self._access = access

    async def _sign(self, request: httpx.Request) -> None:
        request.headers["PRIVATE-TOKEN"] = self._access.secret

    async def whoami(self) -> Login:
        """Who the token is. Which scopes it has is only told by GitLabs of this day; others are not asked again."""
        found = (await self._api.get("/user", "say who it is")).object(self._access.origin)
        scopes = await self._scopes()
        missing = []
        if scopes is not None and "api" not in scopes:
            missing.append("api: to attach webhooks")
            if not {"read_repository", "write_repository"} & set(scopes):
                missing.append("read_repository: to fetch the source")
        login, name = needed_text(found, "username", self._access.origin), str(found.get("name") or "")
        return Login(login, name, scopes or (), tuple(missing))

    async def _scopes(self) -> tuple[str, ...] | None:
        try:
            reply = await self._api.get("/personal_access_tokens/self", "say what it may")
        except (NotThere, NotAllowed, ForgeDisagrees):
            return None
        found = reply.object(self._access.origin).get("scopes")
        return tuple(map(str, found)) if isinstance(found, list) else None

    async def namespaces(self, page: str = "") -> Page[Namespace]:
        """The person's own, and the groups that they are in."""
        reply = await self._api.get("/namespaces", "list namespaces", per_page=PER_PAGE, page=page or "1")
        found = tuple(
            Namespace(needed_text(one, "full_path", self._access.origin), str(one.get("name") or ""))
            for one in reply.items(self._access.origin)
        )
        return Page(found, _next(reply, page))

    async def repositories(self, namespace: str = "", page: str = "") -> Page[Repository]:
        """Newest first; of a group those of its subgroups, too."""
        where: dict[str, str | int] = {"per_page": PER_PAGE, "page": page or "1", "order_by": "last_activity_at"}
        if not namespace:
            reply = await self._api.get("/projects", "list repositories", membership="true", **where)
            return Page(self._repositories(reply), _next(reply, page))
        what, quoted = f"list the repositories of {namespace}", quote(namespace, safe="")
        try:
            reply = await self._api.get(f"/groups/{quoted}/projects", what, include_subgroups="true", **where)
        except NotThere:
            reply = await self._api.get(f"/users/{quoted}/projects", what, **where)
        return Page(self._repositories(reply), _next(reply, page))

    async def credential(self) -> Credential:
        """The token; GitLab takes any name beside it."""
        return Credential("oauth2", self._access.secret)


def _at(repository: str) -> str:
    return f"/projects/{quote(repository, safe='')}"


def _repository(found: Mapping[str, Any], origin: str) -> Repository:
    path = needed_text(found, "path_with_namespace", origin)
    return Repository(
        path=path,
        clone=str(found.get("http_url_to_repo") or f"{origin}/{path}.git"),
        default_branch=str(found.get("default_branch") or ""),
        is_private=found.get("visibility", "private") != "public",
        description=str(found.get("description") or ""),
    )


def _hook(found: Mapping[str, Any]) -> HookFound:
    return replace(hook_with_events(found), active=found.get("alert_status") != "disabled")


def _body(wish: HookWish) -> dict[str, Any]:
    return {
        "url": wish.url,
        "token": wish.secret,
        "push_events": wish.pushes,
        "tag_push_events": wish.tags,
        "enable_ssl_verification": True,
    }


def _next(reply: Reply, _page: str) -> str:
    return str(reply.headers.get("x-next-page", "")).strip()


_SPELLING = Spelling(_at, _repository, _hook, _body, _next, change="PUT", refs="/repository", sha="id")

"""GitLab's REST API, version 4: gitlab.com and GitLabs of one's own, with a personal, project or group token."""

from collections.abc import Mapping, Sequence
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
    Ref,
    Repository,
)
from engine.forges.repository_api import RepositoryApi


class GitLab:
    """`engine.forges.hosting.CodeHost` for GitLab."""

    def __init__(self, access: Access, client: httpx.AsyncClient) -> None:
        self._access = access
        self._api = ForgeApi(client, access.origin, access.api, self._sign)
        self._each = RepositoryApi(
            self._api, _at, _hook, lambda reply, _page: _next(reply), change="PUT", refs="/repository", sha="id"
        )

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
        return Login(self._each.text(found, "username"), str(found.get("name") or ""), scopes or (), tuple(missing))

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
            Namespace(self._each.text(one, "full_path"), str(one.get("name") or ""))
            for one in reply.items(self._access.origin)
        )
        return Page(found, _next(reply))

    async def repositories(self, namespace: str = "", page: str = "") -> Page[Repository]:
        """Newest first; of a group those of its subgroups, too."""
        where: dict[str, str | int] = {"per_page": PER_PAGE, "page": page or "1", "order_by": "last_activity_at"}
        if not namespace:
            reply = await self._api.get("/projects", "list repositories", membership="true", **where)
            return Page(self._repositories(reply), _next(reply))
        what, quoted = f"list the repositories of {namespace}", quote(namespace, safe="")
        try:
            reply = await self._api.get(f"/groups/{quoted}/projects", what, include_subgroups="true", **where)
        except NotThere:
            reply = await self._api.get(f"/users/{quoted}/projects", what, **where)
        return Page(self._repositories(reply), _next(reply))

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
        """Attach."""
        return await self._each.create_hook(repository, _body(wish))

    async def update_hook(self, repository: str, hook: str, wish: HookWish) -> None:
        """Make it as wished."""
        await self._each.update_hook(repository, hook, _body(wish))

    async def delete_hook(self, repository: str, hook: str) -> None:
        """Take it away."""
        await self._each.delete_hook(repository, hook)

    async def credential(self) -> Credential:
        """The token; GitLab takes any name beside it."""
        return Credential("oauth2", self._access.secret)

    def _repositories(self, reply: Reply) -> tuple[Repository, ...]:
        return tuple(map(self._repository, reply.items(self._access.origin)))

    def _repository(self, found: Mapping[str, Any]) -> Repository:
        path = self._each.text(found, "path_with_namespace")
        return Repository(
            path=path,
            clone=str(found.get("http_url_to_repo") or f"{self._access.origin}/{path}.git"),
            default_branch=str(found.get("default_branch") or ""),
            is_private=found.get("visibility", "private") != "public",
            description=str(found.get("description") or ""),
        )


def _at(repository: str) -> str:
    return f"/projects/{quote(repository, safe='')}"


def _hook(found: Mapping[str, Any]) -> HookFound:
    alert = str(found.get("alert_status") or "executable")
    return HookFound(
        id=str(found.get("id", "")),
        url=str(found.get("url") or ""),
        pushes=bool(found.get("push_events")),
        tags=bool(found.get("tag_push_events")),
        active=alert != "disabled",
    )


def _body(wish: HookWish) -> dict[str, Any]:
    return {
        "url": wish.url,
        "token": wish.secret,
        "push_events": wish.pushes,
        "tag_push_events": wish.tags,
        "enable_ssl_verification": True,
    }


def _next(reply: Reply) -> str:
    return str(reply.headers.get("x-next-page", "")).strip()

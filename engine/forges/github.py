"""GitHub's REST API, with a token of a person or as an installed app; also of GitHub Enterprise."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from engine.errors import Refused
from engine.forges.api import ForgeApi, Reply
from engine.forges.credential import Credential
from engine.forges.github_app import InstallationToken, proof_now
from engine.forges.hosting import (
    PER_PAGE,
    Access,
    HookFound,
    HookWish,
    Login,
    Namespace,
    NotThere,
    Page,
    Repository,
    named_in_full,
    needed_text,
)
from engine.forges.repository_api import RepositoryApi, Spelling

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_LINK = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="next"')
_NEEDED = {"contents": ("read", "write"), "repository_hooks": ("write",)}
"""What an app must be allowed, and how much."""


class GitHub(RepositoryApi):
    """`engine.forges.hosting.CodeHost` for GitHub."""

    def __init__(self, access: Access, client: httpx.AsyncClient) -> None:
        super().__init__(ForgeApi(client, access.origin, access.api, self._sign, _HEADERS), _SPELLING)
        self._access = access
        self._as_app = ForgeApi(client, access.origin, access.api, self._sign_as_app, _HEADERS)
        self._installed = InstallationToken(self._as_app, access.installation)

    async def _token(self) -> str:
        return await self._installed.get() if self._access.app else self._access.secret

    async def _sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {await self._token()}"

    async def _sign_as_app(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {proof_now(self._access.app, self._access.secret)}"

    async def whoami(self) -> Login:
        """Who the token or the app is."""
        if self._access.app:
            return await self._whoami_as_app()
        reply = await self._api.get("/user", "say who it is")
        found = reply.object(self._access.origin)
        scopes = reply.headers.get("x-oauth-scopes")
        given = tuple(one.strip() for one in (scopes or "").split(",") if one.strip())
        missing = () if scopes is None else _missing_scopes(given)
        return Login(needed_text(found, "login", self._access.origin), str(found.get("name") or ""), given, missing)

    async def _whoami_as_app(self) -> Login:
        app = (await self._as_app.get("/app", "say which app it is")).object(self._access.origin)
        listed = await self._as_app.get("/app/installations", "list where it is installed", per_page=100)
        installed = _chosen(listed.items(self._access.origin), self._access.installation)
        allowed = installed.get("permissions") or {}
        missing = tuple(f"{name}: {enough[-1]}" for name, enough in _NEEDED.items() if allowed.get(name) not in enough)
        scopes = tuple(f"{name}: {much}" for name, much in sorted(allowed.items()))
        slug = str(app.get("slug") or app.get("name") or self._access.app)
        owner = str((installed.get("account") or {}).get("login") or "")
        return Login(f"{slug}[bot]", f"{slug} at {owner}", scopes, missing, str(installed["id"]))

    async def namespaces(self, page: str = "") -> Page[Namespace]:
        """The person's own, and their organizations; an app sees those that it is installed at."""
        if self._access.app:
            found = await self.repositories()
            names = dict.fromkeys(one.path.partition("/")[0] for one in found.items)
            return Page(tuple(map(Namespace, names)))
        reply = await self._api.get("/user/orgs", "list organizations", per_page=PER_PAGE, page=page or "1")
        own = () if page else (Namespace(await self._login()),)
        origin = self._access.origin
        others = tuple(Namespace(needed_text(one, "login", origin)) for one in reply.items(origin))
        return Page((*own, *others), _next(reply))

    async def repositories(self, namespace: str = "", page: str = "") -> Page[Repository]:
        """Newest first. Of an organization that the account is no member of, the public ones."""
        where: dict[str, str | int] = {"per_page": PER_PAGE, "page": page or "1", "sort": "pushed"}
        what = f"list the repositories of {namespace}" if namespace else "list repositories"
        if self._access.app:
            reply = await self._api.get("/installation/repositories", what, **where)
            listed = reply.object(self._access.origin).get("repositories")
            found = Page(self._repositories(Reply(listed, reply.headers)), _next(reply))
            return Page([one for one in found.items if _is_in(one.path, namespace)], found.next)
        if not namespace:
            reply = await self._api.get("/user/repos", what, **where)
        elif namespace.casefold() == (await self._login()).casefold():
            reply = await self._api.get("/user/repos", what, affiliation="owner", **where)
        else:
            reply = await self._of_others(namespace, what, where)
        return Page(self._repositories(reply), _next(reply))

    async def _of_others(self, namespace: str, what: str, where: Mapping[str, str | int]) -> Reply:
        try:
            return await self._api.get(f"/orgs/{quote(namespace, safe='')}/repos", what, **where)
        except NotThere:
            return await self._api.get(f"/users/{quote(namespace, safe='')}/repos", what, **where)

    async def credential(self) -> Credential:
        """The token; GitHub takes any name beside it."""
        return Credential("x-access-token", await self._token())

    async def _login(self) -> str:
        return self._access.login or (await self.whoami()).login


def _at(repository: str) -> str:
    return f"/repos/{quote(repository, safe='/')}"


def _missing_scopes(given: Sequence[str]) -> tuple[str, ...]:
    if "repo" in given:
        return ()
    missing = ["repo: to read private repositories"]
    if not {"admin:repo_hook", "write:repo_hook"} & set(given):
        missing.append("admin:repo_hook: to attach webhooks")
    return tuple(missing)


def _chosen(installations: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    """Return the installation that is meant: the one named, or the only one."""
    names = {str(one.get("id")): str((one.get("account") or {}).get("login") or "?") for one in installations}
    if not installations:
        raise Refused("The app is installed nowhere.", "Install it at the organization, then bind it again.")
    if not wanted and len(installations) > 1:
        listed = ", ".join(f"{number} ({owner})" for number, owner in names.items())
        raise Refused(f"The app is installed {len(names)} times: {listed}.", "Add `installation NUMBER` to the line.")
    for one in installations:
        if not wanted or str(one.get("id")) == wanted:
            return one
    raise Refused(f"The app has no installation {wanted}.", f"It has {', '.join(names)}.")


def _repository(found: Mapping[str, Any], origin: str) -> Repository:
    return named_in_full(found, origin, clone="clone_url")


def _hook(found: Mapping[str, Any]) -> HookFound:
    events = set(found.get("events") or ())
    delivers = bool(events & {"push", "*"})
    url = str((found.get("config") or {}).get("url") or "")
    return HookFound(str(found.get("id", "")), url, delivers, delivers, active=bool(found.get("active", True)))


def _body(wish: HookWish) -> dict[str, Any]:
    config = {"url": wish.url, "content_type": "json", "secret": wish.secret, "insecure_ssl": "0"}
    return {"active": True, "events": ["push"], "config": config}


def _next(reply: Reply, _page: str = "") -> str:
    found = _LINK.search(reply.headers.get("link", ""))
    return "".join(parse_qs(urlsplit(found[1]).query).get("page", [""])[:1]) if found else ""


def _is_in(path: str, namespace: str) -> bool:
    return not namespace or path.casefold().startswith(f"{namespace.casefold()}/")


_SPELLING = Spelling(_at, _repository, _hook, _body, _next, attached={"name": "web"})

"""What the APIs of GitHub, GitLab and Gitee have alike: repositories, branches, tags and webhooks, page by page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from engine.forges.api import ForgeApi, Reply
from engine.forges.hosting import PER_PAGE, HookFound, HookWish, NotThere, Page, Ref, Repository, needed_text

_MOST_PAGES = 10
_MOST_ON_ONE = 100


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one forge differs from the others.

    `at` gives a repository's path in the API, and `refs` what stands between it and ``branches``; `sha` is how the name
    of a commit is called. `repository` reads one, of the given origin; `hook` reads a webhook, `body` writes one, which
    has `attached` as well when it is new. `following` names the page after the one that was answered, or none.
    """

    at: Callable[[str], str]
    repository: Callable[[Mapping[str, Any], str], Repository]
    hook: Callable[[Mapping[str, Any]], HookFound]
    body: Callable[[HookWish], Mapping[str, Any]]
    following: Callable[[Reply, str], str]
    change: Literal["PATCH", "PUT"] = "PATCH"
    refs: str = ""
    sha: str = "sha"
    attached: Mapping[str, Any] = field(default_factory=dict)


class RepositoryApi:
    """The part of `engine.forges.hosting.CodeHost` that is about one repository."""

    def __init__(self, api: ForgeApi, spelling: Spelling) -> None:
        self._api = api
        self._spelled = spelling

    async def repository(self, path: str) -> Repository:
        """One repository."""
        found = (await self._api.get(self._spelled.at(path), f"read {path}")).object(self._api.origin)
        return self._spelled.repository(found, self._api.origin)

    async def branches(self, repository: str, page: str = "") -> Page[Ref]:
        """The branches of a repository."""
        return await self._named(repository, "branches", page)

    async def tags(self, repository: str, page: str = "") -> Page[Ref]:
        """The tags of a repository."""
        return await self._named(repository, "tags", page)

    async def hooks(self, repository: str) -> Sequence[HookFound]:
        """Every webhook."""
        found: list[HookFound] = []
        what, page = f"list the webhooks of {repository}", "1"
        for _ in range(_MOST_PAGES):
            reply = await self._api.get(self._hooks_at(repository), what, per_page=_MOST_ON_ONE, page=page)
            found += map(self._spelled.hook, reply.items(self._api.origin))
            page = self._spelled.following(reply, page)
            if not page:
                break
        return found

    async def create_hook(self, repository: str, wish: HookWish) -> str:
        """Attach a webhook; returns its id."""
        what, body = f"attach a webhook to {repository}", {**self._spelled.attached, **self._spelled.body(wish)}
        reply = await self._api.call("POST", self._hooks_at(repository), what, body=body)
        return str(reply.object(self._api.origin).get("id", ""))

    async def update_hook(self, repository: str, hook: str, wish: HookWish) -> None:
        """Make a webhook as wished."""
        what, body = f"change a webhook of {repository}", self._spelled.body(wish)
        await self._api.call(self._spelled.change, self._hooks_at(repository, hook), what, body=body)

    async def delete_hook(self, repository: str, hook: str) -> None:
        """Take a webhook away, if it is there."""
        try:
            await self._api.call("DELETE", self._hooks_at(repository, hook), f"take a webhook of {repository} away")
        except NotThere:
            return

    async def _named(self, repository: str, kind: Literal["branches", "tags"], page: str) -> Page[Ref]:
        path, number = f"{self._spelled.at(repository)}{self._spelled.refs}/{kind}", page or "1"
        reply = await self._api.get(path, f"list the {kind} of {repository}", per_page=PER_PAGE, page=number)
        return Page(tuple(map(self._ref, reply.items(self._api.origin))), self._spelled.following(reply, number))

    def _ref(self, found: Mapping[str, Any]) -> Ref:
        sha = (found.get("commit") or {}).get(self._spelled.sha)
        return Ref(needed_text(found, "name", self._api.origin), str(sha or ""))

    def _repositories(self, reply: Reply) -> tuple[Repository, ...]:
        return tuple(self._spelled.repository(one, self._api.origin) for one in reply.items(self._api.origin))

    def _hooks_at(self, repository: str, *hook: str) -> str:
        return "/".join((self._spelled.at(repository), "hooks", *(quote(one, safe="") for one in hook)))

"""What the APIs of GitHub, GitLab and Gitee have alike: a repository's branches, tags and webhooks, page by page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from engine.forges.api import ForgeApi, Reply
from engine.forges.hosting import PER_PAGE, ForgeBroken, HookFound, NotThere, Page, Ref

_MOST_PAGES = 10
_MOST_ON_ONE = 100


@dataclass(frozen=True, slots=True)
class RepositoryApi:
    """Asks for what a repository has. The rest is how one forge differs from the others.

    `at` gives a repository's path in the API, and `refs` what stands between it and ``branches``; `sha` is how the name
    of a commit is called; `hook` reads a webhook; `following` names the page after the one that was answered, or none.
    """

    api: ForgeApi
    at: Callable[[str], str]
    hook: Callable[[Mapping[str, Any]], HookFound]
    following: Callable[[Reply, str], str]
    change: Literal["PATCH", "PUT"] = "PATCH"
    refs: str = ""
    sha: str = "sha"

    async def named(self, repository: str, kind: Literal["branches", "tags"], page: str) -> Page[Ref]:
        """One page of branches or tags."""
        what, number = f"list the {kind} of {repository}", page or "1"
        reply = await self.api.get(f"{self.at(repository)}{self.refs}/{kind}", what, per_page=PER_PAGE, page=number)
        found = reply.items(self.api.origin)
        refs = tuple(Ref(self.text(one, "name"), str((one.get("commit") or {}).get(self.sha) or "")) for one in found)
        return Page(refs, self.following(reply, number))

    async def hooks(self, repository: str) -> Sequence[HookFound]:
        """Every webhook."""
        found: list[HookFound] = []
        what, page = f"list the webhooks of {repository}", "1"
        for _ in range(_MOST_PAGES):
            reply = await self.api.get(f"{self.at(repository)}/hooks", what, per_page=_MOST_ON_ONE, page=page)
            found += [self.hook(one) for one in reply.items(self.api.origin)]
            page = self.following(reply, page)
            if not page:
                break
        return found

    async def create_hook(self, repository: str, body: Mapping[str, Any]) -> str:
        """Attach a webhook; returns its id."""
        what = f"attach a webhook to {repository}"
        reply = await self.api.call("POST", f"{self.at(repository)}/hooks", what, body=body)
        return str(reply.object(self.api.origin).get("id", ""))

    async def update_hook(self, repository: str, hook: str, body: Mapping[str, Any]) -> None:
        """Make a webhook like that."""
        await self.api.call(
            self.change, self._hook_at(repository, hook), f"change a webhook of {repository}", body=body
        )

    async def delete_hook(self, repository: str, hook: str) -> None:
        """Take a webhook away, if it is there."""
        try:
            await self.api.call("DELETE", self._hook_at(repository, hook), f"take a webhook of {repository} away")
        except NotThere:
            return

    def text(self, found: Mapping[str, Any], name: str) -> str:
        """A text that has to be there. Raises `ForgeBroken`."""
        value = found.get(name)
        if not isinstance(value, str) or not value:
            raise ForgeBroken(self.api.origin, f"there is no {name}")
        return value

    def _hook_at(self, repository: str, hook: str) -> str:
        return f"{self.at(repository)}/hooks/{quote(hook, safe='')}"

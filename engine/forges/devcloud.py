"""DevCloud: Huawei Cloud's CodeArts Repo (once CodeHub), with an access key.

What is signed with the access key is the API. Git over https wants a name and a password of its own there, so a code
account holds four words: the access key's id and secret, and git's name and password. Repositories are known to the
API by number; their paths are looked up once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from engine.errors import Refused
from engine.forges.api import ForgeApi, Reply
from engine.forges.credential import Credential
from engine.forges.hosting import (
    PER_PAGE,
    Access,
    ForgeBroken,
    HookFound,
    HookWish,
    Login,
    Namespace,
    NotThere,
    Page,
    Ref,
    Repository,
    hook_with_events,
    needed_text,
)
from engine.forges.huawei_signature import sign

_MOST_PAGES = 20
_FEW, _ALL = 2, 4
_HOOK_NAME = "Sluice"


class UnusableAccessKey(Refused):
    """What was sent is no access key."""

    def __init__(self) -> None:
        super().__init__(
            "That is no access key: it has two words, or four with git's name and password.",
            "`account bind devcloud`, and on the line below: ID SECRET TENANT/USER HTTPS-PASSWORD",
        )


@dataclass(frozen=True, slots=True)
class Keys:
    """What a DevCloud account holds. Without git's words, the API can be asked but nothing can be fetched."""

    id: str
    secret: str = field(repr=False)
    git_name: str = ""
    git_password: str = field(default="", repr=False)

    @classmethod
    def read(cls, text: str) -> "Keys":
        """Read the words. Raises `UnusableAccessKey`."""
        words = text.split()
        if len(words) not in (_FEW, _ALL):
            raise UnusableAccessKey
        return cls(*words)

    @property
    def login(self) -> str:
        """The name by which pushes are known, as far as git's name tells it."""
        return self.git_name.rpartition("/")[2] or self.id


class DevCloud:
    """`engine.forges.hosting.CodeHost` for CodeArts Repo."""

    def __init__(self, access: Access, client: httpx.AsyncClient) -> None:
        self._access = access
        self._keys = Keys.read(access.secret)
        self._api = ForgeApi(client, access.origin, access.api, self._sign, {"Content-Type": "application/json"})
        self._numbers: dict[str, str] = {}

    async def _sign(self, request: httpx.Request) -> None:
        sign(request, self._keys.id, self._keys.secret, datetime.now(UTC))

    async def whoami(self) -> Login:
        """Whether the key is accepted. An access key does not tell its owner's name; git's name does."""
        await self._listed("1", 1, "list repositories")
        missing = () if self._keys.git_name else ("git's name and password: to fetch private source over https",)
        return Login(self._keys.login, self._keys.git_name, (), missing)

    async def namespaces(self, page: str = "") -> Page[Namespace]:
        """The groups of the repositories that the key sees."""
        if page:
            return Page(())
        found = [one async for one in self._everything()]
        groups = sorted({path.rpartition("/")[0] for path, _ in found if "/" in path})
        return Page(tuple(map(Namespace, groups)))

    async def repositories(self, namespace: str = "", page: str = "") -> Page[Repository]:
        """All that the key sees; of a namespace, those of this page that are in it."""
        number = page or "1"
        listed, total = await self._listed(number, PER_PAGE, "list repositories")
        found = tuple(self._repository(one) for one in listed)
        more = int(number) * PER_PAGE < total
        kept = tuple(one for one in found if not namespace or one.path.rpartition("/")[0] == namespace)
        return Page(kept, str(int(number) + 1) if more else "")

    async def repository(self, path: str) -> Repository:
        """One repository."""
        async for found, data in self._everything():
            if found.casefold() == path.casefold():
                return self._repository(data)
        raise NotThere(self._access.origin, f"read {path}")

    async def branches(self, repository: str, page: str = "") -> Page[Ref]:
        """The branches of a repository."""
        return await self._refs(repository, "branches", page, {})

    async def tags(self, repository: str, page: str = "") -> Page[Ref]:
        """The tags of a repository."""
        return await self._refs(repository, "refs", page, {"type": "tag"})

    async def _refs(self, repository: str, kind: str, page: str, query: Mapping[str, str]) -> Page[Ref]:
        offset = int(page or "0")
        path = f"/v4/repositories/{await self._number(repository)}/repository/{kind}"
        what = f"list branches and tags of {repository}"
        reply = await self._api.get(path, what, limit=PER_PAGE, offset=offset, **query)
        items = reply.items(self._access.origin)
        refs = tuple(Ref(needed_text(one, "name", self._access.origin), _sha(one)) for one in items)
        return Page(refs, _next(reply, offset, len(items)))

    async def hooks(self, repository: str) -> Sequence[HookFound]:
        """Every webhook."""
        found: list[HookFound] = []
        path, offset = f"/v4/repositories/{await self._number(repository)}/hooks", 0
        for _ in range(_MOST_PAGES):
            reply = await self._api.get(path, f"list the webhooks of {repository}", limit=100, offset=offset)
            items = reply.items(self._access.origin)
            found += map(hook_with_events, items)
            following = _next(reply, offset, len(items))
            if not following or not items:
                break
            offset = int(following)
        return found

    async def create_hook(self, repository: str, wish: HookWish) -> str:
        """Attach."""
        path = f"/v4/repositories/{await self._number(repository)}/hooks"
        reply = await self._api.call("POST", path, f"attach a webhook to {repository}", body=_body(wish))
        return str(reply.object(self._access.origin).get("id", ""))

    async def update_hook(self, repository: str, hook: str, wish: HookWish) -> None:
        """Make it as wished."""
        path = f"/v4/repositories/{await self._number(repository)}/hooks/{hook}"
        await self._api.call("PUT", path, f"change a webhook of {repository}", body=_body(wish))

    async def delete_hook(self, repository: str, hook: str) -> None:
        """Take it away."""
        try:
            path = f"/v4/repositories/{await self._number(repository)}/hooks/{hook}"
            await self._api.call("DELETE", path, f"take a webhook of {repository} away")
        except NotThere:
            return

    async def credential(self) -> Credential:
        """Git's own name and password."""
        if not self._keys.git_name:
            raise UnusableAccessKey
        return Credential(self._keys.git_name, self._keys.git_password)

    async def _number(self, repository: str) -> str:
        known = self._numbers.get(repository.casefold())
        if known is None:
            async for path, data in self._everything():
                self._numbers[path.casefold()] = str(data.get("repository_id", ""))
            known = self._numbers.get(repository.casefold())
        if not known or not known.isdigit():
            raise NotThere(self._access.origin, f"find {repository}")
        return known

    async def _everything(self) -> Any:
        for number in range(1, _MOST_PAGES + 1):
            listed, total = await self._listed(str(number), 100, "list repositories")
            for one in listed:
                yield self._path(one), one
            if number * 100 >= total:
                return

    async def _listed(self, page: str, size: int, what: str) -> tuple[list[Mapping[str, Any]], int]:
        reply = await self._api.get("/v2/projects/repositories", what, page_index=page, page_size=size)
        data = reply.object(self._access.origin)
        result = data.get("result")
        listed = result.get("repositories") if isinstance(result, dict) else None
        if not isinstance(result, dict) or not isinstance(listed, list):
            raise ForgeBroken(self._access.origin, "it lists no repositories")
        total = result.get("total")
        return [one for one in listed if isinstance(one, dict)], total if isinstance(total, int) else len(listed)

    def _path(self, found: Mapping[str, Any]) -> str:
        origin = self._access.origin
        return f"{needed_text(found, 'group_name', origin)}/{needed_text(found, 'repository_name', origin)}"

    def _repository(self, found: Mapping[str, Any]) -> Repository:
        return Repository(
            path=self._path(found),
            clone=str(found.get("https_url") or ""),
            is_private=found.get("visibility_level") != _PUBLIC,
        )


_PUBLIC = 20


def _sha(found: Mapping[str, Any]) -> str:
    commit = found.get("commit")
    return str((commit.get("id") if isinstance(commit, dict) else None) or found.get("target") or "")


def _body(wish: HookWish) -> dict[str, Any]:
    return {
        "name": _HOOK_NAME,
        "url": wish.url,
        "token": wish.secret,
        "push_events": wish.pushes,
        "tag_push_events": wish.tags,
    }


def _next(reply: Reply, offset: int, count: int) -> str:
    total = reply.headers.get("x-total", "")
    if total.isascii() and total.isdigit():
        return str(offset + count) if count and offset + count < int(total) else ""
    return str(offset + count) if count >= PER_PAGE else ""

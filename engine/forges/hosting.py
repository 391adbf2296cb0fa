"""What is asked of a forge on behalf of a code account: who it is, what it can see, and webhooks.

One protocol for all of them; each adapter speaks one forge's API and translates its words. Repositories are named as
the forge names them, ``namespace/name``; a namespace may have slashes in it. Everything that can be long comes in
pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from engine.errors import Broken, Interrupted, Refused
from engine.forges.credential import Credential

T = TypeVar("T")
PER_PAGE = 30
LONGEST_WAIT = timedelta(minutes=15)


class ForgeName(StrEnum):
    """The forges whose API is spoken here."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEE = "gitee"
    DEVCLOUD = "devcloud"


@dataclass(frozen=True, slots=True)
class Access:
    """What a code account signs in with. `secret` is a token, or a private key where `app` is the number of an app.

    `origin` is where repositories are (``https://github.com``), `api` where questions are answered. `login` is empty
    before it is known.
    """

    forge: ForgeName
    origin: str
    api: str
    secret: str = field(repr=False)
    login: str = ""
    app: str = ""
    installation: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """Who an access turned out to be. `missing` are the scopes without which something does not work, and what."""

    login: str
    name: str
    scopes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    installation: str = ""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A place for repositories: a person's own, an organization, a group."""

    path: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as it is listed. `clone` is its https address."""

    path: str
    clone: str
    default_branch: str = ""
    is_private: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or a tag, and the commit that it points to."""

    name: str
    sha: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of many. `next` is what asks for those that follow; empty: these were the last."""

    items: Sequence[T]
    next: str = ""


@dataclass(frozen=True, slots=True)
class HookWish:
    """A webhook as it should be: where it delivers, what its deliveries prove themselves with, and on what."""

    url: str
    secret: str = field(repr=False)
    pushes: bool = True
    tags: bool = False


@dataclass(frozen=True, slots=True)
class HookFound:
    """A webhook as it is. What it is protected with is told by no forge."""

    id: str
    url: str
    pushes: bool
    tags: bool
    active: bool = True

    def fits(self, wish: HookWish) -> bool:
        """Whether it delivers what is wished. One that delivers more than that does too."""
        return self.active and self.url == wish.url and self.pushes >= wish.pushes and self.tags >= wish.tags


class CodeHost(Protocol):
    """One forge, seen with one account.

    Every call may raise `Refused` (the account may not, or there is no such thing), `Interrupted` (the forge is away,
    or wants fewer questions: `RateLimited`) and `Broken` (it answers what nobody expects). `page` is a `Page.next`.
    """

    async def whoami(self) -> Login:
        """Who this account is at the forge, and what it may not do."""
        ...

    async def namespaces(self, page: str = "") -> Page[Namespace]:
        """Where this account sees repositories."""
        ...

    async def repositories(self, namespace: str = "", page: str = "") -> Page[Repository]:
        """The repositories of a namespace; without one, all that the account sees."""
        ...

    async def repository(self, path: str) -> Repository:
        """One repository."""
        ...

    async def branches(self, repository: str, page: str = "") -> Page[Ref]:
        """The branches of a repository."""
        ...

    async def tags(self, repository: str, page: str = "") -> Page[Ref]:
        """The tags of a repository."""
        ...

    async def hooks(self, repository: str) -> Sequence[HookFound]:
        """Every webhook of a repository."""
        ...

    async def create_hook(self, repository: str, wish: HookWish) -> str:
        """Attach a webhook; returns its id."""
        ...

    async def update_hook(self, repository: str, hook: str, wish: HookWish) -> None:
        """Make a webhook as wished, its secret included."""
        ...

    async def delete_hook(self, repository: str, hook: str) -> None:
        """Take a webhook away. One that is not there any more is taken away already."""
        ...

    async def credential(self) -> Credential:
        """What git is told over https. It may hold for an hour only: ask again for each fetch."""
        ...


class ForgeAway(Interrupted):
    """The forge cannot be reached, or does not answer in time."""

    def __init__(self, origin: str, why: str) -> None:
        super().__init__(f"{origin} cannot be asked now: {why}.", "It is tried again.")


class RateLimited(Interrupted):
    """The forge wants to be asked less often; `after` is how long to wait."""

    def __init__(self, origin: str, after: timedelta) -> None:
        self.after = min(after, LONGEST_WAIT)
        super().__init__(f"{origin} takes no more questions for {self.after.total_seconds():.0f} s.", "Wait a little.")


class SignInRefused(Refused):
    """The token or key is not, or not any more, accepted."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"{origin} does not accept the account's token: it is wrong, was revoked or has expired.",
            "Make a new one there, and bind the account again: `account bind FORGE`.",
        )


class NotAllowed(Refused):
    """The account may not do this at the forge."""

    def __init__(self, origin: str, what: str, said: str = "") -> None:
        words = f" ({said})" if said else ""
        super().__init__(
            f"{origin} does not let this account {what}{words}.",
            "Give the token the scope, or the account the role, that it needs.",
        )


class NotThere(Refused):
    """There is no such thing at the forge, or the account cannot see it."""

    def __init__(self, origin: str, what: str) -> None:
        super().__init__(f"{origin} knows nothing here to {what}.", "Check the name, and what the account may see.")


class ForgeDisagrees(Refused):
    """The forge does not take what it was told."""

    def __init__(self, origin: str, what: str, said: str) -> None:
        super().__init__(f"{origin} refuses to {what}: {said or 'it does not say why'}.")


class PrivateForge(Refused):
    """The forge is in a network that is not everybody's."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"{origin} leads to an address that is not public; nothing was sent.",
            "Whoever runs Sluice can allow its network in SLUICE_PRIVATE_FORGES.",
        )


class ForgeBroken(Broken):
    """The forge answers something that is no answer."""

    def __init__(self, origin: str, why: str) -> None:
        super().__init__(f"{origin} does not answer like the forge that it should be: {why}.", "Check its address.")


def needed_text(found: Mapping[str, Any], name: str, origin: str) -> str:
    """Return a text that a forge's answer has to have. Raises `ForgeBroken`."""
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise ForgeBroken(origin, f"there is no {name}")
    return value


def hook_with_events(found: Mapping[str, Any]) -> HookFound:
    """Read a webhook as all but GitHub tell of it: an event, a name."""
    return HookFound(
        id=str(found.get("id", "")),
        url=str(found.get("url") or ""),
        pushes=bool(found.get("push_events")),
        tags=bool(found.get("tag_push_events")),
    )


def named_in_full(found: Mapping[str, Any], origin: str, clone: str) -> Repository:
    """Read a repository as GitHub and Gitee tell of it; `clone` is where its address stands. Raises `ForgeBroken`."""
    path = needed_text(found, "full_name", origin)
    return Repository(
        path=path,
        clone=str(found.get(clone) or f"{origin}/{path}.git"),
        default_branch=str(found.get("default_branch") or ""),
        is_private=bool(found.get("private")),
        description=str(found.get("description") or ""),
    )

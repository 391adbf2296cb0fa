"""The forges by name: where each is, how its token is made, and which adapter speaks to it.

A public forge is asked like any other service. A forge at an address that a person has typed is asked through the
guarded transport: it may be anywhere in the world, but in a private network only if the settings name that.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from engine.addresses import Network
from engine.errors import Refused
from engine.forges.address import parse_address
from engine.forges.api import TIMEOUT
from engine.forges.devcloud import DevCloud
from engine.forges.gitee import Gitee
from engine.forges.github import GitHub
from engine.forges.gitlab import GitLab
from engine.forges.hosting import Access, CodeHost, ForgeName
from engine.outbound import Guarded

GITHUB_API = "https://api.github.com"
_REGION = re.compile(r"https://codehub-ext\.(?P<region>[a-z0-9-]+)\.myhuaweicloud\.com")


@dataclass(frozen=True, slots=True)
class Kind:
    """What people are told of a forge: its name, where it is unless they say, and how the token is made there."""

    title: str
    origin: str
    how: str
    scopes: str


KINDS: Mapping[ForgeName, Kind] = {
    ForgeName.GITHUB: Kind(
        "GitHub",
        "https://github.com",
        "Settings, Developer settings, Personal access tokens. For an app: `account bind github app ID`, its private "
        "key (the .pem file's text) on the lines below.",
        "classic: repo. Fine-grained: Contents read, Webhooks read and write. An app: the same.",
    ),
    ForgeName.GITLAB: Kind(
        "GitLab",
        "https://gitlab.com",
        "Preferences, Access tokens; or a project's or group's token. For a GitLab of your own: `at https://HOST`.",
        "api (attaches webhooks), or read_api and read_repository (webhooks by hand). Role: Maintainer.",
    ),
    ForgeName.GITEE: Kind(
        "Gitee",
        "https://gitee.com",
        "Settings (设置), Personal access tokens (私人令牌).",
        "user_info, projects, hook, groups.",
    ),
    ForgeName.DEVCLOUD: Kind(
        "DevCloud",
        "https://codehub-ext.cn-north-4.myhuaweicloud.com",
        "My Credentials, Access Keys; git's password: CodeArts Repo, HTTPS Password. For another region: `at "
        "https://codehub-ext.REGION.myhuaweicloud.com`.",
        "On the line below, four words: ACCESS-KEY-ID SECRET TENANT/USER HTTPS-PASSWORD.",
    ),
}


class UnknownForge(Refused):
    """There is no such forge here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is no forge that Sluice knows.", f"Write one of {', '.join(ForgeName)}.")


def forge_named(name: str) -> ForgeName:
    """Find a forge by its name. Raises `UnknownForge`."""
    try:
        return ForgeName(name.lower())
    except ValueError:
        raise UnknownForge(name) from None


def is_public_forge(forge: ForgeName, origin: str) -> bool:
    """Whether the forge is the one that everybody means by its name."""
    return origin == KINDS[forge].origin or _REGION.fullmatch(origin) is not None


def origin_of(url: str, *, allow_http: bool) -> str:
    """Read where a forge of one's own is: scheme, host and port. Raises `Refused`."""
    written = url if "://" in url else f"https://{url}"
    return parse_address(f"{written.rstrip('/')}/any", allow_http=allow_http).origin


def git_origin(access: Access) -> str:
    """Where the forge's repositories are, for git."""
    region = _REGION.fullmatch(access.origin)
    if access.forge is ForgeName.DEVCLOUD and region:
        return f"https://codehub.devcloud.{region['region']}.huaweicloud.com"
    return access.origin


def host_of(url: str) -> str:
    """Return the host in a repository's address, be it https, ssh or ``git@host:path``; empty for a local path."""
    if "://" in url:
        return (urlsplit(url).hostname or "").lower()
    host, colon, _ = url.partition(":")
    return host.rpartition("@")[2].lower() if colon and not url.startswith("/") else ""


def is_at(url: str, forge: ForgeName, origin: str) -> bool:
    """Whether a repository's address leads to the forge at `origin`. The port of ssh says nothing about that."""
    git = git_origin(Access(forge, origin, "", ""))
    is_web = url.startswith(("https://", "http://"))
    return host_of(url) == host_of(git) and (not is_web or _own_port(url) == _own_port(git))


def _own_port(url: str) -> int | None:
    port = urlsplit(url).port
    return None if port in (80, 443) else port


def forge_at(url: str) -> str:
    """Tell from a repository's address which forge it is at; empty when that cannot be told."""
    host = host_of(url)
    if host.endswith((".huaweicloud.com", ".myhuaweicloud.com")):
        return ForgeName.DEVCLOUD.value
    return next((forge.value for forge, kind in KINDS.items() if host_of(kind.origin) == host), "")


def repository_path(url: str) -> str:
    """Return the path of a repository in an address: ``namespace/name``, without ``.git``."""
    path = urlsplit(url).path if "://" in url else (url.partition(":")[2] or url)
    return path.strip("/").removesuffix(".git")


def api_of(forge: ForgeName, origin: str, github_api: str = GITHUB_API) -> str:
    """Return where the API of a forge is."""
    if forge is ForgeName.GITHUB:
        return github_api if origin == KINDS[forge].origin else f"{origin}/api/v3"
    paths = {ForgeName.GITLAB: "/api/v4", ForgeName.GITEE: "/api/v5", ForgeName.DEVCLOUD: ""}
    return origin + paths[forge]


_MAKERS: Mapping[ForgeName, Callable[[Access, httpx.AsyncClient], CodeHost]] = {
    ForgeName.GITHUB: GitHub,
    ForgeName.GITLAB: GitLab,
    ForgeName.GITEE: Gitee,
    ForgeName.DEVCLOUD: DevCloud,
}


@dataclass(slots=True)
class Hosts:
    """Makes adapters, which share the connections. `private` are the networks in which forges may be, beside public."""

    private: tuple[Network, ...] = ()
    _clients: dict[bool, httpx.AsyncClient] = field(default_factory=dict)

    def of(self, access: Access) -> CodeHost:
        """Return the adapter for an access."""
        return _MAKERS[access.forge](access, self._client(is_public=is_public_forge(access.forge, access.origin)))

    def _client(self, *, is_public: bool) -> httpx.AsyncClient:
        """Make a client when it is first needed: reading the certificates takes its time."""
        if is_public not in self._clients:
            self._clients[is_public] = (
                httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)
                if is_public
                else httpx.AsyncClient(
                    transport=Guarded(self.private), timeout=TIMEOUT, follow_redirects=False, trust_env=False
                )
            )
        return self._clients[is_public]

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.aclose()

"""Images that somebody else has built, in a registry: which content a tag points to now.

A release is known by its content, and a tag can be moved. So the tag is looked up once, when a release is made, and
what is deployed is the content's digest. Where no registry is named nothing can be looked up, and the tag itself is
deployed: `Unchecked` says so by an empty digest.

The danger: something else than a registry answers (a login page, a proxy), and its page is taken for an image; a
password is sent where it does not belong; a registry that is slow or away fails a release for good. So what is no
manifest by its type is refused; credentials go to the registry, and to the place that it names for tokens, but never
without TLS unless the registry itself is asked without; and silence is `Interrupted`, which is tried again.
"""

import asyncio
import difflib
import hashlib
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx

from engine.builders.shelf import parse_image
from engine.errors import Broken, Interrupted, SluiceError, StageFailure

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_LONGEST_MANIFEST = 4 * 1024 * 1024
_MOST_TAGS = 1000
_LONGEST_TAG = 128
_SHOWN = 4
_REMEMBERED = 5.0
"""Seconds for which a digest is good: a release that waits to begin asks many times a second."""
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, OSError, ImportError)


class NoSuchTag(StageFailure):
    """The registry has no image of that name."""

    def __init__(self, image: str, host: str, near: Sequence[str]) -> None:
        hint = f"There are {', '.join(near)}." if near else "Push it first, or mend its name."
        super().__init__(f"The registry {host} has no image {image}.", hint)


class NotLetIn(Broken):
    """The registry does not take our credentials, or wants some."""

    def __init__(self, image: str, registry: "Registry") -> None:
        super().__init__(
            f"The registry {registry.host} does not let Sluice see {image}.",
            f"Set {registry.account} in {registry.setting}, or mend the image's name.",
        )


class NoRegistry(Broken):
    """Something answers, and it is no registry."""

    def __init__(self, registry: "Registry", what: str) -> None:
        super().__init__(
            f"What answers at {registry.host} is no registry: {what}.", f"Mend its address in {registry.setting}."
        )


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Stands where no registry is named: every tag is taken as it is, and no digest is known."""

    async def find(self, image: str) -> str:
        """Return no digest."""
        parse_image(image)
        return ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a tag points to now: the digest, the image's labels and the steps that made it, the oldest first.

    An index of several images has no labels and no steps.
    """

    digest: str
    labels: Mapping[str, str] = field(default_factory=dict)
    steps: Sequence[str] = ()


@dataclass(slots=True)
class Registry:
    """`engine.ports.Images` over one registry. `address` is HOST[:PORT][/FOLDER], ``http://`` in front: without TLS.

    `setting` and `account` are where people set it up, for what is said about it.
    """

    address: str
    user: str = ""
    password: str = field(default="", repr=False)
    patience: timedelta = timedelta(seconds=10)
    setting: str = "SLUICE_CLUSTERS"
    account: str = "registry_user and registry_password"
    _known: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """The registry's name for people and for manifests: its address without the scheme."""
        return self.address.rpartition("://")[2]

    async def find(self, image: str) -> str:
        """Return the digest that organization/repository:tag points to now. Raises `NoSuchTag` when there is none."""
        now = time.monotonic()
        self._known = {name: known for name, known in self._known.items() if now - known[0] < _REMEMBERED}
        if image not in self._known:
            organization, repository, tag = parse_image(image)
            async with self._asking() as asking:
                found = await _digest(asking, f"{organization}/{repository}", tag)
            self._known[image] = (now, found)
        return self._known[image][1]

    async def look(self, image: str) -> Seen | None:
        """Look at what organization/repository:tag points to at this moment; None when there is no such tag."""
        organization, repository, tag = parse_image(image)
        async with self._asking() as asking:
            try:
                digest = await _digest(asking, f"{organization}/{repository}", tag)
            except NoSuchTag:
                return None
            return await _described(asking, f"{organization}/{repository}", digest)

    async def greet(self) -> None:
        """See that a registry answers which takes our credentials. Raises what is wrong."""
        async with self._asking() as asking:
            said = await asking.ask("GET", "", "")
            if said.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise NotLetIn("its images", self)
            if said.status_code != HTTPStatus.OK or "html" in said.headers.get("content-type", ""):
                raise NoRegistry(self, f"HTTP {said.status_code}, and not as one would")

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator["_Asking"]:
        scheme, _, place = self.address.rpartition("://")
        host, _, folder = place.partition("/")
        base = f"{scheme or 'https'}://{host}/v2/"
        patience = self.patience.total_seconds()
        try:
            async with asyncio.timeout(patience * 2), httpx.AsyncClient(timeout=patience, max_redirects=3) as http:
                yield _Asking(http, base, f"{folder}/" if folder else "", self)
        except TimeoutError:
            raise Interrupted(f"The registry {self.host} does not answer in time.") from None
        except _FAILURES as error:
            raise _explained(self, error) from None


@dataclass(slots=True)
class _Asking:
    """One conversation with a registry: what it has let us in with is used again."""

    http: httpx.AsyncClient
    base: str
    folder: str
    registry: Registry
    shown: str = ""

    async def ask(self, method: str, repository: str, rest: str) -> httpx.Response:
        """Ask, and once more with credentials when they are wanted."""
        address = self.base + (f"{self.folder}{repository}/{rest}" if repository else "")
        said = await self._once(method, address)
        if said.status_code == HTTPStatus.UNAUTHORIZED and not self.shown:
            self.shown = await self._credentials(said.headers.get("www-authenticate", ""), repository)
            if self.shown:
                said = await self._once(method, address)
        if said.status_code == HTTPStatus.TOO_MANY_REQUESTS or said.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Interrupted(f"The registry {self.registry.host} does not answer: HTTP {said.status_code}.")
        return said

    async def _once(self, method: str, address: str) -> httpx.Response:
        headers = {"Accept": ", ".join(_MANIFESTS), **({"Authorization": self.shown} if self.shown else {})}
        request = self.http.build_request(method, address, headers=headers)
        said = await self.http.send(request, stream=True, follow_redirects=True)
        try:
            body = b""
            async for piece in said.aiter_bytes():
                body += piece
                if len(body) > _LONGEST_MANIFEST:
                    raise NoRegistry(self.registry, "its answer has no end")
        finally:
            await said.aclose()
        kept = {name: value for name, value in said.headers.items() if name not in _OF_THE_WIRE}
        return httpx.Response(said.status_code, headers=kept, content=body, request=request)

    async def _credentials(self, challenge: str, repository: str) -> str:
        """Return what goes into `Authorization`; empty when there is nothing to show."""
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            return self._basic()
        if kind.lower() != "bearer":
            return ""
        asked = dict(_CHALLENGE.findall(rest))
        realm = asked.get("realm", "")
        if not realm.startswith("https://") and not (realm.startswith("http://") and self.base.startswith("http://")):
            raise NoRegistry(self.registry, "it names no safe place for tokens")
        scope = asked.get("scope") or (f"repository:{self.folder}{repository}:pull" if repository else "")
        wanted = {"service": asked.get("service", ""), "scope": scope}
        headers = {"Authorization": self._basic()} if self.registry.user else {}
        said = await self.http.get(realm, params={k: v for k, v in wanted.items() if v}, headers=headers)
        body = _object(said) if said.status_code == HTTPStatus.OK else {}
        token = body.get("token") or body.get("access_token")
        return f"Bearer {token}" if isinstance(token, str) and _is_sendable(token) else ""

    def _basic(self) -> str:
        if not self.registry.user:
            return ""
        auth = httpx.BasicAuth(self.registry.user, self.registry.password)
        request = next(auth.auth_flow(httpx.Request("GET", self.base)))
        return str(request.headers["Authorization"])


_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


async def _digest(asking: _Asking, repository: str, tag: str) -> str:
    image, host = f"{repository}:{tag}", asking.registry.host
    said = await asking.ask("HEAD", repository, f"manifests/{tag}")
    if said.status_code == HTTPStatus.OK and (known := _told(said)):
        return known
    if said.status_code not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
        said = await asking.ask("GET", repository, f"manifests/{tag}")
    match said.status_code:
        case HTTPStatus.OK:
            if said.headers.get("content-type", "").partition(";")[0].strip() not in _MANIFESTS:
                raise NoRegistry(asking.registry, "it shows something that is no manifest")
            return _told(said) or f"sha256:{hashlib.sha256(said.content).hexdigest()}"
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise NotLetIn(image, asking.registry)
        case HTTPStatus.NOT_FOUND:
            raise NoSuchTag(image, host, await _near(asking, repository, tag))
    raise NoRegistry(asking.registry, f"HTTP {said.status_code}")


async def _described(asking: _Asking, repository: str, digest: str) -> Seen:
    """Read what an image's configuration says; what has none, or is none, says nothing."""
    manifest = _object(await asking.ask("GET", repository, f"manifests/{digest}"))
    config = manifest.get("config")
    name = config.get("digest") if isinstance(config, dict) else None
    if not isinstance(name, str) or not _DIGEST.fullmatch(name):
        return Seen(digest)
    said = _object(await asking.ask("GET", repository, f"blobs/{name}"))
    found, history = said.get("config"), said.get("history")
    labels = found.get("Labels") if isinstance(found, dict) else None
    labels = {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}
    steps = history if isinstance(history, list) else []
    return Seen(digest, labels, [str(step.get("created_by", "")) for step in steps if isinstance(step, dict)])


def _told(said: httpx.Response) -> str:
    """Return the digest in the headers of a manifest, if they hold one that is as it should be."""
    is_manifest = said.headers.get("content-type", "").partition(";")[0].strip() in _MANIFESTS
    digest = said.headers.get("docker-content-digest", "")
    return digest if is_manifest and _DIGEST.fullmatch(digest) else ""


async def _near(asking: _Asking, repository: str, tag: str) -> list[str]:
    """Find the images that may have been meant: tags spelled alike, else the last ones."""
    try:
        said = await asking.ask("GET", repository, f"tags/list?n={_MOST_TAGS}")
    except SluiceError:
        return []
    tags = _object(said).get("tags") if said.status_code == HTTPStatus.OK else None
    known = sorted((one for one in tags if isinstance(one, str)), key=_counted) if isinstance(tags, list) else []
    near = difflib.get_close_matches(tag, known, n=_SHOWN) or known[-_SHOWN:]
    return [
        f"{repository}:{one}" for one in sorted(near, key=_counted) if len(one) <= _LONGEST_TAG and one.isprintable()
    ]


def _counted(tag: str) -> list[tuple[int, str]]:
    """Sort v10 after v9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]{1,18})", tag) if part]


def _object(said: httpx.Response) -> dict[str, Any]:
    try:
        body = said.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_sendable(token: str) -> bool:
    return token.isascii() and token.isprintable()


def _explained(registry: Registry, error: Exception) -> SluiceError:
    """Say what went wrong by its kind alone: what the library says may quote what was sent."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        cure = "Let SSL_CERT_FILE name a file with the authority's certificate."
        return Broken(f"The certificate of the registry {registry.host} is not trusted.", cure)
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return NoRegistry(registry, "that is no address")
    return Interrupted(f"The registry {registry.host} does not answer: {type(error).__name__}.")

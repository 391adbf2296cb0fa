"""The Docker Engine as Sluice speaks with it: short questions, and long conversations that can be broken off.

Short questions (what is there, name this, remove that) go through the `docker` package, in threads: it blocks. What
lasts, a build, a push, a fetch, does not: a thread that waits for the engine's next word cannot be told to stop, and a
build that goes on after its run was stopped is what must not be. So these are held over HTTP here: an engine ends the
build, the fetch or the push whose conversation is closed, also when the process that held it was killed.

Foreign errors end here: `docker_words` says what they mean.
"""

import asyncio
import contextlib
import json
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import docker
import docker.errors
import docker.utils
import httpx
import requests

from engine.builders.docker_words import EngineAway, EngineClosed, EngineRefused, explain, shortened
from engine.errors import SluiceError

USUAL = "unix:///var/run/docker.sock"
_LONGEST_LINE = 4 * 1024 * 1024
_T = TypeVar("_T")
_JOIN = "Add the user that Sluice runs as to the group of its socket (docker), or set SLUICE_DOCKER_HOST."
_SET = "Set SLUICE_DOCKER_HOST to unix:///PATH or tcp://HOST:PORT."


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an engine says of itself. `root` is where it keeps its images, on its own machine."""

    version: str
    api: str
    root: str
    driver: str


@dataclass(slots=True)
class Engine:
    """One Docker Engine. `address` is as DOCKER_HOST writes it; empty: DOCKER_HOST itself, or the usual socket.

    TLS is as DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say. `patience` is for one answer to a short question.
    """

    address: str = ""
    patience: timedelta = timedelta(seconds=60)
    reach_within: timedelta = timedelta(seconds=5)
    surroundings: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _version: str = ""

    def __post_init__(self) -> None:
        """Settle on an address."""
        self.address = self.address or self.surroundings.get("DOCKER_HOST", "") or USUAL

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, as far as its address tells."""
        return self.address.startswith("unix://")

    async def greet(self) -> Greeting:
        """See that it answers. Raises `EngineAway` or `EngineClosed`."""
        return await self.ask(_greeting)

    async def ask(self, question: Callable[[docker.APIClient], _T]) -> _T:
        """Ask something that is answered at once; `question` runs in a thread, with a client of its own."""
        await self._reach()
        return await asyncio.to_thread(self._asked, question)

    @asynccontextmanager
    async def conversation(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Hold a long conversation; leaving the block breaks it off. Raises what the engine refuses."""
        if not self._version:
            self._version = (await self.greet()).api
        address = f"/v{self._version}{path}"
        try:
            async with (
                self._http() as http,
                http.stream(method, address, params=parameters, headers=headers, content=content) as said,
            ):
                if said.status_code >= HTTPStatus.BAD_REQUEST:
                    raise self._refusal(_message(await said.aread()))
                yield said
        except (httpx.HTTPError, OSError) as error:
            raise EngineAway(self.address, f"the conversation broke off ({type(error).__name__})") from error

    async def told(self, said: httpx.Response) -> AsyncIterator[dict[str, Any]]:
        """Read the engine's messages as they come."""
        pending = b""
        async for chunk in said.aiter_bytes():
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                if message := _object(line):
                    yield message
            if len(pending) > _LONGEST_LINE:
                raise EngineClosed(self.address, "its answer has no end", _SET)
        if message := _object(pending):
            yield message

    def _asked(self, question: Callable[[docker.APIClient], _T]) -> _T:
        try:
            client = docker.APIClient(
                base_url=self.address,
                version=self._version or "auto",
                timeout=int(self.patience.total_seconds()),
                tls=False if self.is_here else self._tls() or False,
            )
        except docker.errors.DockerException as error:
            raise EngineAway(self.address, "it does not say which version it is") from error
        self._version = str(client.api_version)
        try:
            return question(client)
        except docker.errors.APIError as error:
            raise self._refusal(str(error.explanation or error)) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise EngineAway(self.address, f"the conversation broke off ({type(error).__name__})") from error
        finally:
            client.close()

    def _refusal(self, words: str) -> SluiceError:
        return explain(self.address, words) or EngineRefused(self.address, words)

    async def _reach(self) -> None:
        """See that something listens, before the library asks: it leaves sockets open that did not get through."""
        kind, place = self._place()
        try:
            async with asyncio.timeout(self.reach_within.total_seconds()):
                if kind == "unix":
                    _, writer = await asyncio.open_unix_connection(place)
                else:
                    host, _, port = place.rpartition(":")
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except PermissionError as error:
            raise EngineClosed(self.address, "this user may not use its socket", _JOIN) from error
        except TimeoutError as error:
            raise EngineAway(self.address, "nobody answers in time") from error
        except OSError as error:
            self._version = ""  # the one that comes back may be another
            why = "there is no such socket" if isinstance(error, FileNotFoundError) else "nobody listens there"
            raise EngineAway(self.address, why) from error
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _place(self) -> tuple[str, str]:
        """``unix`` and a path, or ``tcp`` and host:port."""
        if self.address.startswith("unix://"):
            return "unix", self.address.removeprefix("unix://")
        try:
            parts = urlsplit(self.address)
            port = parts.port or (2376 if self._tls() else 2375)
        except ValueError as error:
            raise EngineClosed(self.address, "that is no address", _SET) from error
        if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
            raise EngineClosed(self.address, "only unix:// and tcp:// are spoken", _SET)
        return "tcp", f"{parts.hostname}:{port}"

    def _http(self) -> httpx.AsyncClient:
        kind, place = self._place()
        patience = httpx.Timeout(None, connect=self.reach_within.total_seconds())
        if kind == "unix":
            # Nothing is verified on a socket of this machine; to prepare for it would take longer than most answers.
            transport = httpx.AsyncHTTPTransport(uds=place, verify=False)
            return httpx.AsyncClient(transport=transport, base_url="http://docker", timeout=patience, trust_env=False)
        context = self._context()
        base = f"{'https' if context else 'http'}://{place}"
        return httpx.AsyncClient(verify=context or True, base_url=base, timeout=patience, trust_env=False)

    def _tls(self) -> Any:
        try:
            return docker.utils.kwargs_from_env(dict(self.surroundings)).get("tls")
        except docker.errors.TLSParameterError as error:
            cure = "Let DOCKER_CERT_PATH name a directory with ca.pem, cert.pem and key.pem."
            raise EngineClosed(self.address, "its certificates are not there", cure) from error

    def _context(self) -> ssl.SSLContext | None:
        tls = None if self.is_here else self._tls()
        if tls is None:
            return None
        context = ssl.create_default_context(cafile=tls.ca_cert if tls.verify else None)
        if not tls.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if tls.cert:
            context.load_cert_chain(*tls.cert)
        return context


def _greeting(api: docker.APIClient) -> Greeting:
    version, info = api.version(), api.info()
    return Greeting(
        version=str(version.get("Version", "")),
        api=str(api.api_version),
        root=str(info.get("DockerRootDir", "")),
        driver=str(info.get("Driver", "")),
    )


def _message(body: bytes) -> str:
    return shortened(str(_object(body).get("message") or body.decode("utf-8", "replace")))


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line) if line.strip() else None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

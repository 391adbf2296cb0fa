"""How requests travel to a cluster: with the `kubernetes` package's connections, credentials and proxies.

Nothing is repeated here but for one reason: when the cluster does not know who asks, the credentials are read anew,
once, and the request is made again. The package itself renews tokens whose end it knows (`refresh_api_key_hook`: a
service account's is read again every minute, a program is run again before its token ends); certificates, tokens
without a date and tokens in files it reads only once, and certificates it keeps in files that somebody may tidy away.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlencode

from kubernetes.client import Configuration
from kubernetes.client.exceptions import OpenApiException
from kubernetes.client.rest import RESTClientObject
from kubernetes.config.config_exception import ConfigException
from oauthlib.oauth2 import OAuth2Error
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from engine.errors import InvariantViolation
from engine.targets.kubernetes.exchange import Answer, Asked
from engine.targets.kubernetes.faults import CredentialsUnread, is_stranger, late, refusal, silence

JSON = "application/json"
_AGENT = "sluice"
_STRANGE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_RENEW_AFTER = 30.0
"""Seconds between two readings of the credentials: a program that gives them may ask a server for it."""
_UNREADABLE = (ConfigException, OpenApiException, OAuth2Error, HTTPError, OSError, ValueError, KeyError, TypeError)
"""What the package's own renewing may raise; its words may quote a secret."""
_KEEP_ALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""A peer that has vanished is noticed in half a minute, also by a watch that only listens."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries."""

    data: bytes
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class _Link:
    configuration: Configuration
    pool: PoolManager


class Wire:
    """The way to one cluster. Calls block; they may come from many threads.

    `patience` is for the connection and again for each silence of an answer. `load` reads the configuration: by the
    first request when there is none yet, and anew.
    """

    def __init__(
        self, configuration: Configuration | None, patience: timedelta, load: Callable[[], Configuration] | None = None
    ) -> None:
        self._patience = patience.total_seconds()
        self._load = load
        self._link = None if configuration is None else _linked(configuration)
        self._turn = threading.Lock()
        self._renewed = -_RENEW_AFTER

    def send(self, asked: Asked, method: str, query: Mapping[str, str], body: Body | None = None) -> Answer:
        """Make one request and return its answer, whatever it says. Raises when there is none."""
        return _answer(self._asking(_Request(asked, method, query, body, self._patience)))

    def follow(self, asked: Asked, query: Mapping[str, str], quiet: timedelta) -> BaseHTTPResponse:
        """Make a request whose answer goes on; `quiet` is how long it may say nothing. Raises when it is refused."""
        response = self._asking(_Request(asked, "GET", query, None, quiet.total_seconds(), goes_on=True))
        if response.status != HTTPStatus.OK:
            raise refusal(asked, _answer(response))
        return response

    def close(self) -> None:
        """Close the connections that nobody uses."""
        if self._link is not None:
            self._link.pool.clear()

    def _asking(self, request: "_Request") -> BaseHTTPResponse:
        link = self._linked(request.asked)
        try:
            response = self._once(link, request)
        except CredentialsUnread:
            if not self._renew(request.asked, link):
                raise
        else:
            if response.status not in _STRANGE or not is_stranger(_answer(response)):
                return response
            if not self._renew(request.asked, link):
                return response
        return self._once(self._linked(request.asked), request)

    def _linked(self, asked: Asked) -> _Link:
        """How to get there; read now if this is the first request."""
        if self._link is not None:
            return self._link
        with self._alone(asked):
            if self._link is None and self._load is not None:
                self._link = _linked(self._load())
            if self._link is None:
                raise InvariantViolation(f"Nobody has said where cluster {asked.cluster} is.")
            return self._link

    def _once(self, link: _Link, request: "_Request") -> BaseHTTPResponse:
        headers = {"Accept": JSON, "User-Agent": _AGENT, **self._credentials(request.asked, link)}
        if request.body is not None:
            headers["Content-Type"] = request.body.content_type
        try:
            return link.pool.request(
                request.method,
                request.url(link.configuration.host),
                body=request.body.data if request.body else None,
                headers=headers,
                timeout=Timeout(connect=self._patience, read=request.silence),
                retries=False,
                redirect=False,
                preload_content=not request.goes_on,
            )
        except (HTTPError, OSError) as error:
            raise silence(request.asked, error) from error

    def _credentials(self, asked: Asked, link: _Link) -> dict[str, str]:
        """The headers that say who asks; renewed here by the package's hook."""
        with self._alone(asked):
            try:
                settings = link.configuration.auth_settings().values()
            except _UNREADABLE as error:
                raise CredentialsUnread(asked.cluster, type(error).__name__) from None
        shown = {str(each["key"]): str(each["value"]).strip() for each in settings if each["value"]}
        if not all(each.isascii() and each.isprintable() for each in shown.values()):
            raise CredentialsUnread(asked.cluster, "they hold characters that cannot be sent")
        return shown

    def _renew(self, asked: Asked, link: _Link) -> bool:
        """Read the credentials anew, if that was not done just now; whether there are others than those of `link`."""
        if self._load is None:
            return False
        with self._alone(asked):
            if self._link is not link:
                return True
            if time.monotonic() - self._renewed < _RENEW_AFTER:
                return False
            self._renewed = time.monotonic()
            self._link = _linked(self._load())
        link.pool.clear()
        return True

    @contextlib.contextmanager
    def _alone(self, asked: Asked) -> Iterator[None]:
        """Let one thread at a time see to the credentials, and none wait for ever: their program may hang."""
        if not self._turn.acquire(timeout=self._patience):
            raise late(asked)
        try:
            yield
        finally:
            self._turn.release()


@dataclass(frozen=True, slots=True)
class _Request:
    asked: Asked
    method: str
    query: Mapping[str, str]
    body: Body | None
    silence: float
    goes_on: bool = False

    def url(self, host: str) -> str:
        asked_for = f"?{urlencode(self.query)}" if self.query else ""
        return f"{host.rstrip('/')}{self.asked.path}{asked_for}"


def _linked(configuration: Configuration) -> _Link:
    pool: PoolManager = RESTClientObject(configuration).pool_manager
    pool.connection_pool_kw.setdefault("socket_options", list(_socket_options()))
    return _Link(configuration, pool)


def _socket_options() -> Iterator[tuple[int, int, int]]:
    yield from HTTPConnection.default_socket_options
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    for name, value in _KEEP_ALIVE:
        if hasattr(socket, name):
            yield socket.IPPROTO_TCP, getattr(socket, name), value


def _answer(response: BaseHTTPResponse) -> Answer:
    return Answer(response.status, response.data, {name.lower(): value for name, value in response.headers.items()})

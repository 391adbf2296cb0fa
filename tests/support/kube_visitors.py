"""Visitors of a workload in a real cluster, as a process of their own: `python -m tests.support.kube_visitors`.

Each visitor has one connection at a time and makes its requests one after another at a steady pace. New connections go
where a node's proxy would send them: the EndpointSlices of the Service are watched, what they say counts some time
later, and the ready endpoints take turns. Half of the visitors stay with their pod until it closes the connection: that
is looked for right before each request, as HTTP clients do. The others come anew every few requests.

A pod that ends closes the connections on which it has nothing to do, and cannot know of a request that is on its way
there just then; no proxy of a node is asked about it either. HTTP/1.1 leaves that to clients (RFC 9112, 9.3.1): a
request that changes nothing is made once more, on a new connection, if it met its end on a kept one before any byte of
an answer came. Visitors do the same and say so of each, for such an end is due only where the pod was left in time.
Whatever else goes wrong is a failure: on a new connection, within an answer, too late, or the second time.

It is a process of its own so that nothing else keeps a visitor from seeing that its connection was closed. It says
`ready` when it begins, ends with its input, and then says as one line of JSON what came of the requests.
"""

import http.client
import itertools
import json
import select
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from kubernetes.client import Configuration
from urllib3 import PoolManager

from engine.targets.kubernetes import credentials
from engine.targets.kubernetes.kinds import ENDPOINT_SLICE

Json = dict[str, Any]
Address = tuple[str, int]

LAG = 0.5
"""Seconds from a change of the endpoints until connections follow it."""
_ANSWER_WITHIN = 10.0
_TROUBLE = (OSError, http.client.HTTPException, ValueError)
"""What a request can end in; a body that is no JSON is one that was cut off."""
_A_VISIT = 5
"""Requests on one connection of those that do not stay."""


class Step(StrEnum):
    """How far a request is."""

    CONNECT = "connecting"
    SEND = "sending"
    AWAIT = "awaiting an answer"
    READ = "reading the answer"


@dataclass(frozen=True, slots=True)
class Mishap:
    """What came in the way of a request: when (monotonic seconds), at which pod, and all that is known of it."""

    at: float
    host: str
    words: str


_NOTED = ("failures", "again")


@dataclass
class Tally:
    """What came of all requests, and how many connections the pods have closed. `again`: those made once more."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[Mishap] = field(default_factory=list)
    again: list[Mishap] = field(default_factory=list)
    closed: int = 0

    @property
    def total(self) -> int:
        """Requests made; one that was made once more counts once."""
        return sum(self.answers.values()) + len(self.failures)

    def told(self) -> str:
        """All of it as one line of JSON."""
        noted = {name: [asdict(each) for each in getattr(self, name)] for name in _NOTED}
        return json.dumps({"answers": self.answers, "closed": self.closed, **noted})

    def take(self, line: str | bytes) -> None:
        """Take over what another one has `told`."""
        said = json.loads(line)
        self.answers, self.closed = Counter(said["answers"]), said["closed"]
        self.failures, self.again = ([Mishap(**each) for each in said[name]] for name in _NOTED)


class Endpoints:
    """Where new connections to a Service go, as a node's proxy (kube-proxy) reads its EndpointSlices."""

    def __init__(self, lag: float = LAG) -> None:
        self._lag = lag
        self._slices: dict[str, Json] = {}
        self._heard: list[tuple[float, dict[str, Json]]] = []
        self._turn = itertools.count()
        self._lock = threading.Lock()
        self._since = time.monotonic()

    def hear(self, slices: dict[str, Json]) -> None:
        """Let all the slices that there are now count a while later."""
        with self._lock:
            self._heard.append((time.monotonic() + self._lag, slices))

    def pick(self) -> Address:
        """Where the next connection goes: to each ready endpoint in turn; if there is none, to those that end."""
        with self._lock:
            found = self._found()
        if not found:
            raise ConnectionRefusedError("the Service has no endpoints")
        return found[next(self._turn) % len(found)]

    def __str__(self) -> str:
        """Where connections go, for how long they have gone there, and when what else was heard will count."""
        with self._lock:
            found, now = self._found(), time.monotonic()
            to_come = "".join(f", others in {at - now:.3f} s" for at, _ in self._heard)
            return f"endpoints for {now - self._since:.3f} s: {' '.join(host for host, _ in found) or 'none'}{to_come}"

    def _found(self) -> list[Address]:
        while self._heard and self._heard[0][0] <= time.monotonic():
            self._since, self._slices = self._heard.pop(0)
        every = [(one, each) for one in self._slices.values() for each in one.get("endpoints") or ()]
        ready = {_address(*each) for each in every if is_ready(each[1])}
        return sorted(ready or {_address(*each) for each in every if _is_ending(each[1])})


def is_ready(endpoint: Json) -> bool:
    """Whether new connections go there. Where that is not known, they do."""
    return endpoint["conditions"].get("ready") is not False


def _is_ending(endpoint: Json) -> bool:
    conditions = endpoint["conditions"]
    return conditions.get("serving") is not False and bool(conditions.get("terminating"))


def _address(one: Json, endpoint: Json) -> Address:
    return endpoint["addresses"][0], one["ports"][0]["port"]


@dataclass
class Visitor:
    """One connection at a time, and its requests. One that does not `stay` makes a few on each."""

    endpoints: Endpoints
    tally: Tally
    stays: bool
    connection: http.client.HTTPConnection | None = None
    made: int = 0
    step: Step = Step.CONNECT
    begun: float = 0.0
    answered: float = 0.0

    def ask(self) -> None:
        """Make one request and note what comes of it."""
        self.begun = time.monotonic()
        kept = self._is_open()
        try:
            self._make()
        except _TROUBLE as error:
            seen = self._mishap(error, kept=kept)
            self._close()
            if kept and self.step in (Step.SEND, Step.AWAIT) and isinstance(error, ConnectionError):
                self.tally.again.append(seen)
                self.tally.closed += 1
                self._make_again()
            else:
                self.tally.failures.append(seen)

    def _make_again(self) -> None:
        try:
            self._make()
        except _TROUBLE as error:
            self.tally.failures.append(self._mishap(error, kept=False))
            self._close()

    def _make(self) -> None:
        if self.connection is None:
            self.step = Step.CONNECT
            self.connection = http.client.HTTPConnection(*self.endpoints.pick(), timeout=_ANSWER_WITHIN)
            self.connection.connect()
        self.step = Step.SEND
        self.connection.request("GET", "/")
        self.step = Step.AWAIT
        if not self.connection.sock.recv(1, socket.MSG_PEEK):
            raise http.client.RemoteDisconnected("closed without an answer")
        self.step = Step.READ
        self._read(self.connection)

    def _read(self, connection: http.client.HTTPConnection) -> None:
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"{answer.status} {body[:200]!r}")
        self.tally.answers[json.loads(body)["version"]] += 1
        self.made, self.answered = self.made + 1, time.monotonic()
        if connection.sock is None:  # the answer said that it is the last one
            self.tally.closed += 1
            self._close()
        elif not self.stays and self.made >= _A_VISIT:
            self._close()

    def _mishap(self, error: Exception, *, kept: bool) -> Mishap:
        now, host = time.monotonic(), self.connection.host if self.connection else ""
        idle = f"kept, {self.made} answers, the last {now - self.answered:.4f} s ago" if kept else "new"
        where = f"{host or 'no pod'}, {self.step}, {now - self.begun:.4f} s after the request began"
        words = f"{where} ({idle}): {error!r}; {self.endpoints}"
        return Mishap(now, host, words)

    def _is_open(self) -> bool:
        """Whether there is a connection that the pod has not closed."""
        if self.connection is None:
            return False
        if select.select([self.connection.sock], [], [], 0)[0]:
            self.tally.closed += 1
            self._close()
            return False
        return True

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection, self.made = None, 0


def visit(visitor: Visitor, every: float, over: threading.Event) -> None:
    """Make a request every so many seconds until it is over."""
    due = time.monotonic()
    while not over.wait(max(0.0, due - time.monotonic())):
        visitor.ask()
        due = max(due + every, time.monotonic() - 1)


class Watch:
    """The EndpointSlices of one Service."""

    def __init__(self, configuration: Configuration, namespace: str, service: str) -> None:
        tls: dict[str, Any] = {"ca_certs": configuration.ssl_ca_cert, "cert_reqs": ssl.CERT_REQUIRED}
        tls |= {"cert_file": configuration.cert_file, "key_file": configuration.key_file}
        key = configuration.get_api_key_with_prefix("authorization")
        self._http = PoolManager(headers={"authorization": key} if key else {}, retries=False, **tls)
        self._url = f"{configuration.host}{ENDPOINT_SLICE.path(namespace)}"
        self._chosen = {"labelSelector": f"kubernetes.io/service-name={service}"}

    def follow(self, endpoints: Endpoints, begun: threading.Event, over: threading.Event) -> None:
        """Tell `endpoints` of what is there and of every change."""
        while not over.is_set():
            listed = self._http.request("GET", self._url, fields=self._chosen).json()
            slices = {thing["metadata"]["name"]: thing for thing in listed["items"]}
            endpoints.hear(slices)
            begun.set()
            for word, thing in self._changes(listed["metadata"]["resourceVersion"]):
                if word == "ERROR":  # it has lost the thread: what is there now is listed anew
                    break
                name = thing["metadata"]["name"]
                slices = {key: each for key, each in slices.items() if key != name}
                if word != "DELETED":
                    slices[name] = thing
                endpoints.hear(slices)

    def _changes(self, version: str) -> Iterator[tuple[str, Json]]:
        asked = {**self._chosen, "watch": "1", "resourceVersion": version, "timeoutSeconds": "30"}
        answer = self._http.request("GET", self._url, fields=asked, preload_content=False)
        rest = b""
        for part in answer.stream(amt=None):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                event = json.loads(line)
                yield event["type"], event["object"]


def main() -> None:
    """Visit until the input ends."""
    namespace, service, rate, count = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    begun, over, tally, endpoints = threading.Event(), threading.Event(), Tally(), Endpoints()
    watch = Watch(credentials.load("here"), namespace, service)
    threading.Thread(target=watch.follow, args=(endpoints, begun, over), daemon=True).start()
    begun.wait(_ANSWER_WITHIN)
    over.wait(2 * LAG)
    visitors = [
        threading.Thread(target=visit, args=(Visitor(endpoints, tally, number % 2 == 0), count / rate, over))
        for number in range(count)
    ]
    for one in visitors:
        one.start()
    print("ready", flush=True)
    sys.stdin.read()
    over.set()
    for one in visitors:
        one.join()
    print(tally.told(), flush=True)


if __name__ == "__main__":
    main()

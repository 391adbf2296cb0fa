"""Visitors of a workload in a real cluster, as a process of their own: `python -m tests.support.kube_visitors`.

Each visitor has one connection at a time and makes its requests one after another at a steady pace. New connections go
where a node's proxy would send them: the EndpointSlices of the Service are watched, what they say counts some time
later, and the ready endpoints take turns. Half of the visitors stay with their pod until it closes the connection: that
is looked for right before each request, as HTTP clients do. The others come anew every few requests. No request is made
twice.

It is a process of its own so that nothing else keeps a visitor from seeing that its connection was closed. It says
`ready` when it begins, ends with its input, and then says as one line of JSON what came of the requests.
"""

import http.client
import itertools
import json
import select
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
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
_A_VISIT = 5
"""Requests on one connection of those that do not stay."""


@dataclass
class Tally:
    """What came of all requests, and how many connections the pods have closed."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    closed: int = 0


class Endpoints:
    """Where new connections to a Service go."""

    def __init__(self) -> None:
        self._slices: dict[str, Json] = {}
        self._heard: list[tuple[float, str, Json]] = []
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def hear(self, word: str, thing: Json) -> None:
        """Keep a change for later."""
        with self._lock:
            self._heard.append((time.monotonic() + LAG, word, thing))

    def pick(self) -> Address:
        """Where the next connection goes: to each ready endpoint in turn; if there is none, to those that end."""
        with self._lock:
            while self._heard and self._heard[0][0] <= time.monotonic():
                _, word, thing = self._heard.pop(0)
                self._slices[thing["metadata"]["name"]] = {} if word == "DELETED" else thing
            found = self._of("ready") or self._of("serving")
        if not found:
            raise ConnectionRefusedError("the Service has no endpoints")
        return found[next(self._turn) % len(found)]

    def _of(self, condition: str) -> list[Address]:
        return sorted(
            (each["addresses"][0], one["ports"][0]["port"])
            for one in self._slices.values()
            for each in one.get("endpoints") or ()
            if each["conditions"].get(condition)
        )


@dataclass
class Visitor:
    """One connection at a time, and its requests. One that does not `stay` makes a few on each."""

    endpoints: Endpoints
    tally: Tally
    stays: bool
    connection: http.client.HTTPConnection | None = None
    made: int = 0

    def ask(self) -> None:
        """Make one request and note what comes of it."""
        reused = self._is_open()
        try:
            self._answered()
        except (OSError, http.client.HTTPException) as error:
            where = f"{self.connection.host} " if self.connection else ""
            kept = "kept" if reused else "new"
            self.tally.failures.append(f"{time.time():.3f} {where}({kept} connection): {error!r}")
            self._close()

    def _answered(self) -> None:
        if self.connection is None:
            host, port = self.endpoints.pick()
            self.connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_WITHIN)
        self.connection.request("GET", "/")
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            self.tally.failures.append(f"{time.time():.3f} {self.connection.host}: {answer.status} {body[:200]!r}")
        else:
            self.tally.answers[json.loads(body)["version"]] += 1
        self.made += 1
        if self.connection.sock is None:  # the answer said that it is the last one
            self.tally.closed += 1
            self._close()
        elif not self.stays and self.made >= _A_VISIT:
            self._close()

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
        listed = self._http.request("GET", self._url, fields=self._chosen).json()
        version = listed["metadata"]["resourceVersion"]
        for thing in listed["items"]:
            endpoints.hear("ADDED", thing)
        begun.set()
        while not over.is_set():
            for word, thing in self._changes(version):
                version = thing["metadata"]["resourceVersion"]
                endpoints.hear(word, thing)

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
    print(json.dumps({"answers": tally.answers, "failures": tally.failures, "closed": tally.closed}), flush=True)


if __name__ == "__main__":
    main()

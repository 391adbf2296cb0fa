"""Visitors of a workload in a real cluster, as a process of their own: `python -m tests.support.kube_visitors`.

New connections go where a node's proxy would send them: the EndpointSlices of the Service are watched, what they say
counts some time later, and the ready endpoints take turns. How a visitor behaves is told in `visitors`; no proxy of a
node makes a request once more, so such an end is due only where the pod was left in time.
"""

import itertools
import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from kubernetes.client import Configuration
from urllib3 import PoolManager

from engine.targets.kubernetes import credentials
from engine.targets.kubernetes.kinds import ENDPOINT_SLICE
from tests.support.visitors import ANSWER_WITHIN, PLAIN, Address, keep_visiting

Json = dict[str, Any]

LAG = 0.5
"""Seconds from a change of the endpoints until connections follow it."""


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
    begun, over, endpoints = threading.Event(), threading.Event(), Endpoints()
    watch = Watch(credentials.load("here"), namespace, service)
    threading.Thread(target=watch.follow, args=(endpoints, begun, over), daemon=True).start()
    begun.wait(ANSWER_WITHIN)
    over.wait(2 * LAG)
    keep_visiting(endpoints, [PLAIN] * count, rate)
    over.set()


if __name__ == "__main__":
    main()

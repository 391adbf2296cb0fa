"""A Kubernetes API on loopback, for tests: `kube()` runs one, `Kube` is what a test does with it.

The API keeps objects, owners of fields and versions as a real server does, see `kube_verbs` and `kube_apply`. Nothing
moves by itself: the controllers of `kube_controller` work when the test steps them, or on their own inside `living()`.
Two clocks never mix: times written into objects come from the cluster's clock, which steps move on; watches and held
answers end by the machine's.
"""

import asyncio
import contextlib
import copy
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from kubernetes import client

from tests.support.eventually import passed
from tests.support.kube_controller import Controllers
from tests.support.kube_crowd import crowd
from tests.support.kube_http import Api
from tests.support.kube_kinds import GATEWAY, ISTIO, NAMESPACE, RESOURCES, Json, named, resource_of
from tests.support.kube_lists import Lists
from tests.support.kube_merges import MERGE, STRATEGIC, change_of
from tests.support.kube_rights import Rights
from tests.support.kube_selectors import chooser
from tests.support.kube_store import Store
from tests.support.kube_trouble import Call, Fault, Trouble
from tests.support.kube_verbs import Verbs
from tests.support.kube_watch import BOOKMARK, CUT, END, Watch
from tests.support.kube_writing import Asked

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_A_STEP = timedelta(seconds=1)


class Kube:
    """A running cluster without machines."""

    def __init__(self, clock: Callable[[], datetime] | None) -> None:
        self._time = datetime.now(UTC).replace(microsecond=0)
        self._clock = clock
        self.store = Store()
        self.verbs = Verbs(self.store, self.now)
        self.rights = Rights()
        self.lists = Lists(self.store)
        self.controllers = Controllers(self.verbs)
        self.token = "the token"
        self.served: set[str] = set()
        self.watches: set[Watch] = set()
        self.calls: list[Call] = []
        self.count: Counter[tuple[str, str]] = Counter()
        self.longest_watch: float | None = None
        self.port = 0
        self._troubles: list[Trouble] = []
        self._api = Api(self)
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def images(self) -> dict[str, Any]:
        """How pods of an image behave: ``images["org/web:v2"] = Behaviour.NEVER_READY``; see `kube_pods`."""
        return self.controllers.kubelet.images

    def now(self) -> datetime:
        """The cluster's time."""
        return self._clock() if self._clock else self._time

    def pass_time(self, passed: timedelta) -> None:
        """Let the cluster's own clock go on."""
        self._time += passed
        self.store.wake()

    def configuration(self) -> client.Configuration:
        """How the `kubernetes` package reaches it."""
        made = client.Configuration()
        made.host, made.verify_ssl = self.url, False
        made.api_key, made.api_key_prefix = {"authorization": self.token}, {"authorization": "Bearer"}
        return made

    def kubeconfig(self, folder: Path, context: str = "stand-in") -> Path:
        """Write a kubeconfig that leads here."""
        at = folder / "kubeconfig"
        known = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": {"server": self.url}}],
            "users": [{"name": context, "user": {"token": self.token}}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        }
        at.write_text(yaml.safe_dump(known))
        return at

    def serve(self, group: str, *, on: bool = True) -> None:
        """Have an API group, or not."""
        if on == (group in self.served):
            return
        (self.served.add if on else self.served.discard)(group)
        for one in RESOURCES:
            if one.group == group:
                (self._api.serve if on else self._api.withhold)(one)

    def serve_older(self, group: str, *, on: bool = True) -> None:
        """Have an API group as an older version of it has it, or not: nothing in it is v1."""
        (self.served.add if on else self.served.discard)(group)
        for one in RESOURCES:
            if one.group == group:
                (self._api.serve if on else self._api.withhold)(replace(one, version="v1beta1"))

    def put(self, thing: Mapping[str, Any], manager: str = "kubectl-client-side-apply") -> Json:
        """Create or replace an object, as somebody else would who is no applier. Its namespace is made if need be."""
        resource, given = resource_of(dict(thing)), copy.deepcopy(dict(thing))
        namespace = given["metadata"].get("namespace", "default") if resource.namespaced else ""
        self.have_namespace(namespace)
        name, asked = given["metadata"].get("name", ""), Asked(manager)
        there = self.store.get(resource, namespace, name)
        if there is None:
            return copy.deepcopy(self.verbs.create(resource, namespace, given, asked))
        given["metadata"].setdefault("resourceVersion", there["metadata"]["resourceVersion"])
        return copy.deepcopy(self.verbs.replace(resource, namespace, name, given, asked))

    def have_namespace(self, name: str) -> None:
        if name and self.store.get(NAMESPACE, "", name) is None:
            self.verbs.create(NAMESPACE, "", {"metadata": {"name": name}}, Asked("kubectl"))

    def get(self, plural: str, namespace: str, name: str) -> Json:
        """A copy of an object, as it is now; KeyError when it is not there."""
        there = self.store.get(named(plural), namespace, name)
        if there is None:
            raise KeyError(name)
        return copy.deepcopy(there)

    def of(self, plural: str, namespace: str = "", labels: str = "") -> list[Json]:
        """Copies of all objects of a kind that a selector chooses, by name."""
        chooses = chooser(plural, labels, "")
        things = self.store.all(named(plural), namespace)
        return [copy.deepcopy(one) for one in things if chooses is None or chooses(one)]

    def edit(self, plural: str, namespace: str, name: str, patch: Json, manager: str = "kubectl-edit") -> Json:
        """Change an object as a person does with `kubectl edit`: lists are merged by their keys."""
        resource = named(plural)
        change = change_of(resource, MERGE if resource.custom else STRATEGIC, copy.deepcopy(patch))
        return copy.deepcopy(self.verbs.patch(resource, namespace, name, change, Asked(manager)))

    def scale(self, namespace: str, name: str, count: int, manager: str = "kubectl") -> Json:
        """Change the number of instances as a person does with `kubectl scale`."""
        asked = Asked(manager, subresource="scale")
        change = change_of(named("deployments"), MERGE, {"spec": {"replicas": count}})
        return copy.deepcopy(self.verbs.patch(named("deployments"), namespace, name, change, asked))

    def delete(self, plural: str, namespace: str, name: str, **options: Any) -> None:
        self.verbs.delete(named(plural), namespace, name, options)

    def crowd(self, namespace: str, count: int) -> None:
        """Put so many pods of somebody else there, cheaply; no controller looks at them."""
        self.have_namespace(namespace)
        crowd(self.store, namespace, count, self.verbs.now)

    def role(self, role: Mapping[str, Any], namespace: str = "") -> None:
        """Let the caller do what this Role says, and nothing beside what earlier ones said."""
        self.rights.load(role, namespace)

    def fail(
        self, fault: Fault, times: int = 1, *, verb: str = "", plural: str = "", name: str = "", retry_after: int = 1
    ) -> Trouble:
        """Let the next `times` requests go wrong that match."""
        trouble = Trouble(fault, times, verb, plural, name, retry_after)
        self._troubles.append(trouble)
        return trouble

    def mend(self) -> None:
        """End every trouble; what is held is answered."""
        for one in self._troubles:
            one.release()
        self._troubles.clear()

    def called(self, call: Call) -> Trouble | None:
        """Write a request down. Returns what is to befall it."""
        self.calls.append(call)
        self.count[call.verb, call.plural] += 1
        return next((one for one in self._troubles if one.meets(call)), None)

    def watching(self, seconds: float) -> float:
        return seconds if self.longest_watch is None else min(seconds, self.longest_watch)

    def compact(self) -> None:
        """Forget the past: watches resumed and lists continued from before are refused with 410."""
        self.store.compact()
        self.lists.expire()

    def bookmark(self) -> None:
        """Send a bookmark to every open watch that takes them."""
        self._order(BOOKMARK)

    def end_watches(self) -> None:
        """End every open watch as its timeout does."""
        self._order(END)

    def cut_watches(self) -> None:
        """Cut every open watch in the middle."""
        self._order(CUT)

    def _order(self, what: str) -> None:
        for one in list(self.watches):
            one.order(what)

    async def step(self, times: int = 1) -> bool:
        """Let every controller act once, so many times. Returns whether the last one changed anything, or goes on."""
        version = self.store.version
        for _ in range(times):
            version = self.store.version
            self._time += _A_STEP
            self.controllers.step()
            await passed(1)
        return self.store.version != version or self.controllers.is_busy

    async def settle(self, most: int = 500) -> int:
        """Step until nothing changes any more. Returns the number of steps."""
        for done in range(most):
            if not await self.step():
                return done
        raise AssertionError(f"nothing settled in {most} steps")

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Let the controllers work on their own until the block ends: whenever something has changed."""
        bell = self.store.listen()
        task = asyncio.create_task(self._live(bell))
        try:
            yield
        finally:
            self.store.ignore(bell)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _live(self, bell: asyncio.Event) -> None:
        while True:
            bell.clear()
            if not await self.step():
                await bell.wait()

    async def go_away(self) -> None:
        """Refuse connections and cut those that are there, until `come_back`."""
        self.mend()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def come_back(self) -> None:
        """Listen, at the same port as before."""
        server = web.Server(self._api, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]


@asynccontextmanager
async def kube(
    *, istio: bool = False, gateway: bool = False, clock: Callable[[], datetime] | None = None
) -> AsyncIterator[Kube]:
    """Run a cluster until the block ends."""
    made = Kube(clock)
    for group in {one.group for one in RESOURCES} - {ISTIO, GATEWAY}:
        made.serve(group)
    made.serve(ISTIO, on=istio)
    made.serve(GATEWAY, on=gateway)
    for name in _NAMESPACES:
        made.have_namespace(name)
    async with made._api:
        await made.come_back()
        try:
            yield made
        finally:
            await made.go_away()

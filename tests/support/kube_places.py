"""Where a `Place` stands: on the API stand-in, whose time passes with each look, or on a real cluster.

The real one is the cluster that KUBECONFIG names; the namespace is made for the one test and removed after it, however
it ends. Nothing else there is touched.
"""

import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest

from engine.ports import Clock
from engine.targets.kubernetes import credentials
from engine.targets.kubernetes.kinds import NAMESPACE, Kind
from tests.support.kube_behaviour import Behaviour
from tests.support.kube_ground import Images, Pace
from tests.support.kube_hands import Hands, Json, reading
from tests.support.kube_kinds import resource_of
from tests.support.kube_mortal import Mortal
from tests.support.kube_place import Place
from tests.support.kube_promises import KINDS, ROUTERS, Change
from tests.support.kube_server import Kube, kube
from tests.support.kube_store import DELETED
from tests.support.process_target import WallClock

QUICK = Pace(
    drain=timedelta(seconds=6),
    hold=timedelta(seconds=9),
    settle=timedelta(seconds=4),
    slack=timedelta(0),
    between=0.004,
    within=20,
    stale=timedelta(seconds=1),
)
REAL = Pace(
    drain=timedelta(seconds=2),
    hold=timedelta(seconds=3),
    settle=timedelta(seconds=1),
    slack=timedelta(milliseconds=700),
    between=0.1,
    within=150,
)


@dataclass
class StandIn:
    """A `Ground` without machines: with each look its controllers act once, and a second passes.

    While it is `still`, no controller does anything.
    """

    kube: Kube
    hands: Hands
    images: Images = field(default_factory=lambda: Images("", "shop/hello"))
    pace: Pace = QUICK
    patience: timedelta = timedelta(seconds=10)
    still: bool = False
    seen: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._version = self.kube.store.version

    @property
    def clock(self) -> Clock:
        """The cluster's own time."""
        return self.kube

    def cluster(self, manager: str) -> Mortal:
        """A way there of Sluice's own."""
        return Mortal("here", self.kube.configuration(), manager, patience=self.patience)

    async def serves(self, group: str) -> None:
        """Have an API group."""
        self.kube.serve(group)

    async def go_on(self) -> None:
        """Let the controllers act once."""
        self._read()
        if self.still:
            self.kube.pass_time(timedelta(seconds=1))
        else:
            await self.kube.step()
        self._read()

    async def changes(self) -> list[Change]:
        """Everything that became of the objects until now."""
        self._read()
        return self.seen

    def _read(self) -> None:
        at = self.kube.now().timestamp()
        for kind in (*KINDS, *ROUTERS):
            resource = resource_of({"apiVersion": kind.api_version, "kind": kind.kind})
            for one in self.kube.store.since(resource, self._version):
                meta = one.now["metadata"]
                if meta["namespace"] == self.hands.namespace:
                    thing = None if one.kind == DELETED else one.now
                    self.seen.append(Change(one.version, at, kind, meta["name"], thing))
        self._version = self.kube.store.version


@dataclass
class RealCluster:
    """A `Ground` with machines: it goes on by itself."""

    hands: Hands
    images: Images
    groups: frozenset[str]
    pace: Pace = REAL
    clock: Clock = field(default_factory=WallClock)
    seen: list[Change] = field(default_factory=list)

    def cluster(self, manager: str) -> Mortal:
        """A way there of Sluice's own."""
        return Mortal("here", credentials.load("here"), manager)

    async def serves(self, group: str) -> None:
        """Skip the test unless there is this API group."""
        if group not in self.groups:
            pytest.skip(f"The cluster has no {group}: install its CustomResourceDefinitions there.")

    async def go_on(self) -> None:
        """It does."""

    async def changes(self) -> list[Change]:
        """Everything that was told of the objects until now."""
        return self.seen

    def note(self, kind: Kind, word: str, thing: Json) -> None:
        """Keep what a watch tells."""
        meta = thing["metadata"]
        version, gone = int(meta["resourceVersion"]), word == DELETED
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **thing}
        self.seen.append(Change(version, time.monotonic(), kind, meta["name"], None if gone else whole))


@asynccontextmanager
async def _standing(place: Place) -> AsyncIterator[Place]:
    """Give the place to a test, and see afterwards that every promise was kept and nothing is left."""
    try:
        yield place
        await place.cleared()
    finally:
        await place.close()


@asynccontextmanager
async def on_stand_in(*, istio: bool = False, gateway: bool = False) -> AsyncIterator[Place]:
    """A place in the API stand-in."""
    async with kube(istio=istio, gateway=gateway) as server:
        server.have_namespace("shop")
        server.images["shop/hello:bad"] = Behaviour.NEVER_READY
        hands = Hands(server.configuration(), "shop")
        try:
            async with _standing(Place(StandIn(server, hands), "shop")) as place:
                yield place
        finally:
            await hands.close()


@asynccontextmanager
async def on_cluster() -> AsyncIterator[Place]:
    """A place in the cluster that KUBECONFIG names; skips the test when something is missing."""
    images = _images_of(os.environ.get("SLUICE_TEST_IMAGE", ""))
    if not os.environ.get("KUBECONFIG"):
        pytest.skip(
            "KUBECONFIG names no cluster: set it to the path of a kubeconfig whose cluster may be used for tests."
        )
    namespace = f"sluice-test-{secrets.token_hex(4)}"
    hands = Hands(credentials.load("here"), namespace)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(hands.close)
        await hands.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        stack.push_async_callback(hands.delete, NAMESPACE, namespace)
        groups = frozenset(await hands.groups())
        ground = RealCluster(hands, images, groups)
        place = await stack.enter_async_context(_standing(Place(ground, namespace)))
        for kind in (*KINDS, *(one for one in ROUTERS if one.group in groups)):
            await stack.enter_async_context(reading(hands, kind, partial(ground.note, kind)))
        yield place


def _images_of(named: str) -> Images:
    """The repository of an image like ``registry.example.com/org/repository:v1``."""
    if not named:
        pytest.skip(
            "SLUICE_TEST_IMAGE names no image: set it to REGISTRY/ORG/REPOSITORY:v1, with v2, v3 and bad beside it."
        )
    parts = named.rpartition(":")[0].split("/")
    return Images("/".join(parts[:-2]), "/".join(parts[-2:]))

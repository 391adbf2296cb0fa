"""A namespace as everybody sees it who has access: what others put there, and what is there. See `kube_place`."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, POD, REPLICA_SET, SERVICE, VIRTUAL_SERVICE, Kind
from tests.support import kube_foreign as foreign
from tests.support.eventually import eventually
from tests.support.kube_ground import Ground, Pace
from tests.support.kube_hands import Hands
from tests.support.kube_promises import is_ready

Json = dict[str, Any]

NAME = "hello"
"""The workload of every test."""
_CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
_LISTED = (DEPLOYMENT, REPLICA_SET, SERVICE, POD, _CONFIG_MAP)


@dataclass
class Surroundings:
    """One namespace. `foreign` are the kinds and names of what somebody else has put there."""

    ground: Ground
    namespace: str
    foreign: set[tuple[str, str]] = field(default_factory=set)

    @property
    def hands(self) -> Hands:
        """Somebody else in the namespace."""
        return self.ground.hands

    @property
    def pace(self) -> Pace:
        """How fast it is here."""
        return self.ground.pace

    # -- somebody else

    async def put(self, thing: Json) -> Json:
        """Make an object as somebody else does."""
        self.foreign.add((thing["kind"], thing["metadata"]["name"]))
        return await self.hands.put(thing)

    async def has_workload(self, tag: str = "v1", count: int = 3, **container: Any) -> None:
        """Have a Deployment and a Service that others made, with all pods ready. `container` adds to their only one."""
        await self.put(foreign.deployment(NAME, self.ground.images.pulled(tag), count, **container))
        await self.put(foreign.service(NAME))
        await self.until(lambda pods: sum(map(is_ready, pods)) == count, "the workload of others is ready")

    async def has_way(self, way: str) -> None:
        """Have what the strategy needs before its first release."""
        if way == "istio":
            await self.ground.serves(VIRTUAL_SERVICE.group)
        if way == "gateway":
            await self.ground.serves(HTTP_ROUTE.group)
            await self.put(foreign.http_route("front", NAME))

    async def has_routed_workload(self, way: str) -> None:
        """Have a workload that others made, and what the strategy needs: where that is routes, theirs are `front`."""
        await self.has_way(way)
        if way == "istio":
            await self.put(foreign.virtual_service("front", NAME))
        await self.has_workload()

    # -- what is there

    async def pods(self, labels: str = "") -> list[Json]:
        """Every pod that is not on its way out."""
        return [pod for pod in await self.hands.all(POD, labels) if not pod["metadata"].get("deletionTimestamp")]

    async def running(self) -> Counter[tuple[str, str]]:
        """How many ready pods each group has of each tag."""
        return Counter(
            (names.label(pod, names.GROUP) or names.STABLE, pod["spec"]["containers"][0]["image"].rpartition(":")[2])
            for pod in await self.pods()
            if is_ready(pod)
        )

    async def untouched(self) -> dict[str, tuple[int, Json]]:
        """What must stay as it is in pods that nobody may touch: by uid, how often restarted, and their labels."""
        return {
            pod["metadata"]["uid"]: (
                sum(each["restartCount"] for each in pod["status"].get("containerStatuses", ())),
                pod["metadata"]["labels"],
            )
            for pod in await self.pods()
            if not names.label(pod, names.GROUP)
        }

    async def until(self, condition: Callable[[list[Json]], bool], what: str) -> None:
        """Let the cluster go on until its pods are as wanted."""

        async def look() -> bool:
            if condition(await self.pods()):
                return True
            await self.ground.go_on()
            return False

        await eventually(look, what, self.pace.within, self.pace.between)

    async def ours(self) -> dict[tuple[str, str], Json]:
        """Every object that carries a label of Sluice's, by kind and name."""
        found = [thing for kind in await self._kinds() for thing in await self.hands.all(kind, names.WORKLOAD)]
        return {(one["kind"], one["metadata"]["name"]): one for one in found}

    async def unnamed(self) -> set[tuple[str, str]]:
        """Objects that neither somebody else made, nor the cluster itself, nor can be found by Sluice's labels."""
        every = [thing for kind in await self._kinds() for thing in await self.hands.all(kind)]
        known = self.foreign | (await self.ours()).keys()
        mine = {(one["kind"], one["metadata"]["name"]) for one in every if not one["metadata"].get("ownerReferences")}
        return {one for one in mine - known if not one[1].endswith(".crt")}

    async def _kinds(self) -> list[Kind]:
        groups = await self.hands.groups()
        routed = [kind for kind in (VIRTUAL_SERVICE, HTTP_ROUTE) if kind.group in groups]
        return [*_LISTED, *routed]

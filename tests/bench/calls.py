"""How much a release asks of a cluster's API server: with three instances and with three hundred, among many others.

A strategy looks ten times a second. What it sees comes from watches, so the calls must follow the moves and not the
time or the instances.
"""

from datetime import timedelta

from engine.definition import Gray
from engine.deployed import Deployed
from engine.rollout.fleet import Done, GoalKind, Wait
from engine.rollout.strategies import next_move
from engine.stages.rollout import goal_of
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.scene import Looking
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.target import KubernetesTarget
from engine.targets.kubernetes.watching import Watching
from tests.bench.report import Figure
from tests.support.kube_releases import release
from tests.support.kube_server import Kube, kube
from tests.support.store import a_run

WORKLOAD = "production/shop/web"
STRATEGIES = ("canary", "blue_green", "istio")
AT_MOST = 60
"""Calls for a gray release and its promotion."""
AT_MOST_MORE = 2.0
"""So many times those with three instances may be made with three hundred."""
MOST_LOOKS = 4000


async def measure(*, quick: bool) -> list[Figure]:
    """The calls of a gray release and its promotion, by strategy."""
    found: list[Figure] = []
    for strategy in STRATEGIES:
        few = await _calls(strategy, 3, foreign=0)
        many = await _calls(strategy, 60 if quick else 300, foreign=5000)
        note = "5,000 pods of others in the namespace"
        found += [
            Figure(f"{strategy}: calls with 3 instances", few, "calls", AT_MOST),
            Figure(f"{strategy}: calls with {60 if quick else 300} instances", many, "calls", AT_MOST, note=note),
            Figure(f"{strategy}: the latter to the former", many / few, "times", AT_MOST_MORE),
        ]
    return found


async def _calls(strategy: str, instances: int, foreign: int) -> int:
    async with kube(istio=True) as server:
        server.have_namespace("shop")
        server.crowd("shop", foreign)
        cluster = Cluster("production", server.configuration(), "sluice")
        watching = Watching(cluster)
        looking = Looking(cluster, watching, server)
        target = KubernetesTarget(
            {"production": Site("production", cluster, watching, looking, settle=timedelta(0))}, server
        )
        spec = await target.fit(WORKLOAD, _spec(strategy, instances))
        old, new = (release(spec, image=f"shop/web:v{number}", number=number) for number in (1, 2))
        await _drive(target, server, Deployed(WORKLOAD, spec, old, None), GoalKind.PROMOTE)
        before = sum(cluster.calls.values())
        for kind in (GoalKind.GRAY, GoalKind.PROMOTE):
            await _drive(target, server, Deployed(WORKLOAD, spec, new, old), kind)
        made = sum(cluster.calls.values()) - before
        await target.close()
        return made


async def _drive(target: KubernetesTarget, server: Kube, deployed: Deployed, kind: GoalKind) -> None:
    place, goal = deployed.placement(), goal_of(a_run("web-1"), deployed, kind)
    for _ in range(MOST_LOOKS):
        await target.tend(place)
        advice = next_move(deployed.spec.strategy, goal, await target.observe(place), server.now())
        if isinstance(advice, Done):
            return
        if not isinstance(advice, Wait):
            await target.perform(place, advice)
        await server.step()
    raise AssertionError(f"{kind} does not end: {advice}")


def _spec(strategy: str, instances: int) -> Gray:
    given = {
        "target": "kubernetes",
        "cluster": "production",
        "namespace": "shop",
        "workload": "web",
        "strategy": strategy,
        "instances": instances,
        "gray_instances": 1 if instances < 10 else 30,
        "service": {"port": 80, "container_port": 8080},
        "drain": "1s",
        "hold": "1s",
    }
    return Gray.model_validate(given)

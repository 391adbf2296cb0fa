"""The way to a cluster against an API that behaves like one: objects, owners, rights, controllers at work."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Broken, Interrupted
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.faults import Held
from engine.targets.kubernetes.kinds import DEPLOYMENT, POD, VIRTUAL_SERVICE
from engine.targets.kubernetes.watching import Watching
from tests.support.eventually import eventually
from tests.support.kube_server import Kube, kube
from tests.support.kube_trouble import Fault

OURS = "app=web"


@pytest.fixture
async def api() -> AsyncIterator[Kube]:
    async with kube() as running:
        running.have_namespace("shop")
        yield running


@pytest.fixture
async def cluster(api: Kube) -> AsyncIterator[Cluster]:
    made = Cluster("prod", api.configuration(), "sluice")
    yield made
    await made.close()


@pytest.fixture
async def watching(cluster: Cluster) -> AsyncIterator[Watching]:
    made = Watching(cluster, stale=timedelta(hours=1))
    yield made
    await made.close()


def deployment(replicas: int = 3, image: str = "org/web:v1") -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def images(pods: Any) -> list[str]:
    return sorted(one["spec"]["containers"][0]["image"] for one in pods.values())


async def test_a_rollout_is_followed_by_watches_alone(api: Kube, cluster: Cluster, watching: Watching) -> None:
    assert await watching.seen(POD, "shop", OURS) == {}
    async with api.living():
        for image in ("org/web:v1", "org/web:v2"):
            await cluster.apply(DEPLOYMENT, deployment(image=image))

            async def is_there(image: str = image) -> bool:
                return images(await watching.seen(POD, "shop", OURS)) == [image] * 3

            await eventually(is_there)
    assert cluster.calls == {("list", "pods"): 1, ("watch", "pods"): 1, ("patch", "deployments"): 2}
    assert api.count == cluster.calls


async def test_what_is_seen_is_what_is_listed_after_every_trouble(
    api: Kube, cluster: Cluster, watching: Watching
) -> None:
    async with api.living():
        await cluster.apply(DEPLOYMENT, deployment())
        await watching.seen(POD, "shop", OURS)
        for number, fault in enumerate((Fault.CUT, Fault.GARBAGE, Fault.BROKEN, Fault.TOO_MANY, Fault.GONE)):
            trouble = api.fail(fault, verb="watch", plural="pods")
            await eventually(lambda: len(api.watches) == 1)
            api.end_watches()

            async def is_met(trouble: Any = trouble) -> bool:
                await watching.seen(POD, "shop", OURS)
                return bool(trouble.met)

            await eventually(is_met)
            await cluster.apply(DEPLOYMENT, deployment(replicas=4 + number))

            async def agrees(count: int = 4 + number) -> bool:
                listed = (await cluster.list(POD, "shop", labels=OURS)).items
                seen = await watching.seen(POD, "shop", OURS)
                return len(listed) == count and _versions(listed) == _versions(seen.values())

            await eventually(agrees)


async def test_a_history_that_was_compacted_costs_one_more_list(
    api: Kube, cluster: Cluster, watching: Watching
) -> None:
    api.put(deployment())
    assert set(await watching.seen(DEPLOYMENT, "shop")) == {"web"}
    await eventually(lambda: len(api.watches) == 1)
    await api.go_away()
    api.delete("deployments", "shop", "web")
    api.compact()
    await api.come_back()

    async def is_gone() -> bool:
        return not await watching.seen(DEPLOYMENT, "shop")

    await eventually(is_gone)
    assert cluster.calls["list", "deployments"] == 2


async def test_a_crowd_of_foreign_pods_costs_nothing(api: Kube, cluster: Cluster, watching: Watching) -> None:
    api.crowd("shop", 5000)
    assert await watching.seen(POD, "shop", OURS) == {}
    assert cluster.calls["list", "pods"] == 1
    assert len((await cluster.list(POD, "shop")).items) == 5000
    assert cluster.calls["list", "pods"] == 11


async def test_a_field_of_a_person_is_held_until_it_is_forced(api: Kube, cluster: Cluster) -> None:
    api.put(deployment(), manager="kubectl-client-side-apply")
    api.scale("shop", "web", 5)
    with pytest.raises(Held) as held:
        await cluster.apply(DEPLOYMENT, deployment())
    assert ("spec.replicas", "kubectl") in held.value.fields
    dry = await cluster.apply(DEPLOYMENT, deployment(), force=True, dry=True)
    assert (dry["spec"]["replicas"], api.get("deployments", "shop", "web")["spec"]["replicas"]) == (3, 5)
    await cluster.apply(DEPLOYMENT, deployment(), force=True)
    assert api.get("deployments", "shop", "web")["spec"]["replicas"] == 3


async def test_a_role_without_watch_is_named_with_what_it_lacks(
    api: Kube, cluster: Cluster, watching: Watching
) -> None:
    api.role({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}, "shop")
    with pytest.raises(Broken, match="does not let Sluice watch pods in namespace shop"):
        await watching.seen(POD, "shop")
    with pytest.raises(Broken, match=r"does not let Sluice patch deployments\.apps in namespace shop \(web\)"):
        await cluster.apply(DEPLOYMENT, deployment())


async def test_a_write_whose_answer_is_lost_may_be_made_again(api: Kube, cluster: Cluster) -> None:
    api.fail(Fault.LOST, verb="patch")
    with pytest.raises(Interrupted):
        await cluster.apply(DEPLOYMENT, deployment())
    there = api.get("deployments", "shop", "web")
    again = await cluster.apply(DEPLOYMENT, deployment())
    assert again["metadata"]["uid"] == there["metadata"]["uid"]
    assert again["metadata"]["generation"] == there["metadata"]["generation"]


async def test_only_the_one_that_is_meant_is_deleted(api: Kube, cluster: Cluster) -> None:
    uid = api.put(deployment())["metadata"]["uid"]
    await cluster.delete(DEPLOYMENT, "shop", "web", uid="somebody-elses")
    assert api.get("deployments", "shop", "web")["metadata"]["uid"] == uid
    await cluster.delete(DEPLOYMENT, "shop", "web", uid=uid)
    assert await cluster.get(DEPLOYMENT, "shop", "web") is None
    await cluster.delete(DEPLOYMENT, "shop", "web", uid=uid)


async def test_istio_is_known_by_its_api_group(api: Kube) -> None:
    cluster = Cluster("prod", api.configuration(), "sluice", remembers=timedelta(0))
    assert not await cluster.serves(VIRTUAL_SERVICE)
    with pytest.raises(Broken, match="knows no VirtualService"):
        await cluster.get(VIRTUAL_SERVICE, "shop", "web")
    api.serve(VIRTUAL_SERVICE.group)
    assert await cluster.serves(VIRTUAL_SERVICE)
    assert await cluster.get(VIRTUAL_SERVICE, "shop", "web") is None
    await cluster.close()


def _versions(things: Any) -> dict[str, str]:
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in things}

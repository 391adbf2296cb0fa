"""How pods fare in the Kubernetes API stand-in: as the test says for each image, one step at a time."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.kube_behaviour import Behaviour
from tests.support.kube_facts import deployment, service
from tests.support.kube_kinds import Json
from tests.support.kube_server import Kube, kube

IMAGE = "shop/hello:v1"


@pytest.fixture
async def server() -> AsyncIterator[Kube]:
    async with kube() as server:
        server.have_namespace("shop")
        yield server


def web(count: int = 1, image: str = IMAGE) -> Json:
    thing = deployment(image, count)
    thing["metadata"]["namespace"] = "shop"
    return thing


def pods(server: Kube) -> list[Json]:
    return server.of("pods", "shop", "app=web")


@pytest.mark.parametrize(
    ("behaviour", "reason", "ended", "event"),
    [
        (Behaviour.NO_IMAGE, "ImagePullBackOff", None, "Failed"),
        (Behaviour.NO_CONFIG, "CreateContainerConfigError", None, "Failed"),
        (Behaviour.CRASHES, "CrashLoopBackOff", ("Error", 1), "BackOff"),
        (Behaviour.OUT_OF_MEMORY, "CrashLoopBackOff", ("OOMKilled", 137), "BackOff"),
    ],
)
async def test_a_container_that_does_not_run_says_why(
    server: Kube, behaviour: Behaviour, reason: str, ended: tuple[str, int] | None, event: str
) -> None:
    server.images[IMAGE] = behaviour
    server.put(web())
    await server.settle()
    (pod,) = pods(server)
    status = pod["status"]["containerStatuses"][0]
    assert (status["state"]["waiting"]["reason"], status["ready"]) == (reason, False)
    last = status["lastState"].get("terminated")
    assert (last and (last["reason"], last["exitCode"])) == ended
    said = [one for one in server.of("events", "shop") if one["involvedObject"]["uid"] == pod["metadata"]["uid"]]
    assert any(one["reason"] == event and one["type"] == "Warning" for one in said)
    assert "availableReplicas" not in server.get("deployments", "shop", "web")["status"]


async def test_a_pod_that_fails_its_probe_runs_and_is_not_ready(server: Kube) -> None:
    server.images[IMAGE] = Behaviour.NEVER_READY
    server.put(web())
    await server.settle()
    (pod,) = pods(server)
    assert (pod["status"]["phase"], pod["status"]["containerStatuses"][0]["ready"]) == ("Running", False)
    unhealthy = [one["message"] for one in server.of("events", "shop") if one["reason"] == "Unhealthy"]
    assert unhealthy == ["Readiness probe failed: HTTP probe failed with statuscode: 503"]


async def test_a_pod_that_fits_nowhere_says_so(server: Kube) -> None:
    server.images[IMAGE] = Behaviour.UNSCHEDULABLE
    server.put(web())
    await server.settle()
    (pod,) = pods(server)
    (condition,) = pod["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert condition["message"].startswith("0/3 nodes are available: 3 Insufficient cpu.")
    assert "nodeName" not in pod["spec"]


async def test_pods_get_ready_after_the_steps_that_the_test_sets(server: Kube) -> None:
    server.images[IMAGE] = Behaviour.ready_after(5)
    server.put(web())
    await server.step(5)
    assert "readyReplicas" not in server.get("deployments", "shop", "web")["status"]
    await server.settle()
    assert server.get("deployments", "shop", "web")["status"]["readyReplicas"] == 1


async def test_pods_of_one_image_can_fare_differently(server: Kube) -> None:
    server.images[IMAGE] = [Behaviour.READY, Behaviour.NEVER_READY, Behaviour.READY]
    server.put(web(4))
    await server.settle()
    assert server.get("deployments", "shop", "web")["status"]["readyReplicas"] == 3


async def test_a_pod_can_turn_unready_and_ready_again(server: Kube) -> None:
    server.put(web())
    await server.settle()
    server.images[IMAGE] = Behaviour.FLAPS
    seen = set()
    for _ in range(8):
        await server.step()
        seen.add(server.get("deployments", "shop", "web")["status"].get("readyReplicas", 0))
    assert seen == {0, 1}


async def test_an_image_is_known_behind_its_registry(server: Kube) -> None:
    server.images["shop/hello:bad"] = Behaviour.NEVER_READY
    server.put(web(1, "registry.example.com/shop/hello:bad"))
    await server.settle()
    assert "readyReplicas" not in server.get("deployments", "shop", "web")["status"]


async def test_a_quota_is_told_at_the_replica_set_and_the_deployment(server: Kube) -> None:
    server.controllers.replicas.quota["shop"] = 1
    server.put(web(2))
    await server.settle()
    conditions = {one["type"]: one for one in server.get("deployments", "shop", "web")["status"]["conditions"]}
    assert "exceeded quota: quota, requested: pods=1, used: pods=1" in conditions["ReplicaFailure"]["message"]
    assert len(pods(server)) == 1


async def test_a_rollout_that_gets_nowhere_exceeds_its_deadline(server: Kube) -> None:
    server.images[IMAGE] = Behaviour.NEVER_READY
    server.put(web())
    await server.settle()
    assert _progressing(server) == ("True", "ReplicaSetUpdated")
    server.pass_time(timedelta(seconds=601))
    await server.settle()
    assert _progressing(server) == ("False", "ProgressDeadlineExceeded")


async def test_a_new_template_begins_a_new_deadline(server: Kube) -> None:
    server.put(web())
    await server.settle()
    server.pass_time(timedelta(hours=1))
    server.put(web(1, "shop/hello:v2"))
    await server.step()
    assert _progressing(server)[0] == "True"


def _progressing(server: Kube) -> tuple[str, str]:
    conditions = server.get("deployments", "shop", "web")["status"]["conditions"]
    (found,) = [one for one in conditions if one["type"] == "Progressing"]
    return found["status"], found["reason"]


async def test_a_pod_counts_when_it_has_been_ready_for_as_long_as_asked(server: Kube) -> None:
    thing = web()
    thing["spec"]["minReadySeconds"] = 5
    server.put(thing)
    await server.step(4)
    status = server.get("deployments", "shop", "web")["status"]
    assert (status["readyReplicas"], status.get("availableReplicas", 0)) == (1, 0)
    await server.settle()
    assert server.get("deployments", "shop", "web")["status"]["availableReplicas"] == 1


async def test_endpoints_tell_unready_pods_and_those_on_their_way_out(server: Kube) -> None:
    server.images[IMAGE] = [Behaviour.READY, Behaviour.NEVER_READY]
    server.put({**service(), "metadata": {"name": "web", "namespace": "shop"}})
    server.put(web(2))
    await server.settle()
    assert _conditions(server) == [(False, False, False), (True, True, False)]
    server.controllers.kubelet.ends_after = 3
    server.scale("shop", "web", 0)
    await server.step(2)
    assert _conditions(server) == [(False, False, True), (False, True, True)]
    await server.settle()
    assert _conditions(server) == []


def _conditions(server: Kube) -> list[tuple[bool, ...]]:
    (one,) = server.of("endpointslices", "shop")
    told = [endpoint["conditions"] for endpoint in one["endpoints"] or ()]
    return sorted(tuple(each[word] for word in ("ready", "serving", "terminating")) for each in told)


async def test_three_hundred_instances_fill_three_slices_and_a_step_is_as_quick_among_a_crowd(server: Kube) -> None:
    server.put(web(300))
    server.put({**service(), "metadata": {"name": "web", "namespace": "shop"}})
    await server.settle()
    assert [len(one["endpoints"]) for one in server.of("endpointslices", "shop")] == [100, 100, 100]
    alone = min([await _cost_of_rolling(server, f"shop/hello:v{number}") for number in (2, 3, 4)])
    server.crowd("shop", 5000)
    assert min([await _cost_of_rolling(server, f"shop/hello:v{number}") for number in (5, 6, 7)]) < 3 * alone
    assert {one["spec"]["containers"][0]["image"] for one in pods(server)} == {"shop/hello:v7"}


async def _cost_of_rolling(server: Kube, image: str) -> float:
    """Seconds of computing for each step until all of web runs `image`."""
    server.put(web(300, image))
    began, steps = time.process_time(), await server.settle()
    return (time.process_time() - began) / steps

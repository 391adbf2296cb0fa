"""Facts about what a cluster makes of a Deployment and a Service: pods, endpoints, statuses and events."""

from tests.support.eventually import eventually
from tests.support.kube_client import Client
from tests.support.kube_facts import deployment, partial, service
from tests.support.kube_kinds import Json


async def _is_settled(api: Client, count: int) -> bool:
    thing = await api.get("deployments", "web")
    status, asked = thing.get("status", {}), thing["metadata"]["generation"]
    words = ("replicas", "updatedReplicas", "availableReplicas")
    return status.get("observedGeneration") == asked and all(status.get(word, 0) == count for word in words)


async def test_a_deployment_makes_pods_that_get_ready(api: Client) -> None:
    await api.create(deployment(api.images[0], 2))
    await api.until(lambda: _is_settled(api, 2))
    (replica_set,) = await api.all("replicasets")
    pods = await api.all("pods", "app=web")
    owners = [pod["metadata"]["ownerReferences"][0] for pod in pods]
    assert [(one["kind"], one["uid"]) for one in owners] == [("ReplicaSet", replica_set["metadata"]["uid"])] * 2
    hashed = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods} == {hashed}
    assert replica_set["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    assert all(pod["spec"]["nodeName"] and pod["status"]["podIP"] for pod in pods)


async def test_a_settled_deployment_says_so(api: Client) -> None:
    await api.create(deployment(api.images[0], 1))
    await api.until(lambda: _is_settled(api, 1))
    thing = await api.get("deployments", "web")
    said = {one["type"]: (one["status"], one["reason"]) for one in thing["status"]["conditions"]}
    assert said == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert thing["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert "unavailableReplicas" not in thing["status"]


async def test_a_rolling_update_replaces_pods_and_keeps_what_must_answer(api: Client) -> None:
    thing = deployment(api.images[0], 3)
    thing["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    await api.create(thing)
    await api.until(lambda: _is_settled(api, 3))
    version = await api.version("deployments")
    async with api.watch("deployments", version) as told:
        await api.apply(partial(api.images[1]), force="true")
        await api.until(lambda: _is_settled(api, 3))
    statuses = [one["object"]["status"] for one in told.events if one["type"] == "MODIFIED"]
    assert min(one["availableReplicas"] for one in statuses) >= 3
    assert max(one["replicas"] for one in statuses) == 4
    sets = {one["spec"]["template"]["spec"]["containers"][0]["image"]: one for one in await api.all("replicasets")}
    assert [sets[image]["spec"]["replicas"] for image in api.images[:2]] == [0, 3]


async def test_recreate_ends_every_old_pod_before_it_begins_a_new_one(api: Client) -> None:
    thing = deployment(api.images[0], 2)
    thing["spec"]["strategy"] = {"type": "Recreate"}
    await api.create(thing)
    await api.until(lambda: _is_settled(api, 2))
    old = {pod["metadata"]["name"] for pod in await api.all("pods", "app=web")}
    version = await api.version("pods")
    async with api.watch("pods", version) as told:
        await api.apply(partial(api.images[1]), force="true")
        await api.until(lambda: _is_settled(api, 2))
    begun = [place for place, (word, _name) in enumerate(told.words) if word == "ADDED"]
    ended = {one["object"]["metadata"]["name"] for one in told.events[: min(begun)] if _has_ended(one)}
    assert (len(begun), ended) == (2, old)


def _has_ended(event: Json) -> bool:
    return event["type"] == "DELETED" or event["object"]["status"]["phase"] in ("Succeeded", "Failed")


async def test_a_pod_that_ends_is_told_as_ended_and_then_gone(api: Client) -> None:
    await api.create(deployment(api.images[0], 1))
    await api.until(lambda: _is_settled(api, 1))
    async with api.watch("pods", await api.version("pods"), labelSelector="app=web") as told:
        await api.edit("deployments", "web", {"spec": {"replicas": 0}})
        await eventually(lambda: any(word == "DELETED" for word, _name in told.words), within=30)
    phases = [one["object"]["status"]["phase"] for one in told.events]
    assert phases[0] == "Running"
    assert phases[-1] in ("Succeeded", "Failed")
    assert all(one["object"]["metadata"]["deletionTimestamp"] for one in told.events)


async def test_an_image_that_cannot_be_pulled_leaves_the_old_pods(api: Client) -> None:
    await api.create(deployment(api.images[0], 2))
    await api.until(lambda: _is_settled(api, 2))
    await api.apply(partial(api.images[2]), force="true")

    async def is_waiting() -> bool:
        pods = await api.all("pods", "app=web")
        states = [one["state"] for pod in pods for one in pod["status"].get("containerStatuses", ())]
        return any(one.get("waiting", {}).get("reason") in ("ErrImagePull", "ImagePullBackOff") for one in states)

    await api.until(is_waiting)
    status = (await api.get("deployments", "web"))["status"]
    assert (status["availableReplicas"], status["updatedReplicas"], status["unavailableReplicas"]) == (2, 1, 1)


async def test_a_broken_release_is_not_thrown_away_faster_than_a_rollout_may(api: Client) -> None:
    thing = deployment(api.images[2], 4)
    thing["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}}
    await api.create(thing)
    await api.until(lambda: _has_sets(api, [4]))
    changed = partial(api.images[2])
    changed["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "B", "value": "2"}]
    await api.apply(changed)
    await api.until(lambda: _has_sets(api, [2, 3]))
    status = (await api.get("deployments", "web"))["status"]
    assert (status["replicas"], status["updatedReplicas"]) == (5, 2)


async def _has_sets(api: Client, counts: list[int]) -> bool:
    """Whether the ReplicaSets have come to these numbers of pods."""
    return sorted(one["status"].get("replicas", 0) for one in await api.all("replicasets")) == counts


async def test_endpoints_are_the_ready_pods_that_a_service_chooses(api: Client) -> None:
    await api.create(service())
    await api.create(deployment(api.images[0], 2))
    await api.until(lambda: _leads_to(api, 2))
    (one,) = await api.all("endpointslices", "kubernetes.io/service-name=web")
    addresses = sorted(pod["status"]["podIP"] for pod in await api.all("pods", "app=web"))
    assert sorted(endpoint["addresses"][0] for endpoint in one["endpoints"]) == addresses
    assert one["endpoints"][0]["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert one["endpoints"][0]["targetRef"]["kind"] == "Pod"
    assert one["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]


async def _leads_to(api: Client, count: int) -> bool:
    slices = await api.all("endpointslices", "kubernetes.io/service-name=web")
    endpoints = [endpoint for one in slices for endpoint in one["endpoints"] or ()]
    return len(endpoints) == count and all(one["conditions"]["ready"] for one in endpoints)


async def test_another_selector_leads_elsewhere_at_once(api: Client) -> None:
    await api.create(service())
    await api.create(deployment(api.images[0], 1))
    await api.until(lambda: _leads_to(api, 1))
    await api.edit("services", "web", {"spec": {"selector": {"app": "nobody"}}})
    await api.until(lambda: _leads_to(api, 0))


async def test_a_pod_that_is_deleted_gets_time_and_leaves_the_endpoints(api: Client) -> None:
    await api.create(service())
    slow = deployment(api.images[0], 1)
    slow["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 20
    await api.create(slow)
    await api.until(lambda: _leads_to(api, 1))
    (pod,) = await api.all("pods", "app=web")
    answer = await api.ask("DELETE", api.at("pods", pod["metadata"]["name"]))
    assert (answer.body["kind"], answer.body["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 20)
    assert answer.body["metadata"]["deletionTimestamp"]

    async def is_replaced() -> bool:
        pods = await api.all("pods", "app=web")
        return [one["metadata"]["uid"] for one in pods] != [pod["metadata"]["uid"]] and await _leads_to(api, 1)

    await api.until(is_replaced)


async def test_a_deployment_takes_its_pods_with_it(api: Client) -> None:
    await api.create(deployment(api.images[0], 1))
    await api.until(lambda: _is_settled(api, 1))
    gone = await api.ask("DELETE", api.at("deployments", "web"), {"propagationPolicy": "Background"})
    assert (gone.body["status"], gone.body["details"]["kind"]) == ("Success", "deployments")

    async def is_empty() -> bool:
        return not await api.all("replicasets") and not await api.all("pods", "app=web")

    await api.until(is_empty)


async def test_a_deployment_deleted_in_the_foreground_waits_for_its_pods(api: Client) -> None:
    await api.create(deployment(api.images[0], 1))
    await api.until(lambda: _is_settled(api, 1))
    there = await api.ask("DELETE", api.at("deployments", "web"), {"propagationPolicy": "Foreground"})
    assert (there.body["kind"], there.body["metadata"]["finalizers"]) == ("Deployment", ["foregroundDeletion"])

    async def is_gone() -> bool:
        return (await api.ask("GET", api.at("deployments", "web"))).status == 404

    await api.until(is_gone)
    assert await api.all("pods", "app=web") == []


async def test_events_are_found_by_what_they_are_about(api: Client) -> None:
    await api.create(deployment(api.images[0], 1))
    await api.until(lambda: _is_settled(api, 1))
    (pod,) = await api.all("pods", "app=web")
    name = pod["metadata"]["name"]
    events = await api.all("events", fieldSelector=f"involvedObject.kind=Pod,involvedObject.name={name}")
    assert {"Scheduled", "Started"} <= {one["reason"] for one in events}
    assert {one["involvedObject"]["uid"] for one in events} == {pod["metadata"]["uid"]}

"""Facts about what the API refuses: mostly what an apply becomes when it meets what somebody else wrote."""

import pytest

from tests.support.kube_client import APPLY, Client
from tests.support.kube_facts import container_of, deployment, partial, service, settings
from tests.support.kube_kinds import ISTIO, Json

TEMPLATE = "spec.template.spec"


def with_container(image: str, **more: object) -> Json:
    """A whole Deployment whose container has something more."""
    thing = deployment(image)
    thing["spec"]["template"]["spec"]["containers"][0] |= more
    return thing


def ours(image: str, **more: object) -> Json:
    """What a release applies to it, with something more."""
    thing = partial(image)
    thing["spec"]["template"]["spec"]["containers"][0] |= more
    return thing


async def test_to_recreate_one_has_to_give_up_how_it_rolls(api: Client) -> None:
    await api.create(deployment(api.images[0]))
    thing = partial(api.images[0])
    thing["spec"]["strategy"] = {"type": "Recreate"}
    said = await api.apply(thing, force="true")
    words = "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"
    assert (said.status, said.fields) == (422, ["spec.strategy.rollingUpdate"])
    assert said.body["message"] == f'Deployment.apps "web" is invalid: {words}'
    await api.edit("deployments", "web", {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}})
    assert (await api.apply(thing, force="true")).thing["spec"]["strategy"] == {"type": "Recreate"}


async def test_to_apply_nothing_takes_nothing_away(api: Client) -> None:
    before = (await api.create(deployment(api.images[0]))).thing["spec"]["strategy"]
    thing = partial(api.images[0])
    thing["spec"]["strategy"] = {"rollingUpdate": None}
    thing["spec"]["template"]["spec"]["containers"][0]["env"] = None
    after = (await api.apply(thing, force="true")).thing
    assert (after["spec"]["strategy"], container_of(after)["env"]) == (before, [{"name": "A", "value": "1"}])


async def test_two_kinds_of_one_hook_are_too_many(api: Client) -> None:
    await api.create(with_container(api.images[0], lifecycle={"preStop": {"exec": {"command": ["sleep", "5"]}}}))
    hook = {"preStop": {"sleep": {"seconds": 1}}}
    said = await api.apply(ours(api.images[0], lifecycle=hook))
    assert said.fields == [f"{TEMPLATE}.containers[0].lifecycle.preStop.sleep"]
    assert said.body["message"].endswith("Forbidden: may not specify more than 1 handler type")
    await api.edit("deployments", "web", with_container(api.images[0], lifecycle=None))
    assert container_of((await api.apply(ours(api.images[0], lifecycle=hook))).thing)["lifecycle"] == hook


async def test_two_kinds_of_one_probe_are_too_many(api: Client) -> None:
    await api.create(with_container(api.images[0], readinessProbe={"tcpSocket": {"port": 8080}}))
    said = await api.apply(ours(api.images[0], readinessProbe={"httpGet": {"path": "/", "port": 8080}}))
    assert said.fields == [f"{TEMPLATE}.containers[0].readinessProbe.tcpSocket"]


async def test_a_volume_of_two_kinds_is_none(api: Client) -> None:
    thing = with_container(api.images[0], volumeMounts=[{"name": "data", "mountPath": "/data"}])
    thing["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    await api.create(thing)
    other = ours(api.images[0])
    other["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "hostPath": {"path": "/data"}}]
    said = await api.apply(other)
    assert said.fields == [f"{TEMPLATE}.volumes[0].hostPath", f"{TEMPLATE}.containers[0].volumeMounts[0].name"]


async def test_a_mount_names_a_volume(api: Client) -> None:
    said = await api.create(with_container(api.images[0], volumeMounts=[{"name": "data", "mountPath": "/data"}]))
    assert said.body["message"].endswith(f'{TEMPLATE}.containers[0].volumeMounts[0].name: Not found: "data"')


async def test_a_variable_has_a_value_or_a_source(api: Client) -> None:
    await api.create(deployment(api.images[0]))
    source = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    said = await api.apply(ours(api.images[0], env=[source]))
    assert said.fields == [f"{TEMPLATE}.containers[0].env[0].valueFrom"]


async def test_ports_have_names_of_their_own(api: Client) -> None:
    await api.create(with_container(api.images[0], ports=[{"name": "http", "containerPort": 8080}]))
    said = await api.apply(ours(api.images[0], ports=[{"name": "http", "containerPort": 9090}]))
    assert said.body["details"]["causes"] == [
        {
            "reason": "FieldValueDuplicate",
            "message": 'Duplicate value: "http"',
            "field": f"{TEMPLATE}.containers[0].ports[1].name",
        }
    ]


async def test_the_ports_of_a_service_have_names_of_their_own(api: Client) -> None:
    thing = service()
    thing["spec"]["ports"] = [{"port": 80, "name": "http"}, {"port": 81, "name": "http"}]
    assert (await api.create(thing)).fields == ["spec.ports[1].name"]
    thing["spec"]["ports"] = [{"port": 80}, {"port": 81, "name": "http"}]
    assert (await api.create(thing)).fields == ["spec.ports[0].name"]


async def test_a_hook_sleeps_no_longer_than_the_pod_has_time(api: Client) -> None:
    said = await api.create(with_container(api.images[0], lifecycle={"preStop": {"sleep": {"seconds": 9}}}))
    words = "Invalid value: 9: must be non-negative and less than terminationGracePeriodSeconds (1)"
    assert said.body["details"]["causes"][0]["message"] == words


async def test_nobody_asks_for_more_than_his_limit(api: Client) -> None:
    resources = {"limits": {"cpu": "0.5"}, "requests": {"cpu": "700m"}}
    said = await api.create(with_container(api.images[0], resources=resources))
    assert said.body["details"]["causes"][0]["message"] == (
        'Invalid value: "700m": must be less than or equal to cpu limit of 500m'
    )


async def test_a_value_of_the_wrong_type_is_refused_with_its_field(api: Client) -> None:
    wrong = with_container(api.images[0], env=[{"name": "A", "value": 1}])
    said = await api.apply(wrong)
    at = f'.{TEMPLATE}.containers[name="web"].env[name="A"].value: expected string'
    assert (said.status, at in said.body["message"]) == (500, True)
    other = await api.create(wrong)
    assert other.status == 400
    assert "json: cannot unmarshal number into Go struct field" in other.body["message"]


async def test_what_is_applied_to_one_object_is_not_applied_to_another(api: Client) -> None:
    thing = settings("one")
    thing["metadata"]["uid"] = "no-such-uid"
    said = await api.apply(thing)
    assert (said.status, said.body["reason"]) == (409, "Conflict")
    assert said.body["message"].endswith("specified uid no-such-uid, and no existing object was found")
    there = (await api.apply(settings("two"))).thing
    thing = settings("two", a="1")
    thing["metadata"]["resourceVersion"] = "1"
    assert (await api.apply(thing)).status == 409
    thing["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]
    assert (await api.apply(thing)).status == 200


async def test_what_is_applied_says_its_kind(api: Client) -> None:
    wrong = {**deployment(api.images[0]), "kind": "Service"}
    said = await api.ask("PATCH", api.at("deployments", "web"), wrong, APPLY, fieldManager="sluice")
    assert (said.status, said.body["message"]) == (400, "invalid object type: apps/v1, Kind=Service")


async def test_a_patch_says_what_kind_of_patch_it_is(api: Client) -> None:
    await api.create(settings("one"))
    said = await api.ask("PATCH", api.at("configmaps", "one"), settings("one"), "application/json")
    assert (said.status, said.body["reason"]) == (415, "UnsupportedMediaType")


async def test_an_object_of_a_custom_kind_is_replaced_by_its_version(api: Client) -> None:
    listed = (await api.ask("GET", "/apis")).thing
    if ISTIO not in {one["name"] for one in listed["groups"]}:
        pytest.skip(f"The cluster has no {ISTIO}: install its CustomResourceDefinitions there.")
    spec = {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web"}}]}]}
    thing = {"apiVersion": f"{ISTIO}/v1", "kind": "VirtualService", "metadata": {"name": "web"}, "spec": spec}
    await api.create(thing)
    said = await api.ask("PUT", api.at("virtualservices", "web"), thing)
    assert (said.status, said.fields) == (422, ["metadata.resourceVersion"])

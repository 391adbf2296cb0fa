"""Facts about server-side apply: who owns which field, who is in whose way, and what goes."""

import copy

import pytest

from tests.support.kube_client import Client
from tests.support.kube_facts import container_of, deployment, owned, partial, service, settings
from tests.support.kube_kinds import GATEWAY, ISTIO, Json

CREATOR = '"kubectl-create" using apps/v1'
IMAGE = '.spec.template.spec.containers[name="web"].image'


async def test_an_apply_creates_what_is_not_there_and_owns_what_it_names(api: Client) -> None:
    made = await api.apply(settings("one", a="1"))
    assert made.status == 201
    assert owned(made.thing, "sluice") == {"f:data": {"f:a": {}}}


async def test_applying_the_same_again_changes_nothing(api: Client) -> None:
    first = (await api.apply(settings("one", a="1"))).thing
    again = await api.apply(settings("one", a="1"))
    assert (again.status, again.thing["metadata"]) == (200, first["metadata"])


async def test_a_field_of_somebody_else_is_refused_with_his_name(api: Client) -> None:
    await api.create(deployment(api.images[0]))
    said = await api.apply(partial(api.images[0], 2))
    assert (said.status, said.body["reason"], said.fields) == (409, "Conflict", [".spec.replicas"])
    assert said.body["message"] == f"Apply failed with 1 conflict: conflict with {CREATOR}: .spec.replicas"
    assert said.body["details"]["causes"][0] == {
        "reason": "FieldManagerConflict",
        "message": f"conflict with {CREATOR}",
        "field": ".spec.replicas",
    }


async def test_every_field_in_dispute_is_named(api: Client) -> None:
    await api.create(deployment(api.images[0]))
    said = await api.apply(partial(api.images[1], 2))
    assert said.fields == [".spec.replicas", IMAGE]
    listed = f"Apply failed with 2 conflicts: conflicts with {CREATOR}:\n- .spec.replicas\n- {IMAGE}"
    assert said.body["message"] == listed


async def test_an_applier_is_named_without_a_version(api: Client) -> None:
    await api.apply(settings("one", a="1"), manager="helm")
    said = await api.apply(settings("one", a="2"))
    assert said.body["message"] == 'Apply failed with 1 conflict: conflict with "helm": .data.a'


async def test_a_refused_apply_leaves_everything_as_it_was(api: Client) -> None:
    before = (await api.create(settings("one", a="1"))).thing
    assert (await api.apply(settings("one", a="2", b="3"))).status == 409
    assert (await api.get("configmaps", "one"))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_equal_values_are_owned_together(api: Client) -> None:
    await api.create(deployment(api.images[0]))
    shared = (await api.apply(partial(api.images[0], 0))).thing
    assert "f:replicas" in owned(shared, "sluice")["f:spec"]
    assert "f:replicas" in owned(shared, "kubectl-create", "Update")["f:spec"]


async def test_force_takes_the_field_from_its_owner(api: Client) -> None:
    await api.create(deployment(api.images[0]))
    taken = (await api.apply(partial(api.images[1], 0), force="true")).thing
    theirs = owned(taken, "kubectl-create", "Update")["f:spec"]
    assert container_of(taken)["image"] == api.images[1]
    assert "f:image" not in theirs["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    assert "f:replicas" in theirs


async def test_force_with_the_values_that_are_there_changes_no_template(api: Client) -> None:
    before = (await api.create(deployment(api.images[0]))).thing
    after = (await api.apply(partial(api.images[0], 0), force="true")).thing
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]


async def test_what_is_no_longer_applied_goes_away(api: Client) -> None:
    await api.apply(settings("one", a="1", b="2"))
    after = (await api.apply(settings("one", a="1"))).thing
    assert after["data"] == {"a": "1"}


async def test_what_is_no_longer_applied_stays_while_somebody_else_owns_it(api: Client) -> None:
    await api.apply(settings("one", a="1", b="2"))
    await api.apply(settings("one", b="2"), manager="helm")
    after = (await api.apply(settings("one", a="1"))).thing
    assert after["data"] == {"a": "1", "b": "2"}
    assert owned(after, "helm") == {"f:data": {"f:b": {}}}


async def test_a_container_that_is_no_longer_applied_goes_away_whole(api: Client) -> None:
    whole = deployment(api.images[0])
    both = copy.deepcopy(whole)
    both["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": api.images[0]})
    await api.apply(both)
    after = (await api.apply(whole)).thing
    assert [one["name"] for one in after["spec"]["template"]["spec"]["containers"]] == ["web"]


async def test_a_probe_that_is_no_longer_applied_takes_its_defaults_with_it(api: Client) -> None:
    probed = deployment(api.images[0])
    probed["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 8080}}
    assert container_of((await api.apply(probed)).thing)["readinessProbe"]["periodSeconds"] == 10
    assert "readinessProbe" not in container_of((await api.apply(deployment(api.images[0]))).thing)


async def test_a_count_that_nobody_owns_any_more_becomes_one(api: Client) -> None:
    whole = deployment(api.images[0], 0)
    await api.apply(whole)
    del whole["spec"]["replicas"]
    assert (await api.apply(whole)).thing["spec"]["replicas"] == 1


async def test_items_of_others_stay_in_a_list_with_keys(api: Client) -> None:
    await api.create(deployment(api.images[0]))
    ours = partial(api.images[0])
    ours["spec"]["template"]["spec"]["containers"] = [
        {"name": "web", "image": api.images[0], "env": [{"name": "B", "value": "2"}]}
    ]
    after = container_of((await api.apply(ours)).thing)
    assert after["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]


async def test_an_edit_takes_the_field_and_the_next_apply_is_told(api: Client) -> None:
    await api.apply(deployment(api.images[0]))
    edited = (await api.edit("deployments", "web", {"spec": {"replicas": 1, "paused": True}})).thing
    assert "f:replicas" not in owned(edited, "sluice")["f:spec"]
    said = await api.apply(deployment(api.images[0]))
    assert said.body["message"].endswith('conflict with "kubectl-edit" using apps/v1: .spec.replicas')


async def test_scaling_by_hand_is_told_with_its_subresource(api: Client) -> None:
    paused = deployment(api.images[0], 2)
    paused["spec"]["paused"] = True
    await api.apply(paused)
    scale = {"spec": {"replicas": 3}}
    path = api.at("deployments", "web", "scale")
    assert (await api.ask("PATCH", path, scale, "application/merge-patch+json", fieldManager="kubectl")).status == 200
    said = await api.apply(paused)
    assert said.body["message"].endswith(
        'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas'
    )


async def test_a_dry_run_answers_and_changes_nothing(api: Client) -> None:
    before = (await api.create(deployment(api.images[0]))).thing
    would = await api.apply(partial(api.images[1]), dryRun="All", force="true")
    assert container_of(would.thing)["image"] == api.images[1]
    assert container_of(await api.get("deployments", "web")) == container_of(before)
    assert (await api.apply(partial(api.images[1]), dryRun="All")).fields == [IMAGE]
    assert (await api.apply(settings("new", a="1"), dryRun="All")).status == 201
    assert (await api.ask("GET", api.at("configmaps", "new"))).status == 404


async def test_a_field_that_nobody_declared_cannot_be_applied(api: Client) -> None:
    thing = {**deployment(api.images[0]), "garbage": 1}
    said = await api.apply(thing, fieldValidation="Strict")
    assert said.status == 500
    assert said.body["message"].endswith("Kind=Deployment): .garbage: field not declared in schema")


async def test_a_strict_write_names_every_field_that_nobody_declared(api: Client) -> None:
    thing = {**deployment(api.images[0]), "garbage": 1}
    thing["spec"]["bogus"] = 2
    said = await api.create(thing, fieldValidation="Strict")
    assert (said.status, said.body["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "' in said.body["message"]
    assert 'unknown field "spec.bogus"' in said.body["message"]


async def test_an_item_twice_cannot_be_applied(api: Client) -> None:
    thing = deployment(api.images[0])
    thing["spec"]["template"]["spec"]["containers"] *= 2
    said = await api.apply(thing)
    assert said.status == 500
    assert said.body["message"].endswith('.spec.template.spec.containers: duplicate entries for key [name="web"]')


async def test_an_apply_says_who_it_is_and_what_it_names(api: Client) -> None:
    path = api.at("configmaps", "one")
    nobody = await api.ask("PATCH", path, settings("one"), "application/apply-patch+yaml")
    assert (nobody.status, nobody.fields) == (422, ["fieldManager"])
    other = await api.ask("PATCH", path, settings("two"), "application/apply-patch+yaml", fieldManager="sluice")
    assert other.status == 400
    assert other.body["message"] == "the name of the object (two) does not match the name on the URL (one)"


async def test_the_lists_of_a_custom_kind_are_one_field(api: Client) -> None:
    await _skip_without(api, ISTIO)
    there = await api.create(_routed("web"), manager="somebody")
    assert there.thing["metadata"]["generation"] == 1
    said = await api.apply(_routed("web", "web-gray"))
    assert said.fields == [".spec.http"]
    assert said.body["message"].endswith(f'conflict with "somebody" using {ISTIO}/v1: .spec.http')
    forced = (await api.apply(_routed("web", "web-gray"), force="true")).thing
    assert [one["destination"]["host"] for one in forced["spec"]["http"][0]["route"]] == ["web", "web-gray"]
    assert forced["metadata"]["generation"] == 2
    assert owned(forced, "somebody", "Update") == {"f:spec": {".": {}, "f:hosts": {}}}


def _routed(*hosts: str) -> Json:
    share = 100 // len(hosts)
    route = [{"destination": {"host": host, "port": {"number": 80}}, "weight": share} for host in hosts]
    spec = {"hosts": ["web"], "http": [{"route": route}]}
    return {"apiVersion": f"{ISTIO}/v1", "kind": "VirtualService", "metadata": {"name": "web"}, "spec": spec}


async def test_the_rules_of_an_http_route_are_one_field(api: Client) -> None:
    await _skip_without(api, GATEWAY)
    route = {"apiVersion": f"{GATEWAY}/v1", "kind": "HTTPRoute", "metadata": {"name": "web"}}
    rule = {"backendRefs": [{"name": "web", "port": 80, "weight": 90}]}
    assert (await api.create({**route, "spec": {"rules": [rule]}}, manager="somebody")).status == 201
    other = {"backendRefs": [{"name": "web", "port": 80, "weight": 10}]}
    assert (await api.apply({**route, "spec": {"rules": [other]}})).fields == [".spec.rules"]


async def _skip_without(api: Client, group: str) -> None:
    listed = (await api.ask("GET", "/apis")).thing
    if group not in {one["name"] for one in listed["groups"]}:
        pytest.skip(f"The cluster has no {group}: install its CustomResourceDefinitions there.")


async def test_whoever_creates_without_applying_owns_the_defaults_too(api: Client) -> None:
    made = (await api.create(deployment(api.images[0]))).thing
    theirs = owned(made, "kubectl-create", "Update")["f:spec"]
    assert theirs["f:strategy"] == {
        "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}},
        "f:type": {},
    }
    assert theirs["f:selector"] == {}
    assert set(theirs["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']) == {
        *(".", "f:env", "f:image", "f:imagePullPolicy", "f:name", "f:ports", "f:resources"),
        *("f:terminationMessagePath", "f:terminationMessagePolicy"),
    }


async def test_quantities_are_kept_in_one_form_and_disputed_as_they_are_written(api: Client) -> None:
    thing = deployment(api.images[0])
    asked = {"requests": {"cpu": "0.5", "memory": "1024Mi"}}
    thing["spec"]["template"]["spec"]["containers"][0]["resources"] = asked
    made = (await api.create(thing)).thing
    assert container_of(made)["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}}
    ours = partial(api.images[0])
    ours["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "0.5"}}
    assert (await api.apply(ours)).fields == [IMAGE.replace("image", "resources.requests.cpu")]


async def test_a_service_keeps_its_address_and_its_selector_is_one_field(api: Client) -> None:
    first = (await api.create(service(app="web", track="stable"))).thing
    said = await api.apply(service(app="web"))
    assert said.fields == [".spec.selector"]
    after = (await api.apply(service(app="web"), force="true")).thing
    assert after["spec"]["selector"] == {"app": "web"}
    assert after["spec"]["clusterIP"] == first["spec"]["clusterIP"]

"""Facts about the Kubernetes API that the cluster target rests on: what is read, written, refused and chosen."""

import pytest

from tests.support.kube_client import Client
from tests.support.kube_facts import container_of, deployment, owned, service, settings
from tests.support.kube_kinds import GATEWAY, ISTIO


async def test_the_selector_of_a_deployment_stays(api: Client) -> None:
    await api.apply(deployment(api.images[0]))
    other = deployment(api.images[0])
    other["spec"]["selector"]["matchLabels"] = other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    said = await api.apply(other)
    assert (said.status, said.body["reason"], said.fields) == (422, "Invalid", ["spec.selector"])
    assert "field is immutable" in said.body["message"]


async def test_a_deployment_has_to_choose_its_own_pods(api: Client) -> None:
    thing = deployment(api.images[0])
    thing["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    said = await api.apply(thing)
    assert (said.status, said.fields) == (422, ["spec.template.metadata.labels"])


async def test_names_and_labels_are_checked(api: Client) -> None:
    wrong = deployment(api.images[0], app="not allowed")
    assert (await api.create(wrong)).fields == ["metadata.labels"]
    long = service()
    long["metadata"]["name"] = "a" * 64
    assert "metadata.name" in (await api.create(long)).fields


async def test_a_generation_counts_changes_of_the_spec_and_of_annotations(api: Client) -> None:
    first = (await api.create(deployment(api.images[0]))).thing
    labelled = (await api.edit("deployments", "web", {"metadata": {"labels": {"a": "b"}}})).thing
    noted = (await api.edit("deployments", "web", {"metadata": {"annotations": {"a": "b"}}})).thing
    changed = (await api.edit("deployments", "web", {"spec": {"minReadySeconds": 3}})).thing
    generations = [one["metadata"]["generation"] for one in (first, labelled, noted, changed)]
    assert generations == [1, 1, 2, 3]


async def test_what_is_left_open_is_filled_in_and_owned_by_nobody_who_applied(api: Client) -> None:
    made = (await api.apply(deployment(api.images[0]))).thing
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert (made["spec"]["strategy"], made["spec"]["progressDeadlineSeconds"]) == (rolling, 600)
    assert container_of(made)["imagePullPolicy"] == "IfNotPresent"
    assert container_of(made)["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert "f:strategy" not in owned(made, "sluice")["f:spec"]


async def test_what_holds_nothing_is_not_kept(api: Client) -> None:
    thing = deployment(api.images[0])
    thing["spec"]["minReadySeconds"] = 0
    thing["spec"]["template"]["spec"]["containers"][0] |= {"env": [{"name": "A", "value": ""}], "args": []}
    made = (await api.apply(thing)).thing
    assert "minReadySeconds" not in made["spec"]
    assert container_of(made)["env"] == [{"name": "A"}]
    assert "args" not in container_of(made)


async def test_a_write_of_an_old_version_is_refused(api: Client) -> None:
    old = (await api.create(settings("one", a="1"))).thing
    await api.edit("configmaps", "one", {"data": {"a": "2"}})
    said = await api.ask("PUT", api.at("configmaps", "one"), {**old, "data": {"a": "3"}})
    assert (said.status, said.body["reason"]) == (409, "Conflict")
    assert said.body["message"].startswith('Operation cannot be fulfilled on configmaps "one": the object has been')


async def test_a_deletion_can_be_bound_to_one_object(api: Client) -> None:
    there = (await api.create(settings("one"))).thing
    path = api.at("configmaps", "one")
    wrong = await api.ask("DELETE", path, {"preconditions": {"uid": "another"}})
    assert (wrong.status, wrong.body["reason"]) == (409, "Conflict")
    right = await api.ask("DELETE", path, {"preconditions": {"uid": there["metadata"]["uid"]}})
    assert (right.status, right.body["status"]) == (200, "Success")
    assert (await api.ask("DELETE", path)).status == 404


async def test_what_is_not_there_is_named(api: Client) -> None:
    said = await api.ask("GET", api.at("deployments", "none"))
    assert (said.status, said.body["message"]) == (404, 'deployments.apps "none" not found')
    assert said.body["details"] == {"name": "none", "group": "apps", "kind": "deployments"}
    other = await api.ask("PATCH", api.at("configmaps", "none"), {"data": {}}, "application/merge-patch+json")
    assert other.body["message"] == 'configmaps "none" not found'


async def test_what_is_there_already_is_not_created(api: Client) -> None:
    await api.create(settings("one"))
    said = await api.create(settings("one"))
    assert (said.status, said.body["reason"]) == (409, "AlreadyExists")
    assert said.body["message"] == 'configmaps "one" already exists'


async def test_an_api_that_is_not_served_is_no_status(api: Client) -> None:
    group = await api.ask("GET", "/apis/nothing.example.com/v1/things")
    assert (group.status, group.body) == (404, "404 page not found\n")
    plural = await api.ask("GET", "/apis/apps/v1/things")
    assert (plural.status, plural.body["message"]) == (404, "the server could not find the requested resource")


async def test_nothing_is_written_into_a_namespace_that_is_not_there(api: Client) -> None:
    path = "/apis/apps/v1/namespaces/no-such-namespace/deployments/web"
    said = await api.ask(
        "PATCH", path, deployment(api.images[0]), "application/apply-patch+yaml", fieldManager="sluice"
    )
    assert (said.status, said.body["message"]) == (404, 'namespaces "no-such-namespace" not found')


async def test_the_groups_that_are_served_are_listed(api: Client) -> None:
    listed = (await api.ask("GET", "/apis")).thing
    assert (listed["kind"], {"apps", ISTIO, GATEWAY} <= {one["name"] for one in listed["groups"]}) == (
        "APIGroupList",
        True,
    )
    assert (await api.ask("GET", "/version")).thing["gitVersion"].startswith("v1.")


async def test_a_list_comes_in_pages_that_miss_nothing(api: Client) -> None:
    for number in range(5):
        await api.create(settings(f"page-{number}"))
    seen: list[str] = []
    answer = (await api.ask("GET", api.at("configmaps"), limit="2")).thing
    assert answer["metadata"]["remainingItemCount"] >= 3
    while True:
        seen += [one["metadata"]["name"] for one in answer["items"]]
        if not (token := answer["metadata"].get("continue")):
            break
        answer = (await api.ask("GET", api.at("configmaps"), **{"limit": "2", "continue": token})).thing
    assert [name for name in seen if name.startswith("page-")] == [f"page-{number}" for number in range(5)]
    assert len(seen) == len(set(seen))


async def test_the_items_of_a_list_do_not_say_their_kind(api: Client) -> None:
    await api.create(settings("one"))
    listed = (await api.ask("GET", api.at("configmaps"))).thing
    assert listed["kind"] == "ConfigMapList"
    assert all("kind" not in one for one in listed["items"])


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier=one", "a"),
        ("tier==one", "a"),
        ("tier!=one,mine", "b"),
        ("tier in (one,two)", "ab"),
        ("tier notin (one),mine=1", "bc"),
        ("tier,mine", "ab"),
        ("!tier,mine", "c"),
        ("mine=1,tier in (two, three)", "b"),
    ],
)
async def test_labels_choose(api: Client, selector: str, names: str) -> None:
    for name, labels in (("a", {"tier": "one"}), ("b", {"tier": "two"}), ("c", {})):
        thing = settings(name)
        thing["metadata"]["labels"] = {"mine": "1", **labels}
        await api.create(thing)
    expected = names if selector != "tier!=one,mine" else "bc"
    assert "".join(one["metadata"]["name"] for one in await api.all("configmaps", selector)) == expected


async def test_a_name_chooses_one_object(api: Client) -> None:
    await api.create(settings("one"))
    await api.create(settings("two"))
    found = await api.all("configmaps", fieldSelector="metadata.name=two")
    assert [one["metadata"]["name"] for one in found] == ["two"]
    wrong = await api.ask("GET", api.at("configmaps"), fieldSelector="data.a=1")
    assert (wrong.status, wrong.body["reason"]) == (400, "BadRequest")


async def test_a_review_says_what_the_caller_may_do(api: Client) -> None:
    what = {"namespace": api.namespace, "verb": "patch", "group": "apps", "resource": "deployments"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await api.ask("POST", path, {"spec": {"resourceAttributes": what}})
    assert (answer.status, answer.body["status"]["allowed"]) == (201, True)


async def test_a_namespace_takes_everything_with_it(api: Client) -> None:
    name = f"{api.namespace}-more"
    await api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    path = f"/api/v1/namespaces/{name}"
    assert (await api.ask("POST", f"{path}/configmaps", settings("one"))).status == 201
    await api.ask("DELETE", path)

    async def is_gone() -> bool:
        return (await api.ask("GET", path)).status == 404

    await api.until(is_gone)

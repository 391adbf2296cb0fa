"""What Sluice applies for a group and for a service, of a workload of its own and of one that was there."""

import json
from typing import Any

import pytest

from engine.errors import StageFailure
from engine.model import Json
from engine.targets.kubernetes import names, objects
from engine.targets.kubernetes.kinds import DEPLOYMENT
from engine.targets.kubernetes.names import Place
from engine.targets.kubernetes.overlay import laid_over, without_ours
from tests.support.kube_releases import (
    MARKS,
    PLACE,
    SELECTED,
    adopted,
    container,
    deployment,
    pod,
    release,
    settings,
    taken_over,
    valid,
)

OWN = {names.APP: "web"}
MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: web-2, labels: {team: shop}}
data: {a: "1"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {owner: ann}}
spec:
  replicas: 4
  minReadySeconds: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      serviceAccountName: web
      containers:
        - {name: proxy, image: "other/proxy:v1"}
        - {name: web, image: "shop/web:old"}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {team: shop}}
spec:
  type: NodePort
  selector: {app: web}
  ports:
    - {name: http, port: 80, targetPort: web, nodePort: 30080}
    - {name: admin, port: 81}
"""


def written(**given: Any) -> Any:
    return settings(creation="yaml", manifest=MANIFEST, **given)


def service(name: str = "web", *, port: int = 80, base: Json | None = None, **given: Any) -> dict[str, Any]:
    spec = given.pop("spec", None) or settings(**given)
    return objects.service(PLACE, spec, name=name, selector=SELECTED, port=port, marks=MARKS, base=base)


def template_labels(thing: Json) -> dict[str, str]:
    found: dict[str, str] = thing["spec"]["template"]["metadata"]["labels"]
    return found


@pytest.mark.parametrize("group", ["stable", "gray", "blue", "green"])
def test_a_workload_of_our_own_is_found_by_its_labels(group: str) -> None:
    thing = deployment(settings(), group, selected=OWN)
    assert valid(thing)
    mine = {"sluice.dev/workload": "web", "sluice.dev/group": group}
    assert thing["metadata"]["name"] == ("web" if group == "stable" else f"web-{group}")
    assert thing["metadata"]["namespace"] == "shop"
    assert thing["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "sluice", **mine}
    assert thing["spec"]["selector"] == {"matchLabels": mine}
    assert template_labels(thing) == {**OWN, **mine}
    assert names.is_ours(thing)


def test_objects_say_for_whom_they_were_written() -> None:
    thing = deployment(settings(), count=7)
    assert thing["metadata"]["annotations"] == {
        **MARKS,
        "sluice.dev/release": release(settings()).id,
        "sluice.dev/count": "7",
        "sluice.dev/leaves-quietly": "true",
    }
    assert thing["spec"]["template"]["metadata"]["annotations"]["sluice.dev/release"] == release(settings()).id


def test_a_run_or_a_count_restarts_no_pod() -> None:
    one, other = deployment(settings(), count=3), deployment(settings(instances=9, max_unavailable=3), count=9)
    assert one["spec"]["template"] == other["spec"]["template"]


def test_groups_that_are_apart_are_not_selected_by_the_workloads_own_service() -> None:
    labels = {"app": "web", "tier": "x" * 63}
    thing = deployment(settings(), "gray", selected=labels, apart=True)
    assert valid(thing)
    found = template_labels(thing)
    assert found["app"] == "web", "what others select by stays, as far as it can"
    assert found["tier"] != labels["tier"]
    assert len(found["tier"]) <= 63
    assert template_labels(deployment(settings(), "gray", selected=labels))["tier"] == labels["tier"]
    assert template_labels(deployment(settings(), "stable", selected=labels, apart=True))["app"] == "web"


@pytest.mark.parametrize("name", ["w" * 63, "0-" + "w" * 59 + "-1"])
def test_a_long_name_gives_objects_that_the_api_takes(name: str) -> None:
    place = Place("production", "shop", name)
    thing = deployment(settings(), "green", place=place, selected={names.APP: name}, apart=True)
    assert valid(thing)
    assert len(thing["metadata"]["name"]) <= 63
    assert all(len(value) <= 63 for value in template_labels(thing).values())


def test_a_deployment_that_does_not_get_on_says_so_in_time() -> None:
    spec = deployment(settings(readiness={"within": "90s"}))["spec"]
    assert (spec["progressDeadlineSeconds"], spec["minReadySeconds"], spec["revisionHistoryLimit"]) == (90, 0, 2)


def test_of_an_existing_deployment_only_what_the_release_needs_is_written() -> None:
    thing = deployment(settings(), base=adopted(), count=5)
    assert thing["metadata"]["labels"] == {"sluice.dev/workload": "web"}
    assert thing["spec"].keys() == {"replicas", "strategy", "template"}
    assert thing["spec"]["replicas"] == 5
    assert thing["spec"]["template"]["metadata"] == {"annotations": {names.RELEASE: release(settings()).id}}
    assert not names.is_ours(thing)


def test_a_copy_of_an_existing_deployment_is_the_same_but_for_the_release() -> None:
    base = adopted(serviceAccountName="shop", nodeSelector={"disk": "fast"})
    base["spec"]["template"]["metadata"]["annotations"] = {"sidecar.istio.io/inject": "true"}
    thing = deployment(settings(environment={"A": "1"}), "gray", base=base, apart=True, count=1)
    assert valid(thing)
    assert (pod(thing)["serviceAccountName"], pod(thing)["nodeSelector"]) == ("shop", {"disk": "fast"})
    main = container(thing, "main")
    assert main["image"] == "shop/web:v2"
    assert main["env"] == [{"name": "GREETING", "value": "hello"}, {"name": "A", "value": "1"}]
    assert main["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
    assert thing["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "true"
    assert thing["spec"]["minReadySeconds"] == 7
    assert thing["spec"]["selector"]["matchLabels"].keys() == {"sluice.dev/workload", "sluice.dev/group"}
    assert "app.kubernetes.io/instance" not in thing["metadata"]["labels"]


def test_what_the_last_release_set_does_not_live_on_in_a_copy() -> None:
    before = settings(environment={"OLD": "1", "GREETING": "other"}, resources={"cpu": {"limit": "1"}}, log_path="/l")
    live = taken_over(adopted(), deployment(before, base=adopted()))
    main = container(deployment(settings(), "gray", base=live), "main")
    # The value of GREETING was taken from its owner, who still holds the entry: server-side apply leaves it empty, too.
    assert main["env"] == [{"name": "GREETING"}]
    assert main["resources"] == {}
    assert "volumeMounts" not in main


def test_making_a_copy_changes_nothing_of_what_it_is_made_from() -> None:
    base = adopted()
    before = json.dumps(base)
    deployment(settings(environment={"A": "1"}), "gray", base=base, apart=True)
    deployment(settings(environment={"A": "1"}), base=base)
    assert json.dumps(base) == before


@pytest.mark.parametrize(
    ("containers", "chosen"),
    [
        ([("main", "x/y:1")], "main"),
        ([("web", "x/y:1"), ("b", "shop/web:v1")], "web"),
        ([("a", "x/y:1"), ("b", "registry.example.com:5000/shop/web@sha256:00")], "b"),
        ([("a", "x/y:1"), ("b", "registry.example.com/mirror/shop/web:v1")], "b"),
    ],
)
def test_the_container_that_a_release_replaces_can_be_told(containers: list[tuple[str, str]], chosen: str) -> None:
    base = adopted(containers=[{"name": name, "image": image} for name, image in containers])
    assert [each["name"] for each in pod(deployment(settings(), base=base))["containers"]] == [chosen]


@pytest.mark.parametrize("images", [("x/y:1", "x/z:1"), ("shop/web:v1", "shop/web:v0"), ("x/myshop/web:1", "x/web:1")])
def test_a_container_that_cannot_be_told_is_asked_for_by_name(images: tuple[str, str]) -> None:
    base = adopted(containers=[{"name": f"c{n}", "image": image} for n, image in enumerate(images)])
    with pytest.raises(StageFailure, match="has the containers c0, c1, and nobody can tell which") as refused:
        deployment(settings(), base=base)
    assert refused.value.hint == "Write container: and one of c0, c1 in the definition; the next run has it."


def test_the_container_that_the_definition_names_is_the_one_that_is_released() -> None:
    alike = [{"name": name, "image": "shop/web:v1"} for name in ("web", "worker", "cron")]
    thing = deployment(settings(container="worker"), base=adopted(containers=alike))
    assert [(each["name"], each["image"]) for each in pod(thing)["containers"]] == [("worker", "shop/web:v2")]
    assert thing["spec"]["template"]["metadata"]["annotations"][names.CONTAINER] == "worker"
    copied = deployment(settings(container="worker"), "gray", base=adopted(containers=alike), apart=True)
    assert {each["name"]: each["image"][-2:] for each in pod(copied)["containers"]} == {
        "web": "v1",
        "worker": "v2",
        "cron": "v1",
    }
    assert [each["name"] for each in pod(deployment(settings(container="worker")))["containers"]] == ["worker"]
    assert names.CONTAINER not in f"{deployment(settings())}"


def test_a_container_that_is_not_there_is_refused_with_those_that_are() -> None:
    base = adopted(containers=[{"name": name, "image": "shop/web:v1"} for name in ("app", "worker")])
    with pytest.raises(StageFailure, match=r"Deployment shop/web has no container web\. It has app, worker\.") as said:
        deployment(settings(container="web"), base=base)
    assert said.value.hint == "Write container: and one of app, worker in the definition; the next run has it."


def test_the_container_of_a_manifest_may_be_named() -> None:
    thing = deployment(written(container="proxy"))
    assert {each["name"]: each["image"] for each in pod(thing)["containers"]} == {
        "proxy": "shop/web:v2",
        "web": "shop/web:old",
    }


def test_another_container_does_not_take_over_from_the_one_that_was_released() -> None:
    alike = [{"name": name, "image": "shop/web:v1"} for name in ("app", "worker")]
    base = adopted(containers=alike)
    first = deployment(settings(container="app"), base=base)
    noted = objects.with_applied(first)["metadata"]["annotations"]
    base["metadata"]["annotations"] = noted
    with pytest.raises(StageFailure, match=r"container app of the Deployment shop/web .* cannot become worker") as said:
        deployment(settings(container="worker"), base=base)
    assert said.value.hint.startswith("Write container: app in the definition")
    again = deployment(settings(container="app", environment={"A": "1"}), base=base)
    assert [each["name"] for each in pod(again)["containers"]] == ["app"]


def test_a_paused_deployment_is_not_written_to() -> None:
    base = adopted()
    base["spec"]["paused"] = True
    with pytest.raises(StageFailure, match="shop/web is paused"):
        deployment(settings(), base=base)
    assert "paused" not in deployment(settings(), "gray", base=base)["spec"]


def test_a_manifest_gets_an_image_labels_and_a_count_and_nothing_else() -> None:
    thing = deployment(written(), count=6)
    assert valid(thing)
    assert thing["spec"]["replicas"] == 6
    assert thing["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert thing["metadata"]["annotations"]["owner"] == "ann"
    assert "strategy" not in thing["spec"]
    assert pod(thing) == {
        "serviceAccountName": "web",
        "containers": [{"name": "proxy", "image": "other/proxy:v1"}, {"name": "web", "image": "shop/web:v2"}],
    }
    assert template_labels(thing) == {
        "app": "web",
        "tier": "front",
        "sluice.dev/workload": "web",
        "sluice.dev/group": "stable",
    }


def test_a_manifests_copy_stands_apart() -> None:
    thing = deployment(written(), "gray", apart=True, count=1)
    assert valid(thing)
    assert thing["metadata"]["name"] == "web-gray"
    assert template_labels(thing)["app"] == "web-gray"
    assert thing["spec"]["selector"]["matchLabels"] == {"sluice.dev/workload": "web", "sluice.dev/group": "gray"}
    assert thing["spec"]["minReadySeconds"] == 3


def test_a_manifest_over_an_existing_deployment_leaves_its_pods_labels_to_the_manifest() -> None:
    thing = deployment(written(), base=adopted())
    assert template_labels(thing) == {"app": "web", "tier": "front"}
    assert thing["metadata"]["annotations"]["owner"] == "ann"


def test_a_manifest_that_selects_otherwise_than_what_is_there_is_refused() -> None:
    base = adopted()
    base["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    with pytest.raises(StageFailure, match="selects its pods by other labels than the manifest"):
        deployment(written(), base=base)


def test_what_stands_beside_in_a_manifest_is_applied_with_our_labels() -> None:
    (only,) = objects.extra_objects(release(written()), PLACE)
    assert valid(only)
    assert only["metadata"] == {
        "name": "web-2",
        "namespace": "shop",
        "labels": {"team": "shop", "app.kubernetes.io/managed-by": "sluice", "sluice.dev/workload": "web"},
    }
    assert only["data"] == {"a": "1"}
    assert objects.extra_objects(release(settings()), PLACE) == ()


def test_a_service_leads_from_its_port_to_that_of_the_container() -> None:
    thing = service(service={"name": "web", "port": 80, "container_port": 8080})
    assert valid(thing)
    assert thing["spec"] == {
        "type": "ClusterIP",
        "selector": SELECTED,
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP", "appProtocol": "http"}],
    }
    assert names.is_ours(thing)


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("http", {"protocol": "TCP", "appProtocol": "http"}),
        ("tcp", {"protocol": "TCP", "appProtocol": "tcp"}),
        ("udp", {"protocol": "UDP"}),
    ],
)
def test_a_mesh_is_told_what_a_port_speaks(protocol: str, said: dict[str, str]) -> None:
    thing = service(service={"name": "web", "port": 53, "protocol": protocol}, name="web")
    assert valid(thing)
    (port,) = thing["spec"]["ports"]
    assert {key: port[key] for key in ("protocol", "appProtocol") if key in port} == said


@pytest.mark.parametrize(
    ("access", "kind"), [("cluster", "ClusterIP"), ("node", "NodePort"), ("balancer", "LoadBalancer")]
)
def test_only_the_workloads_own_service_is_reached_from_outside(access: str, kind: str) -> None:
    given = {"name": "web", "port": 80, "access": access, "preview_port": 81}
    assert service(service=given)["spec"]["type"] == kind
    beside, preview = service("web-gray", service=given), service("web-preview", port=81, service=given)
    assert valid(preview)
    assert [each["spec"]["type"] for each in (beside, preview)] == ["ClusterIP", "ClusterIP"]
    assert [each["spec"]["ports"][0]["port"] for each in (beside, preview)] == [80, 81]


def found_service() -> dict[str, Any]:
    ports = [
        {"name": "web", "port": 80, "targetPort": "http", "protocol": "TCP", "nodePort": 31000},
        {"port": 9, "name": "b"},
    ]
    spec = {"type": "NodePort", "clusterIP": "10.0.0.7", "selector": {"app": "web"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


def test_of_an_existing_service_nothing_is_said_but_whose_it_is() -> None:
    thing = service(base=found_service())
    assert "spec" not in thing
    assert thing["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "labels": {"sluice.dev/workload": "web"},
        "annotations": MARKS,
    }


def test_a_service_beside_an_existing_one_leads_to_the_same_port_of_the_pods() -> None:
    thing = service("web-gray", base=found_service())
    assert valid(thing)
    assert thing["spec"]["ports"] == [{"name": "web", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    assert thing["spec"]["type"] == "ClusterIP"


def test_a_manifests_service_is_made_as_it_is_written() -> None:
    thing = service(spec=written())
    assert valid(thing)
    assert thing["spec"]["type"] == "NodePort"
    assert thing["spec"]["ports"][0]["nodePort"] == 30080
    assert thing["metadata"]["labels"]["team"] == "shop"
    beside = service("web-gray", spec=written())
    assert valid(beside)
    assert beside["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]


def test_a_manifests_service_over_an_existing_one_leaves_the_selector_to_the_route() -> None:
    thing = service(spec=written(), base=found_service())
    assert thing["spec"].keys() == {"type", "ports"}


def test_a_workloads_own_service_selects_by_its_name_or_as_its_manifest_does() -> None:
    assert objects.selects(PLACE, settings()) == OWN
    assert objects.selects(PLACE, written()) == {"app": "web"}


def test_what_was_applied_is_read_from_the_object_itself() -> None:
    thing = deployment(settings())
    noted = objects.with_applied(thing)
    assert valid(noted)
    assert objects.applied_of(noted) == thing
    assert objects.without_applied(noted) == thing
    assert objects.with_applied(noted) == noted
    assert objects.applied_of(thing) is None


SPOILT = [
    "",
    "no json",
    "[]",
    "{}",
    *(f'{{"metadata": {it}}}' for it in ("1", '{"annotations": 3}', '{"labels": "web"}')),
]


@pytest.mark.parametrize("note", SPOILT)
def test_a_note_that_somebody_has_spoilt_is_none(note: str) -> None:
    spoilt = {"metadata": {"name": "web", "annotations": {names.APPLIED: note}}}
    assert objects.applied_of(spoilt) is None


def test_a_count_is_changed_without_making_anything_anew() -> None:
    thing = deployment(settings(), count=4)
    other = objects.scaled(thing, 2)
    assert valid(other)
    assert (other["spec"]["replicas"], other["metadata"]["annotations"][names.COUNT]) == (2, "2")
    assert other["spec"]["template"] == thing["spec"]["template"]
    assert thing["spec"]["replicas"] == 4


def test_an_object_that_was_never_written_can_be_scaled_by_its_name() -> None:
    thing = objects.scaled(objects.bare(DEPLOYMENT, adopted()), 2)
    assert thing["metadata"] == {"name": "web", "namespace": "shop", "annotations": {names.COUNT: "2"}}
    assert thing["spec"] == {"replicas": 2}


def test_a_note_is_added_to_what_was_applied() -> None:
    noted = objects.with_notes(objects.with_applied(deployment(settings())), {names.ADOPTED: "x"})
    assert noted["metadata"]["annotations"][names.ADOPTED] == "x"
    kept = objects.applied_of(noted)
    assert kept is not None
    assert kept["metadata"]["annotations"][names.ADOPTED] == "x"


def test_lists_with_names_are_merged_and_others_replaced() -> None:
    below = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "command": ["a", "b"], "x": {"k": 1}}
    above = {"env": [{"name": "C", "value": "3"}, {"name": "A", "value": "4"}], "command": ["c"], "x": {"l": 2}}
    assert laid_over(below, above) == {
        "env": [{"name": "A", "value": "4"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}],
        "command": ["c"],
        "x": {"k": 1, "l": 2},
    }


def test_a_port_without_a_protocol_is_the_tcp_port() -> None:
    below = {
        "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}, {"containerPort": 80, "protocol": "UDP"}]
    }
    assert laid_over(below, {"ports": [{"containerPort": 80, "hostPort": 8}]})["ports"][0]["hostPort"] == 8


def test_an_object_that_we_never_wrote_is_all_others() -> None:
    assert without_ours(adopted()) == adopted()


def test_a_field_that_two_have_written_alike_stays() -> None:
    base = adopted()
    live = taken_over(base, deployment(settings(environment={"GREETING": "hello", "X": "1"}), base=base))
    assert container(without_ours(live), "main")["env"] == [{"name": "GREETING", "value": "hello"}]


def test_what_is_left_of_one_of_a_list_keeps_its_name() -> None:
    written = {"name": "web", "image": "shop/web:v2", "env": [{"name": "A", "value": "1"}]}
    noted: Json = {"f:metadata": {"f:annotations": {f"f:{names.APPLIED}": {}}}}
    ours: Json = {
        'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}, "f:env": {'k:{"name":"A"}': {"f:value": {}}}}
    }
    theirs: Json = {'k:{"name":"web"}': {"f:image": {}}}
    entries = [
        {"manager": "sluice", "operation": "Apply", "fieldsV1": {**noted, "f:spec": {"f:containers": ours}}},
        {"manager": "kubectl-set", "operation": "Update", "fieldsV1": {"f:spec": {"f:containers": theirs}}},
    ]
    live = {"metadata": {"managedFields": entries}, "spec": {"containers": [written]}}
    assert without_ours(live)["spec"]["containers"] == [{"name": "web", "image": "shop/web:v2"}]


def test_what_the_api_added_to_a_field_of_ours_goes_with_it() -> None:
    base = adopted()
    live = taken_over(base, deployment(settings(), base=base))
    pod(live)["containers"][0]["readinessProbe"] |= {"timeoutSeconds": 1, "failureThreshold": 3}
    assert "readinessProbe" not in container(without_ours(live), "main")

"""A workload that was there before Sluice is its first version."""

from copy import deepcopy
from typing import Any

import pytest
import yaml

from engine.definition import Gray
from engine.deployment import Deployment
from engine.errors import StageFailure
from engine.model import Json, Release
from engine.targets.kubernetes import found, names
from tests.support.kube_releases import (
    NOW,
    PLACE,
    adopted,
    container,
    deployment,
    pod,
    release,
    settings,
    taken_over,
    valid,
)


def service(*ports: Json, **spec: Any) -> dict[str, Any]:
    given = {"selector": {"app": "web"}, "ports": list(ports) or [{"port": 80, "targetPort": "http"}], **spec}
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": given}


def first(live: Json | None = None, there: Json | None = None, **given: Any) -> Release:
    live = adopted() if live is None else live
    return found.found_release(PLACE, live, service() if there is None else there, settings(**given), NOW)


def settings_of(one: Release) -> Deployment:
    return Deployment.model_validate(one.settings)


def test_a_found_workload_is_named_by_its_pods() -> None:
    one = first()
    assert one.id == found.template_id("production/shop/web", adopted())
    assert one.id.startswith("production/shop/web@found-")
    same = adopted()
    same["spec"]["replicas"] = 9
    same["metadata"]["annotations"]["owner"] = "bob"
    same["spec"]["template"]["metadata"].pop("creationTimestamp")
    assert first(same).id == one.id
    assert first(adopted(serviceAccountName="other")).id != one.id


@pytest.mark.parametrize(
    ("reference", "image", "digest"),
    [
        ("registry.example.com:5000/shop/web:v1", "shop/web:v1", ""),
        ("shop/web:v1", "shop/web:v1", ""),
        ("localhost/shop/web:v1@sha256:0a", "shop/web:v1", "sha256:0a"),
        ("nginx", "nginx", ""),
        ("registry.example.com/nginx@sha256:0a", "nginx@sha256:0a", "sha256:0a"),
    ],
)
def test_a_found_image_is_shown_as_people_know_it(reference: str, image: str, digest: str) -> None:
    live = adopted()
    pod(live)["containers"][0]["image"] = reference
    assert (first(live).image, first(live).digest) == (image, digest)


def test_a_found_workload_has_the_settings_that_the_rest_goes_by() -> None:
    spec = settings_of(first(drain="9s", readiness={"http": "/h", "within": "3m"}, strategy="blue_green"))
    assert (spec.creation, spec.target, spec.instances, spec.max_unavailable) == ("found", "kubernetes", 3, "25%")
    assert (spec.upgrade, spec.strategy, spec.drain.total_seconds()) == ("rolling", "blue_green", 9)
    assert (spec.readiness.http, spec.readiness.within.total_seconds()) == (None, 180)
    assert (spec.service.port, spec.service.container_port, spec.service.access) == (80, 8080, "cluster")
    assert spec.workload_id("x") == "production/shop/web"


def test_a_found_workload_is_replaced_as_it_says() -> None:
    live = adopted()
    live["spec"]["strategy"] = {"type": "Recreate"}
    assert settings_of(first(live)).upgrade == "recreate"


@pytest.mark.parametrize(("replicas", "instances"), [(0, 1), (1, 1), (300, 300), (301, 300), (None, 1)])
def test_any_number_of_instances_can_be_found(replicas: int | None, instances: int) -> None:
    live = adopted()
    live["spec"].pop("replicas")
    if replicas is not None:
        live["spec"]["replicas"] = replicas
    assert settings_of(first(live)).instances == instances


@pytest.mark.parametrize("missing", [0, 1, 999, "0%", "25%", "100%"])
def test_any_bound_of_missing_instances_can_be_found(missing: object) -> None:
    live = adopted()
    live["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = missing
    assert settings_of(first(live)).max_unavailable == (300 if missing == 999 else missing)


@pytest.mark.parametrize(
    ("there", "port", "protocol", "access", "container_port"),
    [
        (service({"port": 80, "targetPort": 8080}, type="NodePort"), 80, "http", "node", 8080),
        (service({"port": 80}, {"port": 81}, type="LoadBalancer"), 80, "http", "balancer", 80),
        (service({"port": 8000, "targetPort": "http"}), 8000, "http", "cluster", 8080),
        (service({"port": 80, "targetPort": "nobody"}), 80, "http", "cluster", 8080),
        (service({"port": 80, "protocol": "UDP"}), 80, "udp", "cluster", 80),
    ],
)
def test_the_service_that_is_there_decides_what_was_in_effect(
    there: Json, port: int, protocol: str, access: str, container_port: int
) -> None:
    kept = settings_of(first(there=there)).service
    assert (kept.port, kept.protocol, kept.access, kept.container_port) == (port, protocol, access, container_port)


def test_a_workload_without_a_service_is_taken_as_the_definition_says() -> None:
    one = found.found_release(PLACE, adopted(), None, settings(service={"name": "web", "port": 81}), NOW)
    kept = settings_of(one).service
    assert (kept.port, kept.container_port, kept.access) == (81, 8080, None)


def test_a_service_that_leads_to_no_pods_is_refused() -> None:
    with pytest.raises(StageFailure, match=r"Service shop/web \(ExternalName, TCP\)"):
        first(there=service({"port": 80}, type="ExternalName"))


def test_a_workload_in_the_hands_of_a_controller_is_refused_with_its_name() -> None:
    live = adopted()
    live["metadata"]["ownerReferences"] = [{"kind": "Shop", "name": "main", "controller": True}]
    with pytest.raises(StageFailure, match="shop/web belongs to the Shop main"):
        first(live)


def test_the_manifest_of_what_was_found_is_what_its_owner_wrote() -> None:
    live = adopted()
    live["metadata"]["annotations"] |= {names.RELEASE: "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    kept = yaml.safe_load(first(live).manifest)
    assert valid(kept)
    assert kept["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "labels": {"app": "web", "app.kubernetes.io/instance": "shop"},
        "annotations": {"owner": "ann"},
    }
    assert kept.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert "creationTimestamp" not in kept["spec"]["template"]["metadata"]


def test_cleaning_changes_nothing_of_the_object() -> None:
    live = adopted()
    before = deepcopy(live)
    found.cleaned(live)
    assert live == before


def test_adopting_what_was_found_changes_no_pod() -> None:
    live, one = adopted(), first()
    thing = deployment(settings_of(one), base=live, of=one, count=2)
    assert thing["spec"] == {"replicas": 2}


def test_a_way_back_brings_exactly_what_was_there() -> None:
    live, one = adopted(), first()
    spec = settings(environment={"A": "1"}, log_path="/l")
    after = taken_over(live, deployment(spec, base=live))
    back = deployment(settings_of(one), base=after, of=one, count=3)
    expected = deepcopy(live["spec"]["template"])
    expected["metadata"].pop("creationTimestamp")
    assert back["spec"]["template"] == expected
    assert back["spec"]["strategy"] == live["spec"]["strategy"]
    assert "selector" not in back["spec"]


def test_what_was_written_for_a_way_back_is_written_again() -> None:
    live, one = adopted(), first()
    spec = settings_of(one)
    back = deployment(spec, base=taken_over(live, deployment(settings(), base=live)), of=one)
    again = deployment(spec, base=taken_over(live, back), of=one)
    assert again["spec"]["template"] == back["spec"]["template"]


def test_a_found_release_can_run_as_a_copy() -> None:
    live, one = adopted(), first()
    thing = deployment(settings_of(one), "green", base=live, of=one, apart=True)
    assert valid(thing)
    assert container(thing, "main")["image"] == "registry.example.com/shop/web:v1"
    assert thing["spec"]["template"]["metadata"]["labels"]["app"] == "web-green"
    assert "app.kubernetes.io/instance" not in thing["metadata"]["labels"]
    assert thing["spec"]["template"]["metadata"]["annotations"] == {names.RELEASE: one.id}


def test_a_found_workload_that_has_vanished_is_made_again() -> None:
    one = first()
    thing = deployment(settings_of(one), base=None, of=one)
    assert valid(thing)
    assert thing["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert thing["metadata"]["name"] == "web"


def test_what_is_left_out_is_taken_from_what_somebody_else_made() -> None:
    spec = found.filled(settings(), adopted(), service(type="NodePort"))
    assert (spec.service.container_port, spec.service.access) == (8080, "node")
    given = settings(service={"name": "web", "port": 80, "container_port": 1, "access": "cluster"})
    assert found.filled(given, adopted(), service(type="NodePort")) == given
    assert isinstance(found.filled(Gray.model_validate(settings().model_dump()), adopted(), None), Gray)


def test_the_port_is_that_of_the_container_that_the_definition_names() -> None:
    two = [
        {"name": name, "image": "shop/web:v1", "ports": [{"containerPort": port}]}
        for name, port in (("app", 8080), ("worker", 9090))
    ]
    live = adopted(containers=two)
    assert found.filled(settings(), live, None).service.container_port is None
    for name, port in (("app", 8080), ("worker", 9090)):
        assert found.filled(settings(container=name), live, None).service.container_port == port


def test_of_what_was_found_the_container_is_noted_that_the_definition_names() -> None:
    live = adopted(containers=[{"name": name, "image": f"shop/web:{name}"} for name in ("app", "worker")])
    one = found.found_release(PLACE, live, service(), settings(container="worker"), NOW)
    assert (one.settings["container"], one.image) == ("worker", "shop/web:worker")
    other = found.found_release(PLACE, live, service(), settings(container="gone"), NOW)
    assert "container" not in other.settings


def test_what_sluice_made_itself_adds_nothing_to_the_settings() -> None:
    spec = settings()
    ours = service()
    ours["metadata"]["labels"] = {names.MANAGED: "sluice"}
    assert found.filled(spec, deployment(spec), ours) == spec
    assert found.filled(spec, None, None) == spec


def test_a_release_is_the_same_before_and_after_sluice_made_its_service() -> None:
    ours = service()
    ours["metadata"]["labels"] = {names.MANAGED: "sluice"}
    assert found.filled(settings(), adopted(), None) == found.filled(settings(), adopted(), ours)


def test_pods_are_the_same_only_if_nothing_of_them_was_changed() -> None:
    one = first()
    assert found.is_same(adopted(), one)
    assert not found.is_same(adopted(nodeSelector={"a": "b"}), one)
    assert not found.is_same(deployment(settings(), of=release(settings())), one)

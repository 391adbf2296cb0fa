"""What others changed, what they hold, and what a write would change: named with managers, and never invented."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.ports import Dispute
from engine.targets.kubernetes import names
from engine.targets.kubernetes.comparing import lost
from engine.targets.kubernetes.differences import NOBODY, Drift, changed, drifted, held, present
from engine.targets.kubernetes.paths import with_value

AT = "2026-11-23T11:55:00Z"
WEB = 'k:{"name":"web"}'
IMAGE = 'spec.template.spec.containers[name="web"].image'


def deployment(**container: Any) -> dict[str, Any]:
    """What Sluice applied: one container ``web``."""
    web = {"name": "web", "image": "org/web:v2", **container}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {names.COUNT: "2"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [web]}}},
    }


def made_of(applied: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """What the API server makes of it: defaults, a status and notes of who holds what."""
    metadata = {"uid": "1", "resourceVersion": "7", "generation": 2, "creationTimestamp": AT, **applied["metadata"]}
    return {**applied, "metadata": metadata, "status": {"replicas": 2}, **fields}


def noted(
    live: dict[str, Any], manager: str, fields: Mapping[str, Any], operation: str = "Update", **more: Any
) -> None:
    notes = live["metadata"].setdefault("managedFields", [])
    notes.append({"manager": manager, "operation": operation, "time": AT, "fieldsV1": fields, **more})


def web_of(live: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = live["spec"]["template"]["spec"]["containers"][0]
    return found


def copied(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: copied(value) for key, value in thing.items()}
    return [copied(each) for each in thing] if isinstance(thing, list) else thing


def test_what_is_as_it_was_applied_is_no_drift() -> None:
    applied = deployment(resources={"limits": {"cpu": "0.5", "memory": "0.5Gi"}}, env=[{"name": "A", "value": ""}])
    live = copied(made_of(applied))
    live["spec"] |= {"progressDeadlineSeconds": 600, "strategy": {"type": "RollingUpdate"}}
    web_of(live).update(
        resources={"limits": {"cpu": "500m", "memory": "512Mi"}},
        env=[{"name": "INJECTED", "value": "x"}, {"name": "A"}],
        imagePullPolicy="IfNotPresent",
    )
    assert drifted(applied, live, "sluice") == ()


def test_a_field_that_somebody_changed_is_named_with_manager_operation_and_time() -> None:
    applied = deployment()
    live = copied(made_of(applied))
    live["spec"]["replicas"] = 5
    noted(live, "sluice", {"f:spec": {"f:template": {}}}, "Apply")
    noted(live, "kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    (drift,) = drifted(applied, live, "sluice")
    assert drift == Drift(
        "Deployment shop/web",
        "spec.replicas",
        "kubectl",
        "2",
        "5",
        decided=True,
        operation="Update of scale",
        at=datetime(2026, 11, 23, 11, 55, tzinfo=UTC),
    )
    assert str(drift) == (
        "Deployment shop/web: spec.replicas is 5 by kubectl (Update of scale, 2026-11-23 11:55 UTC); Sluice wants 2."
    )


def test_items_of_lists_are_found_by_their_keys_wherever_they_stand() -> None:
    applied = deployment(ports=[{"containerPort": 80}], env=[{"name": "A", "value": "1"}])
    live = copied(made_of(applied))
    side = {"name": "side", "image": "org/side:v1"}
    live["spec"]["template"]["spec"]["containers"].insert(0, side)
    web = live["spec"]["template"]["spec"]["containers"][1]
    web.update(ports=[{"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"}])
    web["env"] = [{"name": "B", "value": "1"}, {"name": "A", "value": "2"}]
    path: dict[str, Any] = {WEB: {"f:env": {'k:{"name":"A"}': {".": {}, "f:value": {}}}}}
    noted(live, "kubectl-edit", {"f:spec": {"f:template": {"f:spec": {"f:containers": path}}}})
    (drift,) = drifted(applied, live, "sluice")
    assert drift.field == 'spec.template.spec.containers[name="web"].env[name="A"].value'
    assert (drift.manager, drift.ours, drift.theirs, drift.decided) == ("kubectl-edit", "1", "2", False)


def test_what_is_gone_is_held_by_nobody_and_named_once() -> None:
    applied = deployment(
        readinessProbe={"httpGet": {"path": "/healthz", "port": 80}}, env=[{"name": "A", "value": "1"}]
    )
    live = copied(made_of(applied))
    del web_of(live)["readinessProbe"]
    web_of(live)["env"] = []
    said = drifted(applied, live, "sluice")
    assert [each.field.rpartition("].")[2] for each in said] == ["readinessProbe", 'env[name="A"]']
    assert {(each.manager, each.theirs) for each in said} == {(NOBODY, "nothing")}


def test_what_the_cluster_makes_of_our_own_write_is_no_drift() -> None:
    applied = deployment()
    live = copied(made_of(applied))
    web_of(live)["image"] = "mirror.example.com/org/web:v2"
    ours: dict[str, Any] = {"f:spec": {"f:template": {"f:spec": {"f:containers": {WEB: {".": {}, "f:image": {}}}}}}}
    noted(live, "sluice", ours, "Apply")
    assert drifted(applied, live, "sluice") == ()


def test_a_field_with_several_managers_is_named_for_each_but_ours() -> None:
    applied = deployment()
    live = copied(made_of(applied))
    live["spec"]["replicas"] = 5
    for manager in ("sluice", "argocd", "hpa"):
        noted(live, manager, {"f:spec": {"f:replicas": {}}}, "Apply")
    assert sorted(each.manager for each in drifted(applied, live, "sluice")) == ["argocd", "hpa"]


def test_what_was_never_applied_is_nobodys_affair() -> None:
    applied = deployment()
    live = copied(made_of(applied))
    live["spec"]["paused"] = True
    live["metadata"]["labels"] = {"team": "shop"}
    web_of(live)["args"] = ["--debug"]
    assert drifted(applied, live, "sluice") == ()


def test_our_own_record_of_what_was_applied_is_not_compared() -> None:
    applied = deployment()
    applied["metadata"]["annotations"][names.APPLIED] = "{}"
    assert drifted(applied, made_of(deployment()), "sluice") == ()


def test_labels_with_dots_and_slashes_are_fields_like_others() -> None:
    applied = deployment()
    applied["metadata"]["labels"] = {names.APP: "web"}
    live = copied(made_of(applied))
    live["metadata"]["labels"][names.APP] = "other"
    noted(live, "kubectl-label", {"f:metadata": {"f:labels": {f"f:{names.APP}": {}}}})
    (drift,) = drifted(applied, live, "sluice")
    assert (drift.field, drift.manager) == (f"metadata.labels.{names.APP}", "kubectl-label")
    assert present(applied, live, [drift])["metadata"]["labels"] == {names.APP: "other"}


def test_a_list_that_is_one_value_is_compared_as_one_and_held_as_one() -> None:
    applied = deployment()
    applied["spec"]["template"]["spec"]["tolerations"] = [{"key": "a", "operator": "Exists"}]
    live = copied(made_of(applied))
    live["spec"]["template"]["spec"]["tolerations"] = [{"key": "a", "operator": "Exists", "effect": "NoExecute"}]
    noted(live, "kubectl-patch", {"f:spec": {"f:template": {"f:spec": {"f:tolerations": {}}}}})
    (drift,) = drifted(applied, live, "sluice")
    assert (drift.field, drift.manager) == ("spec.template.spec.tolerations[0].effect", "kubectl-patch")
    assert (drift.ours, drift.theirs) == ("nothing", "NoExecute")
    live["spec"]["template"]["spec"]["tolerations"] = []
    assert drifted(applied, live, "sluice")[0].field == "spec.template.spec.tolerations"


def test_a_value_of_a_set_has_its_own_manager() -> None:
    applied = {"kind": "ConfigMap", "metadata": {"name": "x", "namespace": "shop", "finalizers": ["a/b", "c/d"]}}
    live: dict[str, Any] = {"kind": "ConfigMap", "metadata": {"name": "x", "namespace": "shop", "finalizers": ["c/d"]}}
    (drift,) = drifted(applied, live, "sluice")
    assert (drift.field, drift.ours, drift.theirs) == ('metadata.finalizers[="a/b"]', "a/b", "nothing")
    assert present(applied, live, [drift])["metadata"]["finalizers"] == ["c/d"]


def service(**selector: str) -> dict[str, Any]:
    spec = {"selector": selector, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


def test_a_services_selector_is_one_value_that_the_release_decides() -> None:
    applied, live = service(app="web"), copied(made_of(service(app="web", extra="x")))
    live["spec"]["ports"][0] |= {"targetPort": 9090, "protocol": "TCP", "nodePort": 31000}
    by: dict[str, Any] = {
        "f:spec": {"f:selector": {}, "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:targetPort": {}}}}
    }
    noted(live, "kubectl-edit", by)
    selector, port = drifted(applied, live, "sluice")
    assert (selector.field, selector.theirs, selector.decided) == ("spec.selector.extra", "x", True)
    assert (port.field, port.theirs, port.decided) == ('spec.ports[port=80,protocol="TCP"].targetPort', "9090", False)
    assert selector.manager == port.manager == "kubectl-edit"


def virtual_service(stable: int, **more: str) -> dict[str, Any]:
    weights = {"web": stable, "web-gray": 100 - stable}
    route = [{"destination": {"host": host}, "weight": weight} for host, weight in weights.items()]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"hosts": ["web"], "http": [{"route": route, **more}]},
    }


def test_weights_are_decided_by_the_release_and_time_outs_are_not() -> None:
    live = copied(made_of(virtual_service(50, timeout="5s")))
    noted(live, "kubectl-edit", {"f:spec": {".": {}, "f:hosts": {}, "f:http": {}}})
    said = drifted(virtual_service(90), live, "sluice")
    assert [(each.field, each.ours, each.theirs, each.decided) for each in said] == [
        ("spec.http[0].route[0].weight", "90", "50", True),
        ("spec.http[0].route[1].weight", "10", "50", True),
        ("spec.http[0].timeout", "nothing", "5s", False),
    ]
    assert {each.manager for each in said} == {"kubectl-edit"}
    live["spec"]["http"].append({"route": []})
    assert [(each.field, each.decided) for each in drifted(virtual_service(90), live, "sluice")] == [
        ("spec.http", True)
    ]


def test_what_the_gateway_api_fills_in_is_no_drift() -> None:
    header = {"name": "x", "value": "1"}
    rules = [{"matches": [{"headers": [header]}], "backendRefs": [{"name": "web", "port": 80}]}]
    applied = {
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "gw"}], "rules": rules},
    }
    live = copied(applied)
    live["spec"]["parentRefs"][0] |= {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    rule = live["spec"]["rules"][0]
    rule["backendRefs"][0] |= {"group": "", "kind": "Service", "weight": 1}
    rule["matches"][0] |= {"path": {"type": "PathPrefix", "value": "/"}}
    rule["matches"][0]["headers"][0] |= {"type": "Exact"}
    assert drifted(applied, live, "sluice") == ()
    rule["backendRefs"][0]["weight"] = 7
    (drift,) = drifted(applied, live, "sluice")
    assert (drift.field, drift.decided) == ("spec.rules[0].backendRefs[0].weight", True)


def test_the_image_of_the_workloads_own_container_is_decided_and_that_of_another_is_not() -> None:
    applied = deployment()
    applied["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "org/side:v1"})
    live = copied(made_of(applied))
    for each in live["spec"]["template"]["spec"]["containers"]:
        each["image"] = "org/other:v9"
    assert {each.field: each.decided for each in drifted(applied, live, "sluice")} == {
        IMAGE: True,
        'spec.template.spec.containers[name="side"].image': False,
    }
    live["spec"]["template"]["spec"]["containers"] = []
    assert [each.decided for each in drifted(applied, live, "sluice")] == [True, False]


def test_where_no_container_has_the_workloads_name_every_image_is_decided() -> None:
    applied = deployment()
    applied["spec"]["template"]["spec"]["containers"] = [{"name": n, "image": "org/a:v1"} for n in ("a", "b")]
    live = copied(made_of(applied))
    for each in live["spec"]["template"]["spec"]["containers"]:
        each["image"] = "org/other:v9"
    assert [each.decided for each in drifted(applied, live, "sluice")] == [True, True]


def test_an_empty_volume_that_became_another_is_drift() -> None:
    applied = deployment()
    applied["spec"]["template"]["spec"]["volumes"] = [{"name": "tmp", "emptyDir": {}}]
    live = copied(made_of(applied))
    assert drifted(applied, live, "sluice") == ()
    live["spec"]["template"]["spec"]["volumes"] = [{"name": "tmp", "hostPath": {"path": "/x"}}]
    assert [each.field for each in drifted(applied, live, "sluice")] == [
        'spec.template.spec.volumes[name="tmp"].emptyDir'
    ]


def test_a_long_value_is_cut_and_a_digest_is_cut_to_what_tells_it_apart() -> None:
    applied = deployment(args=["x" * 500], image=f"org/web@sha256:{'0123456789ab' + 'c' * 52}")
    live = copied(made_of(deployment(args=["y"], image="org/web:v1\n\x1b[31mred")))
    image, args = drifted(applied, live, "sluice")
    assert (image.ours, image.theirs) == ("org/web@sha256:0123456789ab…", "org/web:v1 red")
    assert len(args.ours) <= 80


REFUSED = [(".spec.replicas", "kubectl-client-side-apply"), (f".{IMAGE}", "argocd")]


def test_what_the_api_server_refuses_to_overwrite_is_named_with_both_values() -> None:
    wanted, live = deployment(), copied(made_of(deployment(image="org/web:v1")))
    live["spec"]["replicas"] = 7
    assert held(REFUSED, wanted, live, "Deployment shop/web") == (
        Dispute("Deployment shop/web", "spec.replicas", "kubectl-client-side-apply", "2", "7", decided=True),
        Dispute("Deployment shop/web", IMAGE, "argocd", "org/web:v2", "org/web:v1", decided=True),
    )


def test_a_whole_list_that_is_refused_is_told_by_what_differs_in_it() -> None:
    said = held([(".spec.http", "kubectl")], virtual_service(90), virtual_service(50, timeout="5s"), "it")
    assert [(each.field, each.decided) for each in said] == [
        ("spec.http[0].route[0].weight", True),
        ("spec.http[0].route[1].weight", True),
        ("spec.http[0].timeout", False),
    ]
    many = virtual_service(50) | {"spec": {"http": []}}
    assert [each.field for each in held([(".spec.http", "kubectl")], virtual_service(90), many, "it")] == ["spec.http"]


def test_a_refused_field_that_nobody_can_find_is_named_all_the_same() -> None:
    (one,) = held([(".spec.unheard[0]\x1b.of", "someone")], deployment(), {}, "Deployment shop/web")
    assert (one.field, one.ours, one.theirs, one.decided) == ("spec.unheard[0] .of", "nothing", "nothing", False)


def test_to_adopt_is_to_apply_what_is_there_in_the_disputed_fields_alone() -> None:
    applied = deployment(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}], workingDir="/srv")
    live = copied(made_of(applied))
    live["spec"]["replicas"] = 5
    web_of(live).update(image="org/web:v1", env=[{"name": "A", "value": "2"}], terminationMessagePath="/dev/x")
    del web_of(live)["workingDir"]
    said = drifted(applied, live, "sluice")
    adopted = present(applied, live, said)
    assert adopted["spec"]["replicas"] == 5
    assert web_of(adopted) == {"name": "web", "image": "org/web:v1", "env": [{"name": "A", "value": "2"}]}
    assert drifted(adopted, live, "sluice") == ()
    assert applied == deployment(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}], workingDir="/srv")


def test_only_the_disputes_given_are_adopted_and_only_those_about_the_object() -> None:
    applied = deployment()
    live = copied(made_of(deployment(image="org/web:v1")))
    live["spec"]["replicas"] = 5
    replicas, image = drifted(applied, live, "sluice")
    assert present(applied, live, [replicas]) == with_value(applied, ("spec", "replicas"), 5)
    elsewhere = Dispute("Deployment shop/web-gray", image.field, "x", "", "")
    assert present(applied, live, [elsewhere]) == applied


@pytest.mark.parametrize("kind", ["Deployment", None])
def test_an_object_from_a_list_is_called_by_the_kind_that_was_applied(kind: str | None) -> None:
    live = copied(made_of(deployment()))
    live["spec"]["replicas"] = 5
    live["kind"] = kind
    if kind is None:
        del live["kind"]
    (drift,) = drifted(deployment(), live, "sluice")
    assert drift.thing == "Deployment shop/web"
    assert list(lost(present(deployment(), live, [drift])["spec"], live["spec"])) == []


def test_a_new_object_is_told_by_what_matters_of_it() -> None:
    assert changed(None, deployment(), "Deployment shop/web") == (
        "Deployment shop/web: created: image org/web:v2, 2 replicas",
    )
    assert changed(None, service(app="web"), "Service shop/web") == (
        'Service shop/web: created: port 80, selector {"app": "web"}',
    )
    assert changed(None, virtual_service(90), "VirtualService shop/web") == (
        "VirtualService shop/web: created: hosts web",
    )
    assert changed(None, {"kind": "ConfigMap", "data": {"a": "b"}}, "ConfigMap shop/x") == (
        "ConfigMap shop/x: created",
    )


def test_a_plan_names_each_field_that_changes_and_leaves_out_the_noise() -> None:
    before = copied(made_of(deployment(env=[{"name": "A", "value": "1"}])))
    after = copied(made_of(deployment(env=[{"name": "B", "value": "2"}], image="org/web:v3")))
    after["spec"]["replicas"] = 4
    after["metadata"] |= {"resourceVersion": "8", "generation": 3, "uid": "2"}
    after["metadata"]["annotations"] = {names.APPLIED: "{}", "deployment.kubernetes.io/revision": "9", names.COUNT: "4"}
    after["spec"]["template"]["metadata"] = {"creationTimestamp": None, "annotations": {names.RELEASE: "web@3"}}
    after["status"] = {"replicas": 9}
    noted(after, "sluice", {}, "Apply")
    del before["kind"]
    web = 'Deployment shop/web, spec.template.spec.containers[name="web"]'
    assert set(changed(before, after, "Deployment shop/web")) == {
        "Deployment shop/web, spec.replicas: 2 -> 4",
        f"{web}.image: org/web:v2 -> org/web:v3",
        f'{web}.env[name="A"]: {{"name": "A", "value": "1"}} -> nothing',
        f'{web}.env[name="B"]: nothing -> {{"name": "B", "value": "2"}}',
        (
            'Deployment shop/web, spec.template.metadata: nothing -> {"creationTimestamp": null, "annotations": '
            '{"sluice.dev/release": "web@3"}}'
        ),
        f"Deployment shop/web: Sluice's own notes on it ({names.COUNT})",
    }


def test_a_write_that_changes_nothing_is_no_part_of_a_plan() -> None:
    live = made_of(deployment())
    assert changed(live, copied(live), "Deployment shop/web") == ()

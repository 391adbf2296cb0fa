"""Services without a mesh: who they select, whether that is in effect, and which split instances give."""

from typing import Any

import pytest

from engine.routing.selectors import feasible, in_effect, selector_of

Json = dict[str, Any]

BLUE = {"sluice.dev/workload": "web", "sluice.dev/group": "blue"}


def service(**spec: Any) -> Json:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": BLUE, **spec}}


def pod(name: str, ready: str = "True", address: str = "10.0.0.1", **metadata: Any) -> Json:
    status = {"podIP": address, "conditions": [{"type": "Ready", "status": ready}], "phase": "Running"}
    return {"metadata": {"name": name, "labels": BLUE, **metadata}, "status": status}


def endpoint(name: str, **conditions: bool) -> Json:
    target = {"kind": "Pod", "name": name, "namespace": "shop", "uid": f"uid-{name}"}
    return {"addresses": ["10.0.0.1"], "targetRef": target, "conditions": conditions}


def up(name: str) -> Json:
    return endpoint(name, ready=True, serving=True, terminating=False)


def endpoint_slice(*endpoints: Json, owner: str = "web", family: str = "IPv4", namespace: str = "shop") -> Json:
    metadata = {"namespace": namespace, "labels": {"kubernetes.io/service-name": owner}}
    return {"metadata": metadata, "addressType": family, "endpoints": [*endpoints] or None}


def test_a_group_of_ours_is_selected_by_labels_that_no_other_pod_has() -> None:
    assert selector_of("blue", BLUE, {"app": "web"}) == BLUE
    assert selector_of("stable", BLUE, None) == BLUE


def test_the_pods_that_were_there_before_are_selected_as_they_were() -> None:
    assert selector_of("stable", BLUE, {"app": "web"}) == {"app": "web"}


def test_a_selector_is_in_effect_when_the_endpoints_are_exactly_the_ready_pods() -> None:
    pods = [pod("a"), pod("b"), pod("c", ready="False")]
    assert in_effect(service(), [endpoint_slice(up("a"), up("b"))], BLUE, pods)
    assert not in_effect(service(), [endpoint_slice(up("a"))], BLUE, pods)
    assert not in_effect(service(), [endpoint_slice(up("a"), up("b"), up("old"))], BLUE, pods)
    assert not in_effect(service(), [], BLUE, pods)


def test_a_selector_that_is_not_written_is_not_in_effect() -> None:
    assert not in_effect(service(selector={"app": "web"}), [endpoint_slice(up("a"))], BLUE, [pod("a")])


def test_more_pods_than_one_slice_takes_are_gathered_from_all() -> None:
    names = [f"pod-{number}" for number in range(250)]
    parts = [names[:100], names[100:200], names[200:]]
    slices = [endpoint_slice(*map(up, part)) for part in parts]
    pods = [pod(name) for name in names]
    assert in_effect(service(), slices, BLUE, pods)
    assert not in_effect(service(), slices[:2], BLUE, pods)


def test_slices_of_other_services_say_nothing() -> None:
    others = [endpoint_slice(up("old"), owner="web-preview"), endpoint_slice(up("old"), namespace="pay")]
    assert in_effect(service(), [endpoint_slice(up("a")), *others], BLUE, [pod("a")])


def test_both_families_of_addresses_must_follow() -> None:
    both = service(ipFamilies=["IPv4", "IPv6"])
    dual = pod("a")
    dual["status"]["podIPs"] = [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]
    four, six = endpoint_slice(up("a")), endpoint_slice(up("a"), family="IPv6")
    assert in_effect(both, [four, six], BLUE, [dual])
    assert not in_effect(both, [four], BLUE, [dual])
    assert not in_effect(both, [four, endpoint_slice(up("old"), family="IPv6")], BLUE, [dual])
    assert in_effect(both, [four], BLUE, [pod("a")])


def test_pods_that_end_are_no_longer_endpoints() -> None:
    ending = endpoint("old", ready=False, serving=True, terminating=True)
    assert in_effect(service(), [endpoint_slice(up("a"), ending)], BLUE, [pod("a")])
    leaving = pod("b", deletionTimestamp="2026-01-01T00:00:00Z")
    assert in_effect(service(), [endpoint_slice(up("a"))], BLUE, [pod("a"), leaving])


def test_pods_that_end_serve_on_while_nothing_else_is_ready() -> None:
    ending = endpoint("old", ready=False, serving=True, terminating=True)
    assert not in_effect(service(), [endpoint_slice(ending)], BLUE, [])
    ended = endpoint("old", ready=False, serving=False, terminating=True)
    assert in_effect(service(), [endpoint_slice(ended)], BLUE, [])


def test_an_endpoint_without_a_word_on_its_readiness_is_ready() -> None:
    assert in_effect(service(), [endpoint_slice(endpoint("a"))], BLUE, [pod("a")])


def test_a_service_that_publishes_pods_that_are_not_ready_has_them_all() -> None:
    everyone = service(publishNotReadyAddresses=True)
    pods = [pod("a"), pod("b", ready="False"), pod("c", address="")]
    pods[2]["status"]["phase"] = "Pending"
    evicted = pod("d", ready="False")
    evicted["status"]["phase"] = "Failed"
    assert in_effect(everyone, [endpoint_slice(up("a"), up("b"))], BLUE, [*pods, evicted])
    assert not in_effect(everyone, [endpoint_slice(up("a"))], BLUE, pods)


def test_an_endpoint_written_by_hand_is_nobody_of_ours() -> None:
    by_hand = {"addresses": ["192.0.2.9"], "conditions": {"ready": True}}
    assert not in_effect(service(), [endpoint_slice(up("a"), by_hand)], BLUE, [pod("a")])


@pytest.mark.parametrize(("share", "gray", "total"), [(20, 1, 5), (20, 1, 4), (20, 1, 6), (33, 1, 3), (50, 150, 300)])
def test_a_ratio_that_instances_nearly_give_is_not_objected_to(share: int, gray: int, total: int) -> None:
    assert feasible(share, gray, total) == ""


def test_a_ratio_that_other_instances_give_comes_with_their_number() -> None:
    said = feasible(50, 1, 5)
    assert said.startswith("Without a mesh requests follow instances: 1 gray of 5 get 20 %, not 50 %.")
    assert "No number" in said
    assert feasible(50, 1, 6) == (
        "Without a mesh requests follow instances: 1 gray of 6 get 16.7 %, not 50 %. "
        "Write gray_instances: 3, which gives 50 %."
    )


def test_a_ratio_that_no_instances_give_comes_with_the_ways_out() -> None:
    said = feasible(5, 1, 4)
    assert "No number of 4 instances comes nearer than 25 %." in said
    assert "strategy: istio" in said
    assert "Gateway API" in said


def test_gray_that_nobody_may_see_needs_a_mesh() -> None:
    assert feasible(0, 1, 100).startswith("Without a mesh gray is shown to everybody")


def test_beside_instances_that_stay_the_share_is_of_all_of_them() -> None:
    assert feasible(25, 1, 4, 4) == ""
    assert feasible(50, 1, 2, 2) == (
        "Without a mesh requests follow instances: 1 gray of 3 get 33.3 %, not 50 %. No number below 2, beside 2 that "
        "stay, comes nearer than 33.3 %. Write strategy: istio where Istio runs, let an HTTPRoute of the Gateway API "
        "lead to the Service, or leave the ratio to the instances."
    )
    assert "Write gray_instances: 3, which gives 42.9 %" in feasible(43, 1, 4, 4)

"""What is written so that a route comes true: nobody is led to a Service before its endpoints are there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from engine.model import Json
from engine.rollout.fleet import Route
from engine.routing import gateway, istio
from engine.targets.kubernetes import names, ways, wish
from engine.targets.kubernetes.kinds import HTTP_ROUTE, VIRTUAL_SERVICE, Kind
from engine.targets.kubernetes.scene import Medium, Scene
from engine.targets.kubernetes.wish import Wish
from engine.targets.kubernetes.writes import Apply, Remove, Write
from tests.support.kube_releases import MARKS, NOW, PLACE, settings

OWN = {"app.kubernetes.io/name": "web"}
STABLE = {names.WORKLOAD: "web", names.GROUP: "stable"}
SHARED, HOME = Route({"stable": 80, "gray": 20}), Route({"stable": 100})
MEDIA = [(Medium.ISTIO, VIRTUAL_SERVICE), (Medium.GATEWAY, HTTP_ROUTE)]


def labelled(name: str, **labels: str) -> dict[str, Any]:
    ours = {names.WORKLOAD: "web", names.MANAGED: "sluice", **labels}
    return {"name": name, "namespace": "shop", "uid": name, "labels": ours, "creationTimestamp": "2026-01-02T03:04:05Z"}


def pod(name: str, *, ready: bool = True) -> Json:
    """A pod of the stable group."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    metadata = labelled(name, **OWN, **{names.GROUP: "stable"})
    return {"metadata": metadata, "status": {"podIP": "10.0.0.1", "conditions": [condition]}}


def endpoints(*pods: str) -> Json:
    """Where the workload's own Service leads."""
    listed = [{"targetRef": {"kind": "Pod", "name": one}, "conditions": {"ready": True}} for one in pods]
    metadata = {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}
    return {"metadata": metadata, "addressType": "IPv4", "endpoints": listed}


def scene(
    medium: Medium,
    route: Route,
    *,
    pods: tuple[Json, ...] | Mapping[str, tuple[Json, ...]] = (),
    slices: tuple[Json, ...] = (),
    **more: Any,
) -> Scene:
    """A workload whose route was asked for; its Deployment and Service are Sluice's."""
    notes = {names.ROUTE: wish.write(Wish(route, set_at=NOW))}
    service = {
        "metadata": {**labelled("web"), "annotations": notes, "resourceVersion": "1"},
        "spec": {"selector": STABLE if medium is Medium.SELECTOR else OWN, "ports": [{"port": 80}]},
    }
    stable = {"metadata": labelled("web", **{names.GROUP: "stable"}), "spec": {"replicas": 2}}
    groups = pods if isinstance(pods, Mapping) else {"stable": pods}
    deployments = {"stable": stable}
    return Scene(PLACE, settings(), medium, None, service, {}, deployments, groups, slices, **more)


def router(kind: Kind, split: Route) -> Json:
    """A VirtualService of Sluice's own, or somebody's HTTPRoute, that shares requests so."""
    reached = scene(Medium.ISTIO, split).ways
    if kind == VIRTUAL_SERVICE:
        made = istio.routed(None, split, reached)
        return {**made, "metadata": {**labelled("web"), **made["metadata"]}}
    labels = {names.WORKLOAD: "web"}
    found: Json = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": "front", "namespace": "shop"},
        "spec": {"rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
    }
    notes = {names.FOUND: gateway.memory(found)}
    made = gateway.routed(found, split, reached)
    return {**made, "metadata": {**made["metadata"], "uid": "front", "labels": labels, "annotations": notes}}


def undone(written: tuple[Write, ...], kind: Kind) -> bool:
    """Whether the routes are put back as they were found."""
    [last] = [one for one in written if one.kind == kind]
    return isinstance(last, Remove) or "gray" not in str(last.thing["spec"])


@pytest.mark.parametrize(("medium", "kind"), MEDIA)
def test_nobody_is_sent_home_before_the_own_service_leads_to_every_ready_pod(medium: Medium, kind: Kind) -> None:
    pods, routers = (pod("a"), pod("b")), (router(kind, Route({"gray": 100})),)
    for there in ((), (endpoints(),), (endpoints("a"),), (endpoints("a", "gone"),)):
        early = scene(medium, HOME, pods=pods, slices=there, routers=routers)
        assert ways.steps(early, MARKS) == ()
        assert not ways.says(early, MARKS)
    assert undone(
        ways.steps(scene(medium, HOME, pods=pods, slices=(endpoints("a", "b"),), routers=routers), MARKS), kind
    )


@pytest.mark.parametrize(("medium", "kind"), MEDIA)
def test_home_is_not_in_effect_while_the_own_service_leads_nowhere(medium: Medium, kind: Kind) -> None:
    del kind
    gone = scene(medium, HOME, pods=(pod("a"),), slices=(endpoints(),))
    assert not ways.in_effect(gone, MARKS, NOW - NOW, NOW)
    assert ways.in_effect(scene(medium, HOME, pods=(pod("a"),), slices=(endpoints("a"),)), MARKS, NOW - NOW, NOW)


@pytest.mark.parametrize(("medium", "kind"), MEDIA)
def test_pods_that_come_and_go_do_not_keep_anybody_from_home(medium: Medium, kind: Kind) -> None:
    pods = (pod("a"), pod("b"), pod("c", ready=False))
    late = scene(medium, HOME, pods=pods, slices=(endpoints("a"),), routers=(router(kind, Route({"gray": 100})),))
    assert undone(ways.steps(late, MARKS), kind)
    assert not ways.says(late, MARKS)


@pytest.mark.parametrize("medium", [Medium.INSTANCES, Medium.SELECTOR])
@pytest.mark.parametrize(("_its", "kind"), MEDIA)
def test_a_route_that_another_strategy_has_left_is_put_back_once_the_own_service_leads_there(
    medium: Medium, _its: Medium, kind: Kind
) -> None:
    strays, pods = ((kind, router(kind, SHARED)),), (pod("a"),)
    early = scene(medium, HOME, pods=pods, strays=strays)
    assert ways.steps(early, MARKS) == ()
    assert not ways.in_effect(early, MARKS, NOW - NOW, NOW)
    there = scene(medium, HOME, pods=pods, slices=(endpoints("a"),), strays=strays)
    written = ways.steps(there, MARKS)
    assert undone(written, kind)
    assert isinstance(written[0], Apply)
    assert '"set_at":null' in written[0].thing["metadata"]["annotations"][names.ROUTE].replace(" ", "")
    assert not ways.in_effect(there, MARKS, NOW - NOW, NOW)


@pytest.mark.parametrize(("medium", "kind"), [(Medium.ISTIO, HTTP_ROUTE), (Medium.GATEWAY, VIRTUAL_SERVICE)])
def test_while_gray_takes_everything_a_route_that_was_left_leads_there_too(medium: Medium, kind: Kind) -> None:
    gray = {**pod("g"), "metadata": labelled("g", **{names.GROUP: "gray"})}
    bare = scene(medium, Route({"gray": 100}), pods={"stable": (pod("a"),), "gray": (gray,)})
    [apart] = ways.steps(bare, MARKS)
    assert isinstance(apart, Apply)
    to_gray = {"name": "x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web-gray"}}
    slices = ({**endpoints("g"), "metadata": to_gray},)
    strays = ((kind, router(kind, SHARED)),)
    taken = replace(bare, services={"web-gray": apart.thing}, slices=slices, strays=strays)
    [written] = [one for one in ways.steps(taken, MARKS) if one.kind == kind]
    assert isinstance(written, Apply)
    assert "web-gray" in str(written.thing["spec"])
    assert "'name': 'web'," not in str(written.thing["spec"])

"""Policies of others that do not cover the pods beside a workload's own are named by a plan, before there are any."""

from typing import Any

import pytest

from engine.rollout.fleet import Launch
from engine.targets.kubernetes.kinds import BUDGET, NETWORK_POLICY
from engine.targets.kubernetes.objects import label_apart
from tests.support import kube_foreign as foreign
from tests.support.kube_place import Place
from tests.support.kube_places import StandIn

APART = [("istio", "gray"), ("gateway", "gray"), ("blue_green", "blue")]
EVERYTHING = {"kind": "Role", "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
every_apart = pytest.mark.parametrize(("way", "group"), APART)


def policies(labels: dict[str, str]) -> list[dict[str, Any]]:
    """One that limits the pods of these labels, one that keeps them, and one that is about everything."""
    selector = {"matchLabels": labels}
    budget = {"selector": selector, "maxUnavailable": 1}
    return [
        _made(NETWORK_POLICY, "only-the-front", {"podSelector": selector, "policyTypes": ["Ingress"]}),
        _made(NETWORK_POLICY, "everybody", {"podSelector": {}, "policyTypes": ["Ingress"]}),
        _made(BUDGET, "keep-most", budget),
    ]


def _made(kind: Any, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec}


async def warned(place: Place, way: str, group: str) -> str:
    """What the plan of a gray release says of labels."""
    deployed = await place.plan("v2", way)
    moves = [Launch(group, deployed.new.id, 1)]
    said = await place.target.changes(deployed.placement(), moves)
    return " ".join(each for each in said if "instead of" in each)


@every_apart
async def test_a_plan_names_the_policies_that_gray_pods_escape_from(place: Place, way: str, group: str) -> None:
    await place.has_way(way)
    await place.has_workload()
    for one in policies(foreign.TIER):
        await place.put(one)
    [(key, changed)] = label_apart(group, foreign.TIER).items()
    said = await warned(place, way, group)
    assert said == (
        f"The pods of {group} carry {key}={changed} instead of {key}={foreign.TIER[key]}: "
        "NetworkPolicy only-the-front, PodDisruptionBudget keep-most select by it and do not cover them."
    )


async def test_where_gray_pods_keep_every_label_nothing_is_said(place: Place) -> None:
    await place.has_workload()
    for one in policies(foreign.TIER):
        await place.put(one)
    assert await warned(place, "canary", "gray") == ""


@every_apart
async def test_policies_that_select_by_another_label_cover_gray_pods_too(place: Place, way: str, group: str) -> None:
    await place.has_way(way)
    await place.has_workload()
    for one in policies({"sluice.dev/other": "x"}):
        await place.put(one)
    assert await warned(place, way, group) == ""


async def test_without_the_right_to_look_a_plan_says_so_and_is_made(place: Place) -> None:
    if not isinstance(place.ground, StandIn):
        pytest.skip("Only the stand-in takes a Role away between two requests.")
    await place.has_workload()
    blind = [("apps", "deployments"), ("", "services"), ("", "pods"), ("", "events"), ("autoscaling", "*")]
    rules = [{"apiGroups": [group], "resources": [one], "verbs": ["*"]} for group, one in blind]
    rules.append({"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["*"]})
    place.ground.kube.role({"kind": "Role", "rules": rules}, place.namespace)
    said = await warned(place, "blue_green", "blue")
    assert said.endswith("; Sluice may not look which networkpolicies and poddisruptionbudgets select by it.")
    place.ground.kube.role(EVERYTHING, place.namespace)  # for the look that follows every test

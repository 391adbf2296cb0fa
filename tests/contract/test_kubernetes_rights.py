"""The Role in deploy/ and what releases really ask of a cluster: the one is exactly enough for the other."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes.access import compared
from tests.support.kube_place import WAYS, Place
from tests.support.kube_places import StandIn

ROLE = Path(__file__).parents[2] / "deploy" / "kubernetes" / "role.yaml"

EVERYTHING = {"kind": "Role", "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}


def role() -> dict[str, Any]:
    found = [one for one in yaml.safe_load_all(ROLE.read_text(encoding="utf-8")) if one["kind"] == "Role"]
    assert len(found) == 1
    return dict(found[0])


@pytest.mark.parametrize("way", WAYS)
async def test_the_role_that_is_shipped_is_enough_for_every_strategy(place: Place, way: str) -> None:
    if not isinstance(place.ground, StandIn):
        pytest.skip("Only the stand-in takes a Role away between two requests.")
    await place.has_way(way)
    place.ground.kube.role(role(), place.namespace)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GoalKind.GRAY)
    await place.drive(deployed, GoalKind.ROLL_BACK)
    await place.release("v3", way)
    await place.target.effective_route(place.workload)
    await place.target.instances(place.workload)
    assert compared(place.cluster.rights).missing == ()
    place.ground.kube.role(EVERYTHING, place.namespace)  # for the look that follows every test

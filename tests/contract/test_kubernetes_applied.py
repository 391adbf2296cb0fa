"""What a run has applied in a cluster is read from the objects: by whoever asks, until they are gone."""

from dataclasses import replace

import pytest

from engine.model import Json
from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT
from tests.contract.test_kubernetes_manifest import CONFIG_MAP, written
from tests.support.kube_place import WAYS, Place
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
ROUTERS = {"istio": "VirtualService", "gateway": "HTTPRoute"}


def called(place: Place, kind: str, name: str) -> str:
    return f"{kind} {place.namespace}/{name}"


def tags(thing: Json) -> list[str]:
    return [each["image"].rpartition(":")[2] for each in thing["spec"]["template"]["spec"]["containers"]]


@every_way
async def test_everything_of_a_gray_release_is_told_also_to_a_bot_that_knows_nothing(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.has_workload()
    place.decided_by = "ann"
    deployed = await place.plan("v2", way)
    assert await place.target.applied(deployed.placement()) == {}
    await place.drive(deployed, GRAY)
    place.another_target()
    told = await place.target.applied(deployed.placement())
    beside = f"{NAME}-blue" if way == "blue_green" else f"{NAME}-gray"
    assert tags(told[called(place, "Deployment", beside)])[0] == "v2"
    assert called(place, "Service", NAME) in told
    assert [each for each in told if each.startswith(tuple(ROUTERS.values()))] == (
        [each for each in told if each.startswith(ROUTERS[way])] if way in ROUTERS else []
    )
    if way in ROUTERS:
        assert any(f"{NAME}-gray" in f"{thing['spec']}" for key, thing in told.items() if key.startswith(ROUTERS[way]))
    notes = {key for thing in told.values() for key in thing["metadata"]["annotations"]}
    assert notes <= {names.RELEASE, names.COUNT, names.PIPELINE, names.RUN, "sluice.dev/leaves-quietly"} | {
        key for key in notes if not key.startswith(names.DOMAIN)
    }
    await place.drive(deployed, ROLL_BACK)
    after = await place.target.applied(deployed.placement())
    assert called(place, "Deployment", f"{NAME}-gray") not in after or way == "blue_green"


@every_way
async def test_what_another_run_has_written_is_not_told(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    assert called(place, "Service", NAME) in await place.target.applied(deployed.placement())
    assert await place.target.applied(replace(deployed.placement(), run="hello-99")) == {}


async def test_a_note_that_somebody_has_spoilt_keeps_nobody_from_going_back(place: Place) -> None:
    await place.release("v1", "canary")
    deployed = await place.plan("v2", "canary")
    await place.drive(deployed, GRAY)
    for spoilt in ("{}", '{"metadata": {}}', '{"metadata": {"annotations": 3, "labels": {}}}', "["):
        note = {"metadata": {"annotations": {names.APPLIED: spoilt}}}
        await place.hands.edit(DEPLOYMENT, f"{NAME}-gray", note)
        for _ in range(3):
            await place.ground.go_on()
        assert called(place, "Service", NAME) in await place.target.applied(deployed.placement())
    await place.drive(deployed, ROLL_BACK)


async def test_what_a_manifest_brings_along_is_told_once_it_is_launched(place: Place) -> None:
    place.foreign.add((CONFIG_MAP.kind, "settings"))
    deployed = await place.plan("v1", "canary", **written(place))
    thing = called(place, CONFIG_MAP.kind, "settings")
    assert thing not in await place.target.applied(deployed.placement())
    await place.drive(deployed, PROMOTE)
    assert (await place.target.applied(deployed.placement()))[thing]["data"] == {"colour": "red"}

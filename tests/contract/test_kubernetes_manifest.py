"""A workload written as a manifest: what a release sets on it, what it leaves alone, and what stands beside it."""

import json
from typing import Any

import pytest
import yaml

from engine.errors import StageFailure
from engine.model import Way
from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, Kind
from tests.support import kube_foreign as foreign
from tests.support.kube_hands import KUBECTL
from tests.support.kube_place import WAYS, Place
from tests.support.kube_surroundings import NAME, Json

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")


def manifest(place: Place, colour: str = "red") -> str:
    """A Deployment, its Service, and a ConfigMap beside them."""
    workload = foreign.deployment(NAME, place.ground.images.pulled("v1"), 7)
    workload["spec"]["template"]["spec"]["containers"][0]["name"] = NAME
    workload["spec"]["template"]["spec"]["containers"].append(
        {
            "name": "beside",
            "image": place.ground.images.pulled("v1"),
            "imagePullPolicy": "IfNotPresent",
            "env": [{"name": "PORT", "value": "9999"}],
            "resources": {"requests": {"cpu": "5m"}},
        }
    )
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": colour}}
    return yaml.safe_dump_all([json.loads(json.dumps(one)) for one in (settings, workload, foreign.service(NAME))])


def written(place: Place, colour: str = "red") -> dict[str, Any]:
    """The settings that go with it."""
    return {
        "creation": "yaml",
        "manifest": manifest(place, colour),
        "service": {"name": NAME, "port": foreign.PORT},
        "readiness": {"within": "60s"},
        "pull": None,
        "resources": None,
    }


async def released(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.release("v1", way, **written(place))
    place.foreign.add((CONFIG_MAP.kind, "settings"))


def images(pods: list[Json]) -> set[tuple[str, ...]]:
    return {tuple(each["image"].rpartition(":")[2] for each in pod["spec"]["containers"]) for pod in pods}


@every_way
async def test_only_the_image_the_labels_and_the_count_of_a_manifest_are_set(place: Place, way: str) -> None:
    await released(place, way)
    name = f"{NAME}-blue" if way == "blue_green" else NAME
    live = await place.hands.get(DEPLOYMENT, name)
    said = foreign.deployment(NAME, "")["spec"]["template"]
    container = live["spec"]["template"]["spec"]["containers"][0]
    assert live["spec"]["replicas"] == 3
    assert container["env"] == said["spec"]["containers"][0]["env"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert "lifecycle" not in container
    assert live["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    assert live["spec"]["template"]["metadata"]["labels"]["team"] == "shop"
    assert (await place.hands.get(SERVICE, NAME))["metadata"]["labels"]["team"] == "shop"


@every_way
async def test_a_manifest_goes_gray_to_everybody_and_back(place: Place, way: str) -> None:
    await released(place, way)
    deployed = await place.plan("v2", way, **written(place))
    await place.drive(deployed, GRAY)
    assert images(await place.pods()) == {("v1", "v1"), ("v2", "v1")}
    await place.drive(deployed, PROMOTE)
    await place.until(lambda pods: images(pods) == {("v2", "v1")}, "only the new instances are left")
    last = await place.plan("v3", way, **written(place))
    await place.drive(last, GRAY)
    await place.drive(last, ROLL_BACK)
    await place.until(lambda pods: images(pods) == {("v2", "v1")}, "only the old instances are left")


@every_way
async def test_a_manifests_service_may_have_several_ports(place: Place, way: str) -> None:
    await place.has_way(way)
    said = written(place)
    every = list(yaml.safe_load_all(said["manifest"]))
    more = [
        {"name": "metrics", "port": 9191, "targetPort": 9999},
        {"name": "http-too", "port": 8081, "targetPort": 8080},
    ]
    next(each for each in every if each["kind"] == "Service")["spec"]["ports"] += more
    said["manifest"] = yaml.safe_dump_all(every)
    for tag in ("v1", "v2"):
        await place.release(tag, way, **said)
        place.foreign.add((CONFIG_MAP.kind, "settings"))
        ports = (await place.hands.get(SERVICE, NAME))["spec"]["ports"]
        assert [(each["port"], each["targetPort"]) for each in ports[1:]] == [(9191, 9999), (8081, 8080)]


async def test_what_stands_beside_a_workload_is_applied_with_labels_and_outlives_it(place: Place) -> None:
    await released(place, "canary")
    settings = await place.hands.get(CONFIG_MAP, "settings")
    assert settings["data"] == {"colour": "red"}
    assert settings["metadata"]["labels"] == {names.MANAGED: "sluice", names.WORKLOAD: NAME}
    await place.forget()
    assert (await place.hands.get(CONFIG_MAP, "settings"))["data"] == {"colour": "red"}


async def colour(place: Place) -> str:
    return str((await place.hands.get(CONFIG_MAP, "settings"))["data"]["colour"])


@pytest.mark.parametrize("way", ["canary", "blue_green", "istio"])
async def test_what_stands_beside_a_workload_goes_back_with_it(place: Place, way: str) -> None:
    await released(place, way)
    deployed = await place.plan("v2", way, **written(place, "green"))
    await place.drive(deployed, GRAY)
    assert await colour(place) == "green"
    await place.drive(deployed, ROLL_BACK)
    assert await colour(place) == "red"
    assert await place.target.keep() == ()


async def test_what_stands_beside_a_workload_goes_back_with_it_after_success(place: Place) -> None:
    await released(place, "canary")
    await place.release("v2", "canary", **written(place, "green"))
    assert await colour(place) == "green"
    back = await place.plan("v1", "canary", **written(place))
    await place.drive(back, PROMOTE, way=Way.ROLL_BACK)
    assert await colour(place) == "red"


async def test_what_somebody_else_made_is_not_taken_for_what_stands_beside_a_workload(place: Place) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"size": "large"}}
    await place.put(theirs)
    deployed = await place.plan("v1", "canary", **written(place))
    with pytest.raises(
        StageFailure, match=rf"ConfigMap {place.namespace}/settings is there already, made by {KUBECTL}"
    ):
        await place.drive(deployed, PROMOTE)
    live = await place.hands.get(CONFIG_MAP, "settings")
    assert (live["data"], live["metadata"].get("labels")) == ({"size": "large"}, None)
    assert await place.ours() == {}


async def test_a_way_back_does_not_wait_for_what_it_may_not_put_back(place: Place) -> None:
    await released(place, "istio")
    deployed = await place.plan("v2", "istio", **written(place, "green"))
    await place.drive(deployed, GRAY)
    await place.hands.delete(CONFIG_MAP, "settings")
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"size": "large"}}
    await place.put(theirs)
    await place.drive(deployed, ROLL_BACK)
    assert (await place.hands.get(CONFIG_MAP, "settings"))["data"] == {"size": "large"}
    [said] = await place.target.keep()
    assert "ConfigMap" in said
    assert "could not be put back" in said

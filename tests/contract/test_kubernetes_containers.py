"""Pods with several containers of one repository: the definition names the one that is released, in every strategy."""

import json
from typing import Any

import pytest
import yaml

from engine.errors import StageFailure
from engine.model import Way
from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes.kinds import DEPLOYMENT
from tests.contract.test_kubernetes_manifest import manifest, written
from tests.support import kube_foreign as foreign
from tests.support.kube_place import WAYS, Place
from tests.support.kube_promises import is_ready
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
NAMED = {"container": "web"}


def worker(place: Place) -> dict[str, Any]:
    """A container beside the one that is released, of the same image."""
    image = {"image": place.ground.images.pulled("v1"), "imagePullPolicy": "IfNotPresent"}
    return {"name": "worker", **image, "env": [{"name": "PORT", "value": "9999"}]}


async def has_two(place: Place, way: str) -> None:
    """A Deployment of others whose pods have two containers of the same image: web, and worker beside it."""
    await place.has_way(way)
    thing = foreign.deployment(NAME, place.ground.images.pulled("v1"))
    thing["spec"]["template"]["spec"]["containers"].append(worker(place))
    await place.put(thing)
    await place.put(foreign.service(NAME))
    await place.until(lambda pods: sum(map(is_ready, pods)) == 3, "the workload of others is ready")
    place.decided_by = "ann"


async def tags(place: Place) -> set[tuple[str, ...]]:
    """The tags of the containers of each pod."""
    return {tuple(each["image"].rpartition(":")[2] for each in pod["spec"]["containers"]) for pod in await place.pods()}


@every_way
async def test_where_nobody_can_tell_the_release_is_refused_with_their_names_and_the_key(
    place: Place, way: str
) -> None:
    await has_two(place, way)
    before = place.writes
    with pytest.raises(StageFailure, match="has the containers web, worker, and nobody can tell") as refused:
        await place.plan("v2", way)
    assert refused.value.hint == "Write container: and one of web, worker in the definition; the next run has it."
    with pytest.raises(StageFailure, match=r"has no container wbe\. It has web, worker\.") as refused:
        await place.plan("v2", way, container="wbe")
    assert refused.value.hint == "Write container: and one of web, worker in the definition; the next run has it."
    assert (place.writes, await tags(place)) == (before, {("v1", "v1")})


@every_way
async def test_the_container_that_is_named_goes_gray_to_everybody_and_back(place: Place, way: str) -> None:
    await has_two(place, way)
    deployed = await place.plan("v2", way, **NAMED)
    assert deployed.old is not None
    assert deployed.old.settings["container"] == "web"
    await place.drive(deployed, GRAY)
    assert await tags(place) == {("v1", "v1"), ("v2", "v1")}
    shown = {
        one.image.rpartition(":")[2] for one in await place.target.instances(place.workload) if one.group != "stable"
    }
    assert shown == {"v2"}
    await place.drive(deployed, ROLL_BACK)
    assert await tags(place) == {("v1", "v1")}
    deployed = await place.plan("v2", way, **NAMED)
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    assert await tags(place) == {("v2", "v1")}
    assert await place.target.disputes(deployed.placement()) == ()
    await place.release("v3", way, **NAMED)
    assert await tags(place) == {("v3", "v1")}
    place.deployed = deployed.new
    again = await place.plan("v2", way, **NAMED)
    await place.drive(again, PROMOTE, way=Way.ROLL_BACK)
    assert await tags(place) == {("v2", "v1")}


@every_way
async def test_a_workload_that_is_wholly_ours_calls_its_container_so(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.release("v1", way, **NAMED)
    await place.release("v2", way, **NAMED)
    assert {each["name"] for pod in await place.pods() for each in pod["spec"]["containers"]} == {"web"}
    assert await tags(place) == {("v2",)}
    await place.release("v3", way, container="app")
    assert {each["name"] for pod in await place.pods() for each in pod["spec"]["containers"]} == {"app"}


@every_way
async def test_of_a_manifest_the_container_that_is_named_is_released(place: Place, way: str) -> None:
    await place.has_way(way)
    given = written(place) | {"manifest": manifest(place).replace("name: beside", "name: serving"), **NAMED}
    place.foreign.add(("ConfigMap", "settings"))
    with pytest.raises(StageFailure, match="has no container web"):
        await place.plan("v2", way, **given)
    deployed = await place.plan("v2", way, **given | {"container": "serving"})
    await place.drive(deployed, PROMOTE)
    assert await tags(place) == {("v1", "v2")}


async def test_once_it_is_in_effect_another_container_does_not_take_over(place: Place) -> None:
    await has_two(place, "canary")
    await place.release("v2", "canary", **NAMED)
    with pytest.raises(StageFailure, match="cannot become worker once one is in effect"):
        await place.plan("v3", "canary", container="worker")
    live = await place.hands.get(DEPLOYMENT, NAME)
    assert [each["name"] for each in live["spec"]["template"]["spec"]["containers"]] == ["web", "worker"]


@pytest.mark.parametrize("way", [way for way in WAYS if way != "blue_green"])
async def test_nor_does_it_after_a_way_back_that_has_said_every_container(place: Place, way: str) -> None:
    await has_two(place, way)
    deployed = await place.plan("v2", way, **NAMED)
    for kind in (GRAY, PROMOTE, ROLL_BACK):
        await place.drive(deployed, kind)
    assert await tags(place) == {("v1", "v1")}
    with pytest.raises(StageFailure, match="cannot become worker once one is in effect") as refused:
        await place.plan("v3", way, container="worker")
    assert refused.value.hint.startswith("Write container: web in the definition")
    await place.release("v3", way)
    assert await tags(place) == {("v3", "v1")}


async def test_another_one_does_where_what_was_found_has_its_images_still(place: Place) -> None:
    await has_two(place, "blue_green")
    deployed = await place.plan("v2", "blue_green", **NAMED)
    for kind in (GRAY, PROMOTE, ROLL_BACK):
        await place.drive(deployed, kind)
    await place.release("v3", "blue_green", container="worker")
    assert await tags(place) == {("v1", "v3")}


def two_written(place: Place, *tags: str) -> dict[str, Any]:
    """A manifest with the containers web and worker, of these images; a tag that is empty leaves one out."""
    thing = foreign.deployment(NAME, place.ground.images.pulled(tags[0]))
    beside = {**worker(place), "image": place.ground.images.pulled(tags[1])} if tags[1] else None
    containers = [*thing["spec"]["template"]["spec"]["containers"], *([beside] if beside else [])]
    thing["spec"]["template"]["spec"]["containers"] = containers
    things = [json.loads(json.dumps(each)) for each in (thing, foreign.service(NAME))]
    return written(place) | {"manifest": yaml.safe_dump_all(things), **NAMED}


async def test_nor_after_a_manifest_that_has_said_every_container(place: Place) -> None:
    await has_two(place, "canary")
    await place.release("v2", "canary", **two_written(place, "v1", "v1"))
    assert await tags(place) == {("v2", "v1")}
    with pytest.raises(StageFailure, match=r"The container web .* cannot become worker once one is in effect"):
        await place.plan("v3", "canary", container="worker")
    await place.release("v3", "canary", **NAMED)
    assert await tags(place) == {("v3", "v1")}


async def test_what_has_its_image_from_a_manifest_alone_is_said_by_the_next_release_too(place: Place) -> None:
    await has_two(place, "canary")
    await place.release("v2", "canary", **two_written(place, "v1", "v2"))
    assert await tags(place) == {("v2", "v2")}
    for settings in (NAMED, {"container": "worker"}, two_written(place, "v1", "")):
        with pytest.raises(StageFailure, match=r"image of the container .* comes from releases alone") as refused:
            await place.plan("v3", "canary", **settings)
        assert refused.value.hint.startswith("Write a manifest that has")
    await place.release("v3", "canary", **two_written(place, "v1", "v3"))
    assert await tags(place) == {("v3", "v3")}


async def test_what_came_beside_later_is_told_apart_from_what_was_released_also_in_a_way_back(place: Place) -> None:
    await place.has_workload()
    place.decided_by = "ann"
    await place.release("v2", "canary")
    live = await place.hands.get(DEPLOYMENT, NAME)
    await place.excuse()
    containers = [*live["spec"]["template"]["spec"]["containers"], worker(place)]
    await place.hands.edit(DEPLOYMENT, NAME, {"spec": {"template": {"spec": {"containers": containers}}}})
    await place.until(lambda pods: bool(pods) and all(len(pod["spec"]["containers"]) > 1 for pod in pods), "both run")
    await place.until(lambda pods: all(map(is_ready, pods)), "both are ready")
    await place.release("v3", "canary", **NAMED)
    assert await tags(place) == {("v3", "v1")}
    await place.drive(await place.plan("v2", "canary"), PROMOTE, way=Way.ROLL_BACK)
    assert await tags(place) == {("v2", "v1")}
    deployed = await place.plan("v4", "canary")
    await place.drive(deployed, GRAY)
    await place.drive(deployed, ROLL_BACK)
    assert await tags(place) == {("v2", "v1")}

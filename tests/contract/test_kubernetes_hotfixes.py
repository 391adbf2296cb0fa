"""What others put in the place of a release can be adopted as a version, and no pod notices."""

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import yaml

from engine.deployed import Deployed
from engine.errors import StageFailure
from engine.model import Json, Release, Way
from engine.ports import Hotfix
from engine.rollout.fleet import Fleet, GoalKind, Launch
from engine.stages.fleets import serving
from engine.stages.rollout import straight_spec
from engine.targets.kubernetes import names
from engine.targets.kubernetes.access import compared
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE
from tests.contract.test_kubernetes_manifest import CONFIG_MAP, written
from tests.contract.test_kubernetes_rights import EVERYTHING, role
from tests.support.eventually import eventually
from tests.support.kube_mortal import Killed
from tests.support.kube_place import WAYS, Place
from tests.support.kube_places import StandIn, on_stand_in
from tests.support.kube_promises import is_ready
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
made_by = pytest.mark.parametrize("makers", ["others", "sluice"])
KUBECTL = "kubectl-set"


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with on_stand_in(istio=True, gateway=True) as place:
        yield place


async def released(place: Place, way: str, makers: str, **settings: Any) -> Deployed:
    """A workload at v1, which others or Sluice have made."""
    await place.has_way(way)
    if makers == "others":
        await place.has_workload("v0")
        place.decided_by = "ann"
    return await place.release("v1", way, **settings)


def live_name(way: str) -> str:
    """The Deployment that serves after one release."""
    return f"{NAME}-blue" if way == "blue_green" else NAME


async def patched(place: Place, name: str, **container: Any) -> None:
    """Let somebody change the container of a Deployment with kubectl."""
    containers = (await place.hands.get(DEPLOYMENT, name))["spec"]["template"]["spec"]["containers"]
    containers[0] |= container
    change = {"spec": {"template": {"spec": {"containers": containers}}}}
    await place.hands.edit(DEPLOYMENT, name, change, KUBECTL)


async def hotfixed(place: Place, name: str, tag: str = "v1-hot", **container: Any) -> None:
    """Let somebody put another image there, and wait until it runs everywhere."""
    await patched(place, name, image=place.ground.images.pulled(tag), **container)

    def is_done(pods: list[dict[str, Any]]) -> bool:
        mine = [pod for pod in pods if pod["metadata"]["name"].startswith(f"{name}-")]
        mine = [pod for pod in mine if name == f"{NAME}-gray" or names.label(pod, names.GROUP) != "gray"]
        return all(is_ready(pod) and pod["spec"]["containers"][0]["image"].endswith(f":{tag}") for pod in mine)

    await place.until(is_done, "the hotfix runs")
    for _ in range(20):
        await place.ground.go_on()


async def told(place: Place, deployed: Deployed) -> Hotfix:
    """What others have made of the release before, once it can be told."""
    where = deployed.placement()
    seen: list[Hotfix] = []

    async def is_told() -> bool:
        await place.ground.go_on()
        seen.extend(filter(None, [await place.target.hotfix(where)]))
        return bool(seen)

    await eventually(is_told, "it is told")
    [hotfix] = seen
    return hotfix


async def adopted(place: Place, deployed: Deployed) -> Release:
    """Let ann adopt what runs between two releases."""
    everywhere = replace(deployed, old=deployed.new)
    where, hotfix = everywhere.placement(), await told(place, everywhere)
    assert set(await place.target.disputes(where)) == {replace(each, hotfix=False) for each in hotfix.disputes}
    release = replace(hotfix.release, adopted_by="ann")
    await place.target.adopt(where, hotfix.disputes, "ann", release)
    place.deployed = release
    return release


async def uids(place: Place) -> dict[str, int]:
    return {
        pod["metadata"]["uid"]: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", ()))
        for pod in await place.pods()
    }


@every_way
@made_by
async def test_what_somebody_has_put_there_is_adopted_and_no_pod_notices(place: Place, way: str, makers: str) -> None:
    deployed = await released(place, way, makers, environment={"GREETING": "v1"})
    name = live_name(way)
    env = [{"name": "GREETING", "value": "hot"}, {"name": "PORT", "value": "8080"}]
    await hotfixed(place, name, env=env)
    before = await uids(place)
    release = await adopted(place, deployed)
    for _ in range(20):
        await place.ground.go_on()
    assert await uids(place) == before
    assert (release.image, release.changed_by) == (place.ground.images.said("v1-hot"), KUBECTL)
    assert "value: hot" in release.manifest
    assert release.settings["instances"] == 3
    where = replace(deployed, new=release, old=release).placement()
    assert await place.target.disputes(where) == ()
    assert await place.target.hotfix(where) is None
    group = next(one for one in (await place.target.observe(where)).groups.values() if one.release == release.id)
    assert group.is_settled()
    assert {one.release for one in await place.target.instances(place.workload) if one.status == "ready"} >= {
        release.id
    }
    assert all(one.changed_by == "" for one in await place.target.instances(place.workload))


@every_way
@made_by
async def test_the_next_release_starts_from_it_and_its_way_back_leads_to_it(
    place: Place, way: str, makers: str
) -> None:
    deployed = await released(place, way, makers, environment={"GREETING": "v1"})
    await hotfixed(place, live_name(way))
    release = await adopted(place, deployed)
    before = await uids(place)
    later = await place.plan("v2", way, environment={"GREETING": "v2"})
    assert later.old == release
    await place.drive(later, GRAY)
    assert {tag for _, tag in await place.running()} == {"v1-hot", "v2"}
    await place.drive(later, ROLL_BACK)
    assert {tag for _, tag in await place.running()} - {"v1"} == {"v1-hot"}
    kept = {uid for uid in await uids(place) if uid in before}
    assert kept, "what stayed beside gray is still there"
    place.deployed = release
    again = await place.plan("v3", way, environment={"GREETING": "v3"})
    await place.drive(again, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v3"}
    back = replace(again, new=release, old=again.new)
    await place.drive(back, PROMOTE, way=Way.ROLL_BACK)
    assert {tag for _, tag in await place.running() if _ == "stable" or way == "blue_green"} >= {"v1-hot"}


async def test_what_was_written_before_a_crash_is_not_written_again(place: Place) -> None:
    deployed = await released(place, "istio", "sluice")
    await hotfixed(place, NAME)
    where = replace(deployed, old=deployed.new).placement()
    before, seen = await uids(place), await place.target.hotfix(where)
    assert seen is not None
    release = replace(seen.release, adopted_by="ann")
    place.another_target(1)
    with pytest.raises(Killed):
        await place.target.adopt(where, seen.disputes, "ann", release)
    place.another_target()
    left = await place.target.hotfix(where)
    assert left is not None
    assert (left.release.id, left.disputes) == (release.id, ())
    assert (left.release.changed_by, left.release.adopted_by) == (KUBECTL, "ann")
    writes = place.writes
    await place.target.adopt(where, left.disputes, "ann", release)
    assert place.writes == writes
    assert await uids(place) == before
    place.deployed = release


@pytest.mark.parametrize("again", [False, True])
async def test_what_was_adopted_before_a_crash_is_told_though_somebody_has_scaled_it(
    place: Place, *, again: bool
) -> None:
    deployed = await released(place, "istio", "sluice")
    first = deployed.new
    if again:
        await hotfixed(place, NAME, "v1-warm")
        first = await adopted(place, deployed)
    await hotfixed(place, NAME)
    release = await adopted(place, replace(deployed, new=first))
    await place.hands.scale(NAME, 5)

    async def is_told() -> bool:
        await place.ground.go_on()
        where = replace(deployed, new=release, old=release).placement()
        return [each.field for each in await place.target.disputes(where)] == ["spec.replicas"]

    await eventually(is_told, "it is told")
    left = await place.target.hotfix(replace(deployed, new=first, old=first).placement())
    assert left is not None
    assert (left.release.id, left.disputes) == (release.id, ())
    await place.hands.scale(NAME, 3)
    place.deployed = release


@every_way
@made_by
async def test_what_a_way_back_to_an_adopted_version_has_not_brought_everywhere_was_not_adopted(
    place: Place, way: str, makers: str
) -> None:
    deployed = await released(place, way, makers)
    release = await adopted_and_left(place, deployed, way)

    def is_launched(_: Fleet) -> bool:
        return any(isinstance(move, Launch) and move.release == release.id for move in place.moves)

    place.moves.clear()
    await place.drive(replace(deployed, new=release, old=deployed.new), PROMOTE, way=Way.FAST, until=is_launched)
    assert {tag for _, tag in await place.running()} != {"v1-hot"}
    assert await place.target.hotfix(replace(deployed, old=deployed.new).placement()) is None
    await place.drive(replace(deployed, new=release, old=deployed.new), PROMOTE, way=Way.FAST)
    assert await place.target.hotfix(replace(deployed, new=release, old=release).placement()) is None


async def adopted_and_left(place: Place, deployed: Deployed, way: str) -> Release:
    """Let ann adopt what somebody has put there, and bring back what was there before."""
    await hotfixed(place, live_name(way))
    release = await adopted(place, deployed)
    await place.drive(replace(deployed, old=release), PROMOTE, way=Way.FAST)
    return release


@pytest.mark.parametrize("way", ["canary", "istio"])
@pytest.mark.parametrize("before", ["v1", "v1-hot", "v0"])
async def test_what_somebody_has_undone_with_kubectl_is_seen_as_the_version_that_it_is(
    place: Place, way: str, before: str
) -> None:
    if before == "v0":
        await place.has_way(way)
        await place.has_workload("v0")
        place.decided_by = "ann"
    else:
        first = await released(place, way, "sluice")
    if before == "v1-hot":
        await hotfixed(place, NAME)
        await adopted(place, first)
    was = await place.hands.get(DEPLOYMENT, NAME)
    later = await place.plan("v2", way)
    old = later.old
    assert old is not None
    await place.drive(later, PROMOTE)
    await undone(place, was)
    where = replace(later, old=later.new).placement()

    async def is_seen() -> bool:
        await place.ground.go_on()
        group = serving(await place.target.observe(where))
        return group is not None and group.is_settled() and group.release == old.id

    await eventually(is_seen, "it is seen")
    assert {tag for _, tag in await place.running()} == {before}
    assert await place.target.hotfix(where) is None
    place.deployed, place.decided_by = old, "ann"
    gray = await place.plan("v3", way)
    await place.drive(gray, GRAY)
    await place.drive(gray, ROLL_BACK)
    assert {tag for _, tag in await place.running()} == {before}
    await place.excuse()


async def undone(place: Place, was: Json) -> None:
    """Let somebody put a template and the annotations back that its ReplicaSet has kept, as ``rollout undo`` does."""
    now, template = await place.hands.get(DEPLOYMENT, NAME), deepcopy(was["spec"]["template"])
    template["metadata"]["annotations"] = _instead(now["spec"]["template"], was["spec"]["template"])
    change = {"metadata": {"annotations": _instead(now, was)}, "spec": {"template": template}}
    await place.hands.edit(DEPLOYMENT, NAME, change, "kubectl-rollout")


def _instead(now: Json, was: Json) -> Json:
    """Every annotation as it was, but those that the cluster keeps; None takes one off."""
    both = {**dict.fromkeys(now["metadata"].get("annotations") or {}), **(was["metadata"].get("annotations") or {})}
    return {key: value for key, value in both.items() if not key.startswith("deployment.kubernetes.io/")}


@pytest.mark.parametrize("tag", ["v1", "v1-hotter"])
async def test_what_is_another_one_by_the_time_of_the_yes_is_not_adopted(place: Place, tag: str) -> None:
    deployed = await released(place, "istio", "sluice")
    await hotfixed(place, NAME)
    where = replace(deployed, old=deployed.new).placement()
    seen = await place.target.hotfix(where)
    assert seen is not None
    await hotfixed(place, NAME, tag)
    with pytest.raises(StageFailure, match="runs no more" if tag == "v1" else "More was changed"):
        await place.target.adopt(where, seen.disputes, "ann", replace(seen.release, adopted_by="ann"))
    assert names.HOTFIX not in (await place.hands.get(DEPLOYMENT, NAME))["metadata"]["annotations"]


async def test_what_does_not_run_everywhere_yet_cannot_be_adopted(place: Place) -> None:
    deployed = await released(place, "istio", "sluice")
    await patched(place, NAME, image=place.ground.images.pulled("bad"))
    where = replace(deployed, old=deployed.new).placement()

    async def is_seen() -> bool:
        await place.ground.go_on()
        try:
            return await place.target.hotfix(where) is not None
        except StageFailure as failure:
            return "of 3 instances are ready with what kubectl-set has changed" in str(failure)

    await eventually(is_seen, "it is said")
    for _ in range(10):
        await place.ground.go_on()
        with pytest.raises(StageFailure, match="it cannot be adopted yet"):
            await place.target.hotfix(where)


async def test_another_number_of_instances_is_no_version(place: Place) -> None:
    deployed = await released(place, "istio", "sluice")
    await place.hands.scale(NAME, 5)
    where = replace(deployed, old=deployed.new).placement()

    async def is_told() -> bool:
        await place.ground.go_on()
        return [each.field for each in await place.target.disputes(where)] == ["spec.replicas"]

    await eventually(is_told, "it is told")
    assert await place.target.hotfix(where) is None
    await hotfixed(place, NAME)
    release = await adopted(place, deployed)
    assert release.settings["instances"] == 5
    assert await place.target.disputes(replace(deployed, old=release, new=release).placement()) == ()


async def test_the_one_that_serves_beside_gray_is_adopted_and_gray_goes_on(place: Place) -> None:
    first = await released(place, "istio", "sluice")
    deployed = await place.plan("v2", "istio")
    await place.drive(deployed, GRAY)
    await hotfixed(place, NAME)
    disputes = await place.target.disputes(deployed.placement())
    assert {(each.decided, each.hotfix) for each in disputes} == {(True, True)}
    found: Hotfix | None = await place.target.hotfix(deployed.placement())
    assert found is not None
    release = replace(found.release, adopted_by="ann")
    before = await uids(place)
    await place.target.adopt(deployed.placement(), disputes, "ann", release)
    later = replace(deployed, old=release)
    await place.drive(later, GRAY)
    assert await uids(place) == before
    await place.drive(later, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v2"}
    await place.drive(replace(later, new=first.new, old=later.new), PROMOTE, way=Way.ROLL_BACK)
    assert {tag for _, tag in await place.running()} == {"v1"}, "the release before it is another one"


async def test_what_somebody_changes_of_gray_is_no_version(place: Place) -> None:
    await released(place, "istio", "sluice")
    deployed = await place.plan("v2", "istio")
    await place.drive(deployed, GRAY)
    await hotfixed(place, f"{NAME}-gray")
    disputes = await place.target.disputes(deployed.placement())
    assert {(each.decided, each.hotfix) for each in disputes} == {(True, False)}
    assert await place.target.hotfix(deployed.placement()) is None


async def test_the_role_that_is_shipped_is_enough(place: Place) -> None:
    assert isinstance(place.ground, StandIn)
    place.ground.kube.role(role(), place.namespace)
    deployed = await released(place, "istio", "sluice")
    await hotfixed(place, NAME)
    await adopted(place, deployed)
    assert compared(place.cluster.rights).missing == ()
    place.ground.kube.role(EVERYTHING, place.namespace)


async def test_what_its_makers_change_of_their_own_after_a_gray_release_was_taken_back_is_found_anew(
    place: Place,
) -> None:
    await place.has_workload("v0")
    place.decided_by = "ann"
    deployed = await place.plan("v1", "canary")
    await place.drive(deployed, GRAY)
    await place.drive(deployed, ROLL_BACK)
    assert deployed.old is not None
    await hotfixed(place, NAME, "v0-hot")
    found = await place.target.found(place.workload, deployed.spec)
    assert found is not None
    assert found.image == place.ground.images.said("v0-hot")
    assert found.id != deployed.old.id


@made_by
async def test_one_is_adopted_after_another_and_each_can_be_gone_back_to(place: Place, makers: str) -> None:
    deployed = await released(place, "istio", makers)
    await hotfixed(place, NAME)
    first = await adopted(place, deployed)
    later = replace(deployed, new=first, old=deployed.new)
    await hotfixed(place, NAME, "v1-hotter")
    second = await adopted(place, later)
    assert first.id != second.id
    before = await uids(place)
    gray = await place.plan("v2", "istio")
    assert gray.old == second
    await place.drive(gray, GRAY)
    await place.drive(gray, ROLL_BACK)
    assert await uids(place) == before
    for release, tag in ((first, "v1-hot"), (second, "v1-hotter"), (deployed.new, "v1"), (first, "v1-hot")):
        assert place.deployed is not None
        await place.drive(replace(deployed, new=release, old=place.deployed), PROMOTE, way=Way.ROLL_BACK)
        assert {one for _, one in await place.running()} == {tag}


async def beside(place: Place) -> dict[str, Any]:
    """What stands beside the workload, and its own Service."""
    service = await place.hands.get(SERVICE, NAME)
    ports = [(each["port"], each["targetPort"]) for each in service["spec"]["ports"]]
    said = (await place.hands.get(CONFIG_MAP, "settings"))["data"]["colour"]
    return {"colour": said, "team": service["metadata"]["labels"].get("team"), "ports": ports}


@pytest.mark.parametrize("way", ["canary", "blue_green", "istio"])
@pytest.mark.parametrize("kind", [GRAY, PROMOTE])
async def test_what_stands_beside_a_manifest_goes_back_with_what_was_adopted(
    place: Place, way: str, kind: GoalKind
) -> None:
    deployed = await released(place, way, "sluice", **written(place, "red"))
    place.foreign.add((CONFIG_MAP.kind, "settings"))
    was = await beside(place)
    assert was["colour"] == "red"
    await hotfixed(place, live_name(way))
    release = await adopted(place, deployed)
    later = await place.plan("v2", way, **written(place, "blue"))
    await place.drive(later, kind)
    assert (await beside(place))["colour"] == "blue"
    await place.drive(later, ROLL_BACK)
    assert await beside(place) == was
    later = await place.plan("v3", way, **written(place, "blue"))
    await place.drive(later, PROMOTE)
    spec = straight_spec(release, later.spec)
    back = Deployed(place.workload, spec, release, later.new, pipeline="hello", run="hello-1")
    await place.drive(back, PROMOTE, way=Way.ROLL_BACK)
    assert {tag for _, tag in await place.running()} - {"v1"} == {"v1-hot"}
    assert await beside(place) == was
    where = replace(back, old=release).placement()
    assert await place.target.disputes(where) == ()
    assert await place.target.hotfix(where) is None


@made_by
async def test_what_is_adopted_has_the_settings_of_the_release_it_was_made_of(place: Place, makers: str) -> None:
    deployed = await released(place, "istio", makers, drain="9s")
    await hotfixed(place, NAME)
    service = {**deployed.new.settings["service"], "preview_port": 8081}
    later = await place.plan("v2", "istio", service=service, drain="4s", readiness={"within": "9s"})
    assert later.old == deployed.new
    between = await told(place, replace(deployed, old=deployed.new))
    inside = await told(place, later)
    assert inside.release.settings == between.release.settings
    assert "preview_port" not in inside.release.settings["service"]
    assert (inside.release.settings["drain"], inside.release.id) == ("9s", between.release.id)


@every_way
async def test_what_a_run_and_a_version_are_made_of_is_told_without_the_note_of_what_was_adopted(
    place: Place, way: str
) -> None:
    deployed = await released(place, way, "sluice")
    await hotfixed(place, live_name(way))
    await adopted(place, deployed)
    later = await place.plan("v2", way)
    await place.drive(later, PROMOTE)
    for one in (deployed, later):
        said = await place.target.applied(one.placement())
        assert said
        notes = {note for thing in said.values() for note in thing["metadata"]["annotations"]}
        assert names.HOTFIX not in notes
        assert names.HOTFIX not in await place.target.manifest(one.placement(), one.new.id)


@pytest.mark.parametrize("way", ["canary", "istio"])
async def test_what_a_manifest_says_of_a_deployment_of_others_comes_back_with_what_was_adopted(
    place: Place, way: str
) -> None:
    said = written(place, "red")
    plain = [json.loads(json.dumps(each)) for each in yaml.safe_load_all(said["manifest"])]
    workload = next(each for each in plain if each["kind"] == "Deployment")
    workload["metadata"].setdefault("labels", {})["tier"] = "front"
    workload["spec"]["minReadySeconds"] = 1
    manifest = yaml.safe_dump_all(plain)
    deployed = await released(place, way, "others", **{**said, "manifest": manifest})
    place.foreign.add((CONFIG_MAP.kind, "settings"))
    containers = (await place.hands.get(DEPLOYMENT, NAME))["spec"]["template"]["spec"]["containers"]
    mine = next(each for each in containers if each["name"] == NAME)
    mine["image"] = place.ground.images.pulled("v1-hot")
    change = {"spec": {"template": {"spec": {"containers": containers}}}}
    await place.hands.edit(DEPLOYMENT, NAME, change, KUBECTL)

    def is_done(pods: list[dict[str, Any]]) -> bool:
        return all(
            is_ready(pod) and mine["image"] in {each["image"] for each in pod["spec"]["containers"]} for pod in pods
        )

    await place.until(is_done, "the hotfix runs")
    for _ in range(20):
        await place.ground.go_on()
    release = await adopted(place, deployed)
    later = await place.plan("v2", way, **written(place, "blue"))
    await place.drive(later, PROMOTE)
    live = await place.hands.get(DEPLOYMENT, NAME)
    assert ("tier" in live["metadata"]["labels"], live["spec"].get("minReadySeconds", 0)) == (False, 0)
    spec = straight_spec(release, later.spec)
    back = Deployed(place.workload, spec, release, later.new, pipeline="hello", run="hello-1")
    await place.drive(back, PROMOTE, way=Way.ROLL_BACK)
    live = await place.hands.get(DEPLOYMENT, NAME)
    assert (live["metadata"]["labels"]["tier"], live["spec"]["minReadySeconds"]) == ("front", 1)

"""What a target of containers does beside what every target does: with a real Docker Engine, real images and Envoy."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from docker.errors import ImageNotFound

from engine.builders.registries import Registries
from engine.builders.registry import Registry
from engine.deployment import Deployment
from engine.errors import Broken, StageFailure
from engine.ports import Instance
from engine.rollout.fleet import Launch
from tests.support.docker_engine import DockerEngine
from tests.support.docker_place import IMAGE, DockerPlace, docker_place
from tests.support.eventually import eventually
from tests.support.registry_server import PASSWORD, USER, registry_server
from tests.support.traffic import ask_many, ask_once, steady

pytestmark = pytest.mark.live


@pytest.fixture
async def place(tmp_path: Path, docker_engine: DockerEngine) -> AsyncIterator[DockerPlace]:
    place = docker_place(tmp_path, docker_engine)
    yield place
    await place.end()


async def test_what_others_stop_pause_or_remove_is_brought_back_and_said_and_no_get_is_lost(place: DockerPlace) -> None:
    await place.launch("stable", place.release("v1"), 4)
    await place.route({"stable": 100})
    api = place.engine.client().api
    stopped, paused, removed, _ = sorted(await place.containers(), key=lambda each: each.name)
    async with steady(place.port, rate=100) as load:
        api.stop(stopped.id)
        api.pause(paused.id)
        api.remove_container(removed.id, force=True)
        said: list[str] = []
        await place.until(lambda fleet: not fleet.groups["stable"].is_settled(), "the loss is seen")
        await place.settled("stable")
        said += await place.target.keep()
    assert load.failures == []
    assert any(f"{stopped.instance} did not run" in each and "started again" in each for each in said)
    assert f"{paused.instance} was paused; it goes on again." in said
    assert f"The container of {removed.instance} was removed; it is made again." in said


async def test_changed_limits_are_named_and_put_back_or_let_stand(place: DockerPlace) -> None:
    limits = {"memory": {"request": "32Mi", "limit": "64Mi"}, "cpu": {"limit": "0.5"}}
    await place.launch("stable", place.release("v1", resources=limits), 2)
    assert await place.docker.disputes(place.placement) == ()
    one, other = await place.containers()
    api = place.engine.client().api
    api.update_container(one.id, mem_limit="48m", memswap_limit="48m", restart_policy={"Name": "no"})
    api.update_container(other.id, mem_limit="40m", memswap_limit="40m")
    found = await place.docker.disputes(place.placement)
    mine = [each for each in found if one.instance in each.thing]
    assert {str(each) for each in mine} == {
        f"Container {one.instance}: memory limit is 48Mi by docker update; Sluice wants 64Mi.",
        f"Container {one.instance}: restart policy is no by docker update; Sluice wants always.",
    }
    await place.docker.restore(place.placement, mine, "ann")
    left = await place.docker.disputes(place.placement)
    assert [each.theirs for each in left] == ["40Mi"]
    await place.docker.adopt(place.placement, left, "ann")
    place.another_target()
    assert await place.docker.disputes(place.placement) == ()
    assert api.inspect_container(other.id)["HostConfig"]["Memory"] == 40 << 20


async def test_an_instance_that_needs_more_memory_than_its_limit_says_so(place: DockerPlace) -> None:
    greedy = "a=x; while :; do a=$a$a; done"
    release = place.release("v1", command=greedy, resources={"memory": {"limit": "8Mi"}})
    await place.perform(Launch("gray", release, 1))
    fleet = await place.until(lambda fleet: "ended" in fleet.groups["gray"].trouble, "the trouble is told")
    assert "it needed more memory than its limit of 8Mi (OOMKilled)" in fleet.groups["gray"].trouble


async def test_containers_are_found_by_their_labels_when_everything_else_was_forgotten(place: DockerPlace) -> None:
    release = place.release("v1")
    await place.launch("stable", release, 2)
    before = {each.id for each in await place.containers()}
    (place.root / "place/workloads/hello.json").unlink()
    place.another_target()
    await place.launch("stable", release, 2)
    assert {each.id for each in await place.containers()} == before
    (place.root / "place/workloads/hello.json").unlink()
    place.another_target()
    await place.target.forget(place.workload)
    assert await place.containers() == []


async def test_a_port_that_a_foreign_container_has_is_named_with_the_container(place: DockerPlace) -> None:
    client = place.engine.client()
    network = client.networks.create("others")
    published = {"80/tcp": ("127.0.0.1", place.port)}
    client.containers.run(IMAGE, ["sleep", "1000"], detach=True, name="old-web", network=network.id, ports=published)
    with pytest.raises(Broken, match=rf"Port {place.port} of hello is published by the container old-web") as refusal:
        await place.perform(Launch("stable", place.release("v1"), 1))
    assert "docker stop old-web" in refusal.value.hint
    assert not (await place.fleet()).groups


async def test_an_instance_has_its_settings_its_directories_and_its_share_of_the_machine(
    place: DockerPlace, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/index.html").write_text('{"version": "mounted"}')
    volumes = [
        {"name": "www", "mount": "/web", "host_path": str(tmp_path / "shared")},
        {"name": "cache", "mount": "/cache", "empty": "memory"},
        {"name": "rest", "mount": "/rest", "empty": "disk"},
    ]
    resources = {"memory": {"request": "16Mi"}, "cpu": {"request": "250m"}}
    check = '[ "$GREETING" = "good day" ] && touch /cache/a /rest/b && exec httpd -f -p "$PORT" -h /web'
    release = place.release(
        "v1", {"GREETING": "good day"}, http=None, command=check, volumes=volumes, resources=resources
    )
    await place.launch("stable", release, 1)
    await place.route({"stable": 100})
    assert (await ask_once(place.port))[1] == {"version": "mounted"}
    (instance,) = await place.target.instances(place.workload)
    assert (instance.cpu, instance.memory, instance.status) == ("250m", "16Mi", "ready")


async def test_a_volume_that_is_not_there_is_refused_with_the_way_to_make_it(place: DockerPlace) -> None:
    volumes = ({"name": "data", "mount": "/data", "claim": "shop-data"},)
    spec = Deployment.model_validate({"service": {"port": place.port}, "target": "docker", "volumes": volumes})
    with pytest.raises(StageFailure, match="has no volume shop-data") as refusal:
        await place.docker.fit(place.workload, spec)
    assert "docker volume create shop-data" in refusal.value.hint


async def test_of_twenty_instances_one_half_takes_over_under_load_without_a_lost_request(place: DockerPlace) -> None:
    old, new = place.release("v1"), place.release("v2")
    await place.launch("stable", old, 10)
    await place.route({"stable": 100})
    async with steady(place.port, rate=100, key="version") as load:
        await place.launch("gray", new, 10)
        await place.route({"gray": 100})
    assert load.failures == []
    assert len(await place.containers()) == 20
    assert set((await ask_many(place.port, 60, key="version")).answers) == {"v2"}


async def test_where_the_bridge_is_elsewhere_containers_are_reached_by_ports_that_stay(
    tmp_path: Path, docker_engine: DockerEngine
) -> None:
    place = docker_place(tmp_path, docker_engine, bridge_is_here=lambda _gateway: False)
    try:
        await place.launch("stable", place.release("v1", http=None), 2)
        await place.route({"stable": 100})
        before = await _addresses(place)
        assert all(each.startswith("127.0.0.1:") for each in before)
        for each in await place.containers():
            docker_engine.client().api.restart(each.id)
        await place.settled("stable")
        assert await _addresses(place) == before
        assert (await ask_once(place.port))[0] == 200
    finally:
        await place.end()


async def test_an_image_comes_from_its_registry_with_credentials_or_its_absence_is_told(
    tmp_path: Path, docker_engine: DockerEngine
) -> None:
    with registry_server(tmp_path, guarded=True) as server:
        host = server.address.removeprefix("http://")
        known = Registries({"shop": Registry(server.address, USER, PASSWORD)})
        place = docker_place(tmp_path, docker_engine, registries=known)
        try:
            missing = place.release("v1", digest="sha256:" + "0" * 64)
            await place.perform(Launch("stable", missing, 1))
            absent = _told(place, f"shop/hello:v1 cannot be fetched from {host}")
            await eventually(absent, "the absence is told")
            api = docker_engine.client().api
            api.tag(place.image, f"{host}/shop/hello", "v2")
            login = {"username": USER, "password": PASSWORD}
            pushed = [*api.push(f"{host}/shop/hello", "v2", auth_config=login, stream=True, decode=True)]
            digest = next(each["aux"]["Digest"] for each in pushed if "aux" in each)
            api.remove_image(f"{host}/shop/hello:v2", noprune=True)
            with pytest.raises(ImageNotFound):
                api.inspect_image(f"{host}/shop/hello@{digest}")
            await place.launch("stable", place.release("v2", digest=digest), 1)
        finally:
            await place.end()


def _told(place: DockerPlace, words: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        fleet = await place.fleet()
        return words in fleet.groups["stable"].trouble

    return look


async def _addresses(place: DockerPlace) -> set[str]:
    return {each.address for each in await _instances(place)}


async def _instances(place: DockerPlace) -> tuple[Instance, ...]:
    return await place.target.instances(place.workload)

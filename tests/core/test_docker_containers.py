"""What Docker Engine is told of an instance, what its words about one mean, and what others have changed. Pure."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.model import Release, RunId
from engine.ports import Placement
from engine.rollout.fleet import Launch, ReleaseId
from engine.targets.docker import names
from engine.targets.docker.asking import Container
from engine.targets.docker.containers import Site, configuration, settings_of
from engine.targets.docker.drift import changes, mended
from engine.targets.docker.endings import ending
from engine.targets.docker.recalled import recalled
from engine.targets.fronted.state import Check, InstanceRecord, Workload
from engine.targets.fronted.wishes import blank, wish

NOW = datetime(2026, 1, 1, tzinfo=UTC)
V1 = ReleaseId("docker/hello@1")
DIRECT = Site("0badcafe", "sluice-0badcafe", direct=True)
PUBLISHED = Site("0badcafe", "sluice-0badcafe", direct=False)
RESOURCES = {"cpu": {"request": "250m", "limit": "1.5"}, "memory": {"request": "64Mi", "limit": "256Mi"}}


def release(**settings: Any) -> Release:
    given = {"service": {"port": 80, "container_port": 8080}, "target": "docker", **settings}
    return Release(V1, "docker/hello", "shop/hello:v1", "sha256:1", given, "", RunId("hello-1"), {}, NOW)


def instance(name: str = "hello.gray.3", host: str = "10.1.0.7", port: int = 8080) -> InstanceRecord:
    return InstanceRecord(name, "gray", V1, port, Check(), NOW, NOW, host=host)


def told(site: Site = DIRECT, one: InstanceRecord | None = None, **settings: Any) -> dict[str, Any]:
    placement = Placement("docker/hello", 80, {}, pipeline="hello", run="hello-1")
    return dict(configuration(one or instance(), release(**settings), placement, "sha256:1", site))


def test_a_container_runs_the_image_by_its_content_and_is_started_again_by_the_engine() -> None:
    assert told()["Image"] == "sha256:1"
    assert told()["HostConfig"]["RestartPolicy"] == {"Name": "always"}
    assert "Entrypoint" not in told()


def test_a_container_is_found_by_its_labels() -> None:
    labels = told()["Labels"]
    assert (labels[names.PLACE], labels[names.WORKLOAD], labels[names.GROUP]) == ("0badcafe", "docker/hello", "gray")
    assert (labels[names.RELEASE], labels[names.INSTANCE]) == (V1, "hello.gray.3")


def test_an_instance_is_told_the_port_inside_of_its_container_however_it_is_reached() -> None:
    for said in (told(), told(PUBLISHED, instance(host="127.0.0.1", port=20001))):
        assert "PORT=8080" in said["Env"]
        assert "SLUICE_VERSION=v1" in said["Env"]


def test_a_container_keeps_its_address_or_its_published_port() -> None:
    assert told()["NetworkingConfig"] == {
        "EndpointsConfig": {"sluice-0badcafe": {"IPAMConfig": {"IPv4Address": "10.1.0.7"}}}
    }
    assert told()["HostConfig"]["PortBindings"] == {}
    said = told(PUBLISHED, instance(host="127.0.0.1", port=20001))
    assert said["HostConfig"]["PortBindings"] == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20001"}]}
    assert said["NetworkingConfig"] == {"EndpointsConfig": {"sluice-0badcafe": {}}}


def test_a_command_takes_the_place_of_everything_that_the_image_starts() -> None:
    said = told(lifecycle={"command": "python3 -c 'print(1)'"})
    assert (said["Entrypoint"], said["Cmd"]) == (["python3", "-c", "print(1)"], [])


def test_limits_and_requests_are_in_dockers_units_and_swap_does_not_stretch_them() -> None:
    found = told(resources=RESOURCES)["HostConfig"]
    assert (found["NanoCpus"], found["CpuShares"]) == (1_500_000_000, 256)
    assert (found["Memory"], found["MemorySwap"], found["MemoryReservation"]) == (256 << 20, 256 << 20, 64 << 20)


def test_directories_from_outside_are_mounted_by_what_they_are() -> None:
    volumes = [
        {"name": "zone", "mount": "/etc/zone", "host_path": "/usr/share/zoneinfo"},
        {"name": "data", "mount": "/data", "claim": "shop-data"},
        {"name": "disk", "mount": "/disk", "empty": "disk"},
        {"name": "fast", "mount": "/fast", "empty": "memory"},
    ]
    assert told(volumes=volumes)["HostConfig"]["Mounts"] == [
        {"Type": "bind", "Source": "/usr/share/zoneinfo", "Target": "/etc/zone"},
        {"Type": "volume", "Source": "shop-data", "Target": "/data"},
        {"Type": "volume", "Target": "/disk"},
        {"Type": "tmpfs", "Target": "/fast"},
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"ExitCode": 3}, "ended: exit code 3: no database"),
        ({"ExitCode": 137, "OOMKilled": True}, "ended: killed because it needed more memory than its limit of 64Mi"),
        ({"ExitCode": 137}, "ended: killed by SIGKILL (exit code 137)"),
        ({"ExitCode": 139}, "ended: killed by SIGSEGV (exit code 139)"),
        ({"ExitCode": 127}, "ended: exit code 127 (there is no such command in its image)"),
        ({"ExitCode": 255}, "ended: exit code 255"),
        ({"ExitCode": 128, "Error": "no such\n file."}, "cannot be started: no such file"),
    ],
)
def test_how_a_container_ended_is_said_in_words(state: dict[str, Any], said: str) -> None:
    inspected = {"State": state, "HostConfig": {"Memory": 64 << 20}}
    assert ending(inspected, "no database").startswith(said)


def test_only_what_somebody_changed_is_named_and_what_puts_it_back_holds_nothing_else() -> None:
    spec = settings_of(release(resources=RESOURCES))
    as_made = told(resources=RESOURCES)["HostConfig"]
    assert list(changes("hello.gray.3", {"HostConfig": as_made}, spec)) == []
    found = [*changes("hello.gray.3", {"HostConfig": as_made | {"Memory": 1 << 30, "NanoCpus": 0}}, spec)]
    assert [str(each.dispute) for each in found] == [
        "Container hello.gray.3: memory limit is 1Gi by docker update; Sluice wants 256Mi.",
        "Container hello.gray.3: cpu limit is none by docker update; Sluice wants 1.5.",
    ]
    assert mended(found) == {"Memory": 256 << 20, "MemorySwap": 256 << 20, "NanoCpus": 1_500_000_000}


def container(name: str, group: str, state: str = "running", **labels: str) -> Container:
    known = {names.INSTANCE: name, names.GROUP: group, names.RELEASE: V1, names.ADDRESS: "10.1.0.9", names.PORT: "8080"}
    return Container("0", state, {**known, **labels})


def test_a_forgotten_container_is_remembered_as_one_that_may_have_served_and_its_number_is_not_given_again() -> None:
    placement = Placement("docker/hello", 80, {})
    workload = wish(blank(placement), placement, Launch("gray", V1, 2), NOW)
    found = recalled(workload, [container("hello.gray.7", "gray")], {V1: Check("/healthz")}, NOW)
    (one,) = found.instances
    assert (str(one.endpoint), one.exposed, one.listed, one.check.http) == ("10.1.0.9:8080", True, False, "/healthz")
    assert found.serial == 7
    assert not found.groups["gray"].retiring
    assert recalled(found, [container("hello.gray.7", "gray")], {}, NOW) is found


def test_a_container_of_a_group_that_nobody_wants_is_to_go() -> None:
    found = recalled(Workload("docker/hello", 80), [container("hello.blue.1", "blue")], {}, NOW)
    assert found.groups["blue"].retiring


def test_a_container_whose_labels_say_too_little_is_left_alone() -> None:
    workload = Workload("docker/hello", 80)
    assert recalled(workload, [container("hello.blue.1", "blue", **{names.PORT: ""})], {}, NOW) is workload

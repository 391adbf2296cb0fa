"""What the settings of a definition become in a pod."""

from typing import Any

import pytest

from engine.errors import StageFailure
from engine.targets.kubernetes import standard
from tests.support.kube_releases import (
    DIGEST,
    adopted,
    container,
    deployment,
    pod,
    release,
    settings,
    taken_over,
    valid,
)


def made(**given: Any) -> dict[str, Any]:
    thing = deployment(settings(**given))
    assert valid(thing)
    return thing


def laid(base: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    return deployment(settings(**given), base=base or adopted())


@pytest.mark.parametrize(
    ("registry", "digest", "image"),
    [
        ("", "", "shop/web:v2"),
        ("", DIGEST, f"shop/web@{DIGEST}"),
        ("registry.example.com", "", "registry.example.com/shop/web:v2"),
        ("http://127.0.0.1:5000/", DIGEST, f"127.0.0.1:5000/shop/web@{DIGEST}"),
    ],
)
def test_an_image_is_pulled_by_its_digest_where_that_is_known(registry: str, digest: str, image: str) -> None:
    assert standard.image_of(release(settings(), digest=digest), registry) == image


@pytest.mark.parametrize(("pull", "policy"), [("always", "Always"), ("when_changed", "IfNotPresent")])
def test_an_image_is_pulled_when_the_author_says(pull: str, policy: str) -> None:
    assert container(made(pull=pull))["imagePullPolicy"] == policy


def test_an_instance_is_told_the_port_that_its_container_listens_on() -> None:
    main = container(made(service={"name": "web", "port": 80, "container_port": 8080}))
    assert {"name": "PORT", "value": "8080"} in main["env"]
    assert main["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]


def test_the_port_of_a_udp_service_is_udp_and_is_asked_nothing() -> None:
    main = container(made(service={"name": "web", "port": 53, "protocol": "udp"}))
    assert main["ports"] == [{"name": "udp", "containerPort": 53, "protocol": "UDP"}]
    assert "readinessProbe" not in main


def test_a_value_stays_as_it_is_written_and_no_variable_is_put_into_it() -> None:
    main = container(made(environment={"A": "$(PORT) $$ $B", "C": "a$b"}, lifecycle={"command": "run '$(PORT)'"}))
    values = {each["name"]: each["value"] for each in main["env"]}
    assert values == {"PORT": "80", "A": "$$(PORT) $$$$ $$B", "C": "a$b"}
    assert main["command"] == ["run", "$$(PORT)"]


def test_variables_come_in_one_order_however_they_were_written() -> None:
    one, other = made(environment={"B": "1", "A": "2"}), made(environment={"A": "2", "B": "1"})
    assert one["spec"]["template"] == other["spec"]["template"]


def test_amounts_are_requested_and_limited() -> None:
    resources = {"cpu": {"request": "250m", "limit": "1"}, "memory": {"limit": "512Mi"}}
    assert container(made(resources=resources))["resources"] == {
        "requests": {"cpu": "250m"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    }


def test_an_instance_is_ready_when_its_path_answers_and_else_when_its_port_opens() -> None:
    by_path = container(made(readiness={"http": "/healthz", "every": "1500ms"}))["readinessProbe"]
    assert by_path == {"httpGet": {"path": "/healthz", "port": 80}, "periodSeconds": 2}
    assert container(made())["readinessProbe"] == {"tcpSocket": {"port": 80}, "periodSeconds": 1}


def test_an_instance_that_still_starts_is_not_taken_for_dead() -> None:
    main = container(made(liveness={"tcp": 9000, "every": "10s", "failures": 2}, readiness={"within": "95s"}))
    assert main["livenessProbe"] == {"tcpSocket": {"port": 9000}, "periodSeconds": 10, "failureThreshold": 2}
    assert main["startupProbe"] == {"tcpSocket": {"port": 9000}, "periodSeconds": 10, "failureThreshold": 10}


def test_an_instance_sleeps_while_it_drains_and_then_has_half_a_minute() -> None:
    thing = made(drain="7500ms")
    assert container(thing)["lifecycle"] == {"preStop": {"sleep": {"seconds": 8}}}
    assert pod(thing)["terminationGracePeriodSeconds"] == 38


def test_an_instance_that_need_not_drain_does_not_sleep() -> None:
    thing = made(drain="0s")
    assert "lifecycle" not in container(thing)
    assert pod(thing)["terminationGracePeriodSeconds"] == 30


def test_what_the_author_runs_before_the_end_takes_the_place_of_the_sleep() -> None:
    lifecycle = {"post_start": "python3 warm.py --all", "pre_stop": "sh -c 'sleep 3; bye'"}
    assert container(made(lifecycle=lifecycle))["lifecycle"] == {
        "postStart": {"exec": {"command": ["python3", "warm.py", "--all"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "sleep 3; bye"]}},
    }


def test_directories_from_outside_are_mounted() -> None:
    volumes = [
        {"name": "a", "mount": "/a", "host_path": "/srv"},
        {"name": "b", "mount": "/b", "claim": "shop-data"},
        {"name": "c", "mount": "/c", "empty": "disk"},
        {"name": "d", "mount": "/d", "empty": "memory"},
    ]
    thing = made(volumes=volumes)
    assert pod(thing)["volumes"] == [
        {"name": "a", "hostPath": {"path": "/srv"}},
        {"name": "b", "persistentVolumeClaim": {"claimName": "shop-data"}},
        {"name": "c", "emptyDir": {}},
        {"name": "d", "emptyDir": {"medium": "Memory"}},
    ]
    assert [each["mountPath"] for each in container(thing)["volumeMounts"]] == ["/a", "/b", "/c", "/d"]


@pytest.mark.parametrize(
    ("path", "mounted"),
    [
        ("/var/log/shop", "/var/log/shop"),
        ("/var/log/shop/", "/var/log/shop"),
        ("/var/log/shop/app.log", "/var/log/shop"),
    ],
)
def test_logs_are_written_where_a_collector_can_read_them(path: str, mounted: str) -> None:
    thing = made(log_path=path)
    assert container(thing)["volumeMounts"] == [{"name": "sluice-logs", "mountPath": mounted}]
    assert pod(thing)["volumes"] == [{"name": "sluice-logs", "emptyDir": {}}]
    assert thing["spec"]["template"]["metadata"]["annotations"]["sluice.dev/log-path"] == path


def test_logs_in_a_directory_from_outside_stay_there() -> None:
    volumes = [{"name": "logs", "mount": "/var/log", "claim": "logs"}]
    thing = made(log_path="/var/log/shop/app.log", volumes=volumes)
    assert [each["name"] for each in pod(thing)["volumes"]] == ["logs"]


def test_the_volume_of_logs_gets_a_name_of_its_own() -> None:
    volumes = [{"name": "sluice-logs", "mount": "/a", "empty": "disk"}]
    assert [each["name"] for each in pod(made(log_path="/b", volumes=volumes))["volumes"]] == [
        "sluice-logs",
        "sluice-logs-0",
    ]


def test_prometheus_finds_the_figures() -> None:
    thing = made(monitoring={"port": 9090, "path": "/m"})
    notes = thing["spec"]["template"]["metadata"]["annotations"]
    assert {key: value for key, value in notes.items() if key.startswith("prometheus.io/")} == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9090",
        "prometheus.io/path": "/m",
    }
    assert {"name": "metrics", "containerPort": 9090, "protocol": "TCP"} in container(thing)["ports"]


def test_figures_on_the_port_of_the_service_are_no_second_port() -> None:
    assert len(container(made(monitoring={"port": 80}))["ports"]) == 1


@pytest.mark.parametrize(
    ("count", "missing", "kept"), [(4, 1, 1), (4, 0, 0), (4, 4, 3), (4, 300, 3), (1, 1, 0), (0, 0, 0)]
)
def test_one_instance_at_least_stays_while_the_others_are_replaced(count: int, missing: int, kept: int) -> None:
    said = standard.strategy(count, missing, recreate=False)
    assert said == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": kept, "maxSurge": "25%"}}


def test_a_replacing_upgrade_ends_the_old_instances_first() -> None:
    assert deployment(settings(upgrade="recreate"), recreate=True)["spec"]["strategy"] == {"type": "Recreate"}


def test_an_existing_container_gets_what_is_written_and_keeps_the_rest() -> None:
    thing = laid(environment={"TIER": "1"}, resources={"cpu": {"request": "1"}})
    main = container(thing, "main")
    assert main["env"] == [{"name": "TIER", "value": "1"}]
    assert main["resources"] == {"requests": {"cpu": "1"}}
    assert main.keys() == {"name", "image", "env", "resources", "readinessProbe", "lifecycle"}
    assert pod(thing).keys() == {"containers"}


def test_an_existing_check_is_not_replaced_by_the_default_one() -> None:
    base = adopted()
    pod(base)["containers"][0]["readinessProbe"] = {"exec": {"command": ["true"]}}
    assert "readinessProbe" not in container(laid(base), "main")


def test_existing_arguments_are_not_added_to_a_new_start_command() -> None:
    main = container(laid(lifecycle={"command": "python3 server.py --all"}), "main")
    assert (main["command"], main["args"]) == (["python3"], ["server.py", "--all"])


def test_a_long_farewell_needs_more_time_than_an_existing_pod_gives() -> None:
    base = adopted(terminationGracePeriodSeconds=30)
    assert "terminationGracePeriodSeconds" not in pod(laid(base, drain="20s"))
    assert pod(laid(base, drain="21s"))["terminationGracePeriodSeconds"] == 51


CLASHES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {"readinessProbe": {"exec": {"command": ["true"]}}},
        {"readiness": {"http": "/"}},
        "readinessProbe of the container main is exec already, and the definition makes it httpGet",
    ),
    (
        {"livenessProbe": {"grpc": {"port": 1}}},
        {"liveness": {"tcp": 1}},
        "livenessProbe of the container main is grpc already, and the definition makes it tcpSocket",
    ),
    (
        {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}},
        {"lifecycle": {"pre_stop": "bye"}},
        "lifecycle.preStop of the container main is sleep already, and the definition makes it exec",
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        {"environment": {"A": "1"}},
        "A of the container main comes from secretKeyRef",
    ),
]


@pytest.mark.parametrize(("there", "given", "said"), CLASHES)
def test_what_cannot_be_both_is_refused_before_anything_is_written(
    there: dict[str, Any], given: dict[str, Any], said: str
) -> None:
    base = adopted()
    pod(base)["containers"][0] |= there
    with pytest.raises(StageFailure) as refused:
        laid(base, **given)
    assert said in str(refused.value)
    assert refused.value.hint


def test_a_volume_cannot_come_from_two_places() -> None:
    base = adopted(volumes=[{"name": "data", "configMap": {"name": "x"}}])
    with pytest.raises(StageFailure, match="volume data is configMap in the Deployment already, and emptyDir"):
        laid(base, volumes=[{"name": "data", "mount": "/d", "empty": "disk"}])


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"drain": "40s"},
        {"lifecycle": {"command": "a b"}, "readiness": {"http": "/"}, "liveness": {"http": "/"}},
        {"environment": {"GREETING": "other", "X": "1"}, "log_path": "/l", "pull": "always"},
    ],
)
def test_a_release_is_the_same_when_it_is_written_again(given: dict[str, Any]) -> None:
    base = adopted()
    pod(base)["containers"][0]["args"] = ["serve"]
    first = laid(base, **given)
    assert laid(taken_over(base, first), **given) == first

"""Whatever a definition may say of a workload in a cluster, the objects made of it are ones that the API takes."""

import re
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from engine.deployment import Deployment
from engine.targets.kubernetes import objects
from engine.targets.kubernetes.names import GROUP, RELEASE, WORKLOAD, Place
from tests.support.kube_releases import MARKS, adopted, deployment, pod, release, settings, taken_over, valid

LABEL = re.compile(r"[a-z0-9A-Z]([-a-z0-9A-Z_.]{0,61}[a-z0-9A-Z])?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
NAMES = st.from_regex(NAME, fullmatch=True)
SERVICE_NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
PORTS = st.integers(1, 65535)
PATHS = st.from_regex(r"/[a-z0-9/?=._-]{0,20}", fullmatch=True)
TIMES = st.sampled_from(["50ms", "500ms", "1s", "90s", "2m", "1h", "365d"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
COMMANDS = st.lists(st.from_regex(r"[a-z$()./-]{1,8}", fullmatch=True), min_size=1, max_size=4).map(" ".join)
SERVICES = st.fixed_dictionaries(
    {"name": SERVICE_NAMES, "port": PORTS},
    optional={
        "protocol": st.sampled_from(["http", "tcp", "udp"]),
        "access": st.sampled_from(["cluster", "node", "balancer"]),
        "container_port": PORTS,
    },
)
SOURCES = st.sampled_from([{"host_path": "/srv"}, {"claim": "data.shop"}, {"empty": "disk"}, {"empty": "memory"}])
VOLUMES = st.lists(
    st.tuples(NAMES, st.from_regex(r"/[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True), SOURCES),
    max_size=3,
    unique_by=(lambda each: each[0], lambda each: each[1]),
).map(lambda every: [{"name": name, "mount": mount, **source} for name, mount, source in every])
AMOUNTS = st.fixed_dictionaries(
    {}, optional={"request": st.sampled_from(["1", "2"]), "limit": st.sampled_from(["2", "3"])}
)
BYTES = AMOUNTS.map(lambda given: {key: f"{value}Gi" for key, value in given.items()})
CHECKS = st.fixed_dictionaries({"every": TIMES, "failures": st.integers(1, 100)})
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "pull": st.sampled_from(["always", "when_changed"]),
    "drain": st.sampled_from(["0s", "1ms", "7500ms", "1h"]),
    "environment": st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,6}", fullmatch=True), TEXTS, max_size=4),
    "readiness": st.fixed_dictionaries({}, optional={"http": PATHS, "every": TIMES, "within": TIMES}),
    "liveness": st.one_of(
        st.tuples(CHECKS, PATHS).map(lambda given: {**given[0], "http": given[1]}),
        st.tuples(CHECKS, PORTS).map(lambda given: {**given[0], "tcp": given[1]}),
    ),
    "lifecycle": st.fixed_dictionaries(
        {}, optional={"command": COMMANDS, "post_start": COMMANDS, "pre_stop": COMMANDS}
    ),
    "log_path": st.sampled_from(["/var/log/x", "/var/log/x/a.log", "/a/", "/a/b.d/"]),
    "volumes": VOLUMES,
    "monitoring": st.fixed_dictionaries({"port": PORTS}, optional={"path": PATHS}),
    "resources": st.fixed_dictionaries({}, optional={"cpu": AMOUNTS, "memory": BYTES}),
}
GIVEN = st.fixed_dictionaries({"service": SERVICES, "workload": NAMES}, optional=OPTIONS).filter(
    lambda given: "PORT" not in given.get("environment", {})
)
VALUES = st.from_regex(LABEL, fullmatch=True)
LABELS = st.fixed_dictionaries({}, optional={"app": VALUES, "shop.example.com/tier": VALUES})
GROUPS = st.sampled_from(["stable", "gray", "blue", "green"])
FEWER = how(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def made(spec: Deployment, group: str, selected: dict[str, str], **given: Any) -> dict[str, Any]:
    return deployment(spec, group, place=Place("c", "shop", spec.workload or ""), selected=selected, **given)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@FEWER
@given(
    settled=GIVEN,
    group=GROUPS,
    selected=LABELS,
    apart=st.booleans(),
    rolled=st.tuples(st.integers(0, 300), st.integers(0, 300), st.booleans()),
)
def test_any_settings_give_a_deployment_that_the_api_takes(
    settled: dict[str, Any], group: str, selected: dict[str, str], *, apart: bool, rolled: tuple[int, int, bool]
) -> None:
    spec, (count, missing, recreate) = settings(**settled), rolled
    thing = made(spec, group, selected, apart=apart, count=count, max_unavailable=missing, recreate=recreate)
    assert valid(objects.with_applied(thing))
    labels = thing["spec"]["template"]["metadata"]["labels"]
    assert selects(thing["spec"]["selector"]["matchLabels"], labels)
    assert all(LABEL.fullmatch(value) for value in {**labels, **thing["metadata"]["labels"]}.values())
    assert NAME.fullmatch(thing["metadata"]["name"])
    assert (labels[WORKLOAD], labels[GROUP]) == (spec.workload, group)
    seen = selects(selected, labels)
    assert seen == (not apart or group == "stable" or not selected)
    checks_what_no_schema_says(thing)


def checks_what_no_schema_says(thing: dict[str, Any]) -> None:
    containers, specification = pod(thing)["containers"], pod(thing)
    volumes = {each["name"] for each in specification.get("volumes", ())}
    assert len(volumes) == len(specification.get("volumes", ()))
    for each in containers:
        mounts = each.get("volumeMounts", [])
        assert {mount["name"] for mount in mounts} <= volumes
        assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
        ports = [(port["containerPort"], port.get("protocol")) for port in each.get("ports", ())]
        assert len(set(ports)) == len(ports)
        sleep = each.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 1)
        assert 1 <= sleep <= specification.get("terminationGracePeriodSeconds", 30)
        for probe in (each.get(key) for key in ("readinessProbe", "livenessProbe", "startupProbe")):
            assert probe is None or min(probe["periodSeconds"], probe.get("failureThreshold", 1)) >= 1
    rolling = thing["spec"]["strategy"].get("rollingUpdate")
    if rolling is not None and thing["spec"]["replicas"]:
        assert rolling["maxUnavailable"] < thing["spec"]["replicas"]


@FEWER
@given(settled=GIVEN, group=GROUPS, apart=st.booleans())
def test_any_settings_go_onto_a_deployment_that_was_there(settled: dict[str, Any], group: str, *, apart: bool) -> None:
    spec, base = settings(**settled), adopted()
    thing = deployment(spec, group, base=base, apart=apart)
    if group != "stable":
        assert valid(thing)
        assert selects({"app": "web"}, thing["spec"]["template"]["metadata"]["labels"]) is not apart
        return
    live = taken_over(base, thing)
    assert valid({key: value for key, value in live.items() if key != "status"})
    assert live["spec"]["selector"] == base["spec"]["selector"]
    assert live["spec"]["template"]["metadata"]["annotations"][RELEASE] == release(spec).id
    assert deployment(spec, group, base=live, apart=apart) == thing


@FEWER
@given(given_service=SERVICES, app=VALUES, own=st.booleans())
def test_any_settings_give_services_that_the_api_takes(given_service: dict[str, Any], app: str, *, own: bool) -> None:
    spec, place, selector = settings(service=given_service), Place("c", "shop", "web"), {"app": app}
    name, port = given_service["name"], given_service["port"]
    wanted = name if own else place.service(name, "preview")
    thing = objects.service(place, spec, name=wanted, selector=selector, port=port, marks=MARKS)
    assert valid(thing)
    assert thing["spec"]["selector"] == selector
    assert NAME.fullmatch(thing["metadata"]["name"])

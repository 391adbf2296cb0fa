"""What only a cluster can do: written, kept and checked as data, and refused where the target cannot do it."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from engine.definition import Deployment, Pipeline
from engine.pipeline import check, parse

REFERENCE = (Path(__file__).parents[2] / "deploy" / "pipeline.reference.yaml").read_text(encoding="utf-8")
CLUSTER = re.sub(r"^( *)#\| ", r"\1", REFERENCE, flags=re.MULTILINE).replace("target: process", "target: kubernetes")
GRAY = "pipeline: p\nstages:\n- name: g\n  gray:\n    image: o/r:t\n    service: {port: 1}\n"
HERE = "stages[2].gray"
OBJECT = "      apiVersion: apps/v1\n      kind: Deployment\n"
WHOLE = """\
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: p}
      spec:
        selector: {matchLabels: {app: p}}
        template:
          metadata: {labels: {app: p}}
          spec: {containers: [{name: p}]}
      ---
      {apiVersion: v1, kind: Service, metadata: {name: p}, spec: {selector: {app: p}, ports: [{port: 1}]}}
"""
MANIFEST = GRAY + "    target: kubernetes\n    creation: yaml\n    manifest: |\n"

# What is added to a deployment on this machine, where it is complained about, and words of problem and advice.
NOT_HERE = [
    ("cluster: c", "cluster", "in no cluster", "target: kubernetes"),
    ("namespace: n", "namespace", "has no namespaces", "leave it out"),
    (f"creation: yaml\n    manifest: |\n{WHOLE}", "creation", "applies no manifest", "creation: standard"),
    ("pull: always", "pull", "pulls none anew", "when_changed"),
    ("resources: {memory: {limit: 1Gi}}", "resources", "limits neither processors nor memory", "leave it out"),
    ("liveness: {http: /}", "liveness", "asks nobody whether it lives", "leave it out"),
    ("container: web", "container", "runs programs, and no containers", "leave it out"),
    ("log_path: /var/log/x", "log_path", "no file beside it", "leave it out"),
    ("volumes: [{name: a, mount: /a, empty: disk}]", "volumes", "mounts nothing", "leave it out"),
    ("monitoring: {port: 9090}", "monitoring", "collects no figures", "leave it out"),
    ("lifecycle: {command: a b}", "lifecycle.command", "what the Procfile says", "web: and the command"),
    ("lifecycle: {post_start: a}", "lifecycle.post_start", "runs nothing after a start", "leave it out"),
    ("lifecycle: {pre_stop: a}", "lifecycle.pre_stop", "runs nothing before an end", "drain: and a time"),
]
NOT_BY_THE_SERVICE = [
    ("protocol: tcp", "protocol", "nothing but http", "http"),
    ("protocol: udp", "protocol", "nothing but http", "http"),
    ("domain: p.default.svc", "domain", "no domain name", "leave it out"),
    ("access: node", "access", "one kind of access", "leave it out"),
    ("container_port: 80", "container_port", "tells it in PORT", "leave it out"),
]
# What is replaced in the reference with its keys for a cluster, by what, and then path, problem and advice.
REFUSALS = [
    (
        "      target: kubernetes\n",
        "      target: kubernets\n",
        "target",
        "is none of process, docker, kubernetes",
        "kubernetes",
    ),
    ("creation: standard", "creation: yml", "creation", "is none of standard, yaml", "yaml"),
    ("creation: standard", "creation: yaml", "creation", "wants a manifest", "manifest: |"),
    ("creation: standard", "manifest: 'a: b'", "manifest", "beside creation: standard", "creation: yaml"),
    ("creation: standard", "creation: yaml\n      manifest: 'a: b'", "pull", "beside a manifest", "in the manifest"),
    ("creation: standard", "creation: yaml\n      manifest: {a: b}", "manifest", "a mapping stands", "manifest: |"),
    ("container: web", "container: Web_1", "container", "is not a name of small letters", "for example shop-api"),
    ("pull: always", "pull: sometimes", "pull", "is none of always, when_changed", "one of always"),
    ("request: 250m", "request: 250mm", "resources.cpu.request", "'250mm' is not an amount of proc", "250m, 0.5 or 2"),
    ("request: 250m", "request: 0", "resources.cpu.request", "'0' is not an amount", "250m"),
    ("request: 250m", "request: 1001m", "resources.cpu.request", "1001m is more than the limit of 1", "1 or less"),
    ("request: 250m", "request: [1]", "resources.cpu.request", "a list stands where one text", "request: and"),
    ("request: 250m", "requests: 250m", "resources.cpu.requests", "is not a known key", "request"),
    ("request: 256Mi", "request: 256", "resources.memory.request", "'256' is not an amount of memory", "256Mi or 1Gi"),
    ("request: 256Mi", "request: 256m", "resources.memory.request", "'256m' is not an amount of memory", "256Mi"),
    ("request: 256Mi", "request: 513Mi", "resources.memory.request", "more than the limit of 512Mi", "512Mi or less"),
    ("request: 256Mi", "request: 1G", "resources.memory.request", "1G is more than the limit", "512Mi or less"),
    ("        # tcp: 8080", "        tcp: 8080", "liveness", "has http and tcp", "exactly one of http, tcp"),
    ("        failures: 3", "        failures: 0", "liveness.failures", "0 is too few", "1 to 100"),
    ("/var/log/shop", "var/log", "log_path", "is not a path from the root", "/var/log/shop"),
    ("mount: /srv/data", "mount: /srv/../etc", "volumes[0].mount", "is not a path from the root", "/var/log/shop"),
    ("mount: /srv/data", "mount: '/a:b'", "volumes[0].mount", "is not a path from the root", "/var/log/shop"),
    ("mount: /srv/data, ", "", "volumes[0].mount", "mount is missing", "mount: /var/cache/shop"),
    ("mount: /srv/data", "mount: /etc/zone", "volumes", "'/etc/zone' is the mount of more than one", "another mount"),
    ("name: data", "name: cache", "volumes", "'cache' is the name of more than one", "another name"),
    ("claim: shop-data", "claim: a, empty: disk", "volumes[0]", "has claim and empty", "exactly one of host_path"),
    ("empty: memory", "empty: ram", "volumes[1].empty", "is none of disk, memory", "one of disk, memory"),
    ("python3 warm.py", "'say \"x'", "lifecycle.post_start", "leaves a quote or a backslash open", "its end"),
    ("python3 warm.py", "' '", "lifecycle.post_start", "is not a command", "python3 server.py"),
    ("port: 9090", "port: x", "monitoring.port", "is not a whole number", "65535"),
    (
        "domain: shop-api.shop.svc",
        "domain: Shop_api",
        "service.domain",
        "no name that the Service has",
        "shop-api.shop",
    ),
    (
        "domain: shop-api.shop.svc",
        "domain: shop-api.internal",
        "service.domain",
        "no name that the Service",
        "shop.svc",
    ),
    ("access: balancer", "access: everybody", "service.access", "is none of cluster, node, balancer", "one of"),
    (
        "        protocol: http\n",
        "        protocol: udp\n",
        "policy.content",
        "tests requests, and udp has none",
        "ratio",
    ),
    (
        "        protocol: http\n",
        "        protocol: sctp\n",
        "service.protocol",
        "is none of http, tcp, udp",
        "one of http",
    ),
]


@pytest.mark.parametrize(("added", "key", "problem", "instead"), NOT_HERE)
def test_what_processes_cannot_do_is_refused_and_not_passed_over(
    added: str, key: str, problem: str, instead: str
) -> None:
    found = check(GRAY + f"    {added}\n")
    told = [one for one in found if one.path == f"stages[0].gray.{key}" and problem in one.problem]
    assert told, found
    assert instead in told[0].instead
    assert "the process target" in told[0].problem
    assert told[0].line == 7
    assert check(GRAY + f"    target: kubernetes\n    {added}\n") == ()


@pytest.mark.parametrize(("added", "key", "problem", "instead"), NOT_BY_THE_SERVICE)
def test_a_service_that_processes_cannot_give_is_refused(added: str, key: str, problem: str, instead: str) -> None:
    text = GRAY.replace("{port: 1}", f"{{port: 1, {added}}}")
    (only,) = check(text)
    assert only.path == f"stages[0].gray.service.{key}"
    assert problem in only.problem
    assert instead in only.instead
    assert check(text + "    target: kubernetes\n") == ()


def test_what_processes_do_anyway_may_be_written() -> None:
    assert check(GRAY + "    creation: standard\n    pull: when_changed\n    target: process\n") == ()


@pytest.mark.parametrize(("old", "new", "path", "problem", "instead"), REFUSALS)
def test_a_mistake_in_a_key_for_a_cluster_is_told_with_what_to_write(
    old: str, new: str, path: str, problem: str, instead: str
) -> None:
    assert old in CLUSTER
    found = check(CLUSTER.replace(old, new, 1))
    told = [one for one in found if one.path == f"{HERE}.{path}" and problem in one.problem]
    assert told, found
    assert instead in told[0].instead


@pytest.mark.parametrize(
    ("cpu", "memory"), [("250m", "256Mi"), ("0.5", "1G"), ("2", "1.5Gi"), ("1", "64k"), ("0.001", "1Ei")]
)
def test_amounts_stay_as_they_were_written(cpu: str, memory: str) -> None:
    text = GRAY + f"    target: kubernetes\n    resources: {{cpu: {{limit: {cpu}}}, memory: {{request: {memory}}}}}\n"
    spec = parse(text).pipeline.deployment
    assert spec is not None
    assert spec.model_dump(mode="json", exclude_none=True)["resources"] == {
        "cpu": {"limit": cpu},
        "memory": {"request": memory},
    }


@pytest.mark.parametrize(("less", "more"), [("999m", "1"), ("0.5", "500m"), ("1.5", "1500m")])
def test_a_request_of_at_most_the_limit_is_accepted_in_any_spelling(less: str, more: str) -> None:
    assert check(GRAY + f"    target: kubernetes\n    resources: {{cpu: {{request: {less}, limit: {more}}}}}\n") == ()


def test_the_settings_of_a_process_hold_nothing_of_a_cluster() -> None:
    spec = Deployment.model_validate({"image": "o/r:t", "service": {"port": 1}})
    written: dict[str, Any] = spec.model_dump(mode="json", exclude_none=True)
    assert set(written) == {
        *("service", "image", "target", "strategy", "instances", "max_unavailable", "upgrade", "readiness", "drain"),
        *("environment", "hold", "after_hold"),
    }
    assert written["service"] == {"port": 1, "name": "service", "protocol": "http"}


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"      ---\n{WHOLE}",
        f"{WHOLE}      --- # another\n      {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}}}\n      ---\n",
        f"      # v ${{SYS_INCREMENT}}\n{WHOLE}",
    ],
)
def test_a_manifest_of_mappings_is_kept_as_it_was_written(text: str) -> None:
    pipeline = parse(MANIFEST + text).pipeline
    assert pipeline.deployment is not None
    assert "kind: Deployment\n" in (pipeline.deployment.manifest or "")
    assert Pipeline.model_validate(pipeline.model_dump(mode="json", exclude_none=True)) == pipeline


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("      a: [\n      b: c\n", 11, "in the manifest"),
        (f"{OBJECT}      kind: Twice\n", 12, "stands twice"),
        (f"{OBJECT}      ---\n{OBJECT}      kind: Twice\n", 15, "kind stands twice; the first is on line 5"),
        (f"{OBJECT}      ---\n      - a\n", 12, "a document that is no mapping"),
        ("      word\n", 10, "a document that is no mapping"),
        ("      # nothing\n      ---\n", 10, "holds nothing but comments"),
        ("      a: !!python/object:os.system x\n", 10, "has the tag"),
        ("      a: &a [*a]\n", 10, "which holds itself"),
    ],
)
def test_a_fault_in_a_manifest_is_told_with_its_own_line(text: str, line: int, problem: str) -> None:
    found = check(MANIFEST + text)
    told = [one for one in found if one.path == "stages[0].gray.manifest" and problem in one.problem]
    assert told, found
    assert told[0].line == line


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("      a: " + "x" * 65_536 + "\n", "is longer than 65536 bytes"),
        (("      ---\n" + OBJECT) * 101, "more than 100 documents"),
        ("      a: [" + "x," * 30_000 + "]\n", "in the manifest"),
    ],
)
def test_a_manifest_has_bounds(text: str, problem: str) -> None:
    (only,) = check(MANIFEST + text)
    assert problem in only.problem


def test_a_long_command_in_every_stage_is_answered_within_two_seconds() -> None:
    text = "pipeline: p\nstages:\n- name: s\n  gray: &g {lifecycle: {command: '" + "a " * 120_000 + "'}}\n"
    began = time.process_time()
    assert check(text + "".join(f"- {{name: s{n}, gray: *g}}\n" for n in range(49)))
    assert time.process_time() - began < 2


def test_a_long_manifest_in_every_stage_is_answered_within_two_seconds() -> None:
    text = "pipeline: p\nstages:\n- name: s\n  gray: &g\n    creation: yaml\n    target: kubernetes\n    manifest: '"
    text += "[" + "x, " * 15_000 + "]'\n" + "".join(f"- {{name: s{n}, gray: *g}}\n" for n in range(49))
    began = time.process_time()
    assert check(text)
    assert time.process_time() - began < 2


LIMITS = [
    ("strategy: canary", "instances: 1", "instances", "1 leaves a canary no stable instance"),
    ("strategy: canary", "instances: 301", "instances", "301 is too many"),
    (
        "strategy: canary",
        "instances: 4\n    gray_instances: 4",
        "gray_instances",
        "4 gray instances leave no stable one",
    ),
    ("strategy: canary", "gray_instances: 0%", "gray_instances", "0 shows the new version to nobody"),
    ("strategy: istio", "gray_instances: 301", "gray_instances", "301 is too many"),
    ("strategy: istio", "instances: 301", "instances", "301 is too many"),
    ("strategy: istio", "max_unavailable: 301", "max_unavailable", "301 is too many"),
    ("strategy: blue_green", "instances: 0", "instances", "0 is too few"),
    ("strategy: blue_green", "max_unavailable: 101%", "max_unavailable", "neither a count nor a percentage"),
]


@pytest.mark.parametrize(("strategy", "given", "key", "problem"), LIMITS)
def test_limits_of_a_strategy_hold_in_a_cluster(strategy: str, given: str, key: str, problem: str) -> None:
    found = check(GRAY + f"    target: kubernetes\n    {strategy}\n    {given}\n")
    assert any(one.path == f"stages[0].gray.{key}" and problem in one.problem for one in found), found


@pytest.mark.parametrize(
    "given",
    [
        "strategy: canary\n    instances: 300\n    gray_instances: 299",
        "strategy: istio\n    instances: 1\n    gray_instances: 300\n    max_unavailable: 100%",
        "strategy: blue_green\n    instances: 300\n    max_unavailable: 300",
    ],
)
def test_as_much_as_a_strategy_allows_is_allowed_in_a_cluster(given: str) -> None:
    assert check(GRAY + f"    target: kubernetes\n    {given}\n") == ()


def test_a_bundle_that_is_built_here_cannot_run_in_a_cluster() -> None:
    source = "pipeline: p\nstages:\n- {name: s, source: {git: 'https://a.b/c'}}\n"
    built = source + "- {name: i, build: {image: o/r:t, builder: bundle}}\n"
    gray = "- name: g\n  gray:\n    target: kubernetes\n    service: {port: 1}\n"
    (only,) = check(built + gray)
    assert (only.path, only.line) == ("stages[2].gray", 6)
    assert "runs as a process of this machine only" in only.problem
    assert "image: organization/repository:tag" in only.instead
    assert check(built.replace(", builder: bundle", "") + gray) == ()
    assert check(built + gray + "    image: o/r:t\n") == ()
    assert check(built + gray.replace("    target: kubernetes\n", "")) == ()


def test_nobody_may_write_that_a_workload_was_found() -> None:
    (only,) = check(GRAY + "    target: kubernetes\n    creation: found\n")
    assert (only.path, only.problem) == ("stages[0].gray.creation", "'found' is none of standard, yaml")
    assert Deployment.model_validate({"service": {"port": 1}, "creation": "found"}).creation == "found"


@pytest.mark.parametrize("domain", ["s", "s.n", "s.n.svc", "s.n.svc.cluster.local", "s.n.svc.example.com"])
def test_a_service_has_the_names_that_its_cluster_gives_it(domain: str) -> None:
    text = GRAY.replace("{port: 1}", f"{{port: 1, name: s, domain: {domain}}}")
    assert check(text + "    target: kubernetes\n    namespace: n\n") == ()


@pytest.mark.parametrize("domain", ["s.default.svc", "n.s.svc", "shop.example.com", "s.n.svcx"])
def test_another_domain_is_refused_with_the_name_to_write(domain: str) -> None:
    text = GRAY.replace("{port: 1}", f"{{port: 1, name: s, domain: {domain}}}")
    (only,) = check(text + "    target: kubernetes\n    namespace: n\n")
    assert only.instead == "s.n.svc, or leave it out"


@pytest.mark.parametrize("given", ["workload: 1web", "workload: web\n    service: {port: 1, name: 2web}"])
def test_a_service_is_called_by_a_letter_first(given: str) -> None:
    text = GRAY.replace("    service: {port: 1}\n", "") if "service:" in given else GRAY
    (only,) = check(text + f"    target: kubernetes\n    {given}\n")
    assert "a Service cannot be called" in only.problem


def test_istio_shares_no_udp() -> None:
    text = GRAY.replace("{port: 1}", "{port: 1, protocol: udp}") + "    target: kubernetes\n"
    assert check(text) == ()
    (only,) = check(text + "    strategy: istio\n")
    assert only.path == "stages[0].gray.strategy"
    assert only.instead == "canary or blue_green"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("log_path: /app.log", "log_path"),
        ("log_path: /", "log_path"),
        ("volumes: [{name: a, mount: /, empty: disk}]", "volumes[0].mount"),
    ],
)
def test_nothing_is_mounted_over_the_whole_of_an_instance(given: str, path: str) -> None:
    (only,) = check(GRAY + f"    target: kubernetes\n    {given}\n")
    assert only.path == f"stages[0].gray.{path}"

"""What a definition may ask of containers on one machine, and what it is told when it asks for more."""

import pytest

from engine.deployment import target_of
from engine.pipeline import check, parse

TEXT = """\
pipeline: shop
stages:
  - name: gray
    gray:
      target: docker
      image: shop/api:v1
      instances: 4
      service: {port: 18080, container_port: 8080}
      resources:
        cpu: {request: 250m, limit: "1"}
        memory: {limit: 256Mi}
      volumes:
        - {name: data, mount: /data, claim: shop-data}
      lifecycle:
        command: python3 server.py
      environment: {LOG: info}
"""
HERE = "stages[0].gray."


def test_containers_take_what_processes_and_clusters_have_in_common_with_them() -> None:
    assert check(TEXT) == ()
    pipeline = parse(TEXT).pipeline
    assert pipeline.workload == "docker/shop"


@pytest.mark.parametrize(
    ("workload", "target"), [("shop", "process"), ("docker/shop", "docker"), ("prod/web/shop", "kubernetes")]
)
def test_the_name_of_a_workload_says_where_it_runs(workload: str, target: str) -> None:
    assert target_of(workload) == target


@pytest.mark.parametrize(
    ("more", "path", "problem"),
    [
        ("cluster: prod", "cluster", "in no cluster"),
        ("namespace: shop", "namespace", "has no namespaces"),
        ("container: web", "container", "is one container"),
        ("creation: yaml", "creation", "applies no manifest"),
        ("pull: always", "pull", "runs an image by its content"),
        ("liveness: {http: /healthz}", "liveness", "asks nobody whether it lives"),
        ("log_path: /var/log/shop", "log_path", "docker logs"),
        ("monitoring: {port: 9090}", "monitoring", "collects no figures"),
    ],
)
def test_what_containers_cannot_do_is_refused_in_words(more: str, path: str, problem: str) -> None:
    found = check(TEXT.replace("      instances: 4\n", f"      instances: 4\n      {more}\n"))
    assert any(one.path == HERE + path and problem in one.problem and one.instead for one in found), found


@pytest.mark.parametrize(
    ("old", "new", "path", "problem"),
    [
        ("port: 18080,", "port: 18080, protocol: tcp,", "service.protocol", "passes on nothing but http"),
        ("port: 18080,", "port: 18080, domain: shop,", "service.domain", "no domain name"),
        ("port: 18080,", "port: 18080, access: node,", "service.access", "one kind of access"),
        ("command: python3 server.py", "pre_stop: sleep 5", "lifecycle.pre_stop", "runs nothing before an end"),
        ("command: python3 server.py", "post_start: sleep 5", "lifecycle.post_start", "runs nothing after a start"),
    ],
)
def test_what_a_section_asks_too_much_of_containers_is_refused(old: str, new: str, path: str, problem: str) -> None:
    found = check(TEXT.replace(old, new))
    assert any(one.path == HERE + path and problem in one.problem for one in found), found


def test_containers_run_no_bundle() -> None:
    built = TEXT.replace("      image: shop/api:v1\n", "").replace(
        "stages:\n",
        "stages:\n  - name: code\n    source: {git: 'https://git.example.com/shop/api.git'}\n"
        "  - name: image\n    build: {image: 'shop/api:v1', builder: bundle}\n",
    )
    found = check(built)
    assert any("builder: docker" in one.instead for one in found), found

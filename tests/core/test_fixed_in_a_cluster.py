"""What cannot change once a workload is in effect in a cluster."""

from dataclasses import replace
from typing import Any

import pytest

from engine.deployed import Deployed
from engine.deployment import FOUND, Deployment
from engine.errors import StageFailure
from engine.model import Release
from engine.stages.gray import check_fixed
from engine.stages.rollout import straight_spec
from tests.support.kube_releases import release, settings

MANIFEST = "{apiVersion: apps/v1, kind: Deployment, spec: {selector: {matchLabels: {app: APP}}}}"


def changed(before: Deployment, after: Deployment) -> None:
    check_fixed(Deployed("production/shop/web", after, release(after), release(before, number=1)))


def service(**given: Any) -> Deployment:
    return settings(service={"name": "web", "port": 80, **given})


def found(**given: Any) -> Deployment:
    return settings(creation="found", service={"name": "web", "port": 80, **given})


def manifest(app: str) -> Deployment:
    return settings(creation="yaml", manifest=MANIFEST.replace("APP", app))


REFUSED = [
    (service(), service(port=81), "service.port of production/shop/web is 80 and cannot become 81"),
    (service(), service(protocol="tcp"), "service.protocol of production/shop/web is http and cannot become tcp"),
    (service(), service(name="other"), "service.name of production/shop/web is web and cannot become other"),
    (service(), service(access="node"), "service.access of production/shop/web is cluster and cannot become node"),
    (service(access="node"), service(), "is node and cannot become cluster"),
    (
        service(),
        service(container_port=8080),
        "service.container_port of production/shop/web is 80 and cannot become 8080",
    ),
    (service(container_port=8080), service(), "is 8080 and cannot become 80"),
    (found(container_port=8080), service(container_port=80), "is 8080 and cannot become 80"),
    (found(access="balancer"), service(access="cluster"), "is balancer and cannot become cluster"),
    (service(), settings(upgrade="recreate"), "upgrade of production/shop/web is rolling and cannot become recreate"),
    (service(), manifest("web"), "creation of production/shop/web is standard and cannot become yaml"),
    (manifest("web"), manifest("api"), "the selector in the manifest of production/shop/web is app=web"),
]


@pytest.mark.parametrize(("before", "after", "said"), REFUSED)
def test_what_is_in_effect_is_refused_to_change(before: Deployment, after: Deployment, said: str) -> None:
    with pytest.raises(StageFailure) as refused:
        changed(before, after)
    assert said in str(refused.value)
    assert "release under another workload name" in refused.value.hint


ALLOWED = [
    (service(), service(access="cluster", container_port=80)),
    (service(), settings(creation="standard")),
    (service(), settings(environment={"A": "1"}, instances=9, max_unavailable=2, strategy="istio")),
    (found(access="node", container_port=8080), service()),
    (found(access="node", container_port=8080), manifest("web")),
    (manifest("web"), found(access="node")),
    (manifest("web"), manifest("web")),
]


@pytest.mark.parametrize(("before", "after"), ALLOWED)
def test_everything_else_may_change(before: Deployment, after: Deployment) -> None:
    changed(before, after)


def adopted(spec: Deployment, number: int) -> Release:
    """What others made of a release with these settings, and somebody adopted."""
    made = release(spec, number=number)
    return replace(made, settings={**made.settings, "creation": "found"}, adopted_by="ann")


PLAIN = [case for case in REFUSED if FOUND not in (case[0].creation, case[1].creation)]


@pytest.mark.parametrize(("before", "after", "said"), PLAIN)
def test_what_is_fixed_stays_so_when_a_hotfix_was_adopted(before: Deployment, after: Deployment, said: str) -> None:
    with pytest.raises(StageFailure) as refused:
        check_fixed(Deployed("production/shop/web", after, release(after), adopted(before, 1)))
    assert said in str(refused.value)
    back = adopted(after, 2)
    with pytest.raises(StageFailure) as refused:
        check_fixed(Deployed("production/shop/web", straight_spec(back, None), back, release(before, number=1)))
    assert said in str(refused.value)


@pytest.mark.parametrize("spec", [service(access="node", container_port=8080), manifest("web")])
def test_what_was_adopted_is_no_change_of_what_is_fixed(spec: Deployment) -> None:
    hot = adopted(spec, 2)
    check_fixed(Deployed("production/shop/web", spec, release(spec, number=3), hot))
    check_fixed(Deployed("production/shop/web", straight_spec(hot, None), hot, release(spec, number=3)))


def test_a_first_release_may_be_anything() -> None:
    check_fixed(Deployed("production/shop/web", service(), release(service()), None))

"""Whether pods answer on while visitors leave them is judged by what really runs, and by the container that serves."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from engine.deployed import leaves_quietly
from engine.manifest import QUIETLY
from engine.model import Json, Release
from tests.support.kube_releases import adopted, deployment, release, settings

HOOK = {"preStop": {"sleep": {"seconds": 5}}}
SIDECAR = {"name": "proxy", "image": "other/proxy:v1", "lifecycle": HOOK}


def theirs(*, hook: bool, beside: bool = False) -> dict[str, Any]:
    """A Deployment that somebody else made, with a sidecar that has a hook."""
    base = adopted()
    containers = base["spec"]["template"]["spec"]["containers"]
    containers[0] |= {"name": "web"} | ({"lifecycle": HOOK} if hook else {})
    containers += [SIDECAR] if beside else []
    return base


def pinned(thing: Json, of: Release) -> Release:
    return replace(of, manifest=yaml.safe_dump(thing))


@pytest.mark.parametrize(("hook", "drain"), [(True, "5s"), (False, "5s"), (True, "0s")])
def test_a_hook_of_the_owner_or_of_sluice_lets_an_adopted_pod_leave_quietly(*, hook: bool, drain: str) -> None:
    spec = settings(drain=drain)
    thing = deployment(spec, base=theirs(hook=hook))
    assert leaves_quietly(pinned(thing, release(spec)))
    written = thing["spec"]["template"]["spec"]["containers"][0].get("lifecycle")
    assert bool(written) is not hook, "only what the owner has not written is written"


@pytest.mark.parametrize("serving", ["web", "worker"])
def test_the_container_that_is_named_is_the_one_whose_hook_counts(serving: str) -> None:
    base = theirs(hook=True)
    containers = base["spec"]["template"]["spec"]["containers"]
    containers.append({**containers[0], "name": "worker", "lifecycle": {}})
    one = replace(release(settings(creation="found", container=serving)), manifest=yaml.safe_dump(base))
    assert leaves_quietly(one) is (serving == "web")


MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: "shop/web:v1"}
        - {name: proxy, image: "other/proxy:v1", lifecycle: {preStop: {sleep: {seconds: 5}}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


@pytest.mark.parametrize("base", [None, theirs(hook=False, beside=True)], ids=["ours", "adopted"])
def test_the_hook_of_a_sidecar_does_not_count(base: Json | None) -> None:
    spec = settings(creation="yaml", manifest=MANIFEST)
    assert not leaves_quietly(pinned(deployment(spec, base=base), release(spec)))


def test_a_hook_that_the_owner_keeps_beside_a_manifest_counts() -> None:
    spec = settings(creation="yaml", manifest=MANIFEST)
    assert leaves_quietly(pinned(deployment(spec, base=theirs(hook=True, beside=True)), release(spec)))


@pytest.mark.parametrize("hook", [True, False])
def test_what_was_found_is_judged_by_its_serving_container(*, hook: bool) -> None:
    found = replace(release(settings()), settings={"target": "kubernetes", "creation": "found", "workload": "web"})
    assert leaves_quietly(pinned(theirs(hook=hook, beside=True), found)) is hook


def test_a_release_of_before_is_judged_by_what_its_manifest_says() -> None:
    spec = settings(creation="yaml", manifest=MANIFEST)
    thing = deployment(spec)
    del thing["metadata"]["annotations"][QUIETLY]
    assert leaves_quietly(pinned(thing, release(spec)))
    bare = deployment(settings(drain="0s"))
    del bare["metadata"]["annotations"][QUIETLY]
    assert not leaves_quietly(pinned(bare, replace(release(spec))))


def test_nothing_is_waited_for_where_the_owner_said_so() -> None:
    spec = settings(drain="0s")
    assert leaves_quietly(pinned(deployment(spec), release(spec)))

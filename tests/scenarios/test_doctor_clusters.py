"""`sluice doctor` says of each cluster what does not work there and how to mend it, and changes nothing in it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.doctor.clusters import Use, clusters, uses_of
from bot.doctor.examination import examine, lines
from bot.doctor.finding import Finding, Health
from bot.settings import Settings
from engine.clock import WallClock
from engine.model import PersonId
from storage.store import SqlStore
from tests.support.kube_server import Kube, kube
from tests.support.kube_trouble import Fault
from tests.support.prometheus_wire import prometheus_wire
from tests.support.registry_wire import PASSWORD, registry_wire
from tests.support.tree import ROOT

ROLE = (ROOT / "deploy/kubernetes/role.yaml").read_text()
NOWHERE = "http://127.0.0.1:1"
DEFINITION = """\
pipeline: {name}
stages:
  - name: official
    official: {{target: kubernetes, {where}, image: "shop/web:v1", service: {{port: 80}}}}
"""
MANIFEST = """\
pipeline: web
stages:
  - name: official
    official:
      target: kubernetes
      namespace: shop
      instances: 2
      image: "shop/web:v1"
      service: {{port: 80}}
      creation: yaml
      manifest: |
        apiVersion: apps/v1
        kind: Deployment
        metadata: {{name: web}}
        spec:
          replicas: 2
          selector: {{matchLabels: {labels}}}
          template:
            metadata: {{labels: {labels}}}
            spec: {{containers: [{{name: web, image: "shop/web:v1"}}]}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {{name: web}}
        spec: {{selector: {labels}, ports: [{{port: 80}}]}}
"""


def pipeline(where: str = "namespace: shop", name: str = "web") -> str:
    return DEFINITION.format(name=name, where=where)


def role(*without: str) -> dict[str, Any]:
    """The Role that is shipped, without some resources or verbs."""
    [found] = [one for one in yaml.safe_load_all(ROLE) if one["kind"] == "Role"]
    rules = [rule for rule in found["rules"] if rule["resources"][0] not in without]
    kept = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb not in without]} for rule in rules]
    return {**found, "rules": kept}


def settings(folder: Path, cluster: Kube | None, **more: object) -> Settings:
    at = str(cluster.kubeconfig(folder)) if cluster else str(folder / "none")
    return Settings.model_validate({"home": folder / "home", "clusters": {"prod": {"kubeconfig": at, **more}}})


async def found(given: Settings, *definitions: str, patience: float = 5.0) -> dict[str, Finding]:
    seen = await clusters(given, definitions, patience)
    for one, line in zip(seen, lines(seen), strict=True):
        assert line.isprintable(), line
        assert one.health is Health.WELL or one.cure, line
    return {one.what: one for one in seen}


def health(seen: Mapping[str, Finding]) -> set[Health]:
    return {one.health for what, one in seen.items() if what != "prod registry"}


@pytest.mark.parametrize(("istio", "gateway"), [(False, False), (True, False), (True, True)])
async def test_a_cluster_that_gives_the_shipped_role_is_well(tmp_path: Path, *, istio: bool, gateway: bool) -> None:
    async with kube(istio=istio, gateway=gateway) as cluster:
        cluster.have_namespace("shop")
        cluster.role(role(), "shop")
        seen = await found(settings(tmp_path, cluster), pipeline())
    assert health(seen) == {Health.WELL}
    assert seen["cluster prod"].sentence.startswith("Kubernetes v1.")
    assert ("Istio" in seen["prod routing"].sentence) is True
    assert seen["prod rights in shop"].sentence == f"all {20 + 7 * istio + 6 * gateway} that are used"


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("pods", "Sluice may not list, watch pods."),
        ("events", "Sluice may not list events."),
        ("patch", "Sluice may not patch deployments; patch services; patch virtualservices."),
        ("virtualservices", "Sluice may not get, list, watch, create, patch, delete virtualservices."),
        ("httproutes", ""),
    ],
)
async def test_every_right_that_is_missing_is_named_with_the_command_that_gives_it(
    tmp_path: Path, without: str, said: str
) -> None:
    async with kube(istio=True) as cluster:
        cluster.role(role(without), "shop")
        one = (await found(settings(tmp_path, cluster), pipeline()))["prod rights in shop"]
    if said:
        assert (one.health, one.sentence) == (Health.ILL, said)
        assert one.cure == "sed 's/NAMESPACE/shop/' deploy/kubernetes/role.yaml | kubectl apply -f -"
    else:
        assert one.health is Health.ILL, "the namespace is not there"
        assert "has no namespace shop" in one.sentence


async def test_rights_for_what_a_manifest_brings_are_looked_at_where_one_does(tmp_path: Path) -> None:
    text = MANIFEST.format(labels="{app: web}")
    assert uses_of([text]) == {Use("default", "shop", brings=True)}
    async with kube() as cluster:
        cluster.have_namespace("shop")
        cluster.role(role(), "shop")
        given = settings(tmp_path, cluster)
        one = (await found(given, text))["prod rights in shop"]
        assert (one.health, "get, create, patch configmaps" in one.sentence) == (Health.ODD, True)
        assert (await found(given, pipeline()))["prod rights in shop"].health is Health.WELL


async def test_each_namespace_of_a_stored_pipeline_is_looked_at_and_the_usual_one_where_there_is_none(
    tmp_path: Path,
) -> None:
    async with kube() as cluster:
        given = settings(tmp_path, cluster)
        assert "prod rights in default" in await found(given)
        for name in ("shop", "bank"):
            cluster.have_namespace(name)
        given.home.mkdir()
        store = SqlStore.open(given.database_url)
        store.start()
        now = WallClock().now()
        for name, where in (("web", "namespace: shop"), ("pay", "cluster: prod, namespace: bank")):
            text = pipeline(where, name)
            await store.transact(lambda book, n=name, t=text: book.pipelines.save(n, "", t, PersonId("ann"), now))  # type: ignore[misc]
        store.close()
        seen = {one.what for one in await examine(given)}
    assert {what for what in seen if "rights" in what} == {"prod rights in shop", "prod rights in bank"}


async def test_a_namespace_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with kube() as cluster:
        one = (await found(settings(tmp_path, cluster), pipeline("namespace: nowhere")))["prod rights in nowhere"]
    assert (one.health, one.sentence) == (Health.ILL, "Cluster prod has no namespace nowhere.")


async def test_a_cluster_that_pipelines_name_and_the_settings_do_not_is_named(tmp_path: Path) -> None:
    async with kube() as cluster:
        seen = await found(settings(tmp_path, cluster), pipeline("cluster: elsewhere"))
    assert seen["cluster elsewhere"].health is Health.ILL


async def test_looking_changes_nothing_in_a_cluster(tmp_path: Path) -> None:
    async with kube(istio=True, gateway=True) as cluster:
        cluster.have_namespace("shop")
        before = cluster.store.version
        await found(settings(tmp_path, cluster), pipeline())
        assert cluster.store.version == before
        writes = [call for call in cluster.calls if call.verb not in ("get", "list")]
        assert {call.plural for call in writes if call.verb == "create"} == {"selfsubjectaccessreviews"}
        assert [call.query.get("dryRun") for call in writes if call.verb != "create"] == ["All"]


async def test_credentials_that_are_not_taken_are_said_and_never_printed(tmp_path: Path) -> None:
    async with kube() as cluster:
        given = settings(tmp_path, cluster)
        cluster.token = "another token"
        seen = await found(given)
    assert seen["cluster prod"].health is Health.ILL
    assert "credentials" in seen["cluster prod"].sentence
    assert "the token" not in "\n".join(lines(list(seen.values())))


async def test_a_kubeconfig_that_is_not_there_and_a_cluster_that_is_away_are_told_apart(tmp_path: Path) -> None:
    assert "there is no kubeconfig" in (await found(settings(tmp_path, None)))["cluster prod"].sentence
    async with kube() as cluster:
        given = settings(tmp_path, cluster)
    assert "does not answer" in (await found(given))["cluster prod"].sentence


async def test_a_cluster_that_says_nothing_is_left_in_time_and_the_others_are_looked_at(tmp_path: Path) -> None:
    async with kube() as silent, kube() as other, asyncio.timeout(20):
        silent.fail(Fault.SLOW, times=99)
        other_folder = tmp_path / "other"
        other_folder.mkdir()
        both = {
            "silent": {"kubeconfig": str(silent.kubeconfig(tmp_path))},
            "other": {"kubeconfig": str(other.kubeconfig(other_folder))},
        }
        seen = await found(Settings.model_validate({"home": tmp_path, "clusters": both}), patience=2.0)
        silent.mend()
    ill = {one.what: one.sentence for one in seen.values() if one.health is Health.ILL}
    assert len(ill) == 1
    assert "Cluster silent does not answer: nothing came in time" in next(iter(ill.values()))
    assert seen["cluster other"].health is Health.WELL


@asynccontextmanager
async def trickling() -> AsyncIterator[int]:
    """A server that answers every request a letter at a time, for ever."""
    over, met = asyncio.Event(), set[asyncio.Task[None] | None]()

    async def meet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.add(asyncio.current_task())
        with suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nx: ")
            while not over.is_set():
                writer.write(b"x")
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), 0.1)
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await asyncio.gather(*(one for one in met if one))


async def test_the_command_ends_though_a_clusters_answer_never_does(tmp_path: Path) -> None:
    async with trickling() as port:
        known = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "current-context": "c",
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(known))
        env = {
            "PATH": os.defpath,
            "SLUICE_HOME": str(tmp_path / "home"),
            "SLUICE_CLUSTERS": json.dumps({"slow": {"kubeconfig": str(tmp_path / "kubeconfig")}}),
        }
        words = [sys.executable, "-c", "from bot.cli.command import main; main()", "doctor"]
        ended = await asyncio.to_thread(
            subprocess.run, words, check=False, capture_output=True, text=True, timeout=40, env=env
        )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "MEND  cluster slow" in ended.stdout


async def test_a_registry_and_a_prometheus_that_answer_are_well(tmp_path: Path) -> None:
    async with kube() as cluster, registry_wire(v1=b"{}") as registry, prometheus_wire() as prometheus:
        seen = await found(settings(tmp_path, cluster, registry=registry.address, prometheus=prometheus.address))
    assert {seen["prod registry"].health, seen["prod requests"].health} == {Health.WELL}


async def test_a_registry_that_is_none_and_a_prometheus_that_is_away_are_said(tmp_path: Path) -> None:
    async with kube() as cluster, prometheus_wire() as no_registry:
        seen = await found(settings(tmp_path, cluster, registry=no_registry.address, prometheus=NOWHERE))
        silent = await found(settings(tmp_path, cluster))
    assert (seen["prod registry"].health, seen["prod requests"].health) == (Health.ILL, Health.ODD)
    assert (silent["prod registry"].health, "prod requests" in silent) == (Health.ODD, False)
    assert "go by their tags" in silent["prod registry"].sentence


async def test_a_registrys_password_is_not_printed_when_somebody_quotes_it(tmp_path: Path) -> None:
    given = Settings.model_validate(
        {
            "home": tmp_path,
            "clusters": {"prod": {"kubeconfig": f"{tmp_path}/{PASSWORD}", "registry_password": PASSWORD}},
        }
    )
    seen = await examine(given, patience=1.0)
    assert any("there is no kubeconfig" in one.sentence for one in seen)
    assert PASSWORD not in "\n".join(lines(seen))

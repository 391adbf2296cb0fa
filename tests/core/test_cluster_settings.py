"""Clusters are named in the settings; what is wrong there is said without any of its values."""

import json
from typing import Any

import pytest

from bot.places.clusters import metrics_of, names_of, registries
from bot.settings import Settings
from engine.builders.registry import Registry, Unchecked
from engine.errors import Broken
from engine.pipeline import check
from engine.targets.kubernetes.metrics import ISTIO_ERRORS, ISTIO_REQUESTS

DEFINITION = """\
pipeline: web
stages:
  - name: official
    official: {{target: kubernetes, {where} image: "shop/web:v1", service: {{port: 80}}}}
"""
SECRET = "hunter2hunter2"


def given(**clusters: dict[str, Any]) -> Settings:
    return Settings.model_validate({"clusters": clusters})


def refused(monkeypatch: pytest.MonkeyPatch, value: str) -> str:
    monkeypatch.setenv("SLUICE_CLUSTERS", value)
    with pytest.raises(Broken) as raised:
        Settings.read()
    assert SECRET not in f"{raised.value!r} {raised.value.hint} {raised.value.__cause__!r}"
    return str(raised.value)


def complaints(where: str, *clusters: str) -> list[str]:
    found = check(DEFINITION.format(where=where), clusters=clusters)
    return [f"{one.path}: {one.problem} → {one.instead}" for one in found]


def test_clusters_are_read_from_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "production": {"context": "prod", "kubeconfig": "/etc/sluice/kubeconfig", "registry": "registry.example.com"},
        "here": {"in_cluster": True, "registry": "http://127.0.0.1:5000/mirror/", "settle": 5},
    }
    monkeypatch.setenv("SLUICE_CLUSTERS", json.dumps(said))
    clusters = Settings.read().clusters
    assert clusters["production"].image_prefix == "registry.example.com"
    assert clusters["here"].image_prefix == "127.0.0.1:5000/mirror"
    assert clusters["here"].settle.total_seconds() == 5


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"regisry": SECRET}, "SLUICE_CLUSTERS, prod, regisry: Extra inputs are not permitted."),
        ({"in_cluster": True, "context": SECRET}, "write one of the two"),
        ({"registry": f"https://sluice:{SECRET}@registry.example.com"}, "a registry is HOST"),
        ({"registry": "two words"}, "a registry is HOST"),
        ({"prometheus": f"http://sluice:{SECRET}@prometheus"}, "without a user in it"),
        ({"prometheus": "prometheus:9090"}, "Prometheus' address is http://"),
        ({"prometheus": "http://[::1"}, "Prometheus' address is http://"),
        ({"errors_query": SECRET}, "errors_query stands without a requests_query"),
        ({"settle": 9999}, "SLUICE_CLUSTERS, prod, settle"),
        (SECRET, "SLUICE_CLUSTERS, prod"),
    ],
)
def test_a_setting_that_is_wrong_is_named_and_its_value_is_not(
    monkeypatch: pytest.MonkeyPatch, cluster: object, said: str
) -> None:
    assert said in refused(monkeypatch, json.dumps({"prod": cluster}))


@pytest.mark.parametrize("name", ["Prod", "prod_1", "a/b", "-prod", "", "x" * 64])
def test_a_name_that_no_definition_could_use_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert "small letters" in refused(monkeypatch, json.dumps({name: {}}))


def test_what_is_no_json_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, f'{{"prod": {{"registry_password": "{SECRET}"') == "SLUICE_CLUSTERS is no JSON."


def test_another_setting_that_is_wrong_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_PORT", "eighty")
    with pytest.raises(Broken, match="SLUICE_PORT: "):
        Settings.read()


def test_a_password_is_a_secret_wherever_the_settings_are_shown() -> None:
    settings = given(prod={"registry_user": "sluice", "registry_password": SECRET})
    assert [one.get_secret_value() for one in settings.secrets] == [SECRET]
    images = registries(settings.clusters)("prod/shop/web")
    assert SECRET not in f"{settings!r} {settings} {images!r}"


def test_the_only_cluster_is_the_one_that_a_definition_means_which_names_none() -> None:
    assert names_of(given(prod={}).clusters) == {"prod", "default"}
    assert names_of(given(prod={}, test={}).clusters) == {"prod", "test"}
    assert names_of(given().clusters) == frozenset()


def test_a_definition_may_name_the_clusters_that_there_are() -> None:
    assert complaints("", "prod", "default") == []
    assert complaints("cluster: prod,", "prod", "test") == []


def test_a_cluster_that_there_is_not_brings_the_nearest_name() -> None:
    assert complaints("cluster: prodution,", "production", "test") == [
        "stages[0].official.cluster: there is no cluster 'prodution' → production"
    ]
    assert complaints("cluster: moon,", "production", "test") == [
        "stages[0].official.cluster: there is no cluster 'moon' → cluster: and one of production, test"
    ]


def test_of_several_clusters_a_definition_has_to_name_one() -> None:
    assert complaints("", "production", "test") == [
        "stages[0].official.target: names no cluster → cluster: and one of production, test"
    ]


def test_where_there_is_no_cluster_it_is_said_how_to_have_one() -> None:
    [one] = complaints("")
    assert "knows no cluster" in one
    assert "SLUICE_CLUSTERS" in one


def test_where_nobody_knows_the_clusters_their_names_are_not_checked() -> None:
    assert check(DEFINITION.format(where="cluster: moon,")) == ()


def test_each_cluster_has_its_own_registry_and_this_machine_has_none() -> None:
    of = registries(given(prod={"registry": "registry.example.com"}, test={}).clusters)
    found = of("prod/shop/web")
    assert isinstance(found, Registry)
    assert found.host == "registry.example.com"
    assert isinstance(of("test/shop/web"), Unchecked)
    assert of("web") is None
    only = registries(given(prod={"registry": "registry.example.com"}).clusters)
    assert only("default/shop/web") is only("prod/shop/web")


def test_queries_of_ones_own_take_the_place_of_istios() -> None:
    clusters = given(
        none={},
        istio={"prometheus": "http://prometheus:9090/"},
        own={"prometheus": "http://prometheus:9090", "requests_query": "hits"},
    ).clusters
    assert metrics_of("none", clusters["none"]) is None
    istio, own = metrics_of("istio", clusters["istio"]), metrics_of("own", clusters["own"])
    assert istio is not None
    assert own is not None
    assert (istio.address, istio.requests, istio.errors) == ("http://prometheus:9090", ISTIO_REQUESTS, ISTIO_ERRORS)
    assert (own.requests, own.errors) == ("hits", "")

"""What `deploy/` gives to a cluster is valid, and gives Sluice what it needs there and nothing more."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bot.settings import Settings
from engine.manifest_rules import BESIDE
from engine.targets.kubernetes.access import RIGHTS, For, compared, rules_of
from engine.targets.kubernetes.kinds import kind_of
from tests.support.tree import ROOT

FOLDER = ROOT / "deploy/kubernetes"
IN_THE_ROLE = (For.ALL, For.ISTIO, For.GATEWAY)


def documents(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((FOLDER / name).read_text()) if one]


def of_kind(name: str, kind: str) -> dict[str, Any]:
    [found] = [one for one in documents(name) if one["kind"] == kind]
    return found


def by_resource(rules: list[Any]) -> dict[tuple[str, str], list[str]]:
    return {(rule["apiGroups"][0], rule["resources"][0]): sorted(rule["verbs"]) for rule in rules}


@pytest.mark.parametrize("name", ["role.yaml", "sluice.yaml"])
def test_every_object_is_one_that_a_cluster_takes(name: str) -> None:
    for one in documents(name):
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_the_role_gives_exactly_the_rights_that_the_code_lists() -> None:
    rules = of_kind("role.yaml", "Role")["rules"]
    assert by_resource(rules) == by_resource(rules_of(IN_THE_ROLE))
    assert all(len(rule["apiGroups"]) == len(rule["resources"]) == 1 for rule in rules)


def test_the_rights_for_manifests_stand_in_the_role_as_comments() -> None:
    text = (FOLDER / "role.yaml").read_text().rpartition("Add what yours do:\n#\n")[2]
    rules = yaml.safe_load("\n".join(line.removeprefix("#  ") for line in text.splitlines()))
    assert by_resource(rules) == by_resource(rules_of([For.MANIFESTS]))


def test_the_kinds_that_a_manifest_may_bring_are_those_with_a_right() -> None:
    kinds = [kind_of({"apiVersion": version, "kind": kind}) for kind, version in BESIDE.items()]
    listed = {(right.group, right.resource) for right in RIGHTS if right.part is For.MANIFESTS}
    assert listed == {(kind.group, kind.plural) for kind in kinds}


def test_no_right_reaches_secrets_pods_insides_or_rights() -> None:
    asked = {(right.verb, right.resource) for right in RIGHTS}
    assert not {verb for verb, _ in asked} & {"*", "escalate", "bind", "impersonate", "deletecollection", "update"}
    forbidden = {"*", "secrets", "roles", "rolebindings", "nodes", "namespaces"}
    assert not {resource for _, resource in asked} & forbidden
    assert not [resource for _, resource in asked if "/" in resource]
    assert not [one for one in documents("role.yaml") if one["kind"].startswith("Cluster")]


def test_the_role_is_given_to_the_account_that_the_pod_runs_as() -> None:
    account, binding = of_kind("role.yaml", "ServiceAccount"), of_kind("role.yaml", "RoleBinding")
    pod = of_kind("sluice.yaml", "Deployment")["spec"]["template"]["spec"]
    [subject] = binding["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "sluice", "namespace": "sluice"}
    assert (account["metadata"]["name"], pod["serviceAccountName"]) == ("sluice", "sluice")
    assert account == of_kind("sluice.yaml", "ServiceAccount")
    assert binding["roleRef"]["name"] == of_kind("role.yaml", "Role")["metadata"]["name"]


def test_the_pods_settings_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    [container] = of_kind("sluice.yaml", "Deployment")["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    settings = Settings.read()
    assert [one.in_cluster for one in settings.clusters.values()] == [True]
    assert str(settings.port) in container["livenessProbe"]["exec"]["command"][-1]


def test_the_disk_is_mounted_above_the_home_which_sluice_makes_for_itself() -> None:
    image = (ROOT / "deploy/Dockerfile").read_text()
    [home] = re.findall(r"SLUICE_HOME=(\S+)", image)
    pod = of_kind("sluice.yaml", "Deployment")["spec"]["template"]["spec"]
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert home.startswith(f"{mounts['home']}/")
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" in image


def test_requests_that_the_list_lacks_and_rights_that_nobody_uses_are_told_apart() -> None:
    every = [(right.verb, right.resource) for right in RIGHTS if right.verb != "create"]
    paths = [("get", "/apis"), ("get", "/version"), ("create", "selfsubjectaccessreviews")]
    assert compared([*every, *paths]).missing == compared([*every, *paths]).unused == ()
    fewer = [pair for pair in every if pair != ("list", "events")]
    seen = compared([*fewer, ("get", "secrets"), ("delete", "pods")])
    assert seen.missing == ("delete pods", "get secrets")
    assert seen.unused == ("list events",)

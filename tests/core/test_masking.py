"""A room is shown what a definition says, and of what others have set nothing but that it is there."""

from dataclasses import replace
from typing import Any

import yaml

from bot.secrecy.masking import HIDDEN, applied_card, effect_card, masked, said_by, version_card
from tests.support.kube_releases import release, settings
from tests.support.store import a_run

WRITTEN = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: web, image: "shop/web:v2", env: [{name: COLOUR, value: red}]}]
"""


def deployment(**variables: Any) -> str:
    """A Deployment that others made, with these variables in a container and in one that comes before it."""

    def env() -> list[dict[str, Any]]:
        token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}}
        return [*({"name": name, "value": value} for name, value in variables.items()), token]

    pod = {
        "initContainers": [{"name": "first", "env": env()}],
        "containers": [{"name": "web", "env": env()}, {"name": "x"}],
    }
    return yaml.safe_dump_all([{"kind": "Deployment", "spec": {"template": {"spec": pod}}}, {"kind": "Service"}])


def test_values_that_others_have_set_are_not_shown_wherever_they_stand() -> None:
    said = masked(deployment(PASSWORD="hunter2", COLOUR="red"), said_by({"environment": {"COLOUR": "red"}}))
    assert "hunter2" not in said
    assert said.count(HIDDEN) == 2
    assert said.count("PASSWORD") == said.count("red") == 2
    assert "secretKeyRef" in said, "where a value comes from is no secret"
    assert yaml.safe_load_all(said) is not None


def test_of_what_was_found_no_value_is_shown() -> None:
    said = masked(deployment(PASSWORD="hunter2"), said_by({"creation": "found"}))
    assert "hunter2" not in said


def test_of_what_others_made_of_a_manifest_no_value_is_shown_either() -> None:
    said = said_by({"creation": "found", "manifest": WRITTEN})
    assert said == said_by({"creation": "found"}) < said_by({"creation": "yaml", "manifest": WRITTEN})


def test_what_a_definition_says_itself_is_shown_as_it_was_written() -> None:
    assert masked(WRITTEN, said_by({"creation": "yaml", "manifest": WRITTEN})) == WRITTEN
    ours = deployment(PORT="8080", COLOUR="red", EMPTY="")
    assert masked(ours, said_by({"environment": {"COLOUR": "red"}})) == ours


def test_the_card_of_what_is_in_effect_hides_what_was_there_before_and_is_called_what_it_holds() -> None:
    found = replace(release(settings()), settings={"target": "kubernetes", "creation": "found"})
    card = effect_card(found.workload, deployment(PASSWORD="hunter2"), found)
    assert card.title == f"Objects of {found.workload} in effect"
    assert HIDDEN in card.code
    assert "hunter2" not in card.code
    assert "hunter2" not in version_card(replace(found, manifest=deployment(PASSWORD="hunter2"))).code
    assert effect_card("hello", "routes: []\n", None).title == "Routes of hello in effect"


def test_what_a_run_applied_is_shown_without_what_others_had_set_in_the_pods_that_were_copied() -> None:
    ours = replace(release(settings()), settings={"target": "kubernetes", "environment": {"COLOUR": "red"}})
    run = a_run("shop-1", workload=ours.workload)
    things = list(yaml.safe_load_all(deployment(PASSWORD="hunter2", COLOUR="red")))
    for about in (ours, None):
        card = applied_card(run, "gray", things, about)
        assert "hunter2" not in card.code
        assert ("red" in card.code) == (about is not None)

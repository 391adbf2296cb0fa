"""The annotated reference is the manual: it is right, and it leaves nothing out."""

import re
from pathlib import Path

import pytest

from engine import definition, deployment, instance
from engine.definition import Pipeline
from engine.keys import section_shapes, sections
from engine.model import Mode, OnError, StageKind
from engine.pipeline import check, describe, parse, render_yaml, stage_rules
from engine.section import Section

TEXT = (Path(__file__).parents[2] / "deploy" / "pipeline.reference.yaml").read_text(encoding="utf-8")
CLUSTER = re.sub(r"^( *)#\| ", r"\1", TEXT, flags=re.MULTILINE).replace("target: process", "target: kubernetes")
COMMENTED = frozenset(re.findall(r"^ *# ([a-z_]+): ", CLUSTER, re.MULTILINE))


def every_section() -> list[type[Section]]:
    found: list[type[Section]] = [Pipeline]
    for model in found:
        found += [section for section, _ in section_shapes(model).values() if section not in found]
    return found


def keys_shown(model: type[Section]) -> set[str]:
    shown = set()
    for _, node, section in sections(parse(CLUSTER).tree, Pipeline):
        if section is model or issubclass(section, model):
            shown |= set(node.entries)
    return shown


def test_the_reference_is_a_definition_without_mistakes() -> None:
    assert describe(check(TEXT, people=("ann", "bob"), allow_local=False), "reference") == ""


def test_the_reference_with_its_keys_for_a_cluster_is_a_definition_without_mistakes() -> None:
    assert CLUSTER.count("#|") == 1  # where the mark is explained
    assert describe(check(CLUSTER, people=("ann", "bob"), allow_local=False), "reference") == ""


@pytest.mark.parametrize("model", every_section(), ids=lambda model: model.__name__)
def test_every_key_of_every_section_stands_in_the_reference(model: type[Section]) -> None:
    assert set(model.key_names()) - keys_shown(model) - COMMENTED == set()


def test_every_section_of_the_model_is_looked_at() -> None:
    written = [*vars(definition).values(), *vars(deployment).values(), *vars(instance).values()]
    models = {one for one in written if isinstance(one, type) and issubclass(one, Section)}
    assert set(every_section()) == models - {Section, definition.Official}


def test_the_author_gets_the_text_back_as_it_was() -> None:
    assert render_yaml(parse(TEXT)) == TEXT


def test_the_state_machine_is_told_the_rules_of_each_stage() -> None:
    rules = stage_rules(parse(TEXT).pipeline)
    assert [rule.kind for rule in rules] == list(StageKind)
    assert rules[0].conditions == ("webhook:code-gate", "channel:tests-green")
    assert (rules[0].mode, rules[0].on_error, rules[0].hold.total_seconds()) == (Mode.ANY, OnError.STOP, 1800)
    review = rules[3]
    assert (review.reviewers, review.votes_needed, review.take_back_on_refusal) == (("ann", "bob"), Mode.ALL, True)
    assert review.deadline is not None
    assert review.deadline.days == 7
    assert rules[4].reviewers == ()


@pytest.mark.parametrize("text", [TEXT, CLUSTER], ids=["process", "kubernetes"])
def test_the_settings_of_a_deployment_survive_json(text: str) -> None:
    pipeline = parse(text).pipeline
    assert Pipeline.model_validate(pipeline.model_dump(mode="json", exclude_none=True)) == pipeline
    assert pipeline.model_dump(mode="json")["stages"][2]["gray"]["drain"] == "5s"


def test_a_line_of_a_value_can_be_asked_for() -> None:
    line = parse(TEXT).tree.place_of(("stages", 2, "gray", "instances")).line
    assert "instances: ${replicas}" in TEXT.splitlines()[line - 1]


def test_complaints_for_a_terminal_name_file_line_and_column() -> None:
    written = describe(check(TEXT.replace("${replicas}", "301")), "shop.yaml")
    line = TEXT.splitlines().index("      instances: ${replicas}") + 1
    assert written == (
        f"shop.yaml:{line}:18 stages[2].gray.instances: 301 is too many\n    → write a number from 1 to 300"
    )

"""Variables: what is replaced, what stays, and what may be changed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.errors import Refused
from engine.pipeline import Complaints, check, parse, resolve
from engine.variables import escape, expand, merge, misspelled_in, names_in, substitute, system_variables

TEXT = """pipeline: p
variables: {tag: v1, replicas: 2, script_word: echo, empty: ""}
stages:
- name: s
  source: {git: https://h/r, branch: "${empty}", tag: "${tag}"}
- name: b
  build:
    image: o/r:${tag}-${SYS_INCREMENT}
    script: |
      echo ${tag} $HOME $${HOME} ${HOME:-x}
    procfile: "web: run --tag ${tag}"
- name: g
  gray:
    instances: ${replicas}
    service: {port: 8080}
    environment: {A: "${tag}", B: "$${tag}", C: "${SYS_TIMESTAMP}"}
"""


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${a}", "1"),
        ("x${a}y${b}z", "x1y2z"),
        ("$${a}", "${a}"),
        ("$$${a}", "$${a}"),
        ("$a {a} $ {a} ${a", "$a {a} $ {a} ${a"),
        ("${c}", "${c}"),
        ("${ä}", "${ä}"),
        ("", ""),
    ],
)
def test_a_name_in_braces_becomes_its_value_and_two_dollars_make_it_literal(text: str, result: str) -> None:
    assert substitute(text, {"a": "1", "b": "2"}) == result


def test_a_value_is_not_looked_into() -> None:
    assert substitute("${a}", {"a": "${b} $${b}", "b": "2"}) == "${b} $${b}"


def test_a_value_that_looks_like_a_pattern_is_put_in_as_it_is() -> None:
    assert substitute("${a}", {"a": r"\1 \g<0>"}) == r"\1 \g<0>"


def test_escaped_text_comes_back() -> None:
    assert substitute(escape("${a} $${b} ${"), {"a": "1"}) == "${a} $${b} ${"


def test_the_names_in_a_text_are_told_once_in_order() -> None:
    assert names_in("${b} ${a} ${b} $${c} ${no-name}") == ("b", "a")
    assert misspelled_in("${b} ${no-name} $${c-d} ${") == ("no-name}", "")


def test_keys_are_not_replaced() -> None:
    assert expand({"${a}": ["${a}", None]}, {"a": "1"}) == {"${a}": ["1", None]}


def test_a_run_has_a_timestamp_in_utc_and_its_number() -> None:
    moment = datetime(2026, 11, 23, 6, 15, tzinfo=timezone(timedelta(hours=2)))
    assert system_variables(moment, 41) == {"SYS_TIMESTAMP": "20261123T041500Z", "SYS_INCREMENT": "41"}
    assert system_variables(moment.astimezone(UTC), 41)["SYS_TIMESTAMP"] == "20261123T041500Z"


def test_changes_win_over_what_is_declared() -> None:
    assert merge({"a": "1", "b": "2"}, {"b": "3"}) == {"a": "1", "b": "3"}


def test_a_change_of_an_undeclared_variable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(Refused, match="no variable replica") as refused:
        merge({"replicas": "1", "tag": "x"}, {"replica": "3"})
    assert refused.value.hint == "Did you mean replicas?"


def test_a_change_of_a_system_variable_is_refused() -> None:
    with pytest.raises(Refused, match="set by Sluice"):
        merge({}, {"SYS_INCREMENT": "7"})


def test_a_run_sees_its_own_values_and_the_definition_the_declared_ones() -> None:
    declared, run = parse(TEXT).pipeline, resolve(TEXT, {"tag": "v2", "replicas": "7", "SYS_INCREMENT": "41"})
    assert (declared.deployment, run.deployment) != (None, None)
    assert declared.deployment is not None
    assert run.deployment is not None
    assert (declared.deployment.instances, run.deployment.instances) == (2, 7)
    assert run.deployment.environment["A"] == "v2"
    assert run.deployment.environment["B"] == "${tag}"
    assert run.stages[1].build is not None
    assert run.stages[1].build.image == "o/r:v2-41"


def test_an_empty_branch_counts_as_left_out() -> None:
    source = parse(TEXT).pipeline.stages[0].source
    assert source is not None
    assert (source.branch, source.tag) == (None, "v1")


def test_a_value_never_becomes_a_part_of_a_script() -> None:
    build = resolve(TEXT, {"tag": "v2"}).stages[1].build
    assert build is not None
    assert build.script == "echo ${tag} $HOME ${HOME} ${HOME:-x}\n"
    assert build.procfile == "web: run --tag v2"


def test_a_value_that_acts_in_a_shell_is_refused_in_a_procfile() -> None:
    with pytest.raises(Complaints) as refused:
        resolve(TEXT, {"tag": "$(id)"})
    assert [one.path for one in refused.value.complaints][-1] == "stages[1].build.procfile"
    assert "holds '$()'" in refused.value.complaints[-1].problem


def test_a_value_that_cannot_stand_where_it_is_used_is_refused_with_the_line() -> None:
    with pytest.raises(Complaints) as refused:
        resolve(TEXT, {"replicas": "301"})
    (only,) = refused.value.complaints
    assert (only.path, only.line) == ("stages[2].gray.instances", 14)
    assert only.problem == "301 is too many (from '${replicas}')"


def test_a_value_for_an_undeclared_variable_is_refused() -> None:
    with pytest.raises(Refused, match="no variable replica"):
        resolve(TEXT, {"replica": "3"})


def test_an_undeclared_variable_in_a_script_is_told_with_the_line_in_the_script() -> None:
    (only,) = check(TEXT.replace("      echo ${tag}", "      true\n      echo ${tga}"))
    assert only.line == 11
    assert "${tag}, or $${tga} for the variable of the shell" in only.instead


def test_a_default_that_holds_a_name_is_not_looked_into() -> None:
    text = TEXT.replace("script_word: echo", 'word: "${nobody}"').replace('B: "$${tag}"', 'B: "${word}"')
    deployment = parse(text).pipeline.deployment
    assert deployment is not None
    assert deployment.environment["B"] == "${nobody}"

"""A secret variable is a marker until somebody is handed its value, and stands only where that happens."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.builders.docker_labels import Pinned, key_of
from engine.complaints import Complaint
from engine.errors import Refused
from engine.image_build import Recipe
from engine.pipeline import check, parse, resolve
from engine.ports import BuildOrder, Commit
from engine.secret_variables import (
    MarkerSaid,
    SecretNotHere,
    check_value,
    in_form,
    in_json,
    marker,
    of_variables,
    revealed,
    secrets_in,
    tag_of,
    tagged,
)
from engine.variables import merge, substitute, system_variables
from engine.web_call import WebCall, web_call
from engine.yaml_text import read_yaml
from tests.support.store import T0

DEFINITION = """\
pipeline: shop
variables:
  tag: v1
  host: hooks.example.com
  key: {secret: true, description: the key}
stages:
  - name: code
    source: {git: "https://git.example.com/shop.git", branch: main}
    tell:
      - webhook: https://hooks.example.com/a?tag=${tag}
        headers: {Authorization: "Bearer ${key}"}
        body: '{"key": "${key}"}'
  - name: image
    build:
      image: shop/api:${tag}
      script: |
        publish --key "$key"
        echo ${key}
"""
COMPOSED = """\
pipeline: shop
variables: {major: "1", minor: "0", key: {secret: true}}
stages:
  - name: code
    source: {git: "https://git.example.com/shop.git", branch: main}
    tell:
      - webhook: https://hooks.example.com/a
        headers: {X-Key: "${key}", X-Version: "${major}.${minor}"}
        body: '{"version": "${major}.${minor}"}'
  - name: image
    build:
      image: a/b:v1
      arguments: {KEY: "${key}", VERSION: "${major}.${minor}"}
"""
SECRETS = {"key": marker("key"), "b": marker("b")}
DEPLOYED = """\
  - name: official
    official:
      strategy: rolling
      instances: 2
      service: {port: 18080}
      environment:
        KEY: ${key}
"""


def complaints(old: str = "", new: str = "", text: str = DEFINITION) -> tuple[Complaint, ...]:
    assert old in text
    return check(text.replace(old, new) if old else text)


def test_a_secret_may_stand_in_scripts_headers_and_bodies() -> None:
    assert complaints() == ()


def test_a_secret_may_stand_in_an_argument_of_a_build() -> None:
    script = DEFINITION[DEFINITION.index("      script:") :]
    assert complaints(script, "      arguments: {KEY: '${key}'}\n") == ()


@pytest.mark.parametrize(
    ("old", "new", "path", "instead"),
    [
        ("shop/api:${tag}", "shop/api:${key}", "stages[1].build.image", "a variable that is not secret"),
        ("branch: main", "branch: '${key}'", "stages[0].source.branch", "a variable that is not secret"),
        ("?tag=${tag}", "?key=${key}", "stages[0].tell[0].webhook", "it in headers: or in body:"),
        ("pipeline: shop\n", "pipeline: shop\ndescription: ${key}\n", "description", "a variable that is not secret"),
    ],
)
def test_everywhere_else_it_is_refused_with_what_to_write_instead(old: str, new: str, path: str, instead: str) -> None:
    [found] = [one for one in complaints(old, new) if "key is secret" in one.problem]
    assert (found.path, found.instead) == (path, instead)
    assert "kept with runs and releases" in found.problem


def test_an_environment_that_is_kept_with_releases_has_its_own_advice() -> None:
    [found] = [one for one in complaints(text=DEFINITION + DEPLOYED) if "secret" in one.problem]
    assert found.path == "stages[2].official.environment.KEY"
    assert "secretKeyRef" in found.instead


def test_a_definition_holds_no_value_of_a_secret() -> None:
    [found] = complaints("secret: true", "secret: true, value: hunter2-hunter2")
    assert found.path == "variables.key.value"
    assert "secret set" in found.instead
    assert "hunter2" not in str(found)


def test_a_secret_is_neither_sent_to_channels_nor_set_by_hooks() -> None:
    sent = complaints("    tell:\n", "    tell:\n      - {channel: done, parameters: {k: key}}\n")
    assert [(one.path, "not sent" in one.problem) for one in sent] == [("stages[0].tell[0].parameters.k", True)]
    starts = "starts:\n  - {webhook: go, parameters: {k: key}}\nstages:\n"
    assert [(one.path, "not set by a call" in one.problem) for one in complaints("stages:\n", starts)] == [
        ("starts[0].parameters.k", True)
    ]


def test_nobody_who_starts_a_run_chooses_the_host_that_a_secret_is_sent_to() -> None:
    [found] = complaints("https://hooks.example.com/", "https://${host}/")
    assert (found.path, found.instead) == ("stages[0].tell[0].webhook", "the host itself")
    without = DEFINITION.replace("${key}", "x")
    assert complaints("https://hooks.example.com/", "https://${host}/", without) == ()


def test_a_run_has_a_marker_where_the_value_would_be() -> None:
    assert parse(DEFINITION).variables == {"tag": "v1", "host": "hooks.example.com", "key": marker("key")}
    tell = resolve(DEFINITION, parse(DEFINITION).variables).stages[0].tell[0]
    assert re.fullmatch(r"Bearer ~secret\.key\.[0-9a-f]{32}~", tell.headers["Authorization"])
    assert of_variables(parse(DEFINITION).variables) == ("key",)


def outcome(**changes: str) -> tuple[WebCall, BuildOrder]:
    """What a run with these changes sends, and what it hands to a builder whose secret is `hunter2-hunter2`."""
    values = {**merge(parse(COMPOSED).variables, changes), **system_variables(T0, 7)}
    first, image = resolve(COMPOSED, values).stages
    raw = read_yaml(COMPOSED)[0]
    assert raw is not None
    assert image.build is not None
    order = BuildOrder(
        commit=Commit("", "", "", "", "", T0),
        image="a/b:v1",
        script="",
        procfile="",
        variables=values,
        timeout=timedelta(1),
        recipe=image.build.recipe,
        secrets={"key": "hunter2-hunter2"},
    )
    return web_call(raw.data()["stages"][0]["tell"][0], first.tell[0], values), order


def test_a_request_and_a_build_get_the_value_where_the_definition_has_it() -> None:
    call, order = outcome()
    assert secrets_in(call.headers["X-Key"], call.tag) == ("key",)
    assert secrets_in(call.body, call.tag) == ()
    assert order.arguments() == {"KEY": "hunter2-hunter2", "VERSION": "1.0"}
    assert order.environment()["key"] == "hunter2-hunter2"
    assert "hunter2" not in repr(order)


@pytest.mark.parametrize("opening", ["~secret", "~", "~secret.key."])
def test_two_values_that_make_up_a_marker_get_no_secret(opening: str) -> None:
    _, honest = outcome()
    for end in ("~secret.key~", f"~secret.key.{honest.tag}~"):
        try:
            call, order = outcome(major=opening, minor=end.removeprefix(opening).removeprefix("."))
        except MarkerSaid:
            continue
        assert secrets_in(call.body, call.tag) == ()
        assert secrets_in(call.headers["X-Version"], call.tag) == ()
        assert "hunter2" not in order.arguments()["VERSION"]
        assert "hunter2" not in str({name: value for name, value in order.environment().items() if name != "key"})


def test_a_marker_that_the_author_wrote_out_is_text() -> None:
    assert secrets_in(marker("key"), "") == ()
    order = replace(outcome()[1], recipe=Recipe(arguments={"KEY": marker("key")}))
    assert order.arguments() == {"KEY": marker("key")}


def test_what_a_build_depends_on_is_the_same_in_every_run() -> None:
    _, order = outcome()
    later = replace(order, variables={**order.variables, **system_variables(T0, 8)})
    again = replace(later, recipe=Recipe(arguments={**order.recipe.arguments, "KEY": tagged(later.variables)["key"]}))
    assert again.recipe.arguments != order.recipe.arguments
    assert key_of(again, Pinned()) == key_of(order, Pinned())


def test_a_run_is_not_given_a_value_for_a_secret() -> None:
    with pytest.raises(SecretNotHere) as refused:
        merge(parse(DEFINITION).variables, {"key": "hunter2-hunter2"})
    assert refused.value.value == "hunter2-hunter2", "so that whoever writes the line down can leave it out"
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


def test_nobody_brings_a_marker_along_in_another_variable() -> None:
    with pytest.raises(MarkerSaid):
        merge(parse(DEFINITION).variables, {"tag": f"v1-{marker('key')}"})
    with pytest.raises(Refused):
        resolve(DEFINITION, {"tag": marker("key")})


@pytest.mark.parametrize("value", ['quo"te and \\ back', "two\nlines", "a&b=c%20d", "ümlaut €", "~secret.other~x"[8:]])
def test_a_value_takes_the_place_of_its_marker_wherever_that_was_put(value: str) -> None:
    values = {"key": value}
    put, tag = tagged(SECRETS), tag_of(SECRETS)
    body = json.dumps({"text": f"key={put['key']}"})
    assert json.loads(revealed(body, tag, values, in_json)) == {"text": f"key={value}"}
    form = substitute("k=${key}", put)
    assert in_form(value) in revealed(form, tag, values, in_form)
    assert secrets_in(body, tag) == ("key",)
    assert revealed("nothing", tag, values) == "nothing"


def test_a_value_that_holds_a_marker_is_not_looked_into() -> None:
    put, tag = tagged(SECRETS), tag_of(SECRETS)
    assert revealed(put["key"], tag, {"key": put["b"], "b": "x"}) == put["b"]


@pytest.mark.parametrize("value", ["short", "x" * 20_000, "with\0zero-byte", f"holds {marker('x')}"])
def test_what_cannot_be_a_secret_is_refused_without_repeating_it(value: str) -> None:
    [problem] = check_value(value)
    assert value not in problem

"""Registries in the settings: each image has one home, and no password is ever shown."""

import base64
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.places.building import registries_of
from bot.settings import Settings
from engine.builders.docker_credentials import credentials_for_builds

HERE = Path("nowhere")


def settings(registries: object) -> Settings:
    return Settings.model_validate({"home": HERE, "registries": registries})


@pytest.mark.parametrize(
    ("registries", "words"),
    [
        ({"Main": {"address": "r.example.com"}}, "small letters"),
        ({"main": {}}, "required"),
        ({"main": {"address": "registry"}}, "HOST.DOMAIN"),
        ({"main": {"address": "me:pw@r.example.com"}}, "HOST.DOMAIN"),
        ({"main": {"address": "r.example.com/A"}}, "HOST.DOMAIN"),
        ({"main": {"address": "r.example.com", "organizations": ["a/b"]}}, "an organization has"),
        ({"a": {"address": "r.example.com"}, "b": {"address": "s.example.com"}}, "more than one registry"),
        (
            {
                "a": {"address": "r.example.com", "organizations": ["x"]},
                "b": {"address": "s.example.com", "organizations": ["x"]},
            },
            "the organization x is in 2 registries",
        ),
        ({"main": {"address": "r.example.com", "passwrod": "hunter2"}}, "passwrod"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_without_values(registries: object, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(registries)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_image_goes_to_the_registry_of_its_organization_and_others_to_the_one_for_all() -> None:
    known = registries_of(
        settings(
            {
                "ours": {"address": "r.example.com/team", "organizations": ["shop", "pay"]},
                "rest": {"address": "http://127.0.0.1:5000/"},
            }
        ).registries
    )
    assert known.place_of("shop/api:v1") == ("r.example.com/team/shop/api", "v1")
    assert known.place_of("pay/api:v1")[0] == "r.example.com/team/pay/api"
    assert known.place_of("other/api:v1")[0] == "127.0.0.1:5000/other/api"
    assert len(known.every) == 2
    assert registries_of({}).place_of("shop/api:v1") == ("shop/api", "v1")


def test_a_password_is_a_secret_of_the_settings_and_shown_to_the_engine_only_with_its_registry() -> None:
    given = settings({"main": {"address": "r.example.com", "user": "ann", "password": "hunter2"}})
    assert "hunter2" not in repr(given) + repr(registries_of(given.registries))
    assert [one.get_secret_value() for one in given.secrets] == ["hunter2"]
    nobody = settings({"main": {"address": "r.example.com"}})
    assert credentials_for_builds(registries_of(nobody.registries), ["shop/api:v1"]) == "e30="


def test_a_build_is_given_the_accounts_of_the_images_that_it_names_and_no_others() -> None:
    known = registries_of(
        settings(
            {
                "ours": {"address": "r.example.com/team", "organizations": ["shop"], "user": "ann", "password": "one"},
                "theirs": {"address": "s.example.com", "organizations": ["pay"], "user": "bob", "password": "two"},
                "rest": {"address": "t.example.com", "user": "eve", "password": "three"},
            }
        ).registries
    )
    own = {"r.example.com": {"username": "ann", "password": "one"}}
    assert json.loads(base64.urlsafe_b64decode(credentials_for_builds(known, ["shop/api:v1"]))) == own
    both = json.loads(base64.urlsafe_b64decode(credentials_for_builds(known, ["shop/api:v1", "pay/base:v1"])))
    assert both == {**own, "s.example.com": {"username": "bob", "password": "two"}}

"""Whom a complaint of the engine concerns: the author, an operator, or nobody who waits a little."""

import pytest

from engine.builders.docker_words import (
    BuildFailed,
    CopiesFromOutside,
    EngineClosed,
    EngineFull,
    RegistryInTrouble,
    RegistryRefusesPush,
    explain_build,
    explain_pull,
    explain_push,
    shortened,
)
from engine.errors import Broken, Interrupted, SluiceError, StageFailure

HERE = "unix:///var/run/docker.sock"
FAILED = "The command '/bin/sh -c make' returned a non-zero code: 137"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (FAILED, BuildFailed),
        ("COPY failed: forbidden path outside the build context: ../key ()", CopiesFromOutside),
        ("write /data/tmp: no space left on device", EngineFull),
        ("Get https://r.example.com/v2/: dial tcp: lookup r.example.com: no such host", Interrupted),
        ("received unexpected HTTP status: 503 Service Unavailable", Interrupted),
        ("toomanyrequests: You have reached your pull rate limit", Interrupted),
        ("manifest for shop/base:v1 not found: manifest unknown", StageFailure),
        ("pull access denied for shop/base, repository does not exist", StageFailure),
        ("http: server gave HTTP response to HTTPS client", EngineClosed),
        ("dockerfile parse error line 3: unknown instruction: FORM", BuildFailed),
    ],
)
def test_why_a_build_did_not_end_well_is_told_to_whom_it_concerns(words: str, kind: type[SluiceError]) -> None:
    assert isinstance(explain_build(HERE, words, [], memory=0), kind)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("unauthorized: authentication required", RegistryRefusesPush),
        ("denied: requested access to the resource is denied", RegistryRefusesPush),
        ("no basic auth credentials", RegistryRefusesPush),
        ("received unexpected HTTP status: 507 Insufficient Storage", RegistryInTrouble),
        ("dial tcp 127.0.0.1:5000: connect: connection refused", RegistryInTrouble),
        ("something that nobody has heard of", RegistryInTrouble),
        ("http: server gave HTTP response to HTTPS client", EngineClosed),
    ],
)
def test_a_push_is_tried_again_unless_somebody_must_act(words: str, kind: type[SluiceError]) -> None:
    said = explain_push(HERE, words, "shop/api:v1", "registry.example.com")
    assert isinstance(said, kind)
    assert isinstance(said, Broken | Interrupted)


def test_a_step_that_was_killed_under_a_memory_limit_is_told_of_it() -> None:
    assert "memory" in explain_build(HERE, FAILED, [], memory=1).hint
    assert "memory" not in explain_build(HERE, FAILED, [], memory=0).hint


def test_what_a_step_prints_itself_is_not_taken_for_the_network() -> None:
    words = "The command 'curl x: connection refused' returned a non-zero code: 7"
    assert isinstance(explain_build(HERE, words, ["connection refused"], memory=0), BuildFailed)


def test_what_cannot_be_fetched_for_good_is_left_to_the_author() -> None:
    assert explain_pull(HERE, "manifest unknown") is None


def test_foreign_words_are_one_line_of_some_length() -> None:
    said = shortened("a\nb\x1b[31m " + "x" * 5000)
    assert said.isprintable()
    assert len(said) < 700

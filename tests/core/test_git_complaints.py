"""Whom git's words concern."""

import pytest

from engine.errors import Broken, Interrupted, SluiceError, StageFailure
from engine.forges.address import parse_address
from engine.forges.complaints import Answer, explain

ADDRESS = parse_address("https://git.example.com/timeout/forbidden.git")
SAID = [
    (
        "fatal: unable to access 'https://git.example.com/timeout/forbidden.git/': Could not resolve host: x",
        Interrupted,
    ),
    ("fatal: unable to access 'x': Failed to connect to git.example.com port 443: Connection refused", Interrupted),
    ("error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nfatal: early EOF", Interrupted),
    ("fatal: unable to access 'x': The requested URL returned error: 502", Interrupted),
    ("ssh: Could not resolve hostname x: Name or service not known\nfatal: Could not read from remote.", Interrupted),
    ("fatal: Authentication failed for 'https://git.example.com/timeout/forbidden.git/'", StageFailure),
    ("fatal: could not read Username for 'https://git.example.com': terminal prompts disabled", StageFailure),
    ("git@git.example.com: Permission denied (publickey).\nfatal: Could not read from remote.", StageFailure),
    ("fatal: repository 'https://git.example.com/timeout/forbidden.git/' not found", StageFailure),
    ("Host key verification failed.\nfatal: Could not read from remote repository.", Broken),
    ("fatal: unable to access 'x': SSL certificate problem: self-signed certificate", Broken),
    ("fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output", Broken),
    ("fatal: something nobody has heard of", StageFailure),
]


@pytest.mark.parametrize(("complaint", "kind"), SAID)
def test_a_complaint_goes_to_whom_it_concerns(complaint: str, kind: type[SluiceError]) -> None:
    assert isinstance(explain(ADDRESS, Answer(128, "", complaint)), kind)


def test_git_that_was_killed_or_too_slow_is_tried_again() -> None:
    assert isinstance(explain(ADDRESS, Answer(-9, "", "")), Interrupted)
    assert isinstance(explain(ADDRESS, Answer(0, "", "", timed_out=True)), Interrupted)


def test_the_words_of_an_address_are_not_taken_for_a_reason() -> None:
    error = explain(ADDRESS, Answer(128, "", f"fatal: odd thing at {ADDRESS.url}"))
    assert type(error).__name__ == "GitFailed"

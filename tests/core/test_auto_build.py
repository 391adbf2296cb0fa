"""Which pushes start a pipeline by itself, where only who pushed makes the difference."""

import pytest

from engine.definition import AutoBuild, Source
from engine.forges.auto_build import Passes, Starts, Wanted, decide
from engine.forges.payloads import Push

PUSH = Push("branch", "main", "a" * 40, "b" * 40, "shop/api", "Release-Bot")


def wanted(*ignored: str) -> Wanted:
    auto = AutoBuild(branches=("main",), webhook="manual", ignore=ignored)
    return Wanted("code", Source(git="https://git.example.com/shop/api.git", auto_build=auto), auto)


@pytest.mark.parametrize("ignored", ["release-bot", "Release-Bot", "RELEASE-BOT"])
def test_a_push_by_a_machine_user_that_the_definition_ignores_starts_nothing(ignored: str) -> None:
    assert decide(PUSH, wanted("ann", ignored)) == Passes("pushes by Release-Bot are ignored")


@pytest.mark.parametrize("ignored", [(), ("ann",), ("release",)])
def test_everybody_elses_pushes_start_what_they_did(ignored: tuple[str, ...]) -> None:
    assert isinstance(decide(PUSH, wanted(*ignored)), Starts)

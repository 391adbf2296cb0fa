"""Whose account is used, and for which repository, stands in the definition: no value of a run chooses it."""

import pytest

from engine.complaints import Complaints
from engine.pipeline import check, resolve

DEFINITION = """\
pipeline: shop
variables: {{acc: "", repo: public, ref: main}}
stages:
  - name: code
    source: {{git: "https://git.example.com/ann/{repository}", branch: "${{ref}}", account: "{account}"}}
"""


def written(repository: str = "shop", account: str = "forge") -> str:
    return DEFINITION.format(repository=repository, account=account)


@pytest.mark.parametrize("account", ["${acc}", "ann-${acc}"])
def test_the_account_is_no_value_of_a_run(account: str) -> None:
    [found] = check(written(account=account))
    assert (found.path, found.instead) == ("stages[0].source.account", "the account's name, or leave it out")
    assert "whoever starts a run" in found.problem


def test_what_is_fetched_with_an_account_is_no_value_of_a_run() -> None:
    [found] = check(written("${repo}"))
    assert (found.path, found.instead) == (
        "stages[0].source.git",
        "the repository's whole address, or no account beside it",
    )


def test_both_at_once_are_both_said() -> None:
    found = check(written("${repo}", "${acc}"))
    assert [one.path for one in found] == ["stages[0].source.git", "stages[0].source.account"]


def test_without_an_account_an_address_may_hold_variables() -> None:
    assert check(written("${repo}", "")) == ()


def test_the_branch_and_the_tag_may_be_values_of_a_run() -> None:
    assert check(written()) == ()


def test_no_run_is_made_of_a_definition_that_was_kept_with_such_a_value() -> None:
    with pytest.raises(Complaints):
        resolve(written("${repo}", "${acc}"), {"acc": "ann-forge", "repo": "secret"})

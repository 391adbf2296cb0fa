"""Policies as rules: which requests belong to the new version."""

from collections.abc import Mapping

import pytest
import re2
import yaml

from engine.definition import ContentRule, Policy, Text
from engine.rollout.fleet import HeaderTest, Matcher, Rule
from engine.rollout.traffic import describe_rules, matches, rules_as_yaml, rules_of


def policy(*groups: Mapping[str, object], ratio: int | None = None) -> Policy:
    return Policy.model_validate({"ratio": ratio, "content": groups})


EXACT = rules_of(policy({"cookie": {"exact": "beta=yes"}}))
LIKE = rules_of(policy({"cookie": {"regex": "beta=(yes|1)"}}))


@pytest.mark.parametrize(
    ("cookies", "belongs"),
    [
        ("beta=yes", True),
        ("a=1; beta=yes", True),
        ("beta=yes; a=1", True),
        ("a=1;beta=yes;b=2", True),
        ("a=1;  beta=yes ;b=2", True),
        ("a=;beta=yes", True),
        ("beta=yesterday", False),
        ("xbeta=yes", False),
        ("a=beta=yes", False),
        ("beta=ye", False),
        ("BETA=yes", False),
        ("beta = yes", False),
        ("a=1, beta=yes", False),
        ("beta=yes,a=1", False),
        ("", False),
    ],
)
def test_a_cookie_is_one_whole_pair_among_the_cookies(cookies: str, belongs: bool) -> None:  # noqa: FBT001
    assert matches(EXACT, {"Cookie": cookies}) is belongs
    assert matches(LIKE, {"cookie": cookies}) is belongs


def test_the_expression_of_a_cookie_must_match_the_whole_pair() -> None:
    assert matches(LIKE, {"cookie": "a=b; beta=1"})
    assert not matches(LIKE, {"cookie": "beta=12"})
    alternatives = rules_of(policy({"cookie": {"regex": "a=1|b=2"}}))
    assert [matches(alternatives, {"cookie": value}) for value in ("a=1", "x; b=2", "a=12", "xa=1", "b=22")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_characters_of_an_exact_cookie_have_no_other_meaning() -> None:
    rules = rules_of(policy({"cookie": {"exact": "a.b=(x|y)*[1]$"}}))
    assert matches(rules, {"cookie": "c=1; a.b=(x|y)*[1]$"})
    assert not matches(rules, {"cookie": "aXb=x"})


def test_a_header_is_held_against_its_whole_value_and_its_name_in_any_case() -> None:
    rules = rules_of(policy({"headers": {"X-Tester": {"regex": "team-(a|b)"}, "X-Country": {"exact": "DE"}}}))
    assert matches(rules, {"x-tester": "team-a", "X-COUNTRY": "DE"})
    assert not matches(rules, {"x-tester": "team-a"})
    assert not matches(rules, {"x-tester": "team-ab", "x-country": "DE"})
    assert not matches(rules, {"x-tester": "a team-a", "x-country": "DE"})
    assert not matches(rules, {"x-tester": "team-a", "x-country": "de"})


def test_groups_are_alternatives_and_tests_of_a_group_are_not() -> None:
    rules = rules_of(policy({"headers": {"a": {"exact": "1"}}, "cookie": {"exact": "b=2"}}, {"systems": ["ios"]}))
    assert not matches(rules, {"a": "1"})
    assert matches(rules, {"a": "1", "cookie": "b=2"})
    assert matches(rules, {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"})


def test_a_policy_without_content_lets_no_request_through() -> None:
    assert rules_of(Policy(ratio=20)) == ()
    assert not matches((), {"cookie": "beta=yes"})


def test_a_negated_test_is_passed_by_a_request_without_the_header() -> None:
    rule = Rule((HeaderTest("x", Matcher.EXACT, "1", negate=True),))
    assert [matches((rule,), headers) for headers in ({}, {"x": "2"}, {"x": "1"})] == [True, True, False]


def test_each_pair_of_system_and_browser_is_one_rule_with_a_label() -> None:
    rules = rules_of(
        policy({"systems": ["ios", "windows"], "browsers": ["chrome", "edge"], "cookie": {"exact": "a=b"}})
    )
    assert [rule.label for rule in rules] == [
        "a cookie a=b and Chrome on iOS",
        "a cookie a=b and Edge on iOS",
        "a cookie a=b and Chrome on Windows",
        "a cookie a=b and Edge on Windows",
    ]


def test_every_rule_asks_first_for_something_that_must_be_there() -> None:
    names = {
        "systems": ["ios", "android", "windows", "macos", "linux"],
        "browsers": ["chrome", "360", "ie", "safari", "sogou", "edge"],
    }
    rules = rules_of(policy(names))
    assert len(rules) == 30
    assert not any(rule.tests[0].negate for rule in rules)
    assert not matches(rules, {})
    assert not matches(rules, {"user-agent": ""})


def test_every_expression_is_one_that_re2_takes() -> None:
    names = {
        "systems": ["ios", "android", "macos"],
        "browsers": ["chrome", "ie", "safari"],
        "cookie": {"regex": "(?i)a=.*"},
    }
    for rule in rules_of(policy(names)):
        for test in rule.tests:
            re2.compile(test.value)


def test_a_policy_is_told_in_words() -> None:
    told = describe_rules(
        policy(
            {"cookie": {"exact": "beta=yes"}},
            {"headers": {"X-Tester": {"regex": "team-(a|b)"}}, "systems": ["ios", "macos"], "browsers": ["360"]},
            ratio=20,
        )
    )
    assert told == (
        "20 % of the plain requests; and requests with a cookie beta=yes; and requests with X-Tester like team-(a|b) "
        "and the system iOS or macOS and the browser 360"
    )
    assert describe_rules(Policy()) == ""


def test_rules_are_shown_as_yaml() -> None:
    rules = rules_of(Policy(content=(ContentRule(headers={"X-A": Text(exact="1")}, systems=("linux",)),)))
    assert yaml.safe_load(rules_as_yaml(rules)) == [
        {
            "label": "X-A 1 and Linux",
            "all_of": [
                {"header": "x-a", "is": "1"},
                {"header": "user-agent", "matches": rules[0].tests[1].value},
                {"header": "user-agent", "does not match": rules[0].tests[2].value},
            ],
        }
    ]
    assert rules_as_yaml(()) == "[]\n"

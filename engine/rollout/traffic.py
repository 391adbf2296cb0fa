"""Who gets the new version: a policy as rules on request headers that every proxy understands, and the rules in words.

A group of tests of a policy becomes one rule for each pair of operating system and browser that it names: rules are
alternatives, the tests of one rule must all pass. `matches` answers for one request what the proxy would do, so that a
plan can show it and the tests can hold every proxy against it.

A cookie is tested as one whole pair among those of the Cookie header: `beta=yes` is found in `a=1; beta=yes` and not
in `xbeta=yes` or `beta=yesterday`. The expression of a cookie must match one pair from its first to its last
character. RE2 knows no "anything but the end of the pair", so `.` in it can reach over a semicolon; write `[^;]*` for
any value.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Any

import re2
import yaml

from engine.definition import ContentRule, Policy, Text
from engine.rollout.fleet import HeaderTest, Matcher, Rule
from engine.rollout.user_agents import browser_tests, system_tests

_TITLES = {
    "ios": "iOS",
    "android": "Android",
    "windows": "Windows",
    "macos": "macOS",
    "linux": "Linux",
    "chrome": "Chrome",
    "360": "360",
    "ie": "Internet Explorer",
    "safari": "Safari",
    "sogou": "Sogou",
    "edge": "Edge",
}


def rules_of(policy: Policy) -> tuple[Rule, ...]:
    """Give the alternatives under which a request belongs to the new version, in the order of the policy."""
    return tuple(rule for group in policy.content for rule in _rules_of_group(group))


def matches(rules: tuple[Rule, ...], headers: Mapping[str, str]) -> bool:
    """Tell whether a request with `headers` belongs to the new version. Names of headers are taken in any case."""
    low = {name.lower(): value for name, value in headers.items()}
    return any(all(_passes(test, low.get(test.name.lower())) for test in rule.tests) for rule in rules)


def describe_rules(policy: Policy) -> str:
    """Say in one sentence who gets the new version; empty when the policy says nothing."""
    parts = [] if policy.ratio is None else [f"{policy.ratio} % of the plain requests"]
    parts += [f"requests with {_group_in_words(group)}" for group in policy.content]
    return "; and ".join(parts)


def rules_as_yaml(rules: tuple[Rule, ...]) -> str:
    """Write the rules as YAML for people: what the proxy is told, one alternative an item."""
    items: list[dict[str, Any]] = [
        {"label": rule.label, "all_of": [_test_as_data(test) for test in rule.tests]} for rule in rules
    ]
    return yaml.safe_dump(items, sort_keys=False, allow_unicode=True, width=1000) if items else "[]\n"


def _rules_of_group(group: ContentRule) -> Iterator[Rule]:
    shared = tuple(_shared_tests(group))
    for system, browser in product(group.systems or ("",), group.browsers or ("",)):
        told = (*(system_tests(system) if system else ()), *(browser_tests(browser) if browser else ()))
        yield Rule((*shared, *dict.fromkeys(told)), _label(group, system, browser))


def _shared_tests(group: ContentRule) -> Iterator[HeaderTest]:
    if group.cookie is not None:
        yield HeaderTest("cookie", Matcher.REGEX, rf"(?:.*;)?[ \t]*(?:{_pair(group.cookie)})[ \t]*(?:;.*)?")
    for name, text in group.headers.items():
        if text.exact is not None:
            yield HeaderTest(name.lower(), Matcher.EXACT, text.exact)
        else:
            yield HeaderTest(name.lower(), Matcher.REGEX, text.regex or "")


def _pair(cookie: Text) -> str:
    if cookie.exact is None:
        return cookie.regex or ""
    return str(re2.escape(cookie.exact))


def _passes(test: HeaderTest, value: str | None) -> bool:
    if value is None:
        return test.negate
    held = value == test.value if test.how is Matcher.EXACT else _compiled(test.value).fullmatch(value) is not None
    return held != test.negate


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _label(group: ContentRule, system: str, browser: str) -> str:
    words = [*_values_in_words(group)]
    if browser:
        words.append(f"{_TITLES[browser]} on {_TITLES[system]}" if system else _TITLES[browser])
    elif system:
        words.append(_TITLES[system])
    return " and ".join(words)


def _group_in_words(group: ContentRule) -> str:
    words = [*_values_in_words(group)]
    if group.systems:
        words.append(f"the system {' or '.join(_TITLES[name] for name in group.systems)}")
    if group.browsers:
        words.append(f"the browser {' or '.join(_TITLES[name] for name in group.browsers)}")
    return " and ".join(words)


def _values_in_words(group: ContentRule) -> Iterator[str]:
    if group.cookie is not None:
        yield f"a cookie {_text_in_words(group.cookie)}"
    for name, text in group.headers.items():
        yield f"{name} {_text_in_words(text)}"


def _text_in_words(text: Text) -> str:
    return text.exact if text.exact is not None else f"like {text.regex}"


def _test_as_data(test: HeaderTest) -> dict[str, str]:
    relation = ("is not" if test.negate else "is") if test.how is Matcher.EXACT else None
    return {"header": test.name, relation or ("does not match" if test.negate else "matches"): test.value}

"""Label selectors as Kubernetes writes them, to tell whether an object belongs to a list."""

import re
from collections.abc import Callable, Mapping
from functools import cache

from engine.errors import InvariantViolation

Test = Callable[[Mapping[str, str]], bool]
_KEY, _VALUE = r"[A-Za-z0-9][A-Za-z0-9./_-]*", r"[A-Za-z0-9._-]*"
_REQUIREMENT = re.compile(
    rf"\s*(?:"
    rf"(?P<without>!)\s*(?P<absent>{_KEY})"
    rf"|(?P<within>{_KEY})\s+(?P<way>in|notin)\s*\((?P<values>[^()]*)\)"
    rf"|(?P<key>{_KEY})\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})"
    rf"|(?P<present>{_KEY})"
    rf")\s*(?:,|$)"
)


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether `selector` (empty: every object) selects an object with `labels`."""
    return all(test(labels) for test in _tests(selector))


@cache
def _tests(selector: str) -> tuple[Test, ...]:
    tests, at = [], 0
    while at < len(selector):
        found = _REQUIREMENT.match(selector, at)
        if found is None:
            raise InvariantViolation(f"{selector!r} is no label selector.")
        tests.append(_test(found))
        at = found.end()
    return tuple(tests)


def _test(found: re.Match[str]) -> Test:
    if found["without"]:
        return lambda labels: found["absent"] not in labels
    if found["present"]:
        return lambda labels: found["present"] in labels
    key = found["within"] or found["key"]
    values = {each.strip() for each in found["values"].split(",")} if found["within"] else {found["value"]}
    if found["way"] == "notin" or found["sign"] == "!=":
        return lambda labels: labels.get(key) not in values
    return lambda labels: labels.get(key) in values

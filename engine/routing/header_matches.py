"""Rules on request headers in the words of VirtualServices and HTTPRoutes.

The danger: both hold the tests of one match by the header's name, and a rule may hold several on one header. Operating
system and browser are both read off User-Agent; and the route that is found may test the very header that a rule tests.
RE2 has no "and", so two tests do not become one expression. A test that is lost lets in people who were not meant.

How a VirtualService takes them: its proxy reads names of headers in any case, and Istio hands them on as they are
written. So the second test of a header stands under another spelling of its name (``User-Agent`` beside
``user-agent``), and every test stays what it was.

Istio holds a negated test against the empty text when the header is missing. Where that would decide otherwise, the
rule becomes two matches: one for requests without the header, one for those with it.

An HTTPRoute takes the first of several equal names and cannot negate. What it cannot say is refused, never left out.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product

import re2

from engine.errors import StageFailure
from engine.model import Json
from engine.rollout.fleet import HeaderTest, Matcher, Rule

_LONGEST_IN_ISTIO = 1024
_LONGEST_VALUE = 4096
_MOST_HEADERS = 16
_EMPTY = {"regex": "(?:)"}
_PRESENT: Json = {}


@dataclass(frozen=True, slots=True)
class Condition:
    """What one match of a VirtualService asks of a header: that it is as `how` says, or, if `without`, that not."""

    name: str
    how: Json
    without: bool = False


def conditions(rules: Iterable[Rule]) -> list[tuple[Condition, ...]]:
    """Give the alternatives under which a request passes one of `rules`, as a VirtualService says them."""
    return [
        tuple(chain.from_iterable(choice))
        for rule in rules
        for choice in product(*(_as_conditions(rule, test) for test in rule.tests))
    ]


def joined(match: Json, wanted: Iterable[Condition]) -> Json:
    """`match` of a VirtualService, which asks for `wanted` too."""
    made = dict(match)
    for one in wanted:
        key = "withoutHeaders" if one.without else "headers"
        held = made.get(key, {})
        if not any(name.lower() == one.name and how == one.how for name, how in held.items()):
            made[key] = {**held, _free(one.name, held): one.how}
    return made


def header_matches(rule: Rule) -> list[Json]:
    """Give the tests of `rule` as an HTTPRoute says them. Raises `StageFailure` when it cannot."""
    return [_as_header_match(rule, test) for test in rule.tests]


def with_headers(match: Json, wanted: Sequence[Json], rule: Rule) -> Json:
    """`match` of an HTTPRoute, which asks for the headers `wanted` too."""
    made = list(match.get("headers", ()))
    for one in wanted:
        same = [each for each in made if each["name"].lower() == one["name"]]
        if any(each["value"] == one["value"] and each.get("type", "Exact") == one["type"] for each in same):
            continue
        if same:
            raise _untellable(rule, f"would be a second test of the header {one['name']}, and an HTTPRoute takes one")
        made.append(one)
    if len(made) > _MOST_HEADERS:
        raise _untellable(rule, f"makes {len(made)} tests of headers, and an HTTPRoute takes {_MOST_HEADERS}")
    return {**match, "headers": made} if made else dict(match)


def name_of(rule: Rule) -> str:
    """Name a rule for people."""
    return f"The rule for {rule.label}" if rule.label else f"The rule on {_names(rule)}"


def _as_conditions(rule: Rule, test: HeaderTest) -> tuple[tuple[Condition, ...], ...]:
    name, how = test.name.lower(), _how(rule, test)
    if not test.negate:
        return ((Condition(name, how),),)
    unlike = Condition(name, how, without=True)
    if not _takes_nothing(test):
        return ((unlike,),)
    return (Condition(name, _PRESENT, without=True),), (Condition(name, _PRESENT), unlike)


def _how(rule: Rule, test: HeaderTest) -> Json:
    if not test.value:
        return _EMPTY
    if test.how is Matcher.EXACT:
        return {"exact": test.value}
    length = len(test.value.encode())
    if length > _LONGEST_IN_ISTIO:
        raise StageFailure(
            f"{name_of(rule)} has an expression of {length} characters, and Istio takes {_LONGEST_IN_ISTIO}.",
            hint="Write a shorter expression, or two rules.",
        )
    return {"regex": test.value}


def _takes_nothing(test: HeaderTest) -> bool:
    """Whether an empty value passes the test as it was before it was negated."""
    if test.how is Matcher.EXACT:
        return not test.value
    options = re2.Options()
    options.log_errors = False
    return re2.compile(test.value, options).fullmatch("") is not None


def _free(name: str, taken: Collection[str]) -> str:
    for spelling in _spellings(name):
        if spelling not in taken:
            return spelling
    raise StageFailure(
        f"The header {name} is tested more often in one rule than Istio takes.", hint="Write fewer tests of it."
    )


def _spellings(name: str) -> Iterator[str]:
    """Give the ways to write the same name, the usual ones first."""
    letters = (sorted({letter, letter.upper()}, reverse=True) for letter in name)
    return chain((name, name.title(), name.upper()), ("".join(each) for each in product(*letters)))


def _as_header_match(rule: Rule, test: HeaderTest) -> Json:
    if test.negate:
        raise _untellable(
            rule, f"asks for requests whose {test.name} is not like something, which no HTTPRoute can say"
        )
    value = test.value or ("(?:)" if test.how is Matcher.REGEX else "")
    if not 0 < len(value) <= _LONGEST_VALUE:
        size = f"{len(value)} characters" if value else "an empty text"
        raise _untellable(rule, f"holds {test.name} against {size}, and an HTTPRoute takes 1 to {_LONGEST_VALUE}")
    kind = "Exact" if test.how is Matcher.EXACT else "RegularExpression"
    return {"type": kind, "name": test.name.lower(), "value": value}


def _untellable(rule: Rule, why: str) -> StageFailure:
    ways_out = "Write strategy: istio where Istio runs, or leave systems and browsers out of the policy"
    return StageFailure(f"{name_of(rule)} {why}.", hint=f"{ways_out}, or release by ratio alone.")


def _names(rule: Rule) -> str:
    return " and ".join(dict.fromkeys(test.name for test in rule.tests)) or "every request"

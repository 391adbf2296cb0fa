"""What the Gateway API is told: HTTPRoutes that were found, with weights and tests of headers, as values. Pure.

Only a route that is there already is changed: which gateway and which host names a workload has is its owners' affair.
Every rule that leads to the own Service gets the split among its backends; for those who pass a rule of the policy it
is preceded by copies of itself, each of its matches together with each of ours. When everything goes to the own
Service, the rules are those that were found.

What is different from Istio:

* The order of the rules hardly matters. The longest path wins, then a method, then the number of headers, then that of
  query parameters, and only then the order. A copy with more headers than the rule it was made of can so take requests
  from a rule of somebody else that used to win against that one. Where this can happen it is refused.
* A test cannot be negated, nor can two tests be held against one header (see `engine.routing.header_matches`).
* Expressions (``RegularExpression``) are specific to the implementation: which dialect it speaks, whether a value must
  match as a whole, and whether it takes them at all. Those built on Envoy take RE2 and match the whole value. One that
  takes none says so in the status of the route, see `trouble`.
* 16 rules, 128 matches in all, and in each rule 8 (64 in newer versions; no more than 8 are written, which all take).
  A rule that rewrites the prefix of a path takes one match only.

A gateway follows a route when its conditions, written for this generation of it, say so.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from itertools import product

from engine.errors import StageFailure
from engine.model import Json
from engine.rollout.fleet import Route, Rule
from engine.routing import ways as kept
from engine.routing.header_matches import header_matches, name_of, with_headers
from engine.routing.split_lists import SplitList
from engine.routing.ways import Made, Ways, is_home, matched_service, outline, shares, spread

__all__ = [
    "Made",
    "Ways",
    "effective",
    "follows",
    "is_for",
    "is_split",
    "memory",
    "remembered",
    "restored",
    "routed",
    "split_list",
    "trouble",
]

_LISTS = ("rules",)
_SHOWN = ("parentRefs", "hostnames", *_LISTS)
_MOST_RULES = 16
_MOST_MATCHES = 128
_IN_A_RULE = 8
_MUST_HOLD = ("Accepted", "ResolvedRefs")
_EVERY_PATH = {"type": "PathPrefix", "value": "/"}


def is_for(http_route: Json, ways: Ways) -> bool:
    """Whether a rule of this HTTPRoute leads to the own Service, or did before all of it was sent elsewhere."""
    return any(
        _is_ours(each, one, ways)
        for one in (http_route, remembered(http_route))
        if one is not None
        for rule in _rules(one)
        for each in rule.get("backendRefs", ())
    )


def routed(found: Json | None, route: Route, ways: Ways) -> Made:
    """The object to apply so that `route` holds. Raises `StageFailure` where an HTTPRoute cannot say it."""
    if found is None or not is_for(found, ways):
        raise StageFailure(
            f"No HTTPRoute leads to the Service {ways.namespace}/{ways.service} at port {ways.port}.",
            hint="Make one whose backendRefs name it, or write a strategy that shares by instances.",
        )
    rules = deepcopy(_rules(found))
    if not is_home(route, ways):
        _see_that_nobody_is_robbed(found, route, ways)
        rules = [one for each in rules for one in _sent(found, each, route, ways)]
        _see_that_it_is_not_too_much(found, rules)
    return {**outline(found), "spec": {"rules": rules}}


def restored(found: Json) -> Made:
    """What puts back the rules that were found."""
    return {**outline(found), "spec": {"rules": deepcopy(_rules(found))}}


def follows(live: Json | None, route: Route, ways: Ways) -> bool:
    """Whether the live object sends requests exactly so, and no gateway says that it does not follow it yet."""
    if live is None:
        return is_home(route, ways)
    wanted = routed(remembered(live) or live, route, ways)
    return wanted["spec"]["rules"] == _rules(live) and _is_current(live) and not trouble(live)


def trouble(live: Json) -> str:
    """Why a gateway does not follow this HTTPRoute, in words; empty when none says that."""
    said = (
        f"{_gateway(parent)} does not follow {_title(live)}: {condition.get('message') or condition.get('reason', '')}"
        for parent, condition in _conditions(live)
        if condition["status"] == "False"
    )
    return next(said, "")


def effective(live: Iterable[Json]) -> str:
    """Which requests these objects speak for and where they send them, as YAML for people."""
    return kept.for_people(live, _SHOWN)


def memory(found: Json) -> str:
    """What to write down of `found` in the annotation `engine.routing.ways.FOUND`, before it is changed."""
    return kept.memory(found, _LISTS)


def remembered(live: Json) -> Made | None:
    """`live` as it was found, from what was written down on it."""
    return kept.remembered(live, _LISTS)


def is_split(live: Json, ways: Ways) -> bool:
    """Whether it leads to a Service of one group alone, as against being as its owners write it."""
    return any(_speaks_of(each, live, ways, ways.apart) for each in _rules(live))


def split_list(live: Json, said: Json, ways: Ways) -> SplitList | None:
    """What is split of `live`, of which `said` was written last; None when what was found is not written down on it."""

    def is_ours(entry: Json) -> bool:
        return _speaks_of(entry, live, ways, {ways.service, *ways.apart})

    found = remembered(live)
    if found is None:
        return None
    return SplitList("rules", "backendRefs", found, said, live, is_ours, is_split(live, ways))


def _sent(found: Json, rule: Json, route: Route, ways: Ways) -> Iterator[Json]:
    """`rule` with the split, after its copies for those who pass a rule of the policy."""
    is_ours = partial(_is_ours, found=found, ways=ways)
    if not _leads_to_us(rule, found, ways):
        yield rule
        return

    def split(parts: Mapping[str, int]) -> list[Made]:
        return spread(rule["backendRefs"], parts, is_ours, _twin, unweighted=1)

    service = matched_service(route, ways)
    if service is not None:
        both = [match for each in route.rules for match in _both(rule, each)]
        for number, part in enumerate(_parts(both, 1 if _rewrites_prefix(rule) else _IN_A_RULE), 1):
            named = {"name": f"{rule['name']}-{route.matched}-{number}"} if "name" in rule else {}
            yield {**rule, **named, "matches": part, "backendRefs": split({service: 100})}
    yield {**rule, "backendRefs": split(shares(route, ways))}


def _both(rule: Json, ours: Rule) -> list[Json]:
    wanted = header_matches(ours)
    return [with_headers(match, wanted, ours) for match in _matches(rule)]


def _twin(found: Json, service: str) -> Json:
    return {**found, "name": service}


def _is_ours(backend: Json, found: Json, ways: Ways) -> bool:
    namespace = backend.get("namespace", found["metadata"].get("namespace", ways.namespace))
    named = (backend.get("group", ""), backend.get("kind", "Service"), backend.get("name"), backend.get("port"))
    return bool(namespace == ways.namespace and named == ("", "Service", ways.service, ways.port))


def _leads_to_us(rule: Json, found: Json, ways: Ways) -> bool:
    """Whether any request goes to the own Service by this rule: a backend without weight gets none."""
    return any(_is_ours(each, found, ways) and each.get("weight", 1) > 0 for each in rule.get("backendRefs", ()))


def _speaks_of(rule: Json, live: Json, ways: Ways, services: Collection[str]) -> bool:
    """Whether the rule names one of `services` as a backend, with whatever weight."""
    here = live["metadata"].get("namespace", ways.namespace)
    return any(
        each.get("namespace", here) == ways.namespace
        and (each.get("group", ""), each.get("kind", "Service")) == ("", "Service")
        and each.get("name") in services
        for each in rule.get("backendRefs", ())
    )


def _rules(http_route: Json) -> list[Json]:
    rules: list[Json] = http_route.get("spec", {}).get("rules") or []
    return rules


def _matches(rule: Json) -> list[Json]:
    return [{"path": _EVERY_PATH, **match} for match in rule.get("matches") or [{}]]


def _parts(matches: Sequence[Json], size: int) -> Iterator[list[Json]]:
    for start in range(0, len(matches), size):
        yield list(matches[start : start + size])


def _rewrites_prefix(rule: Json) -> bool:
    filters = [*rule.get("filters", ()), *(one for each in rule["backendRefs"] for one in each.get("filters", ()))]
    paths = (one[kind].get("path", {}) for one in filters for kind in ("urlRewrite", "requestRedirect") if kind in one)
    return any("replacePrefixMatch" in path for path in paths)


def _see_that_nobody_is_robbed(found: Json, route: Route, ways: Ways) -> None:
    """Refuse copies that would win where a rule that does not lead to us wins now."""
    if matched_service(route, ways) is None:
        return
    rules = _rules(found)
    ours = [at for at, rule in enumerate(rules) if _leads_to_us(rule, found, ways)]
    others = [at for at in range(len(rules)) if at not in ours]
    for ours_at, others_at, one in product(ours, others, route.rules):
        for match, theirs in product(_matches(rules[ours_at]), _matches(rules[others_at])):
            copy, theirs_ranks = with_headers(match, header_matches(one), one), _rank(theirs, others_at)
            if _meet(match, theirs) and _rank(match, ours_at) < theirs_ranks < _rank(copy, ours_at):
                raise _robbed(found, others_at, one)


def _meet(one: Json, other: Json) -> bool:
    """Whether neither wins against the other by its path or its method alone."""
    return bool(one["path"] == other["path"] and one.get("method") == other.get("method"))


def _rank(match: Json, at: int) -> tuple[int, int, int]:
    """How a match stands against another one of the same path and method; the greater wins."""
    return len(match.get("headers", ())), len(match.get("queryParams", ())), -at


def _robbed(found: Json, at: int, ours: Rule) -> StageFailure:
    rule = _rules(found)[at]
    named = f"rule {rule['name']}" if "name" in rule else f"rule {at + 1}"
    return StageFailure(
        f"{name_of(ours)} would take requests from {named} of {_title(found)}, which goes elsewhere: "
        "in an HTTPRoute the match with more headers wins.",
        hint="Release by ratio alone, or write strategy: istio where Istio runs.",
    )


def _see_that_it_is_not_too_much(found: Json, rules: Sequence[Json]) -> None:
    matches = sum(len(rule.get("matches") or [{}]) for rule in rules)
    for count, most, what in ((len(rules), _MOST_RULES, "rules"), (matches, _MOST_MATCHES, "matches")):
        if count > most:
            raise StageFailure(
                f"{_title(found)} would have {count} {what}, and the Gateway API takes {most}.",
                hint="Write fewer rules into the policy, or name fewer systems and browsers.",
            )


def _is_current(live: Json) -> bool:
    generation = live["metadata"].get("generation", 0)
    return all(condition.get("observedGeneration", generation) >= generation for _, condition in _conditions(live))


def _conditions(live: Json) -> Iterator[tuple[Json, Json]]:
    """What each gateway says of the route, as far as it must hold."""
    for parent in live.get("status", {}).get("parents") or ():
        for condition in parent.get("conditions") or ():
            if condition["type"] in _MUST_HOLD:
                yield parent, condition


def _gateway(parent: Json) -> str:
    named = parent.get("parentRef", {})
    return f"{named.get('kind', 'Gateway')} {named.get('name', '')}".strip()


def _title(http_route: Json) -> str:
    metadata = http_route["metadata"]
    return f"HTTPRoute {'/'.join(metadata[key] for key in ('namespace', 'name') if key in metadata)}"

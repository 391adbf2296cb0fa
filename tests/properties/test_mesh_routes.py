"""Any route in any VirtualService or HTTPRoute sends each of our requests where it should, and takes no other."""

import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from engine.definition import Policy
from engine.errors import StageFailure
from engine.rollout.fleet import HeaderTest, Matcher, Route, Rule
from engine.rollout.traffic import matches, rules_of
from engine.routing import gateway, istio
from engine.routing.ways import FOUND, Ways, matched_service, outline, shares
from tests.support.mesh_requests import Answer, Request, by_http_route, by_virtual_service

Json = dict[str, Any]

OFTEN = settings(max_examples=200, suppress_health_check=list(HealthCheck))
NAMES = ["x-team", "x-beta", "cookie"]
VALUES = ["", "a", "b", "ab", "beta=yes", "c=1; beta=yes"]
EXPRESSIONS = ["a|b", ".*(?:a).*", ".*(?:b|yes).*", "a*", "(?i)AB", ".+", r"(?:.*;)?[ \t]*(?:beta=yes)[ \t]*(?:;.*)?"]
FORMS = ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop.svc.corp.internal"]
OTHERS = ["pay", "web.other.svc.cluster.local", "web-v2", "webs", "shop.example.com"]
GROUPS = {"stable": "web", "gray": "web-gray", "blue": "web-blue"}


def ways(**others: Any) -> Ways:
    return Ways(**{"namespace": "shop", "service": "web", "port": 8080, "groups": GROUPS, **others})


@st.composite
def header_tests(draw: st.DrawFn, negated: bool = True) -> HeaderTest:  # noqa: FBT001, FBT002 - a kind of test
    how = draw(st.sampled_from(Matcher))
    value = draw(st.sampled_from(VALUES[1:] if how is Matcher.EXACT else EXPRESSIONS))
    return HeaderTest(draw(st.sampled_from(NAMES)), how, value, negated and draw(st.booleans()))


def rule_lists(negated: bool = True) -> st.SearchStrategy[tuple[Rule, ...]]:  # noqa: FBT001, FBT002
    tests = st.lists(header_tests(negated), max_size=4, unique=True).map(tuple)
    return st.lists(st.builds(Rule, tests), max_size=3).map(tuple)


@st.composite
def routes(draw: st.DrawFn, negated: bool = True) -> Route:  # noqa: FBT001, FBT002
    group = draw(st.sampled_from(["gray", "blue"]))
    part = draw(st.sampled_from([0, 1, 20, 33, 50, 99, 100]))
    rules = draw(rule_lists(negated))
    matched = group if rules and draw(st.sampled_from([True, True, False])) else None
    return Route({"stable": 100 - part, group: part}, rules, matched, group)


header_sets = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES))
requests = st.builds(
    Request,
    headers=header_sets,
    path=st.sampled_from(["/", "/api"]),
    method=st.sampled_from(["GET", "POST"]),
    query=st.dictionaries(st.just("q"), st.sampled_from(["1", "2"])),
    port=st.sampled_from([8080, 8080, 9090]),
    by=st.sampled_from(["mesh", "ingress"]),
)


@st.composite
def string_matches(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(["exact", "prefix", "regex", "present"]))
    if kind == "present":
        return {}
    return {kind: draw(st.sampled_from(EXPRESSIONS if kind == "regex" else VALUES[1:]))}


def parts(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=fields)


tested_names = st.sampled_from([*NAMES, "X-Team", "Cookie"])


def istio_matches(ports: list[int]) -> st.SearchStrategy[Json]:
    return parts(
        uri=st.sampled_from([{"prefix": "/"}, {"prefix": "/api"}, {"exact": "/"}]),
        headers=st.dictionaries(tested_names, string_matches(), min_size=1, max_size=2),
        withoutHeaders=st.dictionaries(tested_names, string_matches(), min_size=1, max_size=2),
        port=st.sampled_from(ports),
        gateways=st.sampled_from([["mesh"], ["ingress"]]),
        name=st.just("some"),
    )


@st.composite
def destinations(draw: st.DrawFn, ports: list[int | None]) -> Json:
    to: Json = {"host": draw(st.sampled_from([*FORMS, *FORMS, *OTHERS]))}
    port = draw(st.sampled_from(ports))
    to |= {"port": {"number": port}} if port else {}
    to |= draw(st.sampled_from([{}, {}, {"subset": "v1"}]))
    return {"destination": to, **draw(parts(headers=st.just({"request": {"set": {"x-to": "1"}}})))}


@st.composite
def http_entries(draw: st.DrawFn, ports: list[int], written: list[int | None]) -> Json:
    entry: Json = {}
    if draw(st.booleans()):
        entry["match"] = draw(st.lists(istio_matches(ports), max_size=2))
    entry |= draw(parts(name=st.just("plain"), timeout=st.just("3s"), mirror=st.just({"host": "web"})))
    kind = draw(st.sampled_from(["route", "route", "route", "route", "redirect", "delegate"]))
    if kind != "route":
        return {**entry, kind: {"redirect": {"uri": "/new"}, "delegate": {"name": "parts"}}[kind]}
    chosen = draw(st.lists(destinations(written), min_size=1, max_size=3))
    if len(chosen) == 1 and draw(st.booleans()):
        return {**entry, "route": chosen}
    weights = [draw(st.sampled_from([0, 1, 20, 50, 80])) for _ in chosen]
    weights[0] = weights[0] or 100
    return {**entry, "route": [{**one, "weight": weight} for one, weight in zip(chosen, weights, strict=True)]}


@st.composite
def virtual_services(draw: st.DrawFn, way: Ways) -> Json:
    """One whose routes are told apart by ports as far as anything can: see the limit in `engine.routing.istio`."""
    gateways = draw(st.sampled_from([None, ["mesh"], ["ingress"], ["mesh", "ingress"]]))
    on_both = gateways is not None and len(gateways) == 2
    ports = [8080] if way.alone else [8080, 9090]
    written: list[int | None] = [*ports] if on_both and not way.alone else [None, *ports]
    spec: Json = {"hosts": [draw(st.sampled_from([*FORMS, "shop.example.com"]))]}
    spec |= {"gateways": gateways} if gateways else {}
    spec["http"] = draw(st.lists(http_entries(ports, written), min_size=1, max_size=4))
    if draw(st.booleans()):
        spec["tcp"] = [{"route": [{"destination": {"host": "web"}}]}]
    return as_found("networking.istio.io/v1", "VirtualService", spec)


either_way = st.builds(ways, alone=st.booleans())
found_there = either_way.flatmap(lambda way: st.tuples(st.just(way), virtual_services(way)))


def as_found(api_version: str, kind: str, spec: Json) -> Json:
    metadata = {"name": "public", "namespace": "shop", "generation": 3, "labels": {"team": "shop"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def applied(found: Json, made: Json, memory: str) -> Json:
    """The live object after `made` was applied to it and what was found was noted on it."""
    metadata = {**found["metadata"], "annotations": {FOUND: memory}}
    return {**found, "metadata": metadata, "spec": {**found["spec"], **made["spec"]}}


def expected(before: Answer | str, request: Request, route: Route, way: Ways, ours: Mapping[str, str]) -> Answer | str:
    """What becomes of `before`: `ours` gives, for each destination that is ours, the pattern of its copies."""
    if isinstance(before, str):
        return before
    parts = {name: Fraction(part, sum(shares(route, way).values())) for name, part in shares(route, way).items()}
    if matched_service(route, way) and matches(route.rules, request.headers):
        parts = {str(matched_service(route, way)): Fraction(1)}
    after: dict[str, Fraction] = {}
    for name, amount in before.items():
        for service, part in parts.items() if name in ours else ((None, Fraction(1)),):
            to = ours[name].format(service) if service not in (None, "web") else name
            after[to] = after.get(to, Fraction(0)) + amount * part
    return after


def ours_in(virtual_service: Json, request: Request, way: Ways) -> dict[str, str]:
    """By name, the destinations that are the routed port of our Service for this request."""
    found = {}
    mesh = set(virtual_service["spec"].get("gateways") or ["mesh"]) == {"mesh"}
    for form in FORMS:
        for subset in ("", "@v1"):
            rest = form.removeprefix("web")
            found[f"{form}{subset}:8080"] = f"{{}}{rest}:8080"
            if way.alone or not mesh or request.port == 8080:
                found[f"{form}{subset}:"] = f"{{}}{rest}:8080"
    return found


@given(route=routes(), request=requests, alone=st.booleans())
@OFTEN
def test_a_virtual_service_of_ours_sends_each_request_where_the_route_says(
    route: Route,
    request: Request,
    alone: bool,  # noqa: FBT001 - drawn
) -> None:
    assume(request.by == "mesh" and (request.port == 8080 or not alone))
    answer = by_virtual_service(istio.routed(None, route, ways(alone=alone)), request)
    assert not isinstance(answer, str)
    by_service = {name.partition(":")[0]: part for name, part in answer.items()}
    if request.port != 8080:
        assert by_service == {"web": 1}
    elif route.matched and matches(route.rules, request.headers):
        assert by_service == {GROUPS[route.matched]: 1}
    else:
        wanted = {GROUPS[name]: Fraction(part, 100) for name, part in route.weights.items() if part}
        assert by_service == wanted


@given(there=found_there, route=routes(), request=requests)
@OFTEN
def test_a_virtual_service_that_was_found_sends_only_our_requests_elsewhere(
    there: tuple[Ways, Json], route: Route, request: Request
) -> None:
    way, found = there
    request = replace(request, port=8080) if way.alone else request
    before = by_virtual_service(found, request)
    after = by_virtual_service(applied(found, istio.routed(found, route, way), "{}"), request)
    assert after == expected(before, request, route, way, ours_in(found, request, way))
    event("ours" if after != before else "the same")


@given(there=found_there, route=routes())
@OFTEN
def test_what_is_not_about_us_survives_byte_for_byte_and_in_order(there: tuple[Ways, Json], route: Route) -> None:
    way, found = there
    before = json.dumps(found)
    made = istio.routed(found, route, way)
    assert json.dumps(found) == before
    assert made["spec"].keys() == {"http"}
    assert _foreign(made) == _foreign(found)


def _foreign(virtual_service: Json) -> list[str]:
    """Every route that leads to no Service of ours, as text."""
    ours = {form.replace("web", service) for form in FORMS for service in GROUPS.values()}
    entries = virtual_service["spec"]["http"]
    hosts = [{one["destination"]["host"] for one in each.get("route", ())} for each in entries]
    return [json.dumps(each) for each, told in zip(entries, hosts, strict=True) if not told & ours]


@given(there=found_there, first=routes(), second=routes())
@OFTEN
def test_a_virtual_service_is_restored_to_what_was_found_after_any_routes(
    there: tuple[Ways, Json], first: Route, second: Route
) -> None:
    way, found = there
    live = applied(found, istio.routed(found, first, way), istio.memory(found))
    live = applied(live, istio.routed(istio.remembered(live), second, way), istio.memory(found))
    remembered = istio.remembered(live)
    assert remembered is not None
    assert applied(live, istio.restored(remembered), "{}")["spec"] == found["spec"]
    home = istio.routed(remembered, Route({"stable": 100}), way)
    assert home["spec"]["http"] == found["spec"]["http"]


@given(there=found_there, one=routes(), other=routes())
@OFTEN
def test_a_virtual_service_that_was_found_follows_the_route_that_was_written_and_no_other(
    there: tuple[Ways, Json], one: Route, other: Route
) -> None:
    way, found = there
    live = applied(found, istio.routed(found, one, way), istio.memory(found))
    assert istio.follows(live, one, way)
    is_touched = _taken(found, way) and _sends(one, way) != _sends(other, way)
    assert istio.follows(live, other, way) == (not is_touched)


def _taken(found: Json, way: Ways) -> bool:
    """Whether any route of `found` is changed by a route that sends everything to gray."""
    return bool(istio.routed(found, Route({"gray": 100}), way)["spec"]["http"] != found["spec"]["http"])


@given(way=either_way, one=routes(), other=routes())
@OFTEN
def test_a_virtual_service_of_ours_follows_the_route_that_was_written_and_no_other(
    way: Ways, one: Route, other: Route
) -> None:
    live = istio.routed(None, one, way)
    assert istio.follows(live, one, way)
    assert istio.follows(live, other, way) == (_sends(one, way) == _sends(other, way))


def _sends(route: Route, way: Ways) -> Any:
    rules = [frozenset(rule.tests) for rule in route.rules]
    matched = matched_service(route, way)
    return dict(shares(route, way)), matched, rules if matched else []


AGENTS = [
    "Mozilla/5.0", "(iPhone; CPU iPhone OS 17_0 like Mac OS X)", "(Windows NT 10.0; Win64)", "(Macintosh; Intel)",
    "(Linux; Android 14)", "(X11; Linux x86_64)", "Version/17.0 Mobile", "Chrome/120.0", "Safari/604.1", "CriOS/120",
    "Edg/120.0", "EdgiOS/120", "360SE", "MetaSr 1.0", "OPR/1", "MSIE 10", "Trident/7", "Windows Phone",
]  # fmt: skip


@given(
    agent=st.one_of(st.none(), st.lists(st.sampled_from(AGENTS), max_size=5).map(" ".join)),
    systems=st.sets(st.sampled_from(["ios", "android", "windows", "macos", "linux"])),
    browsers=st.sets(st.sampled_from(["chrome", "360", "ie", "safari", "sogou", "edge"])),
)
@OFTEN
def test_systems_and_browsers_are_told_by_istio_as_by_the_policy(
    agent: str | None, systems: set[str], browsers: set[str]
) -> None:
    assume(systems or browsers)
    group = {"systems": sorted(systems), "browsers": sorted(browsers)}
    rules = rules_of(Policy.model_validate({"content": [{key: value for key, value in group.items() if value}]}))
    request = Request({} if agent is None else {"User-Agent": agent})
    made = istio.routed(None, Route({"stable": 100}, rules, "gray"), ways())
    answer = by_virtual_service(made, request)
    assert not isinstance(answer, str)
    gets_gray = answer == {"web-gray:8080": 1}
    assert gets_gray == matches(rules, request.headers)
    event(f"gray: {gets_gray}")


header_lists = st.lists(
    st.builds(
        lambda name, kind, value: {"name": name, **kind, "value": value},
        st.sampled_from([*NAMES, "x-old"]),
        st.sampled_from([{}, {"type": "Exact"}]),
        st.sampled_from(VALUES[1:]),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda one: one["name"],
)
gateway_matches = parts(
    path=st.sampled_from([{"type": "PathPrefix", "value": "/api"}, {"type": "Exact", "value": "/api"}]),
    headers=header_lists,
    method=st.sampled_from(["GET", "POST"]),
    queryParams=st.just([{"name": "q", "value": "1"}]),
)
backends = st.builds(
    lambda name, port, rest: {"name": name, "port": port, **rest},
    st.sampled_from(["web", "web", "pay"]),
    st.sampled_from([8080, 8080, 9090]),
    parts(weight=st.sampled_from([0, 1, 20, 80]), kind=st.just("Service"), namespace=st.just("shop")),
)
gateway_rules = st.fixed_dictionaries(
    {},
    optional={
        "matches": st.lists(gateway_matches, min_size=1, max_size=2),
        "backendRefs": st.lists(backends, min_size=1, max_size=2).filter(
            lambda all_: any(b.get("weight", 1) for b in all_)
        ),
        "timeouts": st.just({"request": "3s"}),
    },
)


@st.composite
def http_routes(draw: st.DrawFn) -> Json:
    rules = draw(st.lists(gateway_rules, min_size=1, max_size=3))
    spec = {"parentRefs": [{"name": "public"}], "rules": [*rules, {"backendRefs": [{"name": "web", "port": 8080}]}]}
    return as_found("gateway.networking.k8s.io/v1", "HTTPRoute", spec)


@given(found=http_routes(), route=routes(negated=False), request=requests)
@OFTEN
def test_an_http_route_that_was_found_sends_only_our_requests_elsewhere(
    found: Json, route: Route, request: Request
) -> None:
    way = ways()
    try:
        made = gateway.routed(found, route, way)
    except StageFailure:
        event("refused")
        return
    before = by_http_route(found, request)
    after = by_http_route(applied(found, made, "{}"), request)
    assert after == expected(before, request, route, way, {"web:8080": "{}:8080"})
    event("ours" if after != before else "the same")


@given(found=http_routes(), one=routes(negated=False), other=routes(negated=False))
@OFTEN
def test_an_http_route_is_followed_and_restored(found: Json, one: Route, other: Route) -> None:
    try:
        made, changed = gateway.routed(found, one, ways()), gateway.routed(found, other, ways())
    except StageFailure:
        event("refused")
        return
    live = applied(found, made, gateway.memory(found))
    assert gateway.follows(live, one, ways())
    assert gateway.follows(live, other, ways()) == (made == changed)
    remembered = gateway.remembered(live)
    assert remembered is not None
    assert applied(live, gateway.restored(remembered), "{}")["spec"] == found["spec"]
    if _sends(one, ways()) != _sends(other, ways()):
        assert made != changed


@given(there=found_there, route=routes(), first=st.booleans())
@OFTEN
def test_a_split_virtual_service_is_told_from_what_was_found_whatever_others_put_among_it(
    there: tuple[Ways, Json],
    route: Route,
    first: bool,  # noqa: FBT001 - drawn
) -> None:
    way, found = there
    made = istio.routed(found, route, way)
    live = applied(found, made, istio.memory(found))
    if not istio.is_split(live, way):
        event("nothing of ours")
        return
    before = istio.split_list(live, made, way)
    assert before is not None
    assert before.unsplit() == {**outline(found), "spec": found["spec"]}
    added = {"match": [{"uri": {"prefix": "/new"}}], "route": [{"destination": {"host": "pay"}}]}
    at = 0 if first else len(live["spec"]["http"])
    entries = [*live["spec"]["http"][:at], added, *live["spec"]["http"][at:]]
    after = {**live, "spec": {**live["spec"], "http": entries}}
    changed = istio.split_list(after, made, way)
    assert changed is not None
    assert changed.is_unchanged()
    unsplit = changed.unsplit()
    assert unsplit is not None
    assert [each for each in unsplit["spec"]["http"] if each != added] == found["spec"]["http"]
    assert istio.routed(unsplit, route, way)["spec"]["http"] == entries


@given(found=http_routes(), route=routes(negated=False))
@OFTEN
def test_a_split_http_route_is_told_from_what_was_found(found: Json, route: Route) -> None:
    try:
        made = gateway.routed(found, route, ways())
    except StageFailure:
        event("refused")
        return
    live = applied(found, made, gateway.memory(found))
    if not gateway.is_split(live, ways()):
        event("nothing of ours")
        return
    split, back = (gateway.split_list(each, made, ways()) for each in (live, {**live, "spec": found["spec"]}))
    assert split is not None
    assert back is not None
    unsplit = split.unsplit()
    assert unsplit is not None
    assert unsplit["spec"] == found["spec"]
    assert not back.is_unchanged()

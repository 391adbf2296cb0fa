"""HTTPRoutes: those that were found share requests as far as they can say it."""

from typing import Any

import pytest
import yaml

from engine.definition import Policy
from engine.errors import StageFailure
from engine.rollout.fleet import HeaderTest, Matcher, Route, Rule
from engine.rollout.traffic import rules_of
from engine.routing import gateway
from engine.routing.ways import FOUND, Ways

Json = dict[str, Any]

WAYS = Ways("shop", "web", 8080, {"stable": "web", "gray": "web-gray"})
HOME = Route({"stable": 100})
FIFTH = Route({"stable": 80, "gray": 20})
TESTER = Rule((HeaderTest("X-Tester", Matcher.REGEX, "a|b"), HeaderTest("x-land", Matcher.EXACT, "DE")), "testers")
TESTED = Route({"stable": 100}, (TESTER,), "gray")
OURS: Json = {"group": "", "kind": "Service", "name": "web", "port": 8080, "weight": 1}
ALL = {"path": {"type": "PathPrefix", "value": "/"}}


def found(*rules: Json, **metadata: Any) -> Json:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "public", "namespace": "shop", "generation": 4, **metadata},
        "spec": {"parentRefs": [{"name": "entry"}], "hostnames": ["shop.example.com"], "rules": [*rules]},
    }


def rules_made(made: Json) -> list[Json]:
    rules: list[Json] = made["spec"]["rules"]
    return rules


def exact(**headers: str) -> Rule:
    return Rule(tuple(HeaderTest(name, Matcher.EXACT, value) for name, value in headers.items()))


def test_a_backend_of_ours_is_shared_by_weight() -> None:
    made = gateway.routed(found({"matches": [ALL], "backendRefs": [OURS], "timeouts": {"request": "3s"}}), FIFTH, WAYS)
    assert made["metadata"] == {"name": "public", "namespace": "shop"}
    assert made["spec"] == {
        "rules": [
            {
                "matches": [ALL],
                "timeouts": {"request": "3s"},
                "backendRefs": [{**OURS, "weight": 80}, {**OURS, "name": "web-gray", "weight": 20}],
            }
        ]
    }


def test_a_rule_is_preceded_by_its_copy_for_those_who_pass_one_of_ours() -> None:
    land = {"name": "x-land", "type": "Exact", "value": "DE"}
    rule = {"matches": [ALL, {"path": {"type": "Exact", "value": "/a"}, "headers": [land]}], "backendRefs": [OURS]}
    testers, plain = rules_made(gateway.routed(found({**rule, "name": "all"}), TESTED, WAYS))
    tester = {"name": "x-tester", "type": "RegularExpression", "value": "a|b"}
    assert testers == {
        "name": "all-gray-1",
        "matches": [
            {**ALL, "headers": [tester, land]},
            {"path": {"type": "Exact", "value": "/a"}, "headers": [land, tester]},
        ],
        "backendRefs": [{**OURS, "name": "web-gray", "weight": 100}],
    }
    assert plain == {**rule, "name": "all", "backendRefs": [{**OURS, "weight": 100}]}


@pytest.mark.parametrize(
    "backend",
    [
        {**OURS, "port": 9090},
        {**OURS, "namespace": "pay"},
        {**OURS, "kind": "ServiceImport", "group": "multicluster.x-k8s.io"},
        {**OURS, "name": "pay"},
    ],
)
def test_other_backends_are_left_alone(backend: Json) -> None:
    assert not gateway.is_for(found({"backendRefs": [backend]}), WAYS)
    made = gateway.routed(found({"backendRefs": [backend]}, {"backendRefs": [OURS]}), FIFTH, WAYS)
    assert rules_made(made)[0] == {"backendRefs": [backend]}


def test_a_backend_is_ours_from_another_namespace_only_when_it_says_so() -> None:
    short = {"name": "web", "port": 8080}
    assert gateway.is_for(found({"backendRefs": [short]}), WAYS)
    assert not gateway.is_for(found({"backendRefs": [short]}, namespace="infra"), WAYS)
    assert gateway.is_for(found({"backendRefs": [{**short, "namespace": "shop"}]}, namespace="infra"), WAYS)


def test_a_route_is_never_made_from_nothing() -> None:
    for there in (None, found({"backendRefs": [{**OURS, "name": "pay"}]})):
        with pytest.raises(StageFailure, match="No HTTPRoute leads to the Service shop/web at port 8080"):
            gateway.routed(there, FIFTH, WAYS)


def test_what_cannot_be_negated_is_refused_with_the_way_out() -> None:
    rules = rules_of(Policy.model_validate({"content": [{"systems": ["ios"]}]}))
    with pytest.raises(StageFailure, match="The rule for iOS asks for requests whose user-agent is not") as refused:
        gateway.routed(found({"backendRefs": [OURS]}), Route({"stable": 100}, rules, "gray"), WAYS)
    assert "strategy: istio" in refused.value.hint
    assert "systems and browsers" in refused.value.hint


def test_a_second_test_of_one_header_is_refused() -> None:
    rules = rules_of(Policy.model_validate({"content": [{"systems": ["windows"], "browsers": ["360"]}]}))
    rules = (Rule(tuple(test for test in rules[0].tests if not test.negate), rules[0].label),)
    with pytest.raises(StageFailure, match="second test of the header user-agent"):
        gateway.routed(found({"backendRefs": [OURS]}), Route({"stable": 100}, rules, "gray"), WAYS)
    other = {"headers": [{"name": "X-Land", "value": "FR"}]}
    with pytest.raises(StageFailure, match="second test of the header x-land"):
        gateway.routed(found({"matches": [other], "backendRefs": [OURS]}), TESTED, WAYS)


def test_more_headers_than_a_match_takes_are_refused() -> None:
    rule = exact(**{f"x-{number}": "1" for number in range(17)})
    with pytest.raises(StageFailure, match="17 tests of headers, and an HTTPRoute takes 16"):
        gateway.routed(found({"backendRefs": [OURS]}), Route({"stable": 100}, (rule,), "gray"), WAYS)


@pytest.mark.parametrize(("value", "said"), [("", "an empty text"), ("x" * 4097, "4097 characters")])
def test_values_that_the_api_does_not_take_are_refused(value: str, said: str) -> None:
    with pytest.raises(StageFailure, match=said):
        gateway.routed(found({"backendRefs": [OURS]}), Route({"stable": 100}, (exact(a=value),), "gray"), WAYS)


def test_a_rule_takes_no_more_matches_than_every_version_of_the_api_allows() -> None:
    many = tuple(exact(a=str(number)) for number in range(17))
    made = rules_made(gateway.routed(found({"backendRefs": [OURS]}), Route({"stable": 100}, many, "gray"), WAYS))
    assert [len(rule.get("matches", [])) for rule in made] == [8, 8, 1, 0]


def test_more_rules_than_a_route_takes_are_refused() -> None:
    elsewhere = {"path": {"type": "Exact", "value": "/pay"}}
    others = [{"matches": [elsewhere], "backendRefs": [{**OURS, "name": "pay"}]}] * 14
    two = (exact(a="1"),)
    full = found(*others, {"backendRefs": [OURS]})
    assert len(rules_made(gateway.routed(full, Route({"stable": 100}, two, "gray"), WAYS))) == 16
    nine = tuple(exact(a=str(number)) for number in range(9))
    with pytest.raises(StageFailure, match="would have 17 rules, and the Gateway API takes 16"):
        gateway.routed(full, Route({"stable": 100}, nine, "gray"), WAYS)


def test_more_matches_than_a_route_takes_are_refused() -> None:
    wide = {"matches": [{"path": {"type": "Exact", "value": f"/{n}"}} for n in range(64)], "backendRefs": [OURS]}
    one = Route({"stable": 100}, (exact(a="1"),), "gray")
    assert len(rules_made(gateway.routed(found(wide), one, WAYS))) == 9
    with pytest.raises(StageFailure, match="would have 130 matches, and the Gateway API takes 128"):
        gateway.routed(found(wide, {"matches": [ALL], "backendRefs": [OURS]}), one, WAYS)


def test_a_rule_that_rewrites_a_prefix_keeps_to_one_match() -> None:
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
    for rule in (
        {"matches": [ALL], "filters": [rewrite], "backendRefs": [OURS]},
        {"matches": [ALL], "backendRefs": [{**OURS, "filters": [rewrite]}]},
    ):
        two = Route({"stable": 100}, (exact(a="1"), exact(a="2")), "gray")
        made = rules_made(gateway.routed(found(rule), two, WAYS))
        assert [len(each["matches"]) for each in made] == [1, 1, 1]


def test_a_copy_that_would_win_against_somebody_elses_rule_is_refused() -> None:
    theirs = {"matches": [{"headers": [{"name": "x-partner", "value": "1"}]}], "backendRefs": [{**OURS, "name": "pay"}]}
    with pytest.raises(
        StageFailure, match="The rule for testers would take requests from rule 2 of HTTPRoute shop/pub"
    ):
        gateway.routed(found({"backendRefs": [OURS]}, theirs), TESTED, WAYS)
    assert gateway.routed(found({"backendRefs": [OURS]}, theirs), FIFTH, WAYS)
    elsewhere = {**theirs, "matches": [{**theirs["matches"][0], "path": {"type": "PathPrefix", "value": "/api"}}]}
    assert gateway.routed(found({"backendRefs": [OURS]}, elsewhere), TESTED, WAYS)


def test_a_rule_of_somebody_else_that_still_wins_or_never_did_is_no_reason_to_refuse() -> None:
    headers = [{"name": f"x-{number}", "value": "1"} for number in range(3)]
    stronger = {"matches": [{"headers": headers}], "backendRefs": [{**OURS, "name": "pay"}]}
    unreached = {"backendRefs": [{**OURS, "name": "pay"}]}
    assert gateway.routed(found({"backendRefs": [OURS]}, stronger, unreached), TESTED, WAYS)


def test_a_rule_of_somebody_else_that_wins_by_its_place_is_not_robbed_either() -> None:
    with pytest.raises(StageFailure, match="would take requests from rule catch of"):
        gateway.routed(
            found({"name": "catch", "backendRefs": [{**OURS, "name": "pay"}]}, {"backendRefs": [OURS]}), TESTED, WAYS
        )


def test_a_rule_in_which_ours_has_no_weight_is_somebody_else_s() -> None:
    idle = {"backendRefs": [{**OURS, "name": "pay"}, {**OURS, "weight": 0}]}
    with pytest.raises(StageFailure, match="would take requests from rule 1 of"):
        gateway.routed(found(idle, {"backendRefs": [OURS]}), TESTED, WAYS)


def test_a_backend_of_ours_without_weight_stays_without() -> None:
    idle = {"backendRefs": [{**OURS, "weight": 0}, {**OURS, "name": "pay"}]}
    assert rules_made(gateway.routed(found(idle), FIFTH, WAYS)) == [idle]


def live(route: Route, **status: Any) -> Json:
    before = found({"matches": [ALL], "backendRefs": [OURS]})
    metadata = {**before["metadata"], "annotations": {FOUND: gateway.memory(before)}}
    spec = {**before["spec"], **gateway.routed(before, route, WAYS)["spec"]}
    return {**before, "metadata": metadata, "spec": spec, **({"status": status} if status else {})}


def said(kind: str, status: str, generation: int = 4, message: str = "") -> Json:
    condition = {"type": kind, "status": status, "observedGeneration": generation, "message": message}
    return {"parentRef": {"name": "entry"}, "conditions": [condition]}


def test_the_route_that_was_written_is_followed_and_no_other() -> None:
    for route, other in ((FIFTH, HOME), (HOME, FIFTH), (TESTED, FIFTH)):
        assert gateway.follows(live(route), route, WAYS)
        assert not gateway.follows(live(route), other, WAYS)
    assert gateway.follows(None, HOME, WAYS)
    assert not gateway.follows(None, FIFTH, WAYS)


def test_a_route_is_followed_when_the_gateway_says_so_of_this_generation() -> None:
    assert gateway.follows(live(FIFTH, parents=[said("Accepted", "True")]), FIFTH, WAYS)
    assert not gateway.follows(live(FIFTH, parents=[said("Accepted", "True", generation=3)]), FIFTH, WAYS)
    assert gateway.follows(live(FIFTH, parents=[said("Programmed", "False")]), FIFTH, WAYS)


def test_why_a_gateway_does_not_follow_is_said() -> None:
    refused = live(FIFTH, parents=[said("ResolvedRefs", "False", message="Service web-gray not permitted")])
    assert not gateway.follows(refused, FIFTH, WAYS)
    assert gateway.trouble(refused) == (
        "Gateway entry does not follow HTTPRoute shop/public: Service web-gray not permitted"
    )
    assert gateway.trouble(live(FIFTH)) == ""


def test_what_was_found_is_put_back() -> None:
    again = gateway.remembered(live(FIFTH))
    assert again is not None
    assert gateway.restored(again)["spec"] == {"rules": [{"matches": [ALL], "backendRefs": [OURS]}]}


def test_what_is_in_effect_is_shown() -> None:
    shown = yaml.safe_load(gateway.effective([live(FIFTH, parents=[])]))
    assert shown.keys() == {"kind", "name", "parentRefs", "hostnames", "rules"}
    assert shown["rules"][0]["backendRefs"][1]["weight"] == 20


def test_a_route_that_sends_everything_to_gray_is_still_the_workloads() -> None:
    everything = live(Route({"gray": 100}))
    assert [each["name"] for each in everything["spec"]["rules"][0]["backendRefs"]] == ["web-gray"]
    assert gateway.is_for(everything, WAYS)
    assert gateway.follows(everything, Route({"gray": 100}), WAYS)

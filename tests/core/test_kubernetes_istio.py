"""VirtualServices: adopted or our own, they share requests and give back what was found."""

from typing import Any

import pytest
import yaml

from engine.definition import Policy
from engine.errors import InvariantViolation, StageFailure
from engine.rollout.fleet import HeaderTest, Matcher, Route, Rule
from engine.rollout.traffic import rules_of
from engine.routing import istio
from engine.routing.ways import FOUND, Ways
from engine.targets.kubernetes import names

Json = dict[str, Any]

WAYS = Ways("shop", "web", 8080, {"stable": "web", "gray": "web-gray"}, alone=True)
SEVERAL = Ways("shop", "web", 8080, {"stable": "web", "gray": "web-gray"})
TCP = Ways("shop", "web", 8080, {"stable": "web", "gray": "web-gray"}, protocol="tcp", alone=True)
HOME = Route({"stable": 100}, preview="stable")
FIFTH = Route({"stable": 80, "gray": 20})
TESTER = Rule((HeaderTest("X-Tester", Matcher.REGEX, "a|b"), HeaderTest("x-old", Matcher.EXACT, "1", negate=True)))
TESTED = Route({"stable": 100}, (TESTER,), "gray", "gray")
OURS = {"destination": {"host": "web"}}


def found(*http: Json, namespace: str = "shop", **spec: Any) -> Json:
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": "public", "namespace": namespace, "resourceVersion": "7"},
        "spec": {"hosts": ["shop.example.com"], "gateways": ["ingress"], **spec, **({"http": [*http]} if http else {})},
    }


def http_of(made: Json) -> list[Json]:
    entries: list[Json] = made["spec"]["http"]
    return entries


def test_one_of_our_own_speaks_for_the_mesh_by_the_name_of_the_service() -> None:
    assert istio.routed(None, FIFTH, WAYS) == {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "hosts": ["web"],
            "gateways": ["mesh"],
            "http": [
                {
                    "route": [
                        {"destination": {"host": "web"}, "weight": 80},
                        {"destination": {"host": "web-gray", "port": {"number": 8080}}, "weight": 20},
                    ]
                }
            ],
        },
    }


def test_requests_to_other_ports_of_the_service_are_left_alone() -> None:
    first, last = http_of(istio.routed(None, FIFTH, SEVERAL))
    assert first["match"] == [{"port": 8080}]
    assert last == {"route": [{"destination": {"host": "web"}}]}


def test_a_rule_becomes_a_match_in_front_with_lower_case_names() -> None:
    testers, plain = http_of(istio.routed(None, TESTED, WAYS))
    assert testers["match"] == [
        {"headers": {"x-tester": {"regex": "a|b"}}, "withoutHeaders": {"x-old": {"exact": "1"}}}
    ]
    assert testers["route"] == [{"destination": {"host": "web-gray", "port": {"number": 8080}}, "weight": 100}]
    assert plain == {"route": [{"destination": {"host": "web"}, "weight": 100}]}


def test_a_group_with_no_weight_is_not_named() -> None:
    assert "web-gray" not in str(istio.routed(None, Route({"stable": 100, "gray": 0}), WAYS))


def test_rules_without_a_group_for_them_send_nobody_anywhere() -> None:
    assert istio.routed(None, Route({"stable": 100}, (TESTER,)), WAYS) == istio.routed(None, HOME, WAYS)


def test_two_tests_of_one_header_are_both_asked_for() -> None:
    rules = rules_of(Policy.model_validate({"content": [{"systems": ["ios"], "browsers": ["chrome"]}]}))
    match = http_of(istio.routed(None, Route({"stable": 100}, rules, "gray"), WAYS))[0]["match"][0]
    wanted = [test.value for test in rules[0].tests if not test.negate]
    unwanted = [test.value for test in rules[0].tests if test.negate]
    assert {name: how["regex"] for name, how in match["headers"].items()} == dict(
        zip(("user-agent", "User-Agent"), wanted, strict=True)
    )
    assert sorted(how["regex"] for how in match["withoutHeaders"].values()) == sorted(unwanted)


def test_our_tests_stand_beside_those_of_the_route_that_was_found() -> None:
    own = {"uri": {"prefix": "/api"}, "headers": {"x-tester": {"prefix": "a"}}, "withoutHeaders": {"x-bot": {}}}
    made = http_of(istio.routed(found({"match": [own, {"uri": {"exact": "/"}}], "route": [OURS]}), TESTED, WAYS))
    without = {"x-old": {"exact": "1"}}
    assert made[0]["match"] == [
        {
            "uri": {"prefix": "/api"},
            "headers": {"x-tester": {"prefix": "a"}, "X-Tester": {"regex": "a|b"}},
            "withoutHeaders": {"x-bot": {}, **without},
        },
        {"uri": {"exact": "/"}, "headers": {"x-tester": {"regex": "a|b"}}, "withoutHeaders": without},
    ]
    assert made[1]["match"] == [own, {"uri": {"exact": "/"}}]


def test_a_negated_test_that_takes_nothing_asks_whether_the_header_is_there() -> None:
    rule = Rule((HeaderTest("x-old", Matcher.REGEX, "a*", negate=True),))
    match = http_of(istio.routed(None, Route({"stable": 100}, (rule,), "gray"), WAYS))[0]["match"]
    assert match == [
        {"withoutHeaders": {"x-old": {}}},
        {"headers": {"x-old": {}}, "withoutHeaders": {"x-old": {"regex": "a*"}}},
    ]


def test_a_rule_that_tests_nothing_takes_every_request() -> None:
    match = http_of(istio.routed(None, Route({"stable": 100}, (Rule(()),), "gray"), WAYS))[0]["match"]
    assert match == [{"uri": {"prefix": "/"}}]


def test_what_a_route_does_besides_is_done_for_gray_too() -> None:
    entry = {
        "name": "all",
        "timeout": "3s",
        "retries": {"attempts": 2},
        "headers": {"request": {"set": {"x-a": "1"}}},
        "mirror": {"host": "copy"},
        "route": [{"destination": {"host": "web", "subset": "v1"}, "headers": {"response": {"remove": ["x"]}}}],
    }
    testers, plain = http_of(istio.routed(found(entry), Route({"stable": 50, "gray": 50}, (TESTER,), "gray"), WAYS))
    to_gray = {
        "destination": {"host": "web-gray", "port": {"number": 8080}},
        "headers": {"response": {"remove": ["x"]}},
    }
    others = {key: value for key, value in entry.items() if key not in ("route", "name")}
    assert testers == {**others, "name": "all-gray", "match": testers["match"], "route": [{**to_gray, "weight": 100}]}
    assert plain == {
        **others,
        "name": "all",
        "route": [{**entry["route"][0], "weight": 50}, {**to_gray, "weight": 50}],  # type: ignore[index]
    }


def test_other_routes_keep_their_place_before_and_behind_ours() -> None:
    api, pay = (
        {"match": [{"uri": {"prefix": "/new"}}], "redirect": {"uri": "/"}},
        {"route": [{"destination": {"host": "pay"}}]},
    )
    ours = {"match": [{"uri": {"prefix": "/web"}}], "route": [OURS]}
    made = http_of(istio.routed(found(api, ours, pay), TESTED, WAYS))
    assert [made[0], made[3]] == [api, pay]
    assert made[2]["match"] == ours["match"]


def test_a_host_keeps_its_form() -> None:
    full = {"destination": {"host": "web.shop.svc.cluster.local"}}
    route = http_of(istio.routed(found({"route": [full]}), FIFTH, WAYS))[0]["route"]
    assert [each["destination"]["host"] for each in route] == [
        "web.shop.svc.cluster.local",
        "web-gray.shop.svc.cluster.local",
    ]


@pytest.mark.parametrize(
    ("weights", "shared"),
    [
        ((100, 0), [("web", 80), ("web-gray", 20), ("pay", 0)]),
        ((80, 20), [("web", 64), ("web-gray", 16), ("pay", 20)]),
        ((1, 99), [("web", 4), ("web-gray", 1), ("pay", 495)]),
    ],
)
def test_who_else_gets_requests_by_weight_gets_as_many_as_before(
    weights: tuple[int, int], shared: list[tuple[str, int]]
) -> None:
    entry = {"route": [{**OURS, "weight": weights[0]}, {"destination": {"host": "pay"}, "weight": weights[1]}]}
    route = http_of(istio.routed(found(entry), FIFTH, WAYS))[0]["route"]
    assert [(each["destination"]["host"], each["weight"]) for each in route] == shared


def test_subsets_of_ours_keep_their_proportion_among_the_old_version() -> None:
    subsets = [
        {"destination": {"host": "web", "subset": name}, "weight": part} for name, part in (("a", 75), ("b", 25))
    ]
    route = http_of(istio.routed(found({"route": subsets}), FIFTH, WAYS))[0]["route"]
    assert [(each["destination"].get("subset"), each["weight"]) for each in route] == [("a", 60), (None, 20), ("b", 20)]


def test_a_destination_of_ours_that_gets_nothing_goes_on_getting_nothing() -> None:
    idle = {"destination": {"host": "web", "subset": "idle"}, "weight": 0}
    route = http_of(istio.routed(found({"route": [{**OURS, "weight": 100}, idle]}), FIFTH, WAYS))[0]["route"]
    assert [each["weight"] for each in route] == [80, 20]
    elsewhere = {"route": [idle, {"destination": {"host": "pay"}, "weight": 100}]}
    assert http_of(istio.routed(found(elsewhere), FIFTH, WAYS)) == [elsewhere]


def test_a_destination_at_another_port_is_not_ours() -> None:
    entry = {"route": [{"destination": {"host": "web", "port": {"number": 9090}}}]}
    assert http_of(istio.routed(found(entry), FIFTH, WAYS)) == [entry]
    assert not istio.is_for(found(entry), WAYS)


def test_a_port_of_a_gateway_is_not_one_of_the_service() -> None:
    entry = {"match": [{"port": 443}], "route": [OURS]}
    assert istio.is_for(found(entry), WAYS)
    (made,) = http_of(istio.routed(found(entry), FIFTH, SEVERAL))
    assert made["match"] == [{"port": 443}]
    assert [each["weight"] for each in made["route"]] == [80, 20]
    on_mesh = found(entry, gateways=["mesh"], hosts=["other"])
    assert not istio.is_for(on_mesh, SEVERAL)


@pytest.mark.parametrize(
    ("hosts", "namespace", "is_ours"),
    [
        (["web"], "shop", True),
        (["web"], "infra", False),
        (["web.shop"], "infra", True),
        (["web.shop.svc"], "infra", True),
        (["web.shop.svc.cluster.local"], "infra", True),
        (["web.shop.svc.corp.internal"], "infra", True),
        (["web.pay.svc.cluster.local"], "shop", False),
        (["web-2"], "shop", False),
        (["web.shop.example.com"], "shop", False),
        (["*"], "shop", False),
        (["*.shop.svc.cluster.local"], "shop", False),
        ([], "shop", False),
    ],
)
def test_a_host_is_ours_in_every_form_that_istio_completes(hosts: list[str], namespace: str, is_ours: bool) -> None:  # noqa: FBT001
    entry = {"route": [{"destination": {"host": "pay"}}]}
    assert istio.is_for(found(entry, hosts=hosts, namespace=namespace), WAYS) is is_ours


def test_the_way_in_counts_by_its_destination_whatever_its_hosts() -> None:
    assert istio.is_for(found({"route": [OURS]}), WAYS)
    delegate = found({"route": [OURS]})
    del delegate["spec"]["hosts"], delegate["spec"]["gateways"]
    assert istio.is_for(delegate, WAYS)
    assert len(http_of(istio.routed(delegate, FIFTH, WAYS))[0]["route"]) == 2


@pytest.mark.parametrize(
    ("spec", "serves"),
    [
        ({"hosts": ["web"], "gateways": None}, True),
        ({"hosts": ["web"], "gateways": ["mesh", "ingress"]}, True),
        ({"hosts": ["web"], "gateways": ["ingress"]}, False),
        ({"hosts": ["shop.example.com"], "gateways": ["mesh"]}, False),
        ({"hosts": ["*.shop.svc.cluster.local"], "gateways": ["mesh"]}, True),
        ({"hosts": ["*.example.com"], "gateways": ["mesh"]}, False),
        ({"gateways": ["mesh"], "hosts": []}, False),
    ],
)
def test_one_of_our_own_is_needed_unless_another_speaks_for_the_mesh(spec: Json, serves: bool) -> None:  # noqa: FBT001
    assert istio.serves_mesh(found({"route": [OURS]}, **spec), WAYS) is serves


def test_a_virtual_service_for_our_host_alone_is_completed_with_what_istio_does_without_it() -> None:
    tls = [{"match": [{"sniHosts": ["web"]}], "route": [OURS]}]
    bare = found(hosts=["web"], gateways=["mesh"], tls=tls)
    assert http_of(istio.routed(bare, FIFTH, WAYS)) == http_of(istio.routed(None, FIFTH, WAYS))
    assert istio.routed(bare, HOME, WAYS)["spec"] == {}
    shared = found(hosts=["web", "pay"], gateways=["mesh"], tls=tls)
    assert istio.routed(shared, FIFTH, WAYS)["spec"] == {}


def test_only_what_is_needed_is_applied_to_what_was_found() -> None:
    made = istio.routed(found({"route": [OURS]}, tcp=[{"route": [OURS]}], exportTo=["."]), FIFTH, WAYS)
    assert made["metadata"] == {"name": "public", "namespace": "shop"}
    assert made["apiVersion"] == "networking.istio.io/v1beta1"
    assert made["spec"].keys() == {"http"}


def test_what_was_found_is_put_back_from_its_annotation() -> None:
    before = found({"route": [OURS], "name": "schön"}, tcp=[{"route": [OURS]}])
    live = {**before, "metadata": {**before["metadata"], "annotations": {FOUND: istio.memory(before)}}}
    live["spec"] = {**before["spec"], **istio.routed(before, FIFTH, WAYS)["spec"]}
    again = istio.remembered(live)
    assert again is not None
    assert istio.restored(again)["spec"] == {"http": before["spec"]["http"], "tcp": before["spec"]["tcp"]}
    assert istio.remembered(before) is None


def test_one_that_sends_everything_to_gray_is_still_the_workloads() -> None:
    before = found({"route": [OURS]})
    metadata = {**before["metadata"], "annotations": {FOUND: istio.memory(before)}}
    spec = {**before["spec"], **istio.routed(before, Route({"gray": 100}), WAYS)["spec"]}
    assert [each["destination"]["host"] for each in spec["http"][0]["route"]] == ["web-gray"]
    assert istio.is_for({**before, "metadata": metadata, "spec": spec}, WAYS)


def test_the_annotation_is_the_one_that_the_target_knows() -> None:
    assert FOUND == names.FOUND


def test_without_a_virtual_service_everything_goes_to_the_own_service() -> None:
    assert istio.follows(None, HOME, WAYS)
    assert not istio.follows(None, FIFTH, WAYS)
    assert not istio.follows(None, TESTED, WAYS)


def test_one_that_was_found_and_never_changed_follows_only_the_way_home() -> None:
    for untouched in (found({"route": [OURS]}), found({"route": [OURS]}, hosts=["web"], gateways=["mesh"])):
        assert istio.follows(untouched, HOME, WAYS)
        assert not istio.follows(untouched, FIFTH, WAYS)


def test_one_of_ours_that_somebody_changed_is_not_followed() -> None:
    live = istio.routed(None, FIFTH, WAYS)
    assert istio.follows(live, FIFTH, WAYS)
    assert not istio.follows({**live, "spec": {**live["spec"], "hosts": ["web", "pay"]}}, FIFTH, WAYS)
    live["spec"]["http"][0]["route"][0]["weight"] = 79
    assert not istio.follows(live, FIFTH, WAYS)


def test_tcp_is_shared_by_weight_in_its_own_list() -> None:
    made = istio.routed(None, FIFTH, TCP)
    assert [each["weight"] for each in made["spec"]["tcp"][0]["route"]] == [80, 20]
    assert "http" not in made["spec"]
    adopted = istio.routed(found({"route": [OURS]}, tcp=[{"match": [{"port": 8080}], "route": [OURS]}]), FIFTH, TCP)
    assert adopted["spec"].keys() == {"tcp"}
    assert adopted["spec"]["tcp"][0]["match"] == [{"port": 8080}]


def test_tcp_cannot_tell_testers_and_says_so() -> None:
    with pytest.raises(StageFailure, match="TCP, whose connections have no headers"):
        istio.routed(None, TESTED, TCP)


def test_udp_is_refused_with_a_way_out() -> None:
    with pytest.raises(StageFailure, match="UDP") as refused:
        istio.routed(None, FIFTH, Ways("shop", "web", 53, {"stable": "web", "gray": "web-gray"}, protocol="udp"))
    assert "strategy: canary" in refused.value.hint


def test_an_expression_that_istio_refuses_is_refused_before() -> None:
    rule = Rule((HeaderTest("x", Matcher.REGEX, "ä" * 513),), "a long one")
    with pytest.raises(StageFailure, match="The rule for a long one has an expression of 1026 characters"):
        istio.routed(None, Route({"stable": 100}, (rule,), "gray"), WAYS)


def test_every_system_and_browser_is_short_enough_for_istio() -> None:
    everything = {
        "systems": ["ios", "android", "windows", "macos", "linux"],
        "browsers": ["chrome", "360", "ie", "safari", "sogou", "edge"],
        "cookie": {"exact": "beta=yes"},
    }
    rules = rules_of(Policy.model_validate({"content": [everything]}))
    assert len(http_of(istio.routed(None, Route({"stable": 100}, rules, "gray"), WAYS))[0]["match"]) == 30


def test_a_header_that_has_no_other_spelling_left_is_refused() -> None:
    rule = Rule(tuple(HeaderTest("x", Matcher.EXACT, value) for value in ("a", "b", "c")))
    with pytest.raises(StageFailure, match="The header x is tested more often"):
        istio.routed(None, Route({"stable": 100}, (rule,), "gray"), WAYS)


def test_a_group_that_nothing_leads_to_is_a_mistake_of_ours() -> None:
    with pytest.raises(InvariantViolation, match="blue"):
        istio.routed(None, Route({"blue": 100}), WAYS)


def test_what_is_in_effect_is_shown_without_what_only_machines_read() -> None:
    shown = list(yaml.safe_load_all(istio.effective([istio.routed(None, FIFTH, WAYS), found({"route": [OURS]})])))
    assert [each["name"] for each in shown] == ["shop/web", "shop/public"]
    assert shown[0]["http"][0]["route"][1]["weight"] == 20
    assert shown[1].keys() == {"kind", "name", "hosts", "gateways", "http"}
    assert istio.effective([]) == ""

from pathlib import Path
from typing import Any

import yaml

from engine.rollout.fleet import HeaderTest, Matcher, Route, Rule
from engine.routing import envoy_config
from engine.routing.envoy import Seen, as_yaml
from engine.routing.envoy_config import LOOPBACK, Endpoint, Site

FOLDER = Path("/place/envoy")
RULE = Rule((HeaderTest("x-tester", Matcher.REGEX, "a|b"), HeaderTest("x-old", Matcher.EXACT, "1", negate=True)))


def _at(port: int) -> Endpoint:
    return Endpoint(LOOPBACK, port)


def _site(route: Route, **others: Any) -> Site:
    given: dict[str, Any] = {
        "port": 8080,
        "preview_port": None,
        "endpoints": {"stable": (_at(1), _at(2)), "gray": (_at(3),)},
    }
    return Site("hello", **{**given, **others}, route=route)


def _ways(site: Site) -> list[dict[str, Any]]:
    ways: list[dict[str, Any]] = envoy_config.routes(site)[0]["virtual_hosts"][0]["routes"]
    return ways


def test_rules_come_before_the_plain_requests() -> None:
    ways = _ways(_site(Route({"stable": 100}, rules=(RULE,), matched="gray")))
    assert [way["route"]["cluster"] for way in ways] == ["hello/gray", "hello/gray", "hello/stable", "hello/stable"]


def test_rules_without_a_group_for_them_send_nobody_anywhere() -> None:
    ways = _ways(_site(Route({"stable": 100}, rules=(RULE,))))
    assert {way["route"]["cluster"] for way in ways} == {"hello/stable"}


def test_a_group_with_no_weight_is_not_named() -> None:
    ways = _ways(_site(Route({"stable": 100, "gray": 0})))
    assert "gray" not in str(ways)


def test_only_requests_that_may_be_repeated_are_sent_again_after_they_went_out() -> None:
    reads, writes = _ways(_site(Route({"stable": 80, "gray": 20})))
    assert reads["match"]["headers"][0]["string_match"]["safe_regex"]["regex"] == "GET|HEAD|OPTIONS"
    assert "reset" in reads["route"]["retry_policy"]["retry_on"].split(",")
    assert "reset" not in writes["route"]["retry_policy"]["retry_on"].split(",")


def test_a_reroute_changes_neither_listeners_nor_clusters() -> None:
    before, after = _site(Route({"stable": 100})), _site(Route({"gray": 100}, rules=(RULE,), matched="gray"))
    assert envoy_config.clusters(before, FOLDER) == envoy_config.clusters(after, FOLDER)
    listeners = [envoy_config.listeners(site, FOLDER, "127.0.0.1") for site in (before, after)]
    assert listeners[0] == listeners[1]


def test_a_change_of_endpoints_changes_no_cluster() -> None:
    before, after = _site(Route()), _site(Route(), endpoints={"stable": (), "gray": (_at(3), _at(4))})
    assert envoy_config.clusters(before, FOLDER) == envoy_config.clusters(after, FOLDER)


def test_listeners_do_not_share_their_port_with_others() -> None:
    made = envoy_config.listeners(_site(Route(), preview_port=8081), FOLDER, "127.0.0.1")
    assert [each["name"] for each in made] == ["hello", "hello:preview"]
    assert not any(each["enable_reuse_port"] for each in made)


def test_the_version_changes_exactly_when_the_content_does() -> None:
    one, two = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert envoy_config.version_of(one) == envoy_config.version_of(two)
    assert envoy_config.version_of(one) != envoy_config.version_of({"a": 1, "b": 3})


def test_a_route_is_followed_only_when_envoy_has_that_very_version_and_the_port() -> None:
    site, other = _site(Route({"stable": 100})), _site(Route({"gray": 100}))
    versions = {"hello": envoy_config.version_of(envoy_config.routes(site))}
    seen = Seen(listeners=frozenset({"hello"}), versions=versions)
    assert seen.follows(site)
    assert not seen.follows(other)
    assert not Seen(versions=versions).follows(site)


def test_a_route_can_be_taken_only_when_every_cluster_it_names_is_there() -> None:
    seen = Seen(hosts={"hello/stable": frozenset({_at(1)})})
    assert seen.can_take(_site(Route({"stable": 100})))
    assert not seen.can_take(_site(Route({"stable": 100}, preview="gray")))


def test_file_names_of_different_things_differ() -> None:
    names = {envoy_config.file_name("routes", name) for name in ("a", "a:preview", "a-preview", "a/b", "a-b")}
    assert len(names) == 5


def test_the_yaml_for_people_says_what_the_routes_say() -> None:
    routes = envoy_config.routes(_site(Route({"stable": 80, "gray": 20})))
    assert yaml.safe_load(as_yaml(routes)) == routes

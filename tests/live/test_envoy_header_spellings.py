"""What Istio's proxy makes of two tests of one header, which a VirtualService holds under two spellings of its name."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.definition import Policy
from engine.rollout.fleet import HeaderTest, Matcher, Route, Rule
from engine.rollout.traffic import matches, rules_of
from engine.routing import istio
from engine.routing.ways import Ways
from tests.support.process_target import Place, free_port
from tests.support.traffic import ask_once

pytestmark = pytest.mark.live

WAYS = Ways("shop", "web", 8080, {"stable": "web", "gray": "web-gray"}, alone=True)
AGENTS = {
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) CriOS/120.0 Mobile/15E148 Safari/604.1": "gray",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1": "stable",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36": "stable",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) CriOS/120.0 EdgiOS/120.0 Safari/604.1": "stable",
}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path, preview_port=free_port())
    await place.launch("stable", place.release("v1"), 1)
    await place.launch("gray", place.release("v2"), 1)
    yield place
    await place.target.shutdown()


async def test_envoy_holds_every_spelling_of_a_header_against_the_request(place: Place) -> None:
    rules = rules_of(Policy.model_validate({"content": [{"systems": ["ios"], "browsers": ["chrome"]}]}))
    made = istio.routed(None, Route({"stable": 100}, rules, "gray"), WAYS)
    match = made["spec"]["http"][0]["match"][0]
    tests = [
        HeaderTest(name, Matcher.REGEX, how["regex"], negate)
        for key, negate in (("headers", False), ("withoutHeaders", True))
        for name, how in match[key].items()
    ]
    assert [test.name for test in tests] == ["user-agent", "User-Agent"] * 2
    await place.route({"stable": 100}, rules=(Rule(tuple(tests)),), matched="gray")
    for agent, group in AGENTS.items():
        _, answer = await ask_once(place.port, headers={"user-agent": agent})
        assert answer["group"] == group
        assert matches(rules, {"user-agent": agent}) is (group == "gray")

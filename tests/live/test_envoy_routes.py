import asyncio
import statistics
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.rollout.fleet import HeaderTest, Matcher, Reroute, Route, Rule
from tests.support.process_target import Place, free_port
from tests.support.traffic import ask_many, ask_once

pytestmark = pytest.mark.live
TESTERS = Rule((HeaderTest("x-tester", Matcher.REGEX, "team-(a|b)"),))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path, preview_port=free_port())
    await place.launch("stable", place.release("v1"), 2)
    await place.launch("gray", place.release("v2"), 1)
    yield place
    await place.target.shutdown()


async def test_a_fifth_of_ten_thousand_requests_goes_to_gray_within_two_points(place: Place) -> None:
    await place.route({"stable": 80, "gray": 20})
    tally = await ask_many(place.port, 10_000)
    assert tally.failures == []
    assert abs(tally.share("gray") - 0.20) <= 0.02
    counted = await place.target.traffic("hello")
    assert counted.requests == dict(tally.answers)
    assert set(counted.failed.values()) <= {0}


async def test_a_header_only_rule_never_lets_a_plain_request_reach_gray(place: Place) -> None:
    await place.route({"stable": 100}, rules=(TESTERS,), matched="gray")
    plain, almost, exact = await asyncio.gather(
        ask_many(place.port, 1000),
        ask_many(place.port, 100, headers={"x-tester": "team-abc"}),
        ask_many(place.port, 100, headers={"x-tester": "team-b"}),
    )
    assert plain.answers == {"stable": 1000}
    assert almost.answers == {"stable": 100}
    assert exact.answers == {"gray": 100}


async def test_a_negated_test_passes_requests_that_lack_the_header(place: Place) -> None:
    rule = Rule((HeaderTest("x-old", Matcher.EXACT, "yes", negate=True),))
    await place.route({"stable": 100}, rules=(rule,), matched="gray")
    without, with_it = await asyncio.gather(ask_once(place.port), ask_once(place.port, headers={"x-old": "yes"}))
    assert (without[1]["group"], with_it[1]["group"]) == ("gray", "stable")


async def test_every_test_of_a_rule_must_pass_and_one_rule_is_enough(place: Place) -> None:
    both = Rule((HeaderTest("a", Matcher.EXACT, "1"), HeaderTest("b", Matcher.EXACT, "1")))
    await place.route({"stable": 100}, rules=(both, TESTERS), matched="gray")
    one, two, other = await asyncio.gather(
        ask_once(place.port, headers={"a": "1"}),
        ask_once(place.port, headers={"a": "1", "b": "1"}),
        ask_once(place.port, headers={"x-tester": "team-a"}),
    )
    assert [each[1]["group"] for each in (one, two, other)] == ["stable", "gray", "gray"]


async def test_a_long_expression_is_not_too_long_for_envoy(place: Place) -> None:
    words = "|".join(f"agent-{n}/[0-9]+" for n in range(300))
    rule = Rule((HeaderTest("user-agent", Matcher.REGEX, words),))
    await place.route({"stable": 100}, rules=(rule,), matched="gray")
    _, answer = await ask_once(place.port, headers={"user-agent": "agent-299/7"})
    assert answer["group"] == "gray"


async def test_the_preview_port_leads_to_the_preview_group_only(place: Place) -> None:
    assert place.preview_port
    await place.route({"stable": 100}, preview="gray")
    public, preview = await asyncio.gather(ask_once(place.port), ask_once(place.preview_port))
    assert (public[1]["group"], preview[1]["group"]) == ("stable", "gray")


async def test_a_workload_without_a_route_says_so_with_503(place: Place) -> None:
    await place.route({})
    status, body = await ask_once(place.port)
    assert (status, body) == (503, "No version of hello is released: nothing answers here yet.\n")


async def test_the_route_in_effect_is_shown_as_yaml(place: Place) -> None:
    await place.route({"stable": 70, "gray": 30})
    shown = await place.target.effective_route("hello")
    assert "name: hello/gray\n" in shown
    assert "weight: 30\n" in shown


async def test_a_changed_route_is_in_effect_within_a_fraction_of_a_second(place: Place) -> None:
    loop = asyncio.get_running_loop()
    took = []
    for share in range(1, 21):
        begun = loop.time()
        await place.perform(Reroute(Route({"stable": 100 - share, "gray": share})))
        while not (await place.target.observe(place.placement)).in_effect:
            pass
        took.append(loop.time() - begun)
    print(f"reroute asked to in effect: p50 {1000 * statistics.median(took):.1f} ms, worst {1000 * max(took):.1f} ms")
    assert statistics.median(took) < 0.25


async def test_a_client_that_begins_with_http_2_is_answered_in_http_2(place: Place) -> None:
    await place.route({"stable": 100})
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
    async with asyncio.timeout(5):
        frame = await reader.readexactly(9)
    writer.close()
    await writer.wait_closed()
    assert frame[3] == 4

"""Requests of each track as Prometheus counts them: never less than before, and never in a release's way."""

import asyncio

import pytest

from engine.ports import Traffic
from engine.targets.kubernetes.metrics import Metrics
from engine.targets.kubernetes.names import Place, short
from tests.support.prometheus_wire import PrometheusWire, Sample, prometheus_wire

PLACE = Place("prod", "shop", "web")
NOTHING_YET = {"stable": 0, "gray": 0, "blue": 0, "green": 0}


def eager(wire: PrometheusWire) -> Metrics:
    """One that asks each time."""
    return Metrics("prod", wire.address, good_for=0.0, left_alone=0.0)


async def test_requests_and_errors_are_those_of_each_tracks_own_deployment() -> None:
    samples = (
        Sample("web", "web-1", 100),
        Sample("web", "web-2", 50),
        Sample("web-gray", "web-gray-1", 30),
        Sample("web-gray", "web-gray-1", 4, failed=True),
        Sample("webshop", "webshop-1", 999),
    )
    async with prometheus_wire(*samples) as wire:
        seen = await eager(wire).traffic(PLACE)
        assert seen.requests == {**NOTHING_YET, "stable": 150, "gray": 30}
        assert seen.failed == {**NOTHING_YET, "gray": 4}
        assert {'destination_workload_namespace="shop"' in query for query in wire.queries} == {True}
        assert {'"web|web-blue|web-gray|web-green"' in query for query in wire.queries} == {True}


async def test_a_long_name_is_looked_for_as_its_deployments_are_called() -> None:
    place = Place("prod", "shop", "a" * 63)
    async with prometheus_wire(Sample(short(f"{place.name}-gray"), "x", 7)) as wire:
        assert (await eager(wire).traffic(place)).requests["gray"] == 7


async def test_where_nothing_was_counted_yet_every_track_has_none() -> None:
    async with prometheus_wire() as wire:
        assert await eager(wire).traffic(PLACE) == Traffic(NOTHING_YET, NOTHING_YET)


async def test_an_instance_that_ends_takes_no_requests_with_it() -> None:
    async with prometheus_wire(Sample("web", "web-1", 100), Sample("web", "web-2", 50)) as wire:
        metrics = eager(wire)
        await metrics.traffic(PLACE)
        wire.samples = [Sample("web", "web-2", 60)]
        assert (await metrics.traffic(PLACE)).requests["stable"] == 160
        wire.samples = [Sample("web", "web-2", 60), Sample("web", "web-3", 5)]
        assert (await metrics.traffic(PLACE)).requests["stable"] == 165


async def test_a_counter_that_begins_again_is_carried_on() -> None:
    async with prometheus_wire(Sample("web", "web-1", 100)) as wire:
        metrics = eager(wire)
        counts = []
        for value in (100, 3, 8, 1):
            wire.samples = [Sample("web", "web-1", value)]
            counts.append((await metrics.traffic(PLACE)).requests["stable"])
        assert counts == [100, 103, 108, 109]


async def test_a_series_that_is_gone_for_good_is_still_counted() -> None:
    async with prometheus_wire(Sample("web", "web-1", 100)) as wire:
        metrics = eager(wire)
        await metrics.traffic(PLACE)
        wire.samples = []
        for _ in range(710):
            seen = await metrics.traffic(PLACE)
        assert seen.requests["stable"] == 100


async def test_many_looks_cost_one_question_for_each_kind() -> None:
    async with prometheus_wire(Sample("web", "web-1", 1)) as wire:
        metrics = Metrics("prod", wire.address)
        await asyncio.gather(*(metrics.traffic(PLACE) for _ in range(20)))
        assert len(wire.queries) == 2


async def test_queries_of_ones_own_are_filled_in_and_none_for_errors_means_none() -> None:
    async with prometheus_wire(Sample("web", "web-1", 9)) as wire:
        metrics = Metrics("prod", wire.address, 'sum by (job) (hits{ns="$namespace",job=~"$workload"})', "")
        assert (await metrics.traffic(PLACE)).failed == NOTHING_YET
        assert wire.queries == ['sum by (job) (hits{ns="shop",job=~"web|web-blue|web-gray|web-green"})']


async def test_a_prometheus_that_is_away_is_said_once_and_left_alone() -> None:
    metrics = Metrics("prod", "http://127.0.0.1:1")
    assert await metrics.traffic(PLACE) == Traffic()
    assert metrics.trouble == "Prometheus of cluster prod does not count requests: it cannot be reached."
    async with prometheus_wire(Sample("web", "web-1", 1)) as wire:
        metrics.address = wire.address
        assert await metrics.traffic(PLACE) == Traffic()
        assert wire.queries == []


async def test_what_was_counted_before_it_went_away_is_kept_and_it_is_heard_when_it_is_back() -> None:
    async with prometheus_wire(Sample("web", "web-1", 5)) as wire:
        metrics = eager(wire)
        await metrics.traffic(PLACE)
        wire.status, wire.body = 502, "<html>bad gateway</html>"
        assert (await metrics.traffic(PLACE)).requests["stable"] == 5
        assert metrics.trouble
        wire.status, wire.body, wire.samples = 200, "", [Sample("web", "web-1", 6)]
        assert (await metrics.traffic(PLACE)).requests["stable"] == 6
        assert metrics.trouble == ""


async def test_a_prometheus_that_says_nothing_costs_no_more_than_its_patience() -> None:
    async with prometheus_wire() as wire, asyncio.timeout(10):
        wire.held = asyncio.Event()
        metrics = Metrics("prod", wire.address, patience=0.1)
        assert await metrics.traffic(PLACE) == Traffic()
        assert "nothing came in time" in metrics.trouble
        assert await metrics.greet() == "nothing came in time"


@pytest.mark.parametrize(
    "body",
    [
        "nonsense",
        "[]",
        "null",
        '{"status": "success"}',
        '{"status": "success", "data": {"resultType": "matrix", "result": []}}',
        '{"status": "success", "data": {"resultType": "vector", "result": 3}}',
    ],
)
async def test_anything_else_in_its_place_is_survived(body: str) -> None:
    async with prometheus_wire() as wire:
        wire.body = body
        metrics = eager(wire)
        assert await metrics.traffic(PLACE) == Traffic()
        assert metrics.trouble


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1"])
async def test_a_value_that_counts_nothing_is_left_out(value: str) -> None:
    async with prometheus_wire(Sample("web", "web-1", value), Sample("web", "web-2", 2)) as wire:
        assert (await eager(wire).traffic(PLACE)).requests["stable"] == 2


async def test_its_own_words_for_a_query_that_is_none_are_told() -> None:
    async with prometheus_wire() as wire:
        wire.status, wire.error = 400, 'invalid parameter "query": parse error:\nunclosed parenthesis'
        metrics = eager(wire)
        await metrics.traffic(PLACE)
        assert metrics.trouble.endswith('invalid parameter "query": parse error: unclosed parenthesis.')

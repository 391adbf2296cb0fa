"""Whatever arrives at the door for pushes is a push, no push, or refused: nothing else, and nothing unproven."""

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.definition import AutoBuild, Source
from engine.forges.auto_build import Passes, Starts, Wanted, decide, matches
from engine.forges.hosting import ForgeName
from engine.forges.payloads import Push, Unreadable, is_ping, read_push
from engine.forges.proving import Delivery, event_of, is_proven, keys_of
from tests.support.push_payloads import Told, payload_of, posted

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FORGES = st.sampled_from(ForgeName)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted({name for forge in ForgeName for name in payload_of(forge, Told())}))
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("x-hub-signature-256", "x-github-event", "x-github-delivery", "x-gitlab-token", "x-gitlab-event"),
            *("webhook-id", "webhook-timestamp", "webhook-signature", "x-gitee-token", "x-gitee-timestamp"),
            *("x-devcloud-token", "x-devcloud-event", "content-type", "idempotency-key"),
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=40),
    max_size=6,
)


def read(forge: ForgeName, payload: Mapping[str, Any]) -> Push | None:
    event = event_of(forge, Delivery({name.lower(): v for name, v in posted(forge, {}, "s").headers.items()}, b""))
    try:
        return read_push(forge, event, payload)
    except Unreadable:
        return None


@given(FORGES, st.dictionaries(NAMES, JSON, max_size=12))
def test_any_change_of_a_payload_is_read_or_refused(forge: ForgeName, changes: dict[str, Any]) -> None:
    found = read(forge, payload_of(forge, Told()) | changes)
    if found is not None:
        assert found.ref
        assert found.login.isprintable()
        assert len(found.after) in (0, 40, 64)
        decision = decide(found, _everything())
        assert isinstance(decision, Starts | Passes)
        assert not (isinstance(decision, Starts) and found.is_deletion)


@given(FORGES, st.dictionaries(st.text(max_size=12), JSON, max_size=6), st.text(max_size=20))
def test_any_object_at_all_is_read_or_refused(forge: ForgeName, payload: dict[str, Any], event: str) -> None:
    is_ping(forge, event, payload)
    with contextlib.suppress(Unreadable):
        found = read_push(forge, event, payload)
        assert found is None or found.ref


@given(FORGES, HEADERS, st.binary(max_size=60))
def test_no_headers_prove_a_secret_that_their_sender_does_not_have(
    forge: ForgeName, headers: dict[str, str], body: bytes
) -> None:
    delivery = Delivery(headers, body)
    assert not is_proven(forge, "a-secret-of-43-letters-that-nobody-can-guess", delivery, NOW)
    assert all(len(key) <= 110 for key in keys_of(forge, delivery))
    assert len(event_of(forge, delivery)) <= 100


@given(FORGES, st.binary(max_size=20), st.integers(0, 10_000))
def test_a_body_that_was_changed_on_its_way_names_another_delivery(forge: ForgeName, more: bytes, at: int) -> None:
    made = posted(forge, payload_of(forge, Told()), "s", at=float(at))
    headers = {"x-gitee-timestamp": "1"}
    one, two = (keys_of(forge, Delivery(headers, body)) for body in (made.body, made.body + b"\n" + more))
    assert not set(one) & set(two)


@given(st.text(max_size=40), st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=20))
def test_a_pattern_never_breaks_and_a_name_matches_itself(name: str, pattern: str) -> None:
    assert matches(name, pattern) in (True, False)
    if not set(name) & set("*?["):
        assert matches(name, name) or "\\" in name


def _everything() -> Wanted:
    auto = AutoBuild(branches=("*",), tags=("*",), webhook="manual")
    source = Source(git="https://git.example.com/shop/api.git", auto_build=auto)
    return Wanted("code", source, auto)


def test_the_payloads_of_the_tests_are_json() -> None:
    assert all(json.loads(json.dumps(payload_of(forge, Told()))) for forge in ForgeName)

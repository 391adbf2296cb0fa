"""A stage's message with variables in it: every trick that a value could play, and what comes of it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definition import Tell
from engine.variables import substitute
from engine.web_call import BadMessage, WebCall, host_of, web_call

TRICKS = (
    "evil.example.com/",
    "@evil.example.com",
    "x:y@evil.example.com",
    "evil.example.com#",
    "evil.example.com?",
    "127.0.0.1:80",
    "a\\b",
    "%2e",
    "[::1]",
    "a b",
    "é",
)


def made(values: Mapping[str, str], url: str = "https://hooks.example.com/x", **more: Any) -> WebCall:
    """The request of a `tell` as written, with these values."""
    raw = {"webhook": url, **more}
    headers = {name: substitute(value, values) for name, value in more.get("headers", {}).items()}
    return web_call(raw, Tell.model_construct(webhook=substitute(url, values), **{**more, "headers": headers}), values)


@pytest.mark.parametrize("value", TRICKS)
def test_a_value_cannot_change_where_an_address_leads(value: str) -> None:
    with pytest.raises(BadMessage):
        made({"host": value}, "https://${host}.example.com/hook")
    assert host_of(made({"path": value}, "https://hooks.example.com/${path}").url) == "hooks.example.com"


def test_a_host_may_come_from_a_variable_that_is_a_name() -> None:
    assert made({"team": "shop-1"}, "https://${team}.example.com/").url == "https://shop-1.example.com/"


def test_an_address_that_is_a_variable_as_a_whole_is_what_the_variable_says() -> None:
    assert made({"callback": "https://ci.example.com/a?b=c"}, "${callback}").url == "https://ci.example.com/a?b=c"


@pytest.mark.parametrize("value", ["..", ".", "../../admin", "a/../b", "/etc", "a?b", "a#b", "a;b", "a&b=c"])
def test_a_value_stays_one_piece_of_a_path_and_of_a_query(value: str) -> None:
    url = made({"v": value}, "https://hooks.example.com/a/${v}/b?x=${v}&y=1").url
    path, _, query = url.partition("?")
    assert path.count("/") == 5
    assert ".." not in path.split("/")
    assert query.count("&") == 1
    assert "#" not in url


def test_parameters_go_into_the_query_behind_what_is_there() -> None:
    call = made({"tag": "v 1&x"}, "https://h.example.com/?a=b#part", parameters={"version": "tag", "none": "missing"})
    assert call.url == "https://h.example.com/?a=b&version=v+1%26x&none="


@given(st.text())
def test_in_json_any_value_is_one_text(value: str) -> None:
    call = made({"v": value}, body='{"a": "<${v}>", "b": ["${v}", "\\"${v}\\\\"]}')
    assert json.loads(call.body) == {"a": f"<{value}>", "b": [value, f'"{value}\\']}
    assert call.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("value", ["1", "-1.5e3", "true", "null"])
def test_outside_quotes_json_takes_numbers_and_words(value: str) -> None:
    assert made({"n": value}, body='{"n": ${n}}').body == f'{{"n": {value}}}'


@pytest.mark.parametrize("value", ['1, "admin": true', "[]", '"x"', "", "01", "NaN", "v1"])
def test_outside_quotes_json_takes_nothing_else(value: str) -> None:
    with pytest.raises(BadMessage):
        made({"n": value}, body='{"n": ${n}}')


def test_in_a_form_a_value_is_one_field() -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert made({"v": "a&b=c d"}, body="x=${v}&y=1", headers=headers).body == "x=a%26b%3Dc+d&y=1"


def test_in_plain_text_a_value_is_what_it_is() -> None:
    call = made({"v": '"x"'}, body="It is ${v}, not $${v}.")
    assert (call.body, call.headers["Content-Type"]) == ('It is "x", not ${v}.', "text/plain; charset=utf-8")


def test_what_is_said_to_be_json_and_is_none_is_not_sent() -> None:
    with pytest.raises(BadMessage):
        made({}, body="tag: v1", headers={"Content-Type": "application/vnd.shop+json"})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7f"])
def test_a_value_adds_no_header(value: str) -> None:
    with pytest.raises(BadMessage):
        made({"v": value}, headers={"X-Tag": "${v}"})


def test_a_value_is_never_read_as_a_variable() -> None:
    call = made({"a": "${b}", "b": "secret"}, "https://h.example.com/${a}", body='{"a": "${a}"}')
    assert "secret" not in f"{call}"


def test_a_body_that_grows_beyond_all_measure_is_not_sent() -> None:
    with pytest.raises(BadMessage):
        made({"v": "x" * 100_000}, body="${v}" * 20)


def test_of_an_address_only_the_host_is_shown() -> None:
    assert host_of("https://user:word@h.example.com:8443/secret?token=x") == "h.example.com:8443"
    assert host_of("nonsense") == "a web address"

"""Whatever is written down is looked through for secrets that are known, in all the ways they are commonly written."""

import base64
import io
import json
import logging
from urllib.parse import quote, quote_plus

import pytest

from bot.secrecy.redacting import redaction_of
from bot.settings import Settings
from engine.redaction import HIDDEN, Redaction, unwatch_logs, watch_logs

SECRET = 'p@ss w0rd/"x"+1'


def knowing(*secrets: str) -> Redaction:
    redaction = Redaction()
    redaction.add(*secrets)
    return redaction


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"me:{SECRET}:after".encode()).decode(),
    ],
)
def test_a_secret_is_taken_out_however_it_is_written(written: str) -> None:
    clean = knowing(SECRET).clean(f"before {written} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert HIDDEN in clean
    assert SECRET not in clean


def test_what_is_not_secret_is_left_as_it_is() -> None:
    text = "nothing to hide: ordinary words, 12345"
    assert knowing(SECRET).clean(text) == text
    assert Redaction().clean(text) == text


def test_the_longer_of_two_secrets_is_taken_out_whole() -> None:
    assert knowing("secret-one", "secret-one-and-two").clean("secret-one-and-two") == HIDDEN


def test_a_secret_of_several_lines_is_known_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    assert "kqhkiG9w" not in knowing(key).clean("line: kqhkiG9w0BAQEF")


def test_what_is_too_short_to_be_told_from_words_is_not_looked_for() -> None:
    assert knowing("ok", "").clean("ok then") == "ok then"


def test_json_loses_secrets_at_any_depth() -> None:
    assert knowing(SECRET).clean_tree({"a": [SECRET, {"b": f"x{SECRET}"}, 1, None]}) == {
        "a": [HIDDEN, {"b": f"x{HIDDEN}"}, 1, None]
    }


def test_a_log_record_loses_secrets_in_its_message_its_arguments_and_its_error() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    redaction = knowing(SECRET)
    watch_logs(redaction, [handler])
    logger = logging.getLogger("a test of the redaction")
    logger.propagate = False
    logger.addHandler(handler)
    logger.error("failed with %s", SECRET, exc_info=ValueError(SECRET))
    said = out.getvalue()
    assert SECRET not in said
    assert "ValueError" in said
    assert said.count(HIDDEN) >= 2
    unwatch_logs(redaction, [handler])
    logger.warning("%s", SECRET)
    assert SECRET in out.getvalue()
    logger.removeHandler(handler)


def test_what_is_known_is_not_shown() -> None:
    assert SECRET not in repr(knowing(SECRET))


@pytest.mark.parametrize(
    ("setting", "address", "secrets"),
    [
        ("database", "postgresql+psycopg://ann:p%40hunter2@db/sluice", ["p%40hunter2", "p@hunter2"]),
        ("database", "postgresql+psycopg://ann:p@hunter2-tail@db/sluice", ["p@hunter2-tail", "hunter2-tail"]),
        ("telegram_webhook", "https://ann:hunter2@sluice.example.com", ["hunter2"]),
        ("smtp_host", "ann:hunter2@mail.example.com", ["hunter2"]),
    ],
)
def test_the_password_in_an_address_of_the_settings_is_known(setting: str, address: str, secrets: list[str]) -> None:
    redaction = redaction_of(Settings.model_validate({setting: address}))
    assert all("hunter2" not in redaction.clean(f"failed at {one}@db") for one in (address, *secrets))


@pytest.mark.parametrize(
    "address", ["sqlite:////home/a:words@work/sluice.db", "postgresql+psycopg://postgres@db:5432/sluice"]
)
def test_an_address_without_a_password_makes_no_word_a_secret(address: str) -> None:
    assert Settings(database=address).secrets == ()

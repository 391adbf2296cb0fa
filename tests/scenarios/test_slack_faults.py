"""What Slack's errors mean, one by one, and that settings which cannot work are refused in words."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.chat import MessageLost, RoomLost, Slower, Undeliverable
from bot.settings import Settings
from bot.slack.connect import connect
from bot.slack.faults import fault
from engine.errors import Broken, Interrupted, SluiceError

MEANT: dict[type[SluiceError], str] = {
    RoomLost: "channel_not_found not_in_channel is_archived restricted_action user_disabled cannot_dm_bot",
    MessageLost: "message_not_found cant_update_message edit_window_closed thread_not_found",
    Slower: "ratelimited rate_limited message_limit_exceeded",
    Interrupted: "internal_error fatal_error service_unavailable request_timeout team_added_to_org",
    Undeliverable: "invalid_blocks msg_too_long msg_blocks_too_long no_text invalid_arguments something_new",
    Broken: "invalid_auth not_authed token_revoked account_inactive missing_scope not_allowed_token_type",
}


@pytest.mark.parametrize(
    ("kind", "error"), [(kind, error) for kind, errors in MEANT.items() for error in errors.split()]
)
def test_an_error_of_slack_is_what_it_means_for_the_room(kind: type[SluiceError], error: str) -> None:
    found = fault("chat.postMessage", 200, error, after="7", needed="chat:write")
    assert type(found) is kind
    assert str(found).endswith(".")
    assert found.hint or kind is not Broken, "an operator is told what to do"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_broken_server_is_tried_again(status: int) -> None:
    assert type(fault("chat.update", status, "")) is Interrupted


def test_slack_is_waited_for_as_long_as_it_says() -> None:
    found = fault("chat.update", 429, "", after="7")
    assert isinstance(found, Slower)
    assert found.after == timedelta(seconds=7)


def test_a_missing_scope_is_named_with_what_to_do() -> None:
    found = fault("conversations.open", 200, "missing_scope", needed="im:write")
    assert str(found) == "Slack's token may not do conversations.open: it lacks the scope im:write."
    assert "deploy/slack-manifest.yaml" in found.hint


def test_without_a_token_sluice_is_not_in_slack() -> None:
    assert connect(Settings(slack_app_token=SecretStr("xapp-1"))) is None


@pytest.mark.parametrize(
    ("bot", "app", "secret", "sentence"),
    [
        ("xoxb-1", None, None, "nothing is set through which its deliveries come"),
        ("xoxb-1", None, "", "nothing is set through which its deliveries come"),
        ("xapp-1", "xapp-1", None, "SLUICE_SLACK_BOT_TOKEN does not begin with xoxb-"),
        ("xoxb-1", "xoxb-1", None, "SLUICE_SLACK_APP_TOKEN does not begin with xapp-"),
    ],
)
def test_settings_that_cannot_work_are_refused(bot: str, app: str | None, secret: str | None, sentence: str) -> None:
    settings = Settings(
        slack_bot_token=SecretStr(bot),
        slack_app_token=None if app is None else SecretStr(app),
        slack_signing_secret=None if secret is None else SecretStr(secret),
    )
    with pytest.raises(Broken, match=sentence) as refused:
        connect(settings)
    assert refused.value.hint
    assert bot not in str(refused.value) + refused.value.hint


def test_both_ways_of_delivery_are_one_app() -> None:
    socket = connect(Settings(slack_bot_token=SecretStr("xoxb-1"), slack_app_token=SecretStr("xapp-1")))
    http = connect(Settings(slack_bot_token=SecretStr("xoxb-1"), slack_signing_secret=SecretStr("s")))
    assert socket is not None
    assert http is not None
    assert socket[1].web is None
    assert http[1].web is not None
    assert socket[1].listens_to == http[1].listens_to


def test_a_token_is_not_sent_in_clear_to_another_machine() -> None:
    settings = Settings(
        slack_bot_token=SecretStr("xoxb-1"),
        slack_app_token=SecretStr("xapp-1"),
        slack_api="http://slack.example.com/api/",
    )
    with pytest.raises(Broken, match="is no https address"):
        connect(settings)

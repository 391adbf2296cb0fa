"""Slack, made from the settings: what the composition root takes."""

from pydantic import SecretStr

from bot.settings import Settings
from bot.slack.api import Api, is_safe
from bot.slack.chat import SlackChat
from bot.slack.ears import SlackEars
from bot.slack.showing import Showing
from engine.errors import Broken


def connect(settings: Settings) -> tuple[SlackChat, SlackEars] | None:
    """Make both sides of Slack; None when it is not set up. Nothing is called yet.

    The composition root sets `chat.pressing` and `ears.front` once they are made.
    """
    if settings.slack_bot_token is None:
        return None
    if not is_safe(settings.slack_api):
        raise Broken("SLUICE_SLACK_API is no https address; the token would be sent in clear.", "Leave it out.")
    token = _checked(settings.slack_bot_token, "xoxb-", "SLUICE_SLACK_BOT_TOKEN", "OAuth & Permissions")
    app_api = None
    if settings.slack_app_token is not None:
        app_token = _checked(settings.slack_app_token, "xapp-", "SLUICE_SLACK_APP_TOKEN", "Basic Information")
        app_api = Api(app_token, settings.slack_api)
    elif settings.slack_signing_secret is None or not settings.slack_signing_secret.get_secret_value():
        raise Broken(
            "Slack has a bot's token, but nothing is set through which its deliveries come.",
            "Set SLUICE_SLACK_APP_TOKEN (Socket Mode) or SLUICE_SLACK_SIGNING_SECRET (HTTP).",
        )
    chat = SlackChat(Showing(Api(token, settings.slack_api)))
    secret = settings.slack_signing_secret
    return chat, SlackEars(chat, app_api, secret.get_secret_value().strip() if secret else "")


def _checked(token: SecretStr, begins: str, name: str, place: str) -> str:
    """Return the token. One in the other's place is the commonest mistake, and Slack's word for it says little."""
    value = token.get_secret_value().strip()
    if not value.startswith(begins):
        raise Broken(f"{name} does not begin with {begins}.", f"Copy it from api.slack.com/apps, your app, {place}.")
    return value

"""A chat that is away, or that refuses a token, keeps neither the bot nor the other chat from working."""

from pathlib import Path

import pytest

from bot.cards import Tone
from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.slack_wire import APP_TOKEN, BOT_TOKEN, SECRET, SlackWire, slack_wire
from tests.support.telegram_wire import TOKEN, TelegramWire, telegram_wire

pytestmark = pytest.mark.live


def both(slack: SlackWire, telegram: TelegramWire) -> dict[str, object]:
    return {
        "slack_bot_token": BOT_TOKEN,
        "slack_app_token": APP_TOKEN,
        "slack_api": slack.url,
        "telegram_token": TOKEN,
        "telegram_api": telegram.base_url.removesuffix("/bot"),
    }


async def says(bot: Bot, words: str) -> None:
    async def look() -> bool:
        return any(words in card.title for card in await bot.cards())

    await eventually(look, f"the lobby is told: {words}", 40)


async def test_a_bot_starts_though_both_chats_are_away_and_listens_when_they_are_back(tmp_path: Path) -> None:
    async with slack_wire() as slack, telegram_wire() as telegram:
        slack.add_person("ann")
        releases = slack.add_channel("RELEASES")
        await slack.go_away()
        await telegram.go_away()
        async with a_bot(tmp_path / "home", settings=both(slack, telegram)) as bot:
            await eventually(lambda: _says_status(bot, "slack cannot be listened to"), "slack's trouble is said", 40)
            await eventually(lambda: _says_status(bot, "telegram cannot be listened to"), "telegram's is said", 40)
            await slack.come_back()
            await telegram.come_back()
            await eventually(lambda: _is_mended(bot), "both are listened to again", 40)
            assert (await slack.send(slack.people.command("U00ANN", releases, "list"))).status == 200
            await eventually(lambda: _answered(slack), "the unknown account is answered")


async def test_a_token_that_telegram_refuses_is_said_and_leaves_slack_alone(tmp_path: Path) -> None:
    async with slack_wire() as slack, telegram_wire() as telegram:
        slack.add_person("ann")
        releases = slack.add_channel("RELEASES")
        telegram.token = "1:another"
        async with a_bot(tmp_path / "home", settings=both(slack, telegram)) as bot:
            await says(bot, "telegram cannot be listened to")
            assert TOKEN not in "\n".join(card.title for card in await bot.cards() if card.tone is Tone.BAD)
            assert (await slack.send(slack.people.command("U00ANN", releases, "list"))).status == 200
            await eventually(lambda: _answered(slack), "slack answers")


async def test_over_http_the_door_for_machines_leads_to_slack_and_to_nothing_else(tmp_path: Path) -> None:
    async with slack_wire() as slack:
        slack.add_person("ann")
        releases = slack.add_channel("RELEASES")
        http = {"slack_bot_token": BOT_TOKEN, "slack_signing_secret": SECRET, "slack_api": slack.url}
        async with a_bot(tmp_path / "home", settings=http) as bot:
            door = f"http://127.0.0.1:{bot.app.switchboard.hooks}"
            slack.app_url = f"{door}/slack/events"
            command = slack.people.command("U00ANN", releases, "list")
            assert (await slack.send(command)).status == 200
            assert (await slack.send(command, secret="forged")).status == 401
            for path in ("/", "/slack/other", "/telegram/hook", "/events"):
                slack.app_url = f"{door}{path}"
                assert (await slack.send(command)).status == 404


async def _says_status(bot: Bot, words: str) -> bool:
    return words in await bot.say("status")


async def _is_mended(bot: Bot) -> bool:
    return "cannot be listened to" not in await bot.say("status")


async def _answered(slack: SlackWire) -> bool:
    return bool(slack.called("chat.postEphemeral"))

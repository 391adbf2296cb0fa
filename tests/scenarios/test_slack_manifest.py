"""The app's manifest asks for exactly what is used: scopes for the methods called, events for what is listened to.

Which scope a method and an event need is Slack's documentation's word (each method's page, "Scopes"; each event's
page, "Required scopes"), written down here once more so that the manifest is not compared with itself.
"""

import ast
import re
from pathlib import Path
from typing import Any

import yaml

from bot.slack import home, modals
from bot.slack.connect import connect
from bot.slack.ears import COMMAND, EVENTS
from bot.slack.scopes import SCOPES
from tests.support.notes import notes
from tests.support.slack_talk import ROOM, a_slack, in_slack, settings_of, words
from tests.support.slack_wire import slack_wire

ROOT = Path(__file__).parents[2]
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "deploy/slack-manifest.yaml").read_text())
SCOPE_OF_METHOD = {
    "apps.connections.open": set[str](),  # the app's own token, with connections:write
    "auth.test": set[str](),
    "chat.postEphemeral": {"chat:write"},
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.info": {"channels:read", "groups:read"},
    "conversations.open": {"im:write"},
    "files.completeUploadExternal": {"files:write"},
    "files.getUploadURLExternal": {"files:write"},
    "files.info": {"files:read"},
    "views.open": set[str](),
    "views.publish": set[str](),
}
SCOPE_OF_EVENT = {"app_home_opened": set[str](), "app_mention": {"app_mentions:read"}, "message.im": {"im:history"}}
_METHOD = re.compile(r"(?:api|apps|auth|bots|chat|conversations|files|reactions|team|users|views)\.[A-Za-z.]+")


def methods_called() -> set[str]:
    """Every method that the code names."""
    paths = [*(ROOT / "bot/slack").glob("*.py"), ROOT / "bot/doctor/slack.py"]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if _METHOD.fullmatch(text)}


def test_the_methods_that_are_called_are_those_whose_scopes_are_known() -> None:
    assert methods_called() == set(SCOPE_OF_METHOD)


def test_the_manifest_asks_for_the_scopes_that_are_used_and_for_no_other() -> None:
    used = {"commands"}.union(*SCOPE_OF_METHOD.values(), *SCOPE_OF_EVENT.values())
    asked = MANIFEST["oauth_config"]["scopes"]["bot"]
    assert sorted(asked) == asked
    assert set(asked) == used == set(SCOPES)
    assert "user" not in MANIFEST["oauth_config"]["scopes"]


def test_the_manifest_subscribes_to_what_is_listened_to() -> None:
    subscribed = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    assert set(subscribed) == set(SCOPE_OF_EVENT)
    assert {one.removesuffix(".im") for one in subscribed} == set(EVENTS)
    assert [one["command"] for one in MANIFEST["features"]["slash_commands"]] == [COMMAND]
    assert MANIFEST["settings"]["interactivity"]["is_enabled"] is True
    assert MANIFEST["settings"]["socket_mode_enabled"] is True
    assert MANIFEST["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }


async def test_everything_that_can_be_done_in_slack_is_listened_to() -> None:
    async with slack_wire() as slack:
        made = connect(settings_of(slack))
        assert made is not None
        listeners = made[1].listens_to
    forms = {modals.RUN, modals.DEFINE, modals.REJECT, modals.LINK, modals.SECRET, modals.BIND, modals.CREATE}
    assert listeners == {COMMAND, *EVENTS, *forms, home.RUN, home.DEFINE, home.LINK, "press:"}


async def test_with_the_scopes_of_the_manifest_nothing_is_refused_for_want_of_one(tmp_path: Path) -> None:
    async with a_slack(*SCOPES) as slack, in_slack(tmp_path / "home", slack, "ann") as talk:
        text = notes(tmp_path) + "".join(f"# line {number}\n" for number in range(900))
        file = slack.add_file("notes.yaml", text.encode())
        direct = slack.space.direct("U00ANN")
        await talk.deliver(talk.people.message("U00ANN", direct, "", files=[file]))
        await talk.until(lambda: "notes is defined" in words(slack.messages(direct)), "a file is read")
        await talk.deliver(talk.people.home_opened("U00ANN"))
        await talk.home("ann", "notes")
        await talk.command("ann", "export notes")
        await talk.deliver(talk.people.command("U00ANN", ROOM, "run notes"))
        await talk.form("ann")
        await talk.deliver(talk.people.submit("U00ANN", {}))
        await talk.deliver(talk.people.command("U00BOB", slack.space.direct("U00BOB"), "whoami"))
        card = await talk.card("notes-1", "waits for review")
        await talk.press("ann", card, "Approve")
        await talk.card("notes-1", "succeeded")
        called = {call.method for call in slack.calls}
        assert called == set(SCOPE_OF_METHOD) - {"conversations.info"}
        assert {call.answer for call in slack.calls} == {"ok"}

"""`sluice doctor` says what does not work and how to mend it, and never a secret."""

import asyncio
import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from bot.doctor.clock import skew
from bot.doctor.examination import examine, lines
from bot.doctor.finding import Finding, Health
from bot.settings import Settings
from bot.slack.scopes import SCOPES
from engine.model import Person, PersonId, RoomId
from storage.accounts import Account
from storage.book import SqlBook
from storage.store import SqlStore
from storage.subscriptions import Subscription, Wants
from tests.support.slack_wire import APP_TOKEN, BOT_TOKEN, SlackWire, slack_wire
from tests.support.telegram_chats import Fate
from tests.support.telegram_wire import TOKEN, TelegramWire, telegram_wire

pytestmark = pytest.mark.live
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"


def at_slack(home: Path, slack: SlackWire, **others: object) -> Settings:
    given: dict[str, object] = {"slack_bot_token": BOT_TOKEN, "slack_app_token": APP_TOKEN, **others}
    return Settings.model_validate({"home": home, "slack_api": slack.url, **given})


def at_telegram(home: Path, telegram: TelegramWire, **others: object) -> Settings:
    base = telegram.base_url.removesuffix("/bot")
    return Settings.model_validate({"home": home, "telegram_api": base, "telegram_token": TOKEN, **others})


async def found(settings: Settings) -> dict[str, Finding]:
    return {one.what: one for one in await examine(settings)}


async def test_a_machine_where_everything_is_there_is_well(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    store = SqlStore.open(f"sqlite:///{home / 'sluice.db'}")
    store.start()
    store.close()
    seen = await found(Settings(home=home))
    assert {one.health for one in seen.values()} == {Health.WELL}
    assert seen["envoy"].sentence.startswith("Envoy 1.")
    assert "its tables are this version's" in seen["database"].sentence


async def test_a_database_of_another_version_or_another_program_is_told_from_ours(tmp_path: Path) -> None:
    path = tmp_path / "sluice.db"
    store = SqlStore.open(f"sqlite:///{path}")
    store.start()
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    old = (await found(Settings(home=tmp_path)))["database"]
    assert (old.health, old.cure) == (Health.ILL, "sluice migrate")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE alembic_version")
    assert "somebody else's tables" in (await found(Settings(home=tmp_path)))["database"].sentence


async def test_a_database_that_cannot_be_reached_is_ill_and_its_password_stays_unsaid(tmp_path: Path) -> None:
    url = "postgresql+psycopg://sluice:hunter2@127.0.0.1:1/sluice"
    seen = await examine(Settings(home=tmp_path, database=url))
    ill = next(one for one in seen if one.what == "database")
    assert ill.health is Health.ILL
    assert "hunter2" not in "\n".join(lines(seen))


async def test_a_slack_that_is_set_up_is_well(tmp_path: Path) -> None:
    async with slack_wire(scopes=SCOPES) as slack:
        seen = await found(at_slack(tmp_path, slack))
        assert [one for one in seen.values() if one.what.startswith("slack") and one.health is not Health.WELL] == []
        assert seen["slack deliveries"].sentence == "Socket Mode connects"
        assert f"all {len(SCOPES)}" in seen["slack scopes"].sentence


async def test_scopes_that_are_missing_are_named(tmp_path: Path) -> None:
    async with slack_wire(scopes=tuple(scope for scope in SCOPES if scope != "files:write")) as slack:
        scopes = (await found(at_slack(tmp_path, slack)))["slack scopes"]
        assert (scopes.health, scopes.sentence) == (Health.ILL, "The token lacks files:write.")
        assert "slack-manifest.yaml" in scopes.cure


async def test_a_wrong_token_a_wrong_app_token_and_none_at_all_are_told_apart(tmp_path: Path) -> None:
    async with slack_wire(scopes=SCOPES) as slack:
        wrong = (await found(at_slack(tmp_path, slack, slack_bot_token="xoxb-of-somebody-else")))["slack token"]
        assert (wrong.health, "invalid_auth" in wrong.sentence) == (Health.ILL, True)
        app = (await found(at_slack(tmp_path, slack, slack_app_token="xapp-of-somebody-else")))["slack deliveries"]
        assert "connections:write" in app.cure
        nothing = (await found(at_slack(tmp_path, slack, slack_app_token=None)))["slack deliveries"]
        assert nothing.health is Health.ILL
        http = at_slack(tmp_path, slack, slack_app_token=None, slack_signing_secret=SIGNING_SECRET)
        assert (await found(http))["slack deliveries"].health is Health.WELL
        odd = at_slack(tmp_path, slack, slack_app_token=None, slack_signing_secret="xoxb-this-is-the-wrong-one")
        assert (await found(odd))["slack deliveries"].health is Health.ODD


async def test_a_slack_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    async with slack_wire() as slack:
        await slack.go_away()
        token = (await found(at_slack(tmp_path, slack)))["slack token"]
        assert token.sentence.startswith("Slack cannot be reached: ConnectError")


async def test_a_telegram_that_is_set_up_is_well(tmp_path: Path) -> None:
    async with telegram_wire() as telegram:
        seen = await found(at_telegram(tmp_path, telegram))
        assert seen["telegram token"].sentence == "@sluice_bot"
        assert "privacy mode is on" in seen["telegram groups"].sentence
        assert seen["telegram deliveries"].sentence == "Sluice asks for updates"
        assert {one.health for one in seen.values()} == {Health.WELL}


@pytest.mark.parametrize(
    ("given", "what", "words"),
    [
        (
            {"slack_app_token": APP_TOKEN},
            "slack token",
            "There is SLUICE_SLACK_APP_TOKEN, but no SLUICE_SLACK_BOT_TOKEN",
        ),
        (
            {"slack_signing_secret": SIGNING_SECRET},
            "slack token",
            "There is SLUICE_SLACK_SIGNING_SECRET, but no SLUICE_SLACK_BOT_TOKEN",
        ),
        (
            {"telegram_secret": "s3cret", "telegram_webhook": "https://sluice.example.com"},
            "telegram token",
            "There is SLUICE_TELEGRAM_WEBHOOK and SLUICE_TELEGRAM_SECRET, but no SLUICE_TELEGRAM_TOKEN",
        ),
    ],
)
async def test_half_a_set_up_is_ill(tmp_path: Path, given: dict[str, str], what: str, words: str) -> None:
    seen = await found(Settings.model_validate({"home": tmp_path, **given}))
    assert seen[what].health is Health.ILL
    assert words in seen[what].sentence
    assert "chats" not in seen


async def test_what_is_set_to_nothing_is_not_set_up(tmp_path: Path) -> None:
    empty = {"slack_app_token": "", "slack_signing_secret": " ", "telegram_secret": "", "telegram_webhook": ""}
    seen = await found(Settings.model_validate({"home": tmp_path, **empty}))
    assert seen["chats"].health is Health.WELL


async def test_a_variable_that_is_no_setting_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    right = ("PATH", "SLUICE_HOME", "sluice_port", "SLUICE_AS", "SLUICE_LOG", "SLUICE_PACKAGES_URL")
    wrong = {
        "SLUICE_SLACK_TOKEN": "Did you mean SLUICE_SLACK_BOT_TOKEN?",
        "SLUICE_TELEGRAM_BOT_TOKEN": "Did you mean SLUICE_TELEGRAM_TOKEN?",
        "SLUICE_WHATEVER": "Take it away; README lists the settings.",
    }
    seen = await examine(Settings(home=tmp_path), variables=[*right, *wrong])
    odd = {one.sentence.partition(" ")[0]: one.cure for one in seen if one.health is Health.ODD}
    assert odd == wrong


async def remembering(home: Path, wishes: Sequence[RoomId], lost: Mapping[RoomId, str], *people: Account) -> None:
    """A database in which these rooms want to hear of notes, and these cannot be told anything."""

    def remember(book: SqlBook) -> None:
        for room in wishes:
            book.subscriptions.put(Subscription(room, "notes", Wants.EVERYTHING, PersonId("ann")))
        for room, why in lost.items():
            book.rooms.lose(room, why)
        for one in people:
            book.people.add(Person(one.person))
            book.accounts.link(one)

    store = SqlStore.open(f"sqlite:///{home / 'sluice.db'}")
    store.start()
    try:
        await store.transact(remember)
    finally:
        store.close()


async def test_groups_that_want_to_be_told_something_are_looked_at(tmp_path: Path) -> None:
    async with telegram_wire() as telegram:
        inside, outside, moved = (telegram.people.group(name) for name in ("releases", "ops", "old"))
        outside.fate, moved.moved_to = Fate.KICKED, inside.id
        rooms = [RoomId(f"telegram:{one}") for one in (inside.id, f"{inside.id}/5", outside.id, moved.id, 42)]
        await remembering(tmp_path, rooms, {})
        seen = await found(at_telegram(tmp_path, telegram))
        here, away = seen[f"telegram {inside.id}"], seen[f"telegram {outside.id}"]
        assert (here.health, here.sentence) == (Health.WELL, "in releases")
        assert (away.health, away.cure) == (Health.ILL, "Add @sluice_bot to it again.")
        assert "bot was kicked from the group chat" in away.sentence
        assert seen[f"telegram {moved.id}"].health is Health.WELL
        assert len([call for call in telegram.calls if call.method == "getChat"]) == 3


async def test_rooms_that_are_told_nothing_any_more_are_named_with_what_brings_them_back(tmp_path: Path) -> None:
    group, alone, channel = RoomId("telegram:-1001"), RoomId("telegram:8"), RoomId("slack:T1/C1")
    bob = Account("telegram:8", PersonId("bob"), "Bob", RoomId(""), datetime(2026, 3, 1, tzinfo=UTC))
    why = {
        group: "The group was deleted.",
        alone: "The person has blocked the bot. Unblocking it, or /start, brings it back.",
        channel: "The channel is archived. Unarchive it; then `/invite @sluice` there brings it back.",
    }
    await remembering(tmp_path, [group], why, bob)
    seen = await found(Settings(home=tmp_path))
    odd = {one.what: (one.sentence, one.cure) for one in seen.values() if one.health is Health.ODD}
    assert odd == {
        "slack C1": (
            "The room is told nothing any more: The channel is archived.",
            "Unarchive it; then `/invite @sluice` there brings it back. Then say something to Sluice there.",
        ),
        "telegram -1001": (
            "The room is told nothing of notes any more: The group was deleted.",
            "If somebody should hear of it, `subscribe PIPELINE` in another room.",
        ),
        "telegram 8": (
            "bob is told nothing any more: The person has blocked the bot.",
            "Unblocking it, or /start, brings it back.",
        ),
    }


async def test_of_many_lost_rooms_some_are_named(tmp_path: Path) -> None:
    await remembering(tmp_path, [], {RoomId(f"telegram:{number}"): "Gone." for number in range(1, 31)})
    odd = [one for one in (await found(Settings(home=tmp_path))).values() if one.health is Health.ODD]
    assert len(odd) == 11
    assert odd[-1].sentence == "20 more are told nothing any more."


async def test_a_webhook_is_compared_with_the_settings(tmp_path: Path) -> None:
    async with telegram_wire() as telegram:
        hook = {"telegram_webhook": "https://sluice.example.com", "telegram_secret": "s3cret"}
        assert (await found(at_telegram(tmp_path, telegram, **hook)))["telegram deliveries"].health is Health.WELL
        for wrong, words in (
            ({**hook, "telegram_secret": None}, "SLUICE_TELEGRAM_SECRET has not 1 to 256 letters"),
            ({**hook, "telegram_secret": "not ok!"}, "SLUICE_TELEGRAM_SECRET has not 1 to 256 letters"),
            ({**hook, "telegram_webhook": "http://sluice.example.com"}, "is no https address"),
        ):
            deliveries = (await found(at_telegram(tmp_path, telegram, **wrong)))["telegram deliveries"]
            assert (deliveries.health, words in deliveries.sentence) == (Health.ILL, True)


async def test_a_telegram_token_that_is_refused_or_unreachable_is_never_printed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with telegram_wire() as telegram:
        wrong = "42:this-is-secret-too"
        refused = await examine(at_telegram(tmp_path, telegram, telegram_token=wrong))
        assert any(one.what == "telegram token" and one.health is Health.ILL for one in refused)
        await telegram.go_away()
        away = await examine(at_telegram(tmp_path, telegram, telegram_token=wrong))
        assert any("cannot be reached" in one.sentence for one in away)
        assert "this-is-secret-too" not in "\n".join([*lines(refused), *lines(away), caplog.text])


def test_a_clock_that_is_off_is_told_by_how_much() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    for seconds, health in ((3, Health.WELL), (-40, Health.ODD), (400, Health.ILL)):
        [one] = skew("clock", format_datetime(now - timedelta(seconds=seconds)), now)
        assert one.health is health
    assert skew("clock", "no date", now) == []


async def test_the_command_prints_a_line_each_and_its_exit_code_is_for_scripts(tmp_path: Path) -> None:
    async with slack_wire(scopes=SCOPES[1:]) as slack:
        env = {
            "PATH": os.defpath,
            "SLUICE_HOME": str(tmp_path / "home"),
            "SLUICE_SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLUICE_SLACK_APP_TOKEN": APP_TOKEN,
            "SLUICE_SLACK_API": slack.url,
            "SLUICE_LOG": "DEBUG",
        }
        words = [sys.executable, "-c", "from bot.cli.command import main; main()", "doctor"]
        ill = await asyncio.to_thread(_run, words, env)
        assert ill.returncode == 1
        assert f"MEND  slack scopes      The token lacks {SCOPES[0]}." in ill.stdout
        assert BOT_TOKEN not in ill.stdout + ill.stderr
        assert APP_TOKEN not in ill.stdout + ill.stderr
        slack.scopes = SCOPES
        well = await asyncio.to_thread(_run, [*words, "--json"], env)
        assert well.returncode == 0, well.stdout + well.stderr
        assert {"what", "health", "sentence", "cure"} == set(json.loads(well.stdout)[0])


def _run(words: list[str], env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=60, env=env)

"""Accounts at forges: bound only where nobody reads along, tried, kept sealed, listed, shared and let go of."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.chat import Incoming
from bot.forms import BindForm
from bot.slack.forms import said_by, view_of
from bot.web.room import LOBBY
from engine.forges.hosting import PER_PAGE
from engine.model import PersonId
from storage.code_accounts import CodeAccount
from tests.support.bot import Bot, a_bot, words_of
from tests.support.forge_flavours import DEVCLOUD_SECRET, GITLAB_TOKEN, devcloud, gitlab
from tests.support.forge_server import ForgeServer, Trouble
from tests.support.repository import Repository
from tests.support.slack_talk import ROOM, a_slack, in_slack, user, words
from tests.support.telegram_house import ANN, on_telegram
from tests.support.telegram_wire import telegram_wire

PRIVATE = {"plain_git": True, "private_forges": ["127.0.0.0/8"]}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ForgeServer]:
    Repository(tmp_path / "forge" / "shop" / "api").commit()
    with gitlab(tmp_path / "forge") as made:
        yield made


@pytest.fixture
async def bot(tmp_path: Path, server: ForgeServer) -> AsyncIterator[Bot]:
    async with a_bot(tmp_path / "home", settings=PRIVATE) as made:
        yield made


async def bound(bot: Bot, server: ForgeServer, name: str = "forge", person: str = "ann") -> str:
    return await bot.say(f"account bind gitlab as {name} at {server.origin} {GITLAB_TOKEN}", person)


async def account(bot: Bot, name: str = "forge") -> CodeAccount:
    return await bot.app.store.read(lambda book: book.code_accounts.load(name))


def pipeline(server: ForgeServer, name: str = "shop", used: str = "forge") -> str:
    return f"""define
pipeline: {name}
stages:
  - name: code
    source: {{git: "{server.url("shop/api")}", account: {used}}}
"""


def leftovers(home: Path) -> list[Path]:
    """Files in which the token can be read."""
    return [path for path in home.rglob("*") if path.is_file() and GITLAB_TOKEN.encode() in path.read_bytes()]


async def test_an_account_is_tried_kept_sealed_and_listed_without_its_token(bot: Bot, server: ForgeServer) -> None:
    said = await bound(bot, server)
    assert "forge is bound" in said
    assert "ann-dev" in said
    listed = await bot.say("accounts")
    assert "GitLab" in listed
    kept = await account(bot)
    assert bot.app.vault.open(kept.sealed) == GITLAB_TOKEN
    deeds = await bot.app.store.read(lambda book: book.audit.latest(10))
    assert "account bind gitlab as forge" in deeds[0].line
    assert GITLAB_TOKEN not in f"{said} {listed} {kept!r} {deeds}"
    assert leftovers(bot.home) == []


async def test_a_token_that_the_forge_does_not_take_binds_nothing_and_missing_scopes_are_said(
    bot: Bot, server: ForgeServer
) -> None:
    said = await bot.say(f"account bind gitlab as forge at {server.origin} glpat-wrong0123456789abcdef")
    assert "does not accept" in said
    assert "glpat" not in said
    server.trouble.append(Trouble(503))
    assert "Nothing was bound" in await bound(bot, server)
    assert "You have no code account" in await bot.say("accounts")
    server.trouble += [
        Trouble(200, body='{"username": "ann-dev"}'),
        Trouble(200, body='{"scopes": ["read_repository"]}'),
    ]
    assert "api: to attach webhooks" in await bound(bot, server)
    assert "lacks api" in await bot.say("accounts")


async def test_what_cannot_be_done_is_said(bot: Bot) -> None:
    for line, said in (
        ("account", "That is not how account is said"),
        ("account bind", "At which forge?"),
        ("account bind svn token", "no forge that Sluice knows"),
        ("account bind github as UPPER x", "cannot be an account's name"),
        ("account bind gitlab at ext::sh x", "cannot be used"),
        ("account bind gitlab at https://git.example.com/a?b x", "cannot be used"),
        ("account bind github two words", "That is no token"),
        ("account unbind", "Which account?"),
        ("account unbind nothing", "There is no code account"),
        ("repositories", "You have no code account"),
    ):
        assert said in await bot.say(line), line


async def test_where_others_read_along_or_after_a_slip_of_the_finger_the_token_is_not_kept(
    bot: Bot, server: ForgeServer
) -> None:
    line = f"account bind gitlab as forge at {server.origin} {GITLAB_TOKEN}"
    answers = await bot.app.dispatch.answer(Incoming(LOBBY, PersonId("ann"), line, "one", is_alone=False))
    assert "Others read along" in words_of(answers[0].card)
    assert "You have no code account" in await bot.say("accounts")
    assert server.asked == []
    said = await bot.say(f"acount bind gitlab {GITLAB_TOKEN}")
    assert "There is no command" in said
    deeds = await bot.app.store.read(lambda book: book.audit.latest(5))
    assert all(GITLAB_TOKEN not in deed.line for deed in deeds)
    assert leftovers(bot.home) == []


async def test_somebody_elses_account_is_not_there_until_it_is_shared(bot: Bot, server: ForgeServer) -> None:
    await bound(bot, server)
    assert "There is no code account forge" in await bot.say(pipeline(server), "bob")
    assert "There is no code account forge" in await bot.say("repositories forge", "bob")
    assert "is taken" in await bound(bot, server, person="bob")
    assert "forge is ann's" in await bot.say("account unbind forge", "bob")
    await bot.say("account share forge")
    before = await account(bot)
    await bound(bot, server)
    after = await account(bot)
    assert (after.shared, after.sealed != before.sealed) == (True, True)
    assert "is defined" in await bot.say(pipeline(server), "bob")
    await bot.say("account unshare forge")
    changed = pipeline(server).replace("stages:", "description: Ours\nstages:")
    assert "is defined, version 2" in await bot.say(changed, "bob")
    assert "There is no code account forge" in await bot.say(pipeline(server, "other"), "bob")


async def test_an_account_goes_to_no_address_but_its_forges(bot: Bot, server: ForgeServer) -> None:
    await bound(bot, server)
    right = pipeline(server)
    other_port = re.sub(r"(127\.0\.0\.1):\d+", r"\1:9", right)
    other_scheme = right.replace("http://", "https://")
    for elsewhere in (right.replace("127.0.0.1", "localhost"), other_port, other_scheme):
        assert "is not there" in await bot.say(elsewhere)
    assert "is defined" in await bot.say(re.sub(r"http://127\.0\.0\.1:\d+/", "git@127.0.0.1:", right))
    text, now = other_port.removeprefix("define\n"), bot.app.clock.now()
    await bot.app.store.transact(lambda book: book.pipelines.save("shop", "default", text, PersonId("ann"), now))
    run = await bot.start("run shop")
    held = await bot.is_held(run)
    assert "it gets no token" in held.stage.reason
    assert GITLAB_TOKEN not in str(server.seen)


async def test_what_the_account_sees_is_listed_in_pages(bot: Bot, server: ForgeServer, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "forge" / "shop" / "api")
    for name in ("one", "two"):
        repository.git("branch", name)
        repository.git("tag", f"v-{name}")
    await bound(bot, server)
    assert "shop/api" in await bot.say("repositories")
    first = await bot.say("branches forge shop/api")
    assert "branches forge shop/api 2" in first
    assert "two" in first + await bot.say("branches forge shop/api 2")
    assert "v-two" in await bot.say("tags forge shop/api")


async def test_whoever_creates_presses_the_default_branch_first_and_finds_the_others_page_by_page(
    bot: Bot, server: ForgeServer, tmp_path: Path
) -> None:
    for name in ("a", "b", "z"):
        Repository(tmp_path / "forge" / "shop" / "api").git("branch", name)
    await bound(bot, server)
    for line in ("create build", "api", "default", "forge"):
        await bot.say(line)
    await bot.say(server.url("shop/api"))
    shown = {button.text: button.line for button in bot.heard[0].buttons}
    assert list(shown)[:4] == ["main", "a", "b", "More"]
    await bot.say(shown["More"])
    shown = {button.text: button.line for button in bot.heard[0].buttons}
    assert list(shown)[:3] == ["main", "z", "The first ones"]
    assert "Does it start by itself?" in await bot.say(shown["z"])


async def test_a_repository_that_is_listed_leads_to_its_branches_and_these_to_its_tags(
    bot: Bot, server: ForgeServer
) -> None:
    await bound(bot, server)
    await bot.say("repositories")
    lines = {button.text: button.line for card in bot.heard for button in card.buttons}
    assert "main" in await bot.say(lines["shop/api"])
    tags = next(button.line for card in bot.heard for button in card.buttons if button.text == "Tags")
    assert "The tags of shop/api" in await bot.say(tags)
    assert [button.text for card in bot.heard for button in card.buttons] == ["Branches"]


async def test_a_namespace_whose_repositories_come_on_a_later_page_is_not_said_to_be_empty(tmp_path: Path) -> None:
    for number in range(PER_PAGE):
        (tmp_path / "forge" / "bulk" / f"r{number:02}" / ".git").mkdir(parents=True)
    Repository(tmp_path / "forge" / "shop" / "api").commit()
    with devcloud(tmp_path / "forge") as server:
        async with a_bot(tmp_path / "home", settings=PRIVATE) as bot:
            line = f"account bind devcloud as forge at {server.origin}"
            assert "forge is bound" in await bot.say(f"{line}\n{DEVCLOUD_SECRET}")
            said = await bot.say("repositories forge shop")
            assert "shop/api" in said
            assert "There is none" not in said
            assert "There is none here." in await bot.say("repositories forge nobody")


async def test_in_slack_a_form_takes_the_token_also_when_it_was_asked_for_in_a_channel(
    tmp_path: Path, server: ForgeServer
) -> None:
    async with a_slack() as slack, in_slack(tmp_path / "home", slack, "ann", settings=PRIVATE) as talk:
        await talk.deliver(talk.people.command(user("ann"), ROOM, "account bind gitlab"))
        form = await talk.form("ann")
        assert "Bind an account" in words(form)
        filled = {"name": "forge", "address": server.origin, "secret": GITLAB_TOKEN}
        before = len(talk.whispers("ann"))
        await talk.deliver(talk.people.submit(user("ann"), filled))
        assert "forge is bound" in words(await talk.whisper("ann", before))
        assert (await account(talk.bot)).person == "ann"
        refused = await talk.command("ann", f"account bind gitlab as two at {server.origin} {GITLAB_TOKEN}")
        assert "Others read along" in words(refused)
        assert GITLAB_TOKEN not in str(await talk.audited())
        assert leftovers(talk.bot.home) == []


def test_the_number_of_an_app_and_of_its_installation_go_through_the_form() -> None:
    form = BindForm("github", "hub", "https://github.com", "42", "7")
    view = view_of(form, ROOM, {})
    inputs = {block["block_id"]: block["element"] for block in view["blocks"] if block["type"] == "input"}
    filled = {name: {"value": {"value": field.get("initial_value", "key")}} for name, field in inputs.items()}
    said = said_by({**view, "state": {"values": filled}})
    assert said == "account bind github as hub at https://github.com app 42 installation 7\nkey"


async def test_the_form_has_what_stood_in_the_line(bot: Bot) -> None:
    line = "account bind github app 42 installation 7"
    [answer] = await bot.app.dispatch.answer(Incoming(LOBBY, PersonId("ann"), line))
    assert answer.form == BindForm("github", "github", "https://github.com", "42", "7")


async def test_in_telegram_the_message_with_the_token_is_deleted(tmp_path: Path, server: ForgeServer) -> None:
    async with telegram_wire() as wire, on_telegram(tmp_path / "home", wire, "ann", settings=PRIVATE) as talk:
        alone = talk.alone(ANN)
        line = f"account bind gitlab as forge at {server.origin} {GITLAB_TOKEN}"
        await talk.asks(ANN, alone, line, "forge is bound")
        assert [shown for shown in alone.messages.values() if GITLAB_TOKEN in str(shown)] == []
        assert leftovers(talk.bot.home) == []


async def test_a_definition_of_an_earlier_version_lets_nobody_choose_an_account_and_can_be_mended(
    bot: Bot, server: ForgeServer
) -> None:
    await bound(bot, server)
    mended = pipeline(server).removeprefix("define\n")
    text = mended.replace("stages:", 'variables: {acc: ""}\nstages:').replace("account: forge", 'account: "${acc}"')
    now = bot.app.control.clock.now()
    await bot.app.store.transact(lambda book: book.pipelines.save("shop", "default", text, PersonId("bob"), now))
    assert "could choose somebody's account" in await bot.say("run shop acc=forge", "bob")
    assert await bot.app.store.read(lambda book: book.runs.active("shop")) == []
    assert "There is no code account forge" in await bot.say(f"define\n{mended}", "bob")
    assert "shop is defined, version 2" in await bot.say(f"define\n{mended}")

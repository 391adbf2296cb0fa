"""A secret variable's value goes in where nobody reads along, is used where it is not kept, and never comes out."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from bot.chat import FORM, Incoming
from bot.web.room import LOBBY
from engine.errors import Broken, Refused
from engine.model import PersonId, RoomId, RunState, StageState
from engine.secret_variables import marker, tag_of, tagged
from engine.web_call import WebCall
from storage.audit import Deed
from storage.secrets import Secret, opened, sealed
from tests.support.bot import Bot, a_new_bot, a_repository
from tests.support.messaging import talking
from tests.support.store import ANN, T0

VALUE = 'Tr0ub4dor "&3" correct-horse'
BEGINNING = "Tr0ub4dor"
SECRETS = {"key": marker("key")}
PUT, TAG = tagged(SECRETS)["key"], tag_of(SECRETS)
DIRECT = RoomId("model:direct-ann")


def building(root: Path, script: str = 'printf %s "$key" | wc -c > length; echo "key: $key"') -> str:
    """A pipeline that builds with a secret and deploys nothing."""
    if not (root / "shop").exists():
        a_repository(root / "shop", "v1", files={"Procfile": "web: ./server\n"})
    return f"""\
pipeline: shop
variables:
  key: {{secret: true, description: the registry's key}}
stages:
  - name: code
    source: {{git: "{root / "shop"}", tag: v1}}
  - name: image
    build:
      image: shop/api:v1
      script: |
        {script}
"""


async def given(bot: Bot, line: str = "secret set shop key", value: str = VALUE) -> str:
    return await bot.say(f"{line}\n{value}")


async def deeds(bot: Bot) -> list[Deed]:
    return await bot.app.store.read(lambda book: book.audit.latest(100))


def kept_in(home: Path, text: str) -> list[str]:
    """The tables of the database that hold a text."""
    with sqlite3.connect(home / "sluice.db") as database:
        found = [(name, row) for name in _tables(database) for row in database.execute(f'SELECT * FROM "{name}"')]  # noqa: S608 - our own tables' names
    return sorted({name for name, row in found if text in str(row)})


def _tables(database: sqlite3.Connection) -> list[str]:
    return [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ready(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bot]:
    """A bot whose pipeline has its secret. Tests only look at it."""
    async with a_new_bot(building(tmp_path_factory.mktemp("shop"))) as bot:
        await given(bot)
        yield bot


@pytest.mark.parametrize(
    "words", ["secret \u201cset\u201d", "secret 'set'", "`secret` set", "> secret set", "secret *set*"]
)
async def test_a_value_is_kept_and_shown_nowhere_though_marks_stand_round_the_words(tmp_path: Path, words: str) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        for name in ("key", "none"):
            assert BEGINNING not in await bot.say(f"{words} shop {name} {VALUE}")
        assert words in await bot.say("audit")
        assert not kept_in(bot.app.settings.home, BEGINNING)


async def test_a_build_uses_the_value_and_its_log_shows_none_of_it(tmp_path: Path) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        assert "is set." in await given(bot)
        run = await bot.start("run shop")
        ended = await bot.ends(run, RunState.SUCCEEDED)
        assert ended.variables["key"] == marker("key")
        log = await bot.say(f"logs {run} image")
        assert "key: •••" in log
        built = bot.app.settings.home / "bundles"
        lengths = [path.read_text().strip() for path in built.rglob("length")]
        assert lengths == [str(len(VALUE))], "the script was given the value itself"
        assert kept_in(bot.app.settings.home, VALUE) == []


@pytest.mark.parametrize(
    "said",
    [
        f"secret set \u201cshop\u201d \u2018key\u2019 {VALUE}",
        f"`secret set shop key {VALUE}`",
        f"```\nsecret set shop key\n{VALUE}\n```",
        f"sluice *secret set \u201cshop\u201d key {VALUE}*",
    ],
)
async def test_a_value_in_a_line_with_markup_or_a_phones_quotes_is_kept_nowhere_else(tmp_path: Path, said: str) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        assert "is set." in await bot.say(said)
        await bot.ends(await bot.start("run shop"), RunState.SUCCEEDED)
        lengths = [path.read_text() for path in (bot.app.settings.home / "bundles").rglob("length")]
        assert [length.strip() for length in lengths] == [str(len(VALUE))]
        assert kept_in(bot.app.settings.home, VALUE) == []


@pytest.mark.parametrize("said", [f"*secret set shop key {VALUE}", f"\u201csecret set shop key {VALUE}\u201d"])
async def test_a_value_in_such_a_line_that_is_no_command_is_not_written_down(tmp_path: Path, said: str) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        assert VALUE not in await bot.say(said, "ann")
        assert all(VALUE not in f"{deed.line}{deed.said}" for deed in await deeds(bot))
        assert kept_in(bot.app.settings.home, VALUE) == []


async def test_a_run_that_needs_a_secret_without_a_value_waits_for_it(tmp_path: Path) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        run = await bot.start("run shop")
        held = await bot.is_held(run)
        assert "The secret key of shop has no value. Say `secret set shop key`" in held.stage.reason
        await given(bot)
        await bot.say(f"retry {run}")
        await bot.ends(run, RunState.SUCCEEDED)


async def test_it_is_listed_by_name_with_who_and_when_and_never_shown(tmp_path: Path) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        assert "has no value" in await bot.say("secret list shop")
        await given(bot)
        assert "is set anew" in await given(bot, value="another value")
        listed = await bot.say("secret list shop")
        assert "ann" in listed
        assert "2" in listed.split()
        for line in ("show shop", "export shop", "secret list shop", "audit shop", "runs shop"):
            said = await bot.say(line)
            assert VALUE not in said
            assert "another value" not in said


async def test_it_is_taken_away_after_a_yes(tmp_path: Path) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        await given(bot)
        assert "Take away the secret key of shop?" in await bot.say("secret remove shop key")
        assert "is taken away" in await bot.say("yes")
        assert "has no value" in await bot.say("secret list shop")


async def test_the_line_is_written_down_without_the_value(tmp_path: Path) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        await given(bot)
        await bot.say(f"secret set shop key {VALUE}")
        await bot.say(f"secret set shop nothing {VALUE}")
        await bot.say(f"run shop key={BEGINNING}")
        lines = [deed.line for deed in await deeds(bot)]
        assert [line for line in lines if "secret set" in line] == [
            "secret set shop nothing (a secret)",
            "secret set shop key (a secret)",
            "secret set shop key (a secret)",
        ]
        assert not any(BEGINNING in line for line in lines)


async def test_in_a_chat_it_is_sealed_before_it_is_kept(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        await talk.bot.say(f"define\n{building(tmp_path)}")
        card = await talk.say("ann", f"secret set shop key {VALUE}", DIRECT)
        assert card.title == "The secret key of shop is set."
        assert kept_in(tmp_path / "home", VALUE) == []
        assert kept_in(tmp_path / "home", "correct-horse") == []


async def test_where_others_read_along_it_is_not_taken(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        await talk.bot.say(f"define\n{building(tmp_path)}")
        card = await talk.say("ann", f"secret set shop key {VALUE}")
        assert "Others read along here" in card.title
        assert "has no value" in await talk.bot.say("secret list shop")
        assert kept_in(tmp_path / "home", VALUE) == []


async def test_a_form_that_was_opened_in_a_channel_is_read_by_nobody_else(tmp_path: Path) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        await talk.bot.say(f"define\n{building(tmp_path)}")
        sent = replace(talk.update("ann", f"secret set shop key\n{VALUE}"), context={FORM: "yes"})
        assert (await talk.deliver(sent))[0].title == "The secret key of shop is set."


async def test_another_pipeline_of_the_same_name_does_not_have_it(tmp_path: Path) -> None:
    async with a_new_bot(building(tmp_path)) as bot:
        await given(bot)
        await bot.say("delete shop")
        await bot.say("DELETE")
        await bot.say(f"define\n{building(tmp_path)}")
        assert "has no value" in await bot.say("secret list shop")


async def test_only_who_may_manage_the_pipeline_sets_it(tmp_path: Path) -> None:
    async with a_new_bot(building(tmp_path).replace("pipeline: shop\n", "pipeline: shop\ngroup: web\n")) as bot:
        for line in ("grant ann manage on web", "yes", "grant bob read on web", "yes"):
            await bot.app.dispatch.answer(Incoming(RoomId("terminal:ann"), PersonId("ann"), line))
        refused = await bot.say(f"secret set shop key\n{VALUE}", "bob")
        assert "You may not" in refused
        assert VALUE not in refused
        assert "has no value" in await bot.say("secret list shop", "bob")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/json", f'{{"k": "{PUT}"}}', '{"k": "Tr0ub4dor \\"&3\\" correct-horse"}'),
        ("application/x-www-form-urlencoded", f"k={PUT}", "k=Tr0ub4dor+%22%263%22+correct-horse"),
        ("text/plain", f"k={PUT}", f"k={VALUE}"),
    ],
)
async def test_a_message_has_the_value_as_it_is_written_there(ready: Bot, kind: str, body: str, expected: str) -> None:
    headers = {"Content-Type": kind, "Authorization": f"Bearer {PUT}"}
    call = await ready.app.kept.call("shop", WebCall("POST", "https://example.com", headers, body, TAG))
    assert call.body == expected
    assert call.headers["Authorization"] == f"Bearer {VALUE}"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_message_has_the_values_of_its_own_pipeline_alone(ready: Bot) -> None:
    call = WebCall("POST", "https://example.com", {}, PUT, TAG)
    assert (await ready.app.kept.call("shop", call)).body == VALUE
    with pytest.raises(Refused, match="has no value"):
        await ready.app.kept.call("other", call)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_marker_that_was_made_up_is_sent_as_it_is(ready: Bot) -> None:
    made_up = f"{marker('key')} {PUT.replace(TAG, 32 * '0')}"
    call = await ready.app.kept.call("shop", WebCall("POST", "https://example.com", {"X": made_up}, made_up, TAG))
    assert (call.body, call.headers["X"]) == (made_up, made_up)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_sealed_value_serves_no_other_pipeline_and_no_other_name(ready: Bot) -> None:
    vault = ready.app.vault
    kept = Secret("shop", "key", ANN, T0, sealed=sealed(vault, "shop", "key", VALUE))
    assert opened(vault, kept) == VALUE
    for moved in (replace(kept, pipeline="mine"), replace(kept, name="other")):
        with pytest.raises(Broken, match="sealed for something else"):
            opened(vault, moved)
    assert VALUE not in repr(kept)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_line_that_was_sealed_for_another_variable_is_not_taken(ready: Bot) -> None:
    line = ready.app.dispatch.concealed(f"secret set other key {VALUE}", alone=True)
    said = await ready.say(f"secret set shop key {line.rpartition(' ')[2]}")
    assert "sealed for something else" in said


async def test_a_secret_that_an_error_repeats_is_not_in_the_runs_reason(tmp_path: Path) -> None:
    script = 'echo "cannot sign in with $key"; exit 3'
    async with a_new_bot(building(tmp_path, script)) as bot:
        await given(bot)
        run = await bot.start("run shop")
        held = await bot.is_held(run)
        assert held.stage.state is StageState.HELD
        assert "cannot sign in with •••" in held.stage.reason
        assert kept_in(bot.app.settings.home, VALUE) == []
        assert held.room == LOBBY

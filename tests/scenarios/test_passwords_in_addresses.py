"""A password that somebody says inside an address: nothing that is kept holds it, and nothing shows it."""

from pathlib import Path

import pytest

from bot.chat import Incoming
from bot.web.sessions import Session
from bot.web.speech import Speech, Spoken
from engine.model import PersonId, RoomId
from tests.support.bot import Bot, a_new_bot
from tests.support.notes import notes

ADDRESS = "https://me:hunter2@git.example.com/x.git"
CRED = """\
pipeline: cred
variables: {url: https://git.example.com/x.git}
stages:
  - name: code
    source: {git: "${url}"}
"""


def leftovers(home: Path) -> list[Path]:
    """Files in which the password can be read."""
    return [path for path in home.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


async def deeds(bot: Bot) -> str:
    return str(await bot.app.store.read(lambda book: book.audit.latest(20)))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"run cred url={ADDRESS}", id="a source that is refused"),
        pytest.param(f"run cred {ADDRESS}", id="a word in a wrong place"),
        pytest.param(f"runn {ADDRESS}", id="no command"),
        pytest.param(f"status {ADDRESS}", id="a line that looks"),
        pytest.param(f"define\n{CRED.replace('https://git.example.com/x.git', ADDRESS)}", id="a definition"),
        pytest.param(
            f"define {CRED.replace('pipeline: cred', f'pipeline: {ADDRESS}')}", id="a definition's first line"
        ),
        pytest.param(f"lock notes see {ADDRESS}", id="a lock's reason"),
        pytest.param(f"freeze notes 4h see {ADDRESS}", id="a freeze's reason"),
        pytest.param(f"create {ADDRESS}", id="a template"),
        pytest.param(f"group create {ADDRESS}", id="a group"),
        pytest.param(f"account bind github at {ADDRESS} 0123456789abcdef", id="an account's address"),
        pytest.param(f"press reject notes-1 1 1 - see {ADDRESS}", id="a button"),
    ],
)
async def test_it_is_not_kept_whatever_becomes_of_the_line(tmp_path: Path, line: str) -> None:
    async with a_new_bot(notes(tmp_path), CRED) as bot:
        heard = await Speech(bot.app.dispatch, bot.app.chat).hear(Session("s", PersonId("ann"), "s"), Spoken(line, "k"))
        await bot.app.dispatch.answer(Incoming(RoomId("terminal:bob"), PersonId("bob"), line, "t"))
        assert "•••@git.example.com" in await deeds(bot) or "define" in line
        assert "hunter2" not in f"{await deeds(bot)} {await bot.cards()} {heard}"
        assert leftovers(bot.home) == []


async def test_a_reason_is_kept_without_it(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes")
        await bot.asks(run)
        await bot.say(f"reject {run} see {ADDRESS}")
        assert "https://me:•••@git.example.com/x.git" in await bot.say(f"status {run}")
        assert leftovers(bot.home) == []


async def test_a_value_that_a_run_is_given_stays_whole(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start(f"run notes note={ADDRESS}")
        assert (await bot.run(run)).variables["note"] == ADDRESS
        assert "hunter2" not in await deeds(bot)

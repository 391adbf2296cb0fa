"""Who is known, as whoever runs Sluice says in a terminal: the same with a running bot, after one and without one."""

import json
import socket
from asyncio import StreamReader, StreamWriter, start_unix_server
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from engine.errors import Broken, Refused
from tests.support.bot import a_bot
from tests.support.command import sluice


@pytest.fixture(params=["without a bot", "after a bot that was killed", "beside a bot"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path]:
    home = tmp_path / "home"
    if request.param == "without a bot":
        yield home
    elif request.param == "after a bot that was killed":
        leave_a_socket(home)
        yield home
    else:
        async with a_bot(home) as bot:
            yield bot.home


def leave_a_socket(home: Path) -> None:
    """What kill -9 leaves: a socket at which nobody listens."""
    home.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "sluice.sock"))


async def said(home: Path, *words: str) -> str:
    done = await sluice(home, "person", *words)
    assert done.exit_code == 0, done.output
    return done.output.strip()


async def test_an_address_that_is_not_given_stays_and_an_empty_one_goes(home: Path) -> None:
    assert await said(home, "add", "dora") == "dora is known."
    assert await said(home, "add", "dora", "--email", "dora@example.com") == (
        "dora is known, and told at dora@example.com."
    )
    assert await said(home, "add", "dora", "--phone", "+49 30 1234567") == (
        "dora is known, and told at dora@example.com and +49 30 1234567."
    )
    assert await said(home, "add", "dora", "--email", "") == "dora is known, and told at +49 30 1234567."


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["dora", "--email", "dora at home"], "is not one e-mail address"),
        (["dora", "--email", "a@example.com, b@example.com"], "is not one e-mail address"),
        (["dora", "--phone", "twelve"], "is not a phone number"),
        ([""], "cannot be a name"),
        (["do\nra"], "cannot be a name"),
    ],
)
async def test_what_is_no_name_and_no_address_is_refused_and_nobody_is_made_known(
    home: Path, words: list[str], why: str
) -> None:
    before = await said(home, "list")
    done = await sluice(home, "person", "add", *words)
    assert isinstance(done.exception, Refused)
    assert str(done.exception).endswith(f"' {why}.")
    assert str(done.exception).count("'") == 2, "what was said is said once"
    assert done.exception.hint.startswith("Write ")
    assert await said(home, "list") == before


async def test_what_was_said_of_a_person_and_what_was_refused_is_in_the_audit_without_the_address(home: Path) -> None:
    await said(home, "add", "dora", "--email", "dora@example.com", "--phone", "")
    await sluice(home, "person", "add", "dora", "--email", "nowhere")
    await said(home, "remove", " dora ")
    await sluice(home, "person", "remove", "do\nra")
    done = await sluice(home, "audit", "export", "--since", "2026-01-01")
    rows = [(row["line"], row["outcome"]) for row in map(json.loads, done.stdout.splitlines())]
    assert [row for row in rows if row[0].startswith("person")] == [
        ("person add dora, e-mail given, phone taken away", "done"),
        ("person add dora, e-mail given", "refused"),
        ("person remove dora", "done"),
        ("person remove do ra", "refused"),
    ]
    assert "dora@" not in done.stdout


@pytest.mark.parametrize("answer", ["{}", "Internal Server Error"])
async def test_a_command_beside_a_bot_of_another_version_says_so(answer: str) -> None:
    async def other(_reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(answer)}\r\n\r\n{answer}".encode())
        await writer.drain()
        writer.close()

    with TemporaryDirectory(prefix="sluice-") as folder:
        async with await start_unix_server(other, Path(folder) / "sluice.sock"):
            done = await sluice(Path(folder), "person", "add", "dora")
    assert isinstance(done.exception, Broken)
    assert "another version" in str(done.exception)

"""`sluice say`: what is typed reaches the running bot as it was meant, and what comes back can be used by others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine.errors import Refused
from tests.support.bot import Bot, a_new_bot
from tests.support.command import sluice
from tests.support.notes import notes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bot]:
    async with a_new_bot(notes(tmp_path_factory.mktemp("notes"))) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_that_is_nothing_but_code_can_be_piped(bot: Bot) -> None:
    said = await sluice(bot.home, "say", "--as", "ann", "export", "notes")
    kept = await bot.app.store.read(lambda book: book.pipelines.load("notes"))
    assert said.stdout == kept.text
    assert "notes, version 1" in said.stderr


@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_with_words_is_printed_with_them(bot: Bot) -> None:
    said = await sluice(bot.home, "say", "--as", "ann", "edit", "notes")
    assert "notes, version 1" in said.stdout
    assert "pipeline: notes" in said.stdout


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("is_quoted", [True, False])
async def test_a_file_is_read_in_the_place_of_its_name(bot: Bot, tmp_path: Path, is_quoted: bool) -> None:  # noqa: FBT001 - a parameter of a test
    file = tmp_path / "my notes.yaml"
    file.write_text(notes(tmp_path, head="group: shop"))
    words = [f"check {file}"] if is_quoted else ["check", str(file)]
    assert "nothing to complain about" in (await sluice(bot.home, "say", "--as", "ann", *words)).stdout.lower()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("words", [["define nosuch.yaml"], ["define", "nosuch.yaml"], ["check", "no/such"]])
async def test_a_file_that_is_not_there_is_named(bot: Bot, words: list[str]) -> None:
    said = await sluice(bot.home, "say", "--as", "ann", *words)
    assert isinstance(said.exception, Refused)
    assert f"There is no file {words[-1].split()[-1]} here." in str(said.exception)


@pytest.mark.asyncio(loop_scope="module")
async def test_whoever_is_unknown_is_told_how_to_say_who_they_are(bot: Bot) -> None:
    said = await sluice(bot.home, "say", "--as", "zoe", "list")
    assert "You speak as `zoe`: say `--as NAME`, or set SLUICE_AS." in " ".join(said.stdout.replace("│", " ").split())


@pytest.mark.asyncio(loop_scope="module")
async def test_an_empty_file_is_called_empty(bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").touch()
    said = await sluice(bot.home, "say", "--as", "ann", "check", str(tmp_path / "web.yaml"))
    assert "web.yaml is empty" in str(said.exception)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_that_waits_for_somebody_says_what_to_type(bot: Bot) -> None:
    run = await bot.start("run notes")
    await bot.asks(run)
    said = (await sluice(bot.home, "say", "--as", "ann", "status", run)).stdout
    for typed in (f"[Approve] approve {run}", f"[Reject] reject {run}", f"[Stop] stop {run}"):
        assert typed in said
    assert (await sluice(bot.home, "say", "--as", "ann", "approve", run)).exit_code == 0

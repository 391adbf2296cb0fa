"""Whatever is said is answered in words: every command of the grammar, rightly and wrongly used, and hostile text."""

from pathlib import Path

from bot.grammar import ALIASES, VERBS
from bot.web.render import render_message
from bot.web.room import LOBBY
from engine.model import RunState
from tests.support.bot import a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.repository import Repository
from tests.support.workload import Shop

INSIDE = "wrong inside"
WRONG = ("", " nowhere", " hello", " hello-1", " hello-1 7", " hello x=y", " hello 0", " 1 2 3 4", " 'half", " hello =")
HOSTILE = "<script>alert(1)</script> &amp; *bold* `code` ${tag} $(touch pwned) \u202e\x07 %s {0} 'quote\" ]]>"


async def test_every_command_is_answered_as_its_example_says(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        await bot.release("run hello")
        await bot.asks(await bot.start("run hello tag=v2"))
        for verb in VERBS:
            line = f"{verb.name}\n{shop.gray()}" if verb.text else verb.example
            answer = await bot.say(line)
            assert answer, f"{line} was not answered"
            assert INSIDE not in answer, line
            assert "That is not how" not in answer, f"{line} is not its own form"


async def test_every_command_wrongly_used_is_answered_in_words(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with a_new_bot(shop.gray(), target=target) as bot:
        await bot.start("run hello")
        names = [*(verb.name for verb in VERBS), *ALIASES, "press", "press approve", "", "\x00", "/sluice"]
        for line in (name + words for words in WRONG for name in names):
            answer = await bot.say(line)
            assert answer, line
            assert INSIDE not in answer, line


async def test_odd_numbers_and_characters_are_refused_in_words(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        run = await bot.start("run notes")
        for odd in ("²", "٣", "9" * 30, "vv1", "-1", "\x00", "\ud800"):
            for line in (f"export notes {odd}", f"yaml notes {odd}", f"rollback notes {odd}", f"split {run} {odd}"):
                assert INSIDE not in await bot.say(line), ascii(line)
            for line in (f"press retry {run} {odd} 1 -", f"status {odd}", f"run notes note={odd}", "no"):
                assert INSIDE not in await bot.say(line), ascii(line)


async def test_hostile_text_is_kept_as_text(tmp_path: Path) -> None:
    text = notes(tmp_path).replace("description: Reads", "description: <script>alert(2)</script> Reads")
    Repository(tmp_path / "notes").commit({"x": "y"}, "<script>alert(3)</script> $(touch pwned) \u202e")
    Repository(tmp_path / "notes").git("tag", "--force", "v1")
    async with a_new_bot(text) as bot:
        await bot.say("run notes 'note=" + HOSTILE.replace("'", "") + "'")
        assert INSIDE not in await bot.say("yes")
        run = (await bot.runs("notes"))[0]
        assert "<script>" in run.variables["note"]
        assert "${tag}" in run.variables["note"], "a value is put in as it is"
        await bot.asks(run.id)
        assert INSIDE not in await bot.say(f"reject {run.id} {HOSTILE}")
        ended = await bot.ends(run.id, RunState.REJECTED)
        assert "<script>" in ended.reason
        await bot.shows(run.id, lambda card: card.badge == "rejected", "is over")
        for line in (
            "status notes",
            "runs notes",
            f"logs {run.id}",
            HOSTILE,
            f"run notes {HOSTILE}",
            f"show {HOSTILE}",
        ):
            assert INSIDE not in await bot.say(line), line
        shown_now = await bot.app.chat.present(LOBBY)
        assert "alert(3)" in "".join(render_message(shown) for shown in shown_now)
        for shown in shown_now:
            assert "<script>" not in render_message(shown)

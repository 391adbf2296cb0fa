"""A definition takes the place of another only in sight: whose that was, what goes with it, and how it is had again."""

from pathlib import Path

from tests.support.bot import a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop


async def test_a_definition_in_place_of_another_says_of_which_and_what_has_changed(tmp_path: Path) -> None:
    shop = Shop(tmp_path, name="notes", workload="web", rest="0s")
    async with a_new_bot(shop.gray(), target=ModelTarget()) as bot:
        other = notes(tmp_path, review="{reviewers: [bob]}").replace("pipeline: notes", "pipeline: notes\ngroup: docs")
        answer = await bot.say(f"define\n{other}", "bob")
        assert "notes is defined, version 2" in answer
        assert "In place of\nversion 1 by ann, 0 s ago; `export notes 1` gives that one" in answer
        assert (
            "Changed\nStages: without image (build), gray (gray), official (official). "
            "Variables: without health, patience, with note. "
            "Workload: none instead of web. Group: docs instead of default."
        ) in answer
        assert shop.gray() in await bot.say("export notes 1")


async def test_a_definition_is_kept_without_the_fence_that_it_was_pasted_in(tmp_path: Path) -> None:
    async with a_new_bot() as bot:
        text = notes(tmp_path)
        for language in ("", "yaml", "yml", "YAML", "yaml "):
            fenced = f"```{language}\n{text}```"
            assert "That looks like a definition" in await bot.say(fenced)
            for said in (f"define\n{fenced}", f"define {fenced}\n", f"```{language}\ndefine\n{text}```"):
                assert "notes is defined, version 1" in await bot.say(said), said
        assert text.strip() in await bot.say("export notes")


async def test_a_definition_that_takes_the_place_of_none_says_nothing_of_it(tmp_path: Path) -> None:
    async with a_new_bot() as bot:
        for number in (1, 1):
            answer = await bot.say(f"define\n{notes(tmp_path)}")
            assert f"notes is defined, version {number}" in answer
            assert "In place of" not in answer
        again = await bot.say(f"define\n{notes(tmp_path).replace('Reads the', 'Reads all')}")
        assert "In place of" in again
        assert "Changed" not in again
        await bot.say("delete notes")
        await bot.say("DELETE")
        assert "In place of" not in await bot.say(f"define\n{notes(tmp_path)}")

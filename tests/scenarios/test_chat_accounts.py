"""One person, several accounts: how they get in, and what those see who have not."""

import asyncio
from pathlib import Path

import pytest

from bot.cards import Card
from bot.chat import RoomLost
from bot.terminal.client import Client
from engine.model import RoomId, RunState
from tests.support.bot import a_new_bot
from tests.support.eventually import eventually
from tests.support.messaging import Talk, talking
from tests.support.model_messenger import CHANNEL
from tests.support.notes import notes

ALONE, BOBS = RoomId("model:direct-mallory"), RoomId("model:direct-bob")


async def test_an_account_that_nobody_knows_sees_nothing_and_is_told_how_to_get_in(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        for line in ("list", "help", "run notes", "status", "approve notes-1", "link"):
            card = await talk.say("mallory", line)
            assert card.title == "I do not know this account, so I show nothing to it."
            assert "sluice person add" in card.text
            assert "notes" not in card.title + card.text
        assert await talk.bot.runs("notes") == []
        assert [(deed.outcome, deed.account, deed.person) for deed in (await talk.audited())[1:]] == [
            ("refused", "model:mallory", "")
        ] * 6


async def test_a_code_from_one_chat_makes_the_account_in_another_the_same_person(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        assert (await talk.say("ann", "whoami")).title == "You are ann"
        assert "model:ann" in await talk.bot.say("whoami", "ann")
        deeds = [deed for deed in await talk.audited() if deed.line.startswith("link")]
        assert [(deed.line, deed.said) for deed in deeds] == [
            ("link", ""),
            ("link (a code)", "model:ann is ann's."),
        ], "the code itself is never written down"


async def test_a_code_is_good_once(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        code = (await talk.bot.say("link", "ann")).splitlines()[-1]
        assert (await talk.say("ann", code, ALONE)).title == "Welcome, ann."
        assert (await talk.say("mallory", code, ALONE)).title.startswith("That code is not known here")


@pytest.mark.parametrize("typed", ["{}", "link {}", "/link {}"])
@pytest.mark.parametrize("between", [" ", "", "-"])
async def test_a_code_is_taken_as_it_is_typed_on_a_phone(tmp_path: Path, typed: str, between: str) -> None:
    async with talking(tmp_path) as talk:
        code = (await talk.bot.say("link", "ann")).splitlines()[-1].removeprefix("link ")
        line = typed.format(code.replace("-", between))
        assert (await talk.say("ann", line, ALONE)).title == "Welcome, ann."
        assert not any(code[:4] in deed.line + deed.said for deed in await talk.audited())


async def test_a_code_that_a_known_person_types_is_neither_used_up_nor_written_down(tmp_path: Path) -> None:
    async with talking(tmp_path, "bob") as talk:
        code = (await talk.bot.say("link", "ann")).splitlines()[-1].removeprefix("link ")
        for line in (code, code.lower(), code.replace("-", " "), f"link {code.replace('-', ' ')}"):
            assert (await talk.say("bob", line, BOBS)).title == "It is bob's already; the code is not used up."
        assert not any(code[:4] in (deed.line + deed.said).upper() for deed in await talk.audited())
        assert code[:4] not in str([card.title for card in await talk.bot.cards()])
        assert (await talk.say("ann", code, ALONE)).title == "Welcome, ann."


async def test_a_new_code_takes_the_place_of_the_older(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        older = (await talk.bot.say("link", "ann")).splitlines()[-1]
        await talk.bot.say("link", "ann")
        assert (await talk.say("mallory", older, ALONE)).title.startswith("That code is not known here")


async def test_whoever_guesses_codes_has_to_wait_even_for_a_right_one(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        for number in range(5):
            assert "not known" in (await talk.say("mallory", f"link AAAA-AAA{number + 2}", ALONE)).title
        right = (await talk.bot.say("link", "ann")).splitlines()[-1]
        refused = await talk.say("mallory", right, ALONE)
        assert refused.title == "Too many wrong codes came from this account."
        assert "Wait 15 min" in refused.text
        assert (await talk.say("ann", right, ALONE)).title == "Welcome, ann."


async def test_a_code_is_not_shown_where_others_read_along(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        assert "others read along" in (await talk.say("ann", "link")).title
        assert (await talk.say("ann", "link", RoomId("model:direct-ann"))).title == "A code for ann"


async def test_an_account_that_was_given_up_sees_nothing_any_more(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        assert (await talk.say("ann", "unlink model:bob")).title == "model:bob is not yours."
        assert (await talk.say("ann", "unlink")).title == "model:ann is nobody's now."
        assert "I do not know this account" in (await talk.say("ann", "whoami")).title
        assert (await talk.say("bob", "whoami")).title == "You are bob"


async def test_all_must_pass_counts_people_and_not_accounts(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path, review='{reviewers: [ann, bob], mode: all}')}")
        run = await talk.bot.start("run notes")
        await talk.bot.asks(run)
        await talk.bot.say(f"approve {run}", "ann")
        assert "is counted" in (await talk.say("ann", f"approve {run}")).title
        assert {vote.person for vote in (await talk.bot.run(run)).stage.votes} == {"ann"}
        assert (await talk.bot.run(run)).state is RunState.WAITING
        await talk.bot.say(f"approve {run}", "bob")
        await talk.bot.ends(run, RunState.SUCCEEDED)


async def test_a_bot_is_refused_politely_and_changes_nothing(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        [card] = await talk.deliver(talk.update("ann", "run notes", bot=True))
        assert card.title == "Releases are decided by people; I take no commands from bots."
        assert (await talk.audited())[-1].outcome == "refused"


async def test_a_person_who_was_removed_can_decide_nothing_in_any_chat(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        run = await talk.bot.start("run notes")
        await talk.bot.asks(run)
        client = Client(talk.bot.app.settings.socket)
        assert await asyncio.to_thread(client.remove_person, "bob")
        assert not await asyncio.to_thread(client.remove_person, "bob")
        assert "I do not know this account" in (await talk.say("bob", f"approve {run}")).title
        assert "Nobody here knows bob" in await talk.bot.say(f"approve {run}", "bob")
        assert (await talk.bot.run(run)).stage.votes == ()


async def test_a_person_who_was_removed_is_told_nothing_more(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("bob", "subscribe notes on everything", BOBS)
        run = await talk.bot.start("run notes")
        await talk.shows(run, "waits for review", BOBS)
        client = Client(talk.bot.app.settings.socket)
        assert await asyncio.to_thread(client.remove_person, "bob")
        shown = len(talk.chat.rooms[BOBS])
        await talk.bot.say(f"approve {run}")
        await talk.bot.ends(run, RunState.SUCCEEDED)
        again = await talk.bot.start("run notes")
        await talk.shows(again, "waits for review", RoomId("model:direct-ann"))
        assert len(talk.chat.rooms[BOBS]) == shown
        assert [card.badge for card in talk.chat.showing(BOBS, run)] == ["waits for review"]


async def test_a_strangers_codes_are_not_written_down_and_a_flood_of_theirs_neither(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        code = (await talk.bot.say("link", "ann")).splitlines()[-1].removeprefix("link ")
        for line in (f"code {code}", f"lnk {code.lower()}", f"please link {code}"):
            await talk.say("mallory", line, ALONE)
        deeds = await talk.audited()
        assert len(deeds) == 4
        assert not any(part in deed.line for deed in deeds for part in (code, code.lower()))
        for _ in range(30):
            await talk.bot.app.intake.accept(talk.update("mallory", "hello", room=ALONE))
        await talk.say("eve", "whoami")
        await eventually(lambda: _none_open(talk), "all is carried out")
        assert sum(deed.account == "model:mallory" for deed in await talk.audited()) == 10
        assert sum(told.account == "model:mallory" for told, _ in talk.chat.answers) == 10


async def _none_open(talk: Talk) -> bool:
    return not await talk.bot.app.store.read(lambda book: book.updates.open())


def said_of(card: Card, label: str) -> str:
    """The value of a card's field; empty when it has none of that label."""
    return next((one.value for one in card.fields if one.label == label), "")


async def reads(talk: Talk, run: str, label: str, words: str) -> None:
    """Wait until the channel's card of the run says this under the label, or nothing."""

    async def look() -> bool:
        said = [said_of(card, label) for card in talk.chat.showing(CHANNEL, run)]
        return len(said) == 1 and (words in said[0] if words else not said[0])

    await eventually(look, f"{run} says {words!r} under {label}")


async def test_who_is_asked_and_in_no_chat_is_named_until_they_are(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        definition = notes(tmp_path, review="{reviewers: [ann, bob, cleo], mode: all}")
        await talk.bot.say(f"define\n{definition}")
        said = said_of(talk.bot.heard[0], "Not in any chat")
        assert said.startswith("bob, cleo. `sluice say --as bob link`")
        await talk.say("ann", "subscribe notes on everything")
        run = await talk.bot.start("run notes")
        await reads(talk, run, "Not in any chat", "bob, cleo.")
        await talk.link("bob")
        await reads(talk, run, "Not in any chat", "cleo. `sluice say --as cleo link`")
        await talk.shows(run, "waits for review", BOBS)
        for person in ("ann", "bob", "cleo"):
            await talk.bot.say(f"approve {run}", person)
        await talk.shows(run, "succeeded")
        await reads(talk, run, "Not in any chat", "")


async def test_nobody_misses_a_chat_where_there_is_none(tmp_path: Path) -> None:
    async with a_new_bot(notes(tmp_path)) as bot:
        assert said_of(bot.heard[0], "Not in any chat") == ""
        run = await bot.start("run notes")
        card = await bot.shows(run, lambda card: card.badge == "waits for review", "asks")
        assert said_of(card, "Not in any chat") == ""


async def test_the_card_says_who_cannot_be_told_any_more_and_why(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("ann", "subscribe notes on everything")
        talk.chat.fails = lambda _call, room: RoomLost("The person has blocked the bot.") if room == BOBS else None
        run = await talk.bot.start("run notes")
        await reads(talk, run, "Cannot be told", "bob: The person has blocked the bot.")
        talk.chat.fails = lambda _call, _room: None
        await talk.say("bob", "whoami", BOBS)
        await talk.shows(run, "waits for review", BOBS)
        await reads(talk, run, "Cannot be told", "")

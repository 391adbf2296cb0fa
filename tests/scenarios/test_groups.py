"""Groups: open until the first grant, closed with somebody who manages them, and repaired on the machine itself."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.chat import Incoming
from bot.linking import remove
from engine.model import Person, PersonId, RoomId
from tests.support.bot import Bot, a_new_bot, words_of
from tests.support.closed_shop import close, grant

PLAIN = "pipeline: {name}\n# who\ngroup: {group} # of theirs\nstages:\n  - name: code\n    source: {{git: 'https://git.example.com/a/b.git'}}\n"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot() -> AsyncIterator[Bot]:
    """One for all: each has a group of its own."""
    async with a_new_bot() as running:
        yield running


async def a_group(bot: Bot, name: str) -> str:
    """An open group with a pipeline of its name; returns the name."""
    answer = await bot.say(f"define\n{PLAIN.format(name=name, group=name)}")
    assert f"{name} is defined" in answer, answer
    return name


async def dan(bot: Bot) -> PersonId:
    """Somebody more, whom nobody misses afterwards."""
    await bot.app.store.transact(lambda book: book.people.add(Person(PersonId("dan"))))
    return PersonId("dan")


async def in_the_terminal(bot: Bot, line: str, person: str = "bob") -> str:
    said = Incoming(RoomId(f"terminal:{person}"), PersonId(person), line)
    return "\n".join(words_of(answer.card) for answer in await bot.app.dispatch.answer(said))


async def test_the_first_grant_closes_a_group_is_asked_about_and_leaves_its_giver_in(bot: Bot) -> None:
    await a_group(bot, "apples")
    assert "It is open" in await bot.say("group apples", "cleo")
    asked = await bot.say("grant bob read on apples")
    assert "nobody sees it but those" in asked
    assert "apples" in await bot.say("list", "cleo")
    assert "ann manages it, bob has read" in await bot.say("yes")
    assert "There is no group apples" in await bot.say("group apples", "cleo")
    await bot.say("group apples")
    table = bot.heard[0].table
    assert table is not None
    assert [row[:2] for row in table.rows] == [("ann", "manage"), ("bob", "read")]
    assert "bob has edit on apples" in await bot.say("grant bob edit on apples")


async def test_whoever_is_granted_a_right_is_told_everything_that_it_is_for(bot: Bot) -> None:
    await a_group(bot, "bananas")
    await close(bot, "bananas")
    said = " ".join([await bot.say(f"grant bob {right} on bananas") for right in ("read", "edit", "manage")])
    for words in (
        "see them through",
        "freeze",
        "redeploy at once",
        "settle",
        "give up",
        "retire",
        "secrets",
        "packages",
    ):
        assert words in said


async def test_two_who_close_a_group_at_once_are_one(bot: Bot) -> None:
    await a_group(bot, "berries")
    await bot.say("grant ann manage on berries", "ann")
    await bot.say("grant bob manage on berries", "bob")
    assert "berries is closed" in await bot.say("yes", "ann")
    assert "There is no group berries" in await bot.say("yes", "bob")


async def test_the_last_who_manages_a_group_stays(bot: Bot) -> None:
    await a_group(bot, "cherries")
    await close(bot, "cherries")
    for line in ("revoke ann on cherries", "grant ann read on cherries"):
        assert "ann is the last who manages cherries." in await bot.say(line)
    await grant(bot, "bob", "manage", "cherries")
    await bot.say("revoke ann on cherries")
    await bot.say("revoke bob on cherries", "bob")
    assert "no right in cherries any more" in await bot.say("DELETE")
    assert "bob is the last who manages cherries." in await bot.say("DELETE", "bob")


async def test_a_right_goes_only_when_delete_is_typed_out(bot: Bot) -> None:
    await a_group(bot, "dates")
    await close(bot, "dates")
    await grant(bot, "bob", "read", "dates")
    await bot.say("revoke bob on dates")
    assert "typed out" in await bot.say("yes")
    assert "dates" in await bot.say("show dates", "bob")
    await bot.say("DELETE")
    assert "There is no pipeline dates" in await bot.say("show dates", "bob")
    assert "bob was granted nothing in dates." in await bot.say("revoke bob on dates")


async def test_what_is_half_said_or_names_nobody_grants_nothing(bot: Bot) -> None:
    await a_group(bot, "elders")
    await close(bot, "elders")
    for line, answer in {
        "grant bob on elders": "That is not how grant is said.",
        "grant bob own on elders": "That is not how grant is said.",
        "grant bob read in elders": "That is not how grant is said.",
        "grant bbo read on elders": "Did you mean bob?",
        "grant bob read on elderx": "Did you mean elders?",
        "revoke bob from elders": "That is not how revoke is said.",
        "group create Shop!": "is not a name of small letters",
        "group create delete": "is a word of the command",
        "group delete": "That is not how group is said.",
    }.items():
        assert answer in await bot.say(line), line
    assert [one.person for one in await bot.app.store.read(lambda book: book.grants.of_group("elders"))] == ["ann"]


async def test_whoever_runs_sluice_repairs_a_group_in_the_terminal(bot: Bot) -> None:
    await a_group(bot, "figs")
    who = await dan(bot)
    await close(bot, "figs", who)
    await bot.app.store.transact(lambda book: book.people.remove(who))
    assert "There is no pipeline figs" in await in_the_terminal(bot, "show figs"), "only rights are repaired there"
    assert "figs" in await in_the_terminal(bot, "groups")
    assert "bob has manage on figs" in await in_the_terminal(bot, "grant bob manage on figs")
    assert "figs" in await bot.say("show figs", "bob")


async def test_a_person_who_is_known_no_more_leaves_their_rights_and_the_group_stays_closed(bot: Bot) -> None:
    await a_group(bot, "grapes")
    who = await dan(bot)
    await close(bot, "grapes", who)
    await bot.app.store.transact(lambda book: remove(book, who))
    assert await bot.app.store.read(lambda book: book.grants.of_group("grapes")) == []
    assert "There is no pipeline grapes" in await bot.say("show grapes", "cleo")


async def test_a_group_of_ones_own_is_made_closed_and_its_name_is_taken(bot: Bot) -> None:
    await a_group(bot, "hazels")
    assert "nobody else sees it" in await bot.say("group create mine", "bob")
    assert "The name mine is taken." in await bot.say("group create mine", "cleo")
    assert "The name hazels is taken." in await bot.say("group create hazels", "cleo")
    assert "There is no group mine" in await bot.say("group mine", "cleo")
    assert "manage" in await bot.say("group mine", "bob")


async def test_a_group_that_holds_something_goes_only_when_that_moves(bot: Bot) -> None:
    await a_group(bot, "irises")
    await bot.say("group create other", "bob")
    await bot.say("group create ours")
    assert "irises is not empty: irises." in await bot.say("group delete irises")
    assert "There is no group other." in await bot.say("group delete irises to other")
    assert "To ours go: irises." in await bot.say("group delete irises to ours")
    assert "In ours now: irises." in await bot.say("DELETE")
    stored = await bot.app.store.read(lambda book: book.pipelines.load("irises"))
    assert (stored.group, stored.version) == ("ours", 2)
    assert stored.text == PLAIN.format(name="irises", group="ours"), "comments are kept"
    assert "There is no pipeline irises" in await bot.say("show irises", "bob")

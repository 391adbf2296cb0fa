"""A pipeline is made by answering questions, in any chat; nothing is lost by a restart, and nothing made unseen."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bot.web.room import LOBBY
from engine.model import PersonId
from engine.pipeline import parse
from storage.drafts import Draft
from tests.support.bot import Bot, a_bot, a_new_bot
from tests.support.closed_shop import close, grant

CODE = "https://git.example.org/shop/api.git"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot() -> AsyncIterator[Bot]:
    """One for all: each makes pipelines of its own names."""
    async with a_new_bot() as running:
        yield running


async def names(bot: Bot) -> list[str]:
    return await bot.app.store.read(lambda book: book.pipelines.names())


def line_of(bot: Bot, text: str) -> str:
    """The line of the button with this text on the newest card."""
    return next(button.line for card in bot.heard for button in card.buttons if button.text == text)


async def answers(bot: Bot, *said: str, person: str = "ann") -> str:
    answer = ""
    for one in said:
        answer = await bot.say(one, person)
    return answer


async def draft_of(bot: Bot, person: str = "ann") -> Draft | None:
    return await bot.app.store.read(lambda book: book.drafts.find(LOBBY, PersonId(person)))


async def test_a_pipeline_is_made_by_answers_shown_as_a_whole_and_created_by_a_press(bot: Bot) -> None:
    assert "Build and gray-release" in await bot.say("create")
    assert "What shall it be called?" in await bot.say(line_of(bot, "Build and gray-release"))
    assert "Which group" in await bot.say("shop-api")
    assert "Where is its code?" in await bot.say(line_of(bot, "default"))
    assert "Which branch?" in await bot.say(CODE)
    assert "Which port" in await bot.say(line_of(bot, "main"))
    assert "How many instances?" in await bot.say("18090")
    assert "How is it tried?" in await bot.say("4")
    assert "Who is asked" in await bot.say(line_of(bot, "canary"))
    whole = await bot.say("ann, bob")
    assert "Create shop-api?" in whole
    [card] = bot.heard
    assert [stop.kind for stop in card.topology] == ["source", "build", "gray", "review", "official"]
    for part in (CODE, "port: 18090", "instances: 4", "[ann, bob]", "# canary: gray instances among all"):
        assert part in card.code
    assert "shop-api" not in await names(bot)
    assert "shop-api is defined, version 1" in await bot.say(line_of(bot, "Create"))
    stored = await bot.app.store.read(lambda book: book.pipelines.load("shop-api"))
    assert (stored.text, stored.by) == (card.code, "ann")
    assert await draft_of(bot) is None


async def test_an_answer_is_complained_about_as_a_definition_would_be_and_asked_again(bot: Bot) -> None:
    await answers(bot, "create gray-image")
    for wrong, complaint in {
        "Shop API": "is not a name of small letters",
        "x" * 70: "is not a name of small letters",
    }.items():
        assert complaint in await bot.say(wrong)
    await answers(bot, "api", "default")
    assert "is not an image name" in await bot.say("shop image")
    assert bot.heard[0].text.count("shop image") == 1, "what was said is said once"
    await answers(bot, "shop/api:${tag}")
    assert "from 1 to 65535" in (await bot.say("99999")).replace("outside 1 to 65535", "from 1 to 65535")
    await answers(bot, "18080")
    assert "How many instances?" in await bot.say("0")
    await answers(bot, "2")
    assert "is none of these" in await bot.say("slowly")
    await answers(bot, "istio")
    assert "dora" in await bot.say("dora")
    assert "Create api?" in await bot.say("nobody")
    assert "review" not in bot.heard[0].code


async def test_going_back_opens_the_answer_before_and_old_buttons_answer_nothing(bot: Bot) -> None:
    await answers(bot, "create build", "api")
    default = line_of(bot, "default")
    await bot.say(default)
    assert "Where is its code?" in await bot.say("nonsense")
    assert "belongs to an earlier question" in await bot.say(default)
    assert "Which group" in await bot.say("back")
    assert "What shall it be called?" in await bot.say(line_of(bot, "Back"))
    await answers(bot, "web", "default", CODE)
    assert "Create web?" in await bot.say("main")
    create = line_of(bot, "Create")
    assert "Which branch?" in await bot.say(line_of(bot, "Back"))
    assert "belongs to an earlier question" in await bot.say(create)
    assert "web" not in await names(bot)


async def test_a_restart_in_between_loses_nothing() -> None:
    folder = Path(tempfile.mkdtemp(prefix="sluice-"))
    try:
        async with a_bot(folder / "home") as bot:
            await answers(bot, "create build", "api", "default")
            repository = bot.heard[0]
        async with a_bot(folder / "home") as bot:
            assert "Which branch?" in await bot.say(CODE)
            assert "belongs to an earlier question" in await bot.say(repository.buttons[0].line)
            assert "Create api?" in await bot.say("main")
            create = line_of(bot, "Create")
        async with a_bot(folder / "home") as bot:
            assert "api is defined, version 1" in await bot.say(create)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_create_that_is_delivered_twice_makes_one(bot: Bot) -> None:
    await answers(bot, "create environments", "api", "default", CODE, "main", "1801", "1802", "1803", "2", "canary")
    assert "Create api-test and api-staging and api-production?" in await bot.say("ann")
    create = line_of(bot, "Create")
    assert "api-production is defined, version 1" in await bot.say(create, key="one")
    assert await bot.say(create, key="two") != ""
    made = ["api-production", "api-staging", "api-test"]
    assert [name for name in await names(bot) if name.startswith("api-")] == made
    versions = [await bot.app.store.read(lambda book, n=name: book.pipelines.load(n).version) for name in made]  # type: ignore[misc]
    assert versions == [1, 1, 1]
    staging = await bot.app.store.read(lambda book: book.pipelines.load("api-staging").text)
    assert "channel: api-tested" in staging


async def test_several_pipelines_are_made_all_or_none(bot: Bot) -> None:
    answers_ = ("create environments", "row", "default", CODE, "main", "1901", "1902", "1903", "2", "canary", "ann")
    assert "Create row-test and row-staging and row-production?" in await answers(bot, *answers_)
    create = line_of(bot, "Create")
    await bot.say("group create orchard", "bob")
    taken = TEXT.replace("base", "row-production").replace("group: shop", "group: orchard")
    assert "is defined" in await bot.say(f"define\n{taken}", "bob")
    assert "row-production" in await bot.say(create)
    assert [name for name in await names(bot) if name.startswith("row-")] == ["row-production"]


async def test_each_person_has_one_conversation_in_a_room_and_leaves_it_with_cancel(bot: Bot) -> None:
    await answers(bot, "create build", "api")
    assert "There is no command api" in await bot.say("api", "bob")
    assert "belongs to a conversation that is over" in await bot.say("press answer 00 say group default", "bob")
    await answers(bot, "create gray-image", person="bob")
    assert "Which group" in await bot.say("theirs", "bob")
    assert "Nothing was created." in await bot.say("cancel")
    assert "There is no command mine" in await bot.say("mine")
    assert "Which image" in await bot.say("default", "bob")
    assert "not asked anything" in await bot.say("no")


async def test_commands_go_on_working_in_the_middle_and_an_answer_may_be_named_like_one(bot: Bot) -> None:
    await answers(bot, "create build")
    assert "You are ann" in await bot.say("whoami")
    assert "That is not how show is said" in await bot.say("show a b")
    assert "Which group" in await bot.say("answer list")
    await answers(bot, "default", CODE, "main")
    assert "Create list?" in await bot.say("what now")


async def test_a_conversation_that_was_forgotten_for_an_hour_is_over(bot: Bot) -> None:
    await answers(bot, "create build", "api")
    kept = await draft_of(bot)
    assert kept is not None
    old = Draft(kept.id, kept.room, kept.person, kept.document, kept.expires_at - timedelta(hours=2))
    await bot.app.store.transact(lambda book: book.drafts.put(old))
    assert "There is no command default" in await bot.say("default")
    assert "is over" in await bot.say(f"press answer {kept.id} say group default")


async def test_what_may_not_be_made_is_said_at_the_question_and_again_at_the_end(bot: Bot) -> None:
    await bot.say("group create fruit")
    await grant(bot, "bob", "edit", "fruit")
    await answers(bot, "create build", "cart", person="cleo")
    assert "You may not make a pipeline in fruit." in await bot.say("fruit", "cleo")
    assert "fruit" not in [button.text for button in bot.heard[0].buttons]
    await answers(bot, "create build", "cart", person="bob")
    await answers(bot, line_of(bot, "fruit"), CODE, "main", person="bob")
    create = line_of(bot, "Create")
    await grant(bot, "bob", "read", "fruit")
    assert "You may not make a pipeline in" in await bot.say(create, "bob")
    assert "cart" not in await names(bot)
    await grant(bot, "bob", "edit", "fruit")
    assert "cart is defined" in await bot.say(create, "bob"), "the conversation waited"
    await answers(bot, "create build", person="cleo")
    assert "The name cart is taken." in await bot.say("cart", "cleo")


TEXT = """\
pipeline: base
# who may
group: shop
stages:
  - name: code
    source: {git: "https://git.example.org/shop/api.git", tag: v1} # the first
  - name: image
    build: {image: "shop/base:v1"}
  - name: official
    official: {workload: base, instances: 2, service: {port: 18080}}
"""


async def test_a_pipeline_is_kept_as_a_template_and_others_are_made_from_it(bot: Bot) -> None:
    await bot.say(f"define\n{TEXT}")
    await close(bot, "shop")
    assert "There is no template mine" in await bot.say("create mine")
    assert "The template mine is kept" in await bot.say("template export base mine")
    assert "mine" in await bot.say("templates")
    assert "mine" not in (await bot.say("templates", "bob")).split()
    assert "There is no template mine" in await bot.say("create mine", "bob")
    assert "There is no template mine" in await bot.say("template mine", "bob")
    other = (
        TEXT.replace("shop", "own").replace("pipeline: base", "pipeline: x").replace("workload: base", "workload: x")
    )
    assert "The name mine is taken" in await answers(bot, f"define\n{other}", "template export x mine", person="bob")
    await grant(bot, "bob", "read")
    await answers(bot, "create mine", "web", "own", person="bob")
    assert CODE in [button.text for button in bot.heard[0].buttons], "what the template has is the default"
    await answers(bot, CODE, "v2", person="bob")
    assert "18081" in [button.text for button in bot.heard[0].buttons], "a port that nothing has yet"
    assert "Create web?" in await bot.say("18081", "bob")
    code = bot.heard[0].code
    expected = TEXT.replace("pipeline: base", "pipeline: web").replace("group: shop", "group: own")
    expected = (
        expected.replace("tag: v1", "tag: v2")
        .replace('"shop/base:v1"', "own/web:v1")
        .replace("workload: base", "workload: web")
        .replace("18080", "18081")
        .replace(f'"{CODE}"', CODE)
    )
    assert code == expected, "comments are kept"
    assert "You may not template delete mine" in await bot.say("template delete mine", "bob")
    await bot.say("template delete mine")
    assert "is deleted" in await bot.say("yes")
    assert "There is no template mine" in await bot.say("template mine")


ODD = (
    "a: b",
    "'",
    '"',
    "${tag}",
    "# x",
    "- a",
    "{a: b}",
    "x\ny: z",
    "\N{SNOWMAN}",
    "&a *a",
    "!!str",
    "my-service",
    "back",
)


async def test_no_answer_becomes_more_than_a_value(bot: Bot) -> None:
    await answers(bot, "create build", "odd", "default", CODE)
    for odd in ODD:
        answer = await bot.say(f"answer {odd}")
        if "Create odd?" not in answer:
            assert "Which branch?" in answer or "Where is its code?" in answer, odd
            await answers(bot, *([CODE] if "Where is" in answer else []))
            continue
        assert [stop.kind for stop in bot.heard[0].topology] == ["source", "build"], odd
        [line] = [line for line in bot.heard[0].code.splitlines() if line.strip().startswith("branch:")]
        assert parse(bot.heard[0].code).pipeline.stages[0].source.branch == " ".join(odd.split()), line  # type: ignore[union-attr]
        await bot.say("back")

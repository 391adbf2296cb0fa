"""In Telegram a pipeline is made in a conversation: choices are buttons, and each takes the place of the one before."""

from tests.support.telegram_house import ANN, BOB, OnTelegram

CODE = "https://git.example.org/shop/api.git"


async def test_a_pipeline_is_made_alone_with_the_bot_by_typing_and_pressing(talk: OnTelegram) -> None:
    alone = talk.alone(ANN)
    await talk.asks(ANN, alone, "/create", "What shall the pipeline do?")
    talk.presses(ANN, alone, "Build only")
    await talk.reads(alone, "What shall it be called?")
    await talk.asks(ANN, alone, "api", "Which group does it belong to?")
    talk.presses(ANN, alone, "default")
    await talk.reads(alone, "Where is its code?")
    await talk.asks(ANN, alone, "ftp://nowhere", "ftp://nowhere cannot be used")
    await talk.asks(ANN, alone, CODE, "Which branch?")
    talk.presses(ANN, alone, "main")
    await talk.reads(alone, "Create api?")
    talk.presses(ANN, alone, "Create")
    await talk.reads(alone, "api is defined, version 1")
    stored = await talk.bot.app.store.read(lambda book: book.pipelines.load("api"))
    assert (stored.by, CODE in stored.text) == ("ann", True)


async def test_in_a_group_a_reply_is_an_answer_and_nobody_else_answers(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN, BOB)
    question = await talk.asks(ANN, group, "/create build", "What shall it be called?")
    await talk.asks(BOB, group, "theirs", "There is no command theirs", reply_to=question.id)
    asked = await talk.asks(ANN, group, "api", "Which group", reply_to=question.id)
    assert "as a reply" in asked.text
    await talk.asks(ANN, group, "/cancel", "Nothing was created.")

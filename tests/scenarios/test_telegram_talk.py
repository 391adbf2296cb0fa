"""What is heard in Telegram, from whom, and what is said back."""

import re
from pathlib import Path

import pytest

from bot.grammar import VERBS
from tests.support.notes import notes
from tests.support.telegram_chats import Account
from tests.support.telegram_house import ANN, BOB, EVE, OnTelegram, on_telegram
from tests.support.telegram_wire import telegram_wire


async def unheard(talk: OnTelegram) -> None:
    """Nothing that was said outside of Ann's own chat has been answered or written down."""
    await talk.quiet(ANN)
    await talk.quiet(BOB)
    others = [chat for chat in talk.wire.methods.chats.values() if chat.id not in (ANN.id, BOB.id)]
    assert [shown.text for chat in others for shown in talk.wire.shows(chat)] == []


async def test_in_a_chat_alone_everything_is_heard_with_or_without_a_slash(talk: OnTelegram) -> None:
    alone = talk.alone(ANN)
    for line in ("whoami", "/whoami", "/whoami@sluice_bot", "/sluice whoami"):
        answer = await talk.asks(ANN, alone, line, "You are ann")
        assert answer.reply_to is None


async def test_in_a_group_commands_its_name_and_replies_are_heard_and_answered_below(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN)
    talk.wire.methods.reads_all = True
    for line in ("/whoami", "/whoami@sluice_bot", "@sluice_bot whoami", "@Sluice_Bot, whoami"):
        answer = await talk.asks(ANN, group, line, "Sent to you alone.")
        assert answer.reply_to is not None
        assert group.messages[answer.reply_to].text == line
    mine = talk.wire.shows(group)[-1]
    await talk.asks(ANN, group, "whoami", "Sent to you alone.", reply_to=mine.id)


async def test_in_a_group_nothing_else_is_heard_though_privacy_mode_is_off(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN, BOB)
    talk.wire.methods.reads_all = True
    talk.says(ANN, group, "whoami")
    talk.says(ANN, group, "/whoami@other_bot")
    talk.says(ANN, group, "/weather Berlin")
    talk.says(ANN, group, "ask @sluice_bot to stop it")
    talk.says(ANN, group, "@sluice_bots whoami")
    bobs = talk.says(BOB, group, "I can do it")
    talk.says(ANN, group, "yes", reply_to=talk.wire.updates.made[bobs]["message"]["message_id"])  # type: ignore[index]
    await unheard(talk)


async def test_a_command_that_there_is_not_is_answered_only_where_it_can_be_meant_for_sluice(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN)
    await talk.asks(ANN, talk.alone(ANN), "/stauts", "Did you mean status?")
    await talk.asks(ANN, group, "/stauts@sluice_bot", "Did you mean status?")


async def test_whoever_nobody_knows_sees_nothing_and_is_told_how_to_get_in(talk: OnTelegram, tmp_path: Path) -> None:
    await talk.bot.say(f"define\n{notes(tmp_path)}")
    for line in ("/start", "/list", "status", "/start somewhere"):
        answer = await talk.asks(EVE, talk.alone(EVE), line, "I do not know this account")
        assert "sluice person add" in answer.text
        assert "telegram:66" in answer.text
        assert "notes" not in answer.text
    assert (await talk.audited())[-1].account == "telegram:66"


async def test_a_link_with_a_code_makes_an_account_known_once(talk: OnTelegram) -> None:
    code = (await talk.bot.say("link", "cleo")).splitlines()[-1].removeprefix("link ")
    eve = Account(66, "Eve \u202e\n" + "x" * 100)
    await talk.asks(eve, talk.alone(eve), f"/start {code}", "Welcome, cleo.")
    mallory = Account(67, "Mallory")
    await talk.asks(mallory, talk.alone(mallory), f"/start {code}", "That code is not known here")
    found = await talk.bot.app.store.read(lambda book: book.accounts.find("telegram:66"))
    assert found is not None
    assert (found.person, found.name, found.direct) == ("cleo", f"Eve {'x' * 59}…", "telegram:66")


async def test_a_code_is_given_alone_and_never_in_a_group(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN)
    await talk.asks(ANN, group, "/link", "others read along here")
    await talk.asks(ANN, talk.alone(ANN), "/link", "A code for ann")
    assert not any(re.search("[A-Z2-9]{4}-[A-Z2-9]{4}", shown.text) for shown in talk.wire.shows(group))


async def test_start_says_what_can_be_said(talk: OnTelegram) -> None:
    await talk.asks(ANN, talk.alone(ANN), "/start", "What you can say")


@pytest.mark.parametrize("caption", ["", "define", "/define", "/define notes", "sluice define notes"])
async def test_a_document_defines_a_pipeline(talk: OnTelegram, tmp_path: Path, caption: str) -> None:
    content = notes(tmp_path).encode()
    talk.wire.people.uploads(ANN, talk.alone(ANN), "Notes.YAML", content, caption)
    shown = await talk.reads(talk.alone(ANN), "notes is defined, version 1")
    assert shown.button("Run")


async def test_in_a_group_a_document_defines_only_when_sluice_is_told_to(talk: OnTelegram, tmp_path: Path) -> None:
    group, content = talk.wire.people.group("releases", ANN), notes(tmp_path).encode()
    talk.wire.methods.reads_all = True
    talk.wire.people.uploads(ANN, group, "notes.yaml", content)
    talk.wire.people.uploads(ANN, group, "notes.yaml", content, "define")
    await unheard(talk)
    talk.wire.people.uploads(ANN, group, "notes.yml", content, "/define@sluice_bot")
    await talk.reads(group, "notes is defined, version 1")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"x" * (256 * 1024 + 1), "notes.yaml is larger than 256 KiB."),
        (b"\xff\xfe\x00p", "notes.yaml is no text in UTF-8."),
        (b"pipeline: notes\n", "to mend"),
    ],
)
async def test_a_document_that_is_no_definition_is_refused_with_the_reason(
    talk: OnTelegram, content: bytes, sentence: str
) -> None:
    talk.wire.people.uploads(ANN, talk.alone(ANN), "notes.yaml", content)
    await talk.reads(talk.alone(ANN), sentence)
    assert "No pipelines" in await talk.bot.say("list")


async def test_a_document_of_somebody_unknown_is_not_even_complained_about(talk: OnTelegram) -> None:
    talk.wire.people.uploads(EVE, talk.alone(EVE), "notes.yaml", b"x" * (256 * 1024 + 1))
    shown = await talk.reads(talk.alone(EVE), "I do not know this account")
    assert "larger" not in shown.text


async def test_with_other_words_beside_it_nothing_is_done_with_a_document(talk: OnTelegram, tmp_path: Path) -> None:
    alone = talk.alone(ANN)
    talk.wire.people.uploads(ANN, alone, "notes.yaml", notes(tmp_path).encode(), "is that right?")
    await talk.reads(alone, "There is no command is.")
    talk.wire.people.uploads(ANN, alone, "notes.yaml", notes(tmp_path).encode(), "check")
    await talk.quiet()
    await talk.quiet()
    assert "No pipelines" in await talk.bot.say("list")


@pytest.mark.parametrize(
    ("name", "caption", "sentence"),
    [
        ("notes.txt", "", "notes.txt is no definition: I take .yaml and .yml."),
        ("notes", "", "notes is no definition"),
        ("notes.yaml.txt", "define", "notes.yaml.txt is no definition"),
        ("notes.txt", "/check notes", "notes.txt is no definition"),
        ("notes.yaml", "/define other", "notes.yaml defines notes, not other."),
        ("notes.yaml", "check other", "notes.yaml defines notes, not other."),
    ],
)
async def test_a_document_that_cannot_be_meant_is_answered_with_what_can(
    talk: OnTelegram, tmp_path: Path, name: str, caption: str, sentence: str
) -> None:
    talk.wire.people.uploads(ANN, talk.alone(ANN), name, notes(tmp_path).encode(), caption)
    await talk.reads(talk.alone(ANN), sentence)
    assert "No pipelines" in await talk.bot.say("list")


def grown(root: Path, length: int) -> str:
    """A line that defines `notes`, as long as this."""
    line = f"/define\n{notes(root)}"
    return line + "# a remark\n" * ((length - len(line)) // 11)


async def test_a_definition_that_telegram_may_have_split_is_refused_and_its_rest_too(
    talk: OnTelegram, tmp_path: Path
) -> None:
    alone, cut = talk.alone(ANN), "This may be cut off: Telegram splits messages at 4,096 characters."
    await talk.asks(ANN, alone, grown(tmp_path, 4096), cut)
    await talk.asks(ANN, alone, grown(tmp_path, 3810), cut)
    await talk.asks(ANN, alone, grown(tmp_path, 2100), cut)
    await talk.asks(ANN, alone, grown(tmp_path, 4096).replace("/define", "/check"), cut)
    await talk.asks(ANN, alone, "- name: review\n  review: {reviewers: [bob]}", "That looks like a definition")
    assert "No pipelines" in await talk.bot.say("list")
    await talk.asks(ANN, alone, grown(tmp_path, 3790).replace("\n\n", "\n"), "notes is defined, version 1")
    await talk.asks(ANN, alone, grown(tmp_path, 2040), "notes is defined, version 2")


async def test_a_long_answer_comes_with_a_file_named_after_it(talk: OnTelegram, tmp_path: Path) -> None:
    long = notes(tmp_path) + "".join(f"# line {number} of a very long remark\n" for number in range(300))
    talk.wire.people.uploads(ANN, talk.alone(ANN), "notes.yaml", long.encode())
    await talk.reads(talk.alone(ANN), "is defined")
    shown = await talk.asks(ANN, talk.alone(ANN), "/export notes", "All of it is in the file.")
    await talk.wire.until(lambda: any(one.file for one in talk.wire.shows(talk.alone(ANN))))
    [file] = [one for one in talk.wire.shows(talk.alone(ANN)) if one.file]
    assert file.file is not None
    assert file.file.name.startswith("notes")
    assert file.file.name.endswith(".yaml")
    assert file.file.content.decode().strip() == long.strip()
    assert file.reply_to == shown.id


async def test_bots_channels_and_whoever_hides_behind_a_group_are_refused(talk: OnTelegram, tmp_path: Path) -> None:
    await talk.bot.say(f"define\n{notes(tmp_path)}")
    group, channel = talk.wire.people.group("releases", ANN), talk.wire.people.group("news", kind="channel")
    robot = Account(9, "robot", is_bot=True)
    await talk.asks(robot, group, "/run notes", "Releases are decided by people")
    talk.wire.people.publishes(channel, "/run notes")
    await talk.reads(channel, "Releases are decided by people")
    anonymous = {**delivered(talk, group.id), "sender_chat": group.as_json()}
    talk.wire.updates.make("message", anonymous)
    await talk.wire.until(lambda: len(talk.wire.shows(group)) == 2)
    assert "Write to me in a group, or alone." in (await talk.reads(channel, "I cannot see who you are")).text
    hidden = await talk.reads(group, "Releases are decided by people, and I cannot see who you are.")
    assert "Turn off “Remain anonymous”" in hidden.text
    assert "write to me alone" in hidden.text
    deeds = (await talk.audited())[-3:]
    assert [deed.outcome for deed in deeds] == ["refused"] * 3
    assert deeds[-1].account == f"telegram:{group.id}"
    assert await talk.bot.runs("notes") == []


def delivered(talk: OnTelegram, chat: int, text: str = "/run notes") -> dict[str, object]:
    """A message of Ann's as Telegram tells of it."""
    there = talk.wire.methods.chats[chat]
    entity = {"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}
    return {
        "message_id": talk.wire.methods.next_id(),
        "date": talk.wire.methods.date(),
        "chat": there.as_json(),
        "from": ANN.as_json(),
        "text": text,
        "entities": [entity],
    }


async def test_what_was_forwarded_or_edited_does_nothing(talk: OnTelegram) -> None:
    alone, group = talk.alone(ANN), talk.wire.people.group("releases", ANN)
    origin = {"type": "user", "date": talk.wire.methods.date(), "sender_user": BOB.as_json()}
    talk.wire.updates.make("message", {**delivered(talk, group.id, "/whoami"), "forward_origin": origin})
    update = talk.says(ANN, alone, "/whoami")
    await talk.reads(alone, "You are ann")
    message = talk.wire.updates.made[update]["message"]["message_id"]  # type: ignore[index]
    assert talk.wire.people.corrects(alone, message, "/list") is None, "edits are not asked for"
    await unheard(talk)


async def test_something_that_telegram_may_come_to_send_one_day_does_not_stop_the_rest(talk: OnTelegram) -> None:
    talk.wire.updates.make("message", {"message_id": "no number", "sticker": {}})
    talk.wire.updates.make("message", {**delivered(talk, talk.alone(ANN).id, "x"), "text": None, "photo": []})
    await talk.quiet()


async def test_a_group_that_adds_sluice_is_greeted_once(talk: OnTelegram) -> None:
    group = talk.wire.people.group("releases", ANN)
    group.members.pop(talk.wire.methods.bot.id)
    update = talk.wire.people.changes_membership(EVE, group, "member")
    assert update is not None
    shown = await talk.reads(group, "Hello, this is Sluice")
    assert "/subscribe PIPELINE on everything" in shown.text
    talk.wire.updates.again(update, times=3)
    talk.wire.people.changes_membership(ANN, group, "administrator")
    await talk.quiet()
    assert len(talk.wire.shows(group)) == 1


async def test_the_commands_are_offered_once_and_anew_only_when_they_changed(tmp_path: Path) -> None:
    async with telegram_wire() as wire:
        for _ in range(2):
            async with on_telegram(tmp_path / "home", wire):
                pass
        offered = {one["command"]: one["description"] for one in wire.methods.commands["default"]}
        assert set(offered) == {verb.name for verb in VERBS} - {"yes", "no"}
        assert offered["show"] == "a pipeline: its stages, variables and people · PIPELINE"
        assert len(wire.made("setMyCommands")) == 1


async def test_a_topic_is_a_room_of_its_own(talk: OnTelegram, tmp_path: Path) -> None:
    await talk.bot.say(f"define\n{notes(tmp_path)}")
    forum = talk.wire.people.group("releases", ANN, is_forum=True)
    shown = await talk.asks(ANN, forum, "/subscribe notes on everything", "This room is told about notes", thread=4)
    assert shown.thread == 4
    await talk.asks(ANN, forum, "/subscriptions", "told about no pipeline", thread=5)
    run = await talk.bot.start("run notes")
    card = await talk.shows(forum, run, "waits for review")
    assert card.thread == 4
    update = talk.presses(ANN, forum, "Approve")
    assert "is counted" in (await talk.is_told(update)).text
    await talk.shows(forum, run, "succeeded")

"""What people do in Slack, from the command to the card: over Socket Mode, and the same over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine.model import Person, PersonId, RunState
from tests.support.notes import notes
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, in_slack, user, words
from tests.support.slack_wire import SlackWire

ANN = "U00ANN"


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with a_slack() as wire:
        yield wire
        assert wire.bad_answers == []
        assert [call for call in wire.calls if call.answer in ("invalid_blocks", "invalid_arguments")] == []


async def begun(talk: SlackTalk, root: Path, person: str = "ann") -> str:
    """A run of `notes`, started by its form; it waits for its review."""
    await talk.bot.say(f"define\n{notes(root)}")
    await talk.deliver(talk.people.command(user(person), ROOM, "run notes"))
    await talk.form(person)
    before = len(talk.whispers(person))
    await talk.deliver(talk.people.submit(user(person), {"variable:note": "from slack"}))
    return words(await talk.whisper(person, before)).split()[1]


@pytest.mark.parametrize("http", [False, True], ids=["socket mode", "http"])
async def test_a_run_is_started_by_a_form_and_approved_by_a_button_on_its_one_card(
    tmp_path: Path, slack: SlackWire, *, http: bool
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", http=http) as talk:
        run = await begun(talk, tmp_path)
        card = await talk.card(run, "waits for review")
        before = len(talk.whispers("ann"))
        await talk.press("ann", card, "Approve")
        assert "is counted" in words(await talk.whisper("ann", before))
        await talk.bot.ends(run, RunState.SUCCEEDED)
        done = await talk.card(run, "succeeded")
        assert done["ts"] == card["ts"]
        assert (await talk.bot.run(run)).variables["note"] == "from slack"
        await talk.until(
            lambda: "ann approved review" in words(slack.messages(ROOM, card["ts"])), "the thread tells who approved"
        )


async def test_a_command_a_mention_and_a_direct_message_say_the_same(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        shown = words(await talk.command("ann", "show notes"))
        assert "Reads the notes and asks." in shown
        await talk.deliver(talk.people.mention(ANN, ROOM, "show notes"))
        assert words(await talk.whisper("ann", 1)) == shown
        assert words(await talk.alone("ann", "show notes")) == shown
        assert words(await talk.alone("ann", "/sluice show notes")) == shown


async def test_a_command_without_words_and_a_mere_mention_are_helped(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        assert "what you can say" in words(await talk.command("ann", "")).lower()
        await talk.deliver(talk.people.mention(ANN, ROOM, ""))
        assert "what you can say" in words(await talk.whisper("ann", 1)).lower()


async def test_slacks_markup_is_read_as_it_was_typed(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        said = "run notes note='a <b> &amp; <https://example.com/x|example.com/x> <https://example.com>'"
        event = talk.people.mention(ANN, ROOM, "")
        event.payload["event"]["text"] += said.replace("<b>", "&lt;b&gt;")
        await talk.deliver(event)
        asked = words(await talk.whisper("ann", 0))
        assert "a <b> & example.com/x https://example.com" in asked.replace("\n", " ")


async def test_an_answer_stands_in_the_thread_in_which_it_was_asked_for(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        top = talk.people.mention(ANN, ROOM, "list")
        await talk.deliver(top)
        await talk.whisper("ann", 0)
        thread = top.payload["event"]["ts"]
        await talk.deliver(talk.people.mention(ANN, ROOM, "list", thread))
        await talk.whisper("ann", 1)
        asked = [call.arguments.get("thread_ts") for call in slack.called("chat.postEphemeral")]
        assert asked == [None, thread]


async def test_a_definition_is_written_in_a_form_that_complains_at_its_field(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.deliver(talk.people.command(ANN, ROOM, "define"))
        await talk.form("ann")
        wrong = notes(tmp_path, review="{reviewers: [dora]}")
        refused = await talk.deliver(talk.people.submit(ANN, {"definition": wrong}))
        assert refused.body["response_action"] == "errors"
        assert "dora" in refused.body["errors"]["definition"]
        # The same words again, after what was wrong with them was mended elsewhere.
        await talk.bot.app.store.transact(lambda book: book.people.add(Person(PersonId("dora"))))
        accepted = await talk.deliver(talk.people.submit(ANN, {"definition": wrong}))
        assert accepted.body is None
        await talk.until(lambda: "notes is defined, version 1" in words(slack.messages(ROOM)), "everybody is told")
        assert slack.space.forms[ANN] == []


async def test_the_form_of_a_pipeline_that_is_there_holds_its_definition(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.deliver(talk.people.command(ANN, ROOM, "edit notes"))
        view = await talk.form("ann")
        [area] = [one["element"] for one in view["blocks"] if one.get("block_id") == "definition"]
        assert area["initial_value"] == notes(tmp_path).strip() + "\n"
        both = {"definition": "pipeline: x", "file": [slack.add_file("x.yaml", b"pipeline: x")]}
        assert "a text and a file" in str((await talk.deliver(talk.people.submit(ANN, both))).body)
        changed = notes(tmp_path).replace("Reads the notes", "Reads them")
        file = slack.add_file("notes.yaml", changed.encode())
        await talk.deliver(talk.people.submit(ANN, {"definition": "", "file": [file]}))
        await talk.until(lambda: "notes is defined, version 2" in words(slack.messages(ROOM)), "everybody is told")


async def test_a_yaml_file_defines_a_pipeline_alone_and_by_a_mention(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        direct = slack.space.direct(ANN)
        text = notes(tmp_path)
        for number, said in enumerate(("", "define notes"), 1):
            file = slack.add_file("notes.yaml", text.encode())
            await talk.deliver(talk.people.message(ANN, direct, said, files=[file]))
            version = f"notes is defined, version {number}"
            await talk.until(lambda want=version: want in words(slack.messages(direct)), version)  # type: ignore[misc]
            text += f"# {number}\n"
        file = slack.add_file("notes.YML", text.encode())
        await talk.deliver(talk.people.mention(ANN, ROOM, "define", files=[file]))
        await talk.until(lambda: "notes is defined, version 3" in words(slack.messages(ROOM)), "everybody is told")
        assert await talk.bot.app.store.read(lambda book: book.pipelines.load("notes").text) == text


async def test_a_file_that_cannot_be_meant_defines_nothing_and_the_reason_is_said(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        direct, text = slack.space.direct(ANN), notes(tmp_path).encode()
        one = slack.add_file("a.yaml", text)
        for said, files, answer in (
            ("", [one, slack.add_file("b.yaml", text)], "There are 2 definitions in one message."),
            ("", [slack.add_file("big.yaml", b"#" * 300_000)], "big.yaml is larger than 256 KiB."),
            ("", [slack.add_file("odd.yaml", b"\xff\xfe\x00")], "odd.yaml is no text in UTF-8."),
            ("have a look at it", [one], "There is no command have."),
            ("", [slack.add_file("notes.txt", text)], "notes.txt is no definition: I take .yaml and .yml."),
            ("define", [slack.add_file("Untitled", text)], "Untitled is no definition"),
            ("define other", [one], "a.yaml defines notes, not other."),
        ):
            await talk.deliver(talk.people.message(ANN, direct, said, files=files))
            await talk.until(lambda want=answer: want in words(slack.messages(direct)), answer)  # type: ignore[misc]
        assert await talk.bot.app.store.read(lambda book: book.pipelines.names()) == []


async def test_a_definition_that_slack_may_have_split_defines_nothing(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        line = f"define\n{notes(tmp_path)}"
        line += "# a remark\n" * ((4000 - len(line)) // 11)
        cut = "This may be cut off: Slack splits messages at 4,000 characters."
        assert cut in words(await talk.alone("ann", line))
        assert cut in words(await talk.command("ann", line))
        assert "notes is defined" in words(await talk.alone("ann", line + "# a remark\n"))


async def test_the_token_is_sent_to_slack_and_to_nobody_else(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        file = slack.add_file("notes.yaml", notes(tmp_path).encode())
        slack.space.elsewhere[file["id"]] = "http://localhost:1/notes.yaml"
        direct = slack.space.direct(ANN)
        await talk.deliver(talk.people.message(ANN, direct, "", files=[file]))
        await talk.until(lambda: "does not lie in Slack" in words(slack.messages(direct)), "it is refused")


async def test_a_refusal_asks_for_its_reason_in_a_form_and_the_card_tells_it(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        run = await begun(talk, tmp_path)
        card = await talk.card(run, "waits for review")
        await talk.press("ann", card, "Reject")
        await talk.form("ann")
        await talk.deliver(talk.people.submit(ANN, {"reason": "too <!channel> many errors"}))
        await talk.bot.ends(run, RunState.REJECTED)
        refused = await talk.card(run, "rejected")
        assert "too <!channel> many errors" in words(refused)
        assert "<!" not in refused["text"]


async def test_when_a_form_comes_too_late_the_card_asks_the_same(tmp_path: Path, slack: SlackWire) -> None:
    slack.space.trigger_seconds = -1.0
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        asked = await talk.command("ann", "run notes tag=v2")
        assert "Start notes?" in words(asked)
        start = talk.people.press(ANN, ROOM, asked["ts"], "Start")
        await talk.deliver(start)
        # The question that only ann sees is replaced by what came of it.
        await talk.until(lambda: bool(slack.responses), "the question is answered in its place")
        _, answer = slack.responses[0]
        assert answer["replace_original"] is True
        assert "notes-1 is on its way." in words(answer)
        assert (await talk.bot.asks("notes-1")).variables["tag"] == "v2"


async def test_where_sluice_is_no_member_a_command_is_answered_all_the_same(tmp_path: Path, slack: SlackWire) -> None:
    elsewhere = slack.add_channel("ELSEWHERE", member=False)
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.deliver(talk.people.command(ANN, elsewhere, "whoami"))
        await talk.until(lambda: bool(slack.responses), "ann is answered")
        _, answer = slack.responses[0]
        assert answer["response_type"] == "ephemeral"
        assert "You are ann" in words(answer)
        lost = await talk.bot.app.store.read(lambda book: book.rooms.lost())
        assert list(lost) == []


async def test_where_nothing_can_be_posted_whoever_asks_for_words_there_is_told_so_with_the_way_out(
    tmp_path: Path, slack: SlackWire
) -> None:
    elsewhere, mend = slack.add_channel("ELSEWHERE", member=False), "I cannot post here. Sluice is not in the channel"
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        for number, line in enumerate(("subscribe notes on failure", "subscriptions")):
            await talk.deliver(talk.people.command(ANN, elsewhere, line))
            await talk.until(lambda: len(slack.responses) > number, f"{line} is answered")  # noqa: B023 - waited for
            said = words(slack.responses[number][1])
            assert "This room is told about" in said
            assert mend in said
            assert "`/invite @sluice`" in said
        await talk.deliver(talk.people.command(ANN, elsewhere, "run notes"))
        await talk.form("ann")
        await talk.deliver(talk.people.submit(ANN, {"variable:note": "from nowhere"}))
        direct = slack.space.direct(ANN)
        await talk.until(lambda: any("is on its way" in words(one) for one in slack.messages(direct)), "it is said")
        said = words(next(one for one in slack.messages(direct) if "is on its way" in words(one)))
        assert "I cannot post. Sluice is not in the channel" in said
        await talk.bot.asks("notes-1")
        slack.space.channels[elsewhere].member = True
        await talk.command("ann", "status", elsewhere)
        await talk.bot.say("approve notes-1", "ann")
        await talk.card("notes-1", "succeeded", elsewhere)


async def test_several_cards_say_once_that_nothing_else_can_be_said_there(tmp_path: Path, slack: SlackWire) -> None:
    elsewhere = slack.add_channel("ELSEWHERE", member=False)
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        for _ in range(3):
            await talk.bot.asks(await talk.bot.start("run notes"))
        await talk.deliver(talk.people.command(ANN, elsewhere, "status"))
        await talk.until(lambda: len(slack.responses) == 3, "ann is answered")
        assert sum("I cannot post here." in words(said) for _, said in slack.responses) == 1


async def test_the_code_is_given_to_whoever_is_alone_with_sluice_and_not_in_the_talk_of_two(
    tmp_path: Path, slack: SlackWire
) -> None:
    of_two = slack.add_channel("X", member=False).replace("C00", "D00")
    slack.space.channels[of_two] = slack.space.channels.pop("C00X")
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        direct = slack.space.direct(ANN)
        before = len(slack.messages(direct))
        await talk.deliver(talk.people.command(ANN, direct, "link"))
        await talk.until(lambda: len(slack.messages(direct)) > before, "ann gets a code")
        assert "A code for ann" in words(slack.messages(direct)[before])
        await talk.deliver(talk.people.command(ANN, of_two, "link"))
        await talk.until(lambda: bool(slack.responses), "ann is answered")
        assert "others read along" in words(slack.responses[0][1])
        account = await talk.bot.app.store.read(lambda book: book.accounts.find(f"slack:T00TESTS/{ANN}"))
        assert account is not None
        assert account.direct == talk.room(direct)


async def test_an_unknown_account_sees_nothing_and_gets_in_by_a_form(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack) as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        told = await talk.command("ann", "list")
        assert "I do not know this account" in words(told)
        assert "notes" not in words(told)
        await talk.deliver(talk.people.press(ANN, ROOM, told["ts"], "Link my account"))
        await talk.form("ann")
        wrong = await talk.deliver(talk.people.submit(ANN, {"code": "AAAA-AAAA"}))
        assert "not known here" in wrong.body["errors"]["code"]
        code = (await talk.bot.say("link", "ann")).splitlines()[-1].removeprefix("link ")
        before = len(talk.whispers("ann"))
        assert (await talk.deliver(talk.people.submit(ANN, {"code": code}))).body is None
        assert "Welcome, ann." in words(await talk.whisper("ann", before))
        assert "notes" in words(await talk.command("ann", "list"))


async def test_what_is_too_long_for_a_message_comes_as_a_file(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        text = notes(tmp_path) + "".join(f"# line {number}\n" for number in range(900))
        await talk.bot.say(f"define\n{text}")
        direct = slack.space.direct(ANN)
        before = len(slack.messages(direct))
        assert "is in a file" in words(await talk.command("ann", "export notes"))
        await talk.until(lambda: len(slack.messages(direct)) > before, "the file comes alone")
        name = slack.messages(direct)[before]["files"][0]["id"]
        assert text.strip() in (slack.space.files[name].content or b"").decode()
        answer = await talk.alone("ann", "export notes")
        await talk.until(lambda: bool(slack.messages(direct, answer["ts"])), "the file stands below the answer")


async def test_joins_edits_and_its_own_words_are_no_commands(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        before = len(slack.messages("D00ANN"))
        for event in (
            {"type": "message", "channel_type": "im", "channel": "D00ANN", "ts": "1.1", "subtype": "message_changed"},
            {"type": "message", "channel_type": "im", "channel": "D00ANN", "ts": "1.2", "subtype": "message_deleted"},
            {"type": "message", "channel_type": "im", "channel": "D00ANN", "ts": "1.3", "subtype": "channel_join"},
            {
                "type": "message",
                "channel_type": "im",
                "channel": "D00ANN",
                "ts": "1.4",
                "user": "U00SLUICE",
                "text": "x",
            },
            {"type": "message", "channel_type": "im", "channel": "D00ANN", "ts": "1.5", "bot_id": "B00SLUICE"},
        ):
            await talk.deliver(talk.people.event({"text": "whoami", **event}))
        await talk.alone("ann", "whoami")
        assert len(slack.messages("D00ANN")) == before + 2, "what ann said, and its answer"
        assert {deed.outcome for deed in await talk.audited()} == {"done"}, "nothing was refused either"

"""What becomes of messages when Slack limits, fails, stalls, goes away, and when rooms and messages are gone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bot.chat import Slower
from bot.slack.api import Api
from engine.model import RunState
from tests.support.notes import notes
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, in_slack, words
from tests.support.slack_trouble import BROKEN, LIMITED, Trouble
from tests.support.slack_wire import BOT_TOKEN, SlackWire

ANN = "U00ANN"


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with a_slack() as wire:
        yield wire
        assert wire.bad_answers == []
        assert wire.too_early == [], "every wait was kept"


async def subscribed(talk: SlackTalk, root: Path, room: str = ROOM) -> None:
    """The room is told of every run of notes."""
    await talk.bot.say(f"define\n{notes(root)}")
    await talk.deliver(talk.people.command(ANN, room, "subscribe notes on everything"))
    await talk.until(lambda: "is told about notes" in words(talk.slack.messages(room)), "the room is told of runs")


def cards(slack: SlackWire, run: str, room: str = ROOM) -> list[str]:
    """What the room shows of a run."""
    return [words(one) for one in slack.messages(room) if f" {run} " in f"{one['text']} "]


async def test_releases_end_visibly_though_a_third_of_the_calls_are_limited(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await subscribed(talk, tmp_path)
        limited = [
            slack.go_wrong(Trouble(LIMITED, method, every=3, number=1))
            for method in ("chat.postMessage", "chat.update")
        ]
        runs = [await talk.bot.start("run notes") for _ in range(4)]
        for run in runs:
            await talk.bot.asks(run)
            await talk.bot.say(f"approve {run}")
            await talk.bot.ends(run, RunState.SUCCEEDED)
        for run in runs:
            await talk.until(
                lambda run=run: [("succeeded" in card) for card in cards(slack, run)] == [True],  # type: ignore[misc]
                f"{run} is shown as succeeded, once",
                90,
            )
        assert sum(one.met for one in limited) >= 3


@pytest.mark.parametrize(
    ("method", "arguments"), [("chat.postMessage", {"text": "x"}), ("chat.postEphemeral", {"text": "x", "user": ANN})]
)
async def test_a_channel_where_posting_is_limited_waits_alone(
    slack: SlackWire, method: str, arguments: dict[str, str]
) -> None:
    api = Api(BOT_TOKEN, slack.url)
    slack.go_wrong(Trouble(LIMITED, method, ROOM, times=1, number=60))
    for _ in range(2):
        with pytest.raises(Slower) as wait:
            await api.call(method, channel=ROOM, **arguments)
        assert timedelta(seconds=55) < wait.value.after <= timedelta(seconds=60)
    await api.call(method, channel="C00OTHER", **arguments)
    assert [call.channel for call in slack.called(method)] == [ROOM, "C00OTHER"], "the limited one is not asked again"


async def test_a_method_that_is_limited_for_the_workspace_waits_in_every_channel(slack: SlackWire) -> None:
    api = Api(BOT_TOKEN, slack.url)
    other = (await api.call("chat.postMessage", channel="C00OTHER", text="x"))["ts"]
    slack.go_wrong(Trouble(LIMITED, "chat.update", ROOM, times=1, number=60))
    for channel in (ROOM, "C00OTHER"):
        with pytest.raises(Slower):
            await api.call("chat.update", channel=channel, ts=other, text="y")
    assert len(slack.called("chat.update")) == 1
    await api.call("chat.postMessage", channel=ROOM, text="posting is another method")


async def test_a_limited_channel_is_told_after_its_time_and_others_meanwhile(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        limit = slack.go_wrong(Trouble(LIMITED, "chat.postMessage", ROOM, times=1, number=3))
        await talk.deliver(talk.people.command(ANN, ROOM, "subscribe notes"))
        await talk.until(lambda: limit.met == 1, "the room is limited")
        began = next(call.at for call in slack.called("chat.postMessage") if call.answer == LIMITED)
        assert "You are ann" in words(await talk.alone("ann", "whoami")), "in another room, by the same method"
        assert slack.called("chat.postMessage", slack.space.direct(ANN))[-1].at < began + 3
        await talk.until(lambda: "is told about notes" in words(slack.messages(ROOM)), "the room is told")
        assert slack.called("chat.postMessage", ROOM)[-1].at >= began + 3


async def test_a_file_that_slack_puts_off_keeps_no_card_of_its_room_waiting(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}" + "".join(f"# line {number}\n" for number in range(900)))
        direct = slack.space.direct(ANN)
        limit = slack.go_wrong(Trouble(LIMITED, "files.getUploadURLExternal", times=1, number=4))
        exported = await talk.alone("ann", "export notes")
        await talk.until(lambda: limit.met == 1, "the file is put off")
        assert "You are ann" in words(await talk.alone("ann", "whoami"))
        assert slack.messages(direct, exported["ts"]) == [], "which was said while the file waited"
        await talk.until(lambda: bool(slack.messages(direct, exported["ts"])), "the file comes all the same")


async def test_a_slack_that_was_away_shows_the_end_when_it_is_back(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await subscribed(talk, tmp_path)
        run = await talk.bot.start("run notes")
        await talk.card(run, "waits for review")
        await slack.go_away()
        await talk.bot.say(f"approve {run}")
        await talk.bot.ends(run, RunState.SUCCEEDED)

        await talk.until(lambda: bool(talk.bot.app.feed.troubles()), "the trouble is noticed")
        assert "Slack cannot be reached" in await talk.bot.say("status")
        await slack.come_back()
        await talk.card(run, "succeeded")
        assert "You are ann" in words(await talk.alone("ann", "whoami"))


async def test_an_answer_that_slack_fails_to_take_is_given_when_it_does(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        slack.go_wrong(Trouble(BROKEN, "chat.postEphemeral", number=503, times=2))
        slack.go_wrong(Trouble(LIMITED, "chat.postEphemeral", times=1))
        assert "You are ann" in words(await talk.command("ann", "whoami"))
        assert len(talk.whispers("ann")) == 1


async def test_a_room_that_sluice_was_taken_out_of_is_reported_with_how_to_mend_it(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await subscribed(talk, tmp_path)
        slack.space.channels[ROOM].member = False
        run = await talk.bot.start("run notes")
        await talk.bot.asks(run)
        wanted = "Sluice is not in the channel. `/invite @sluice` and then `/sluice status` there bring it back."

        async def told() -> list[str]:
            return [card.title for card in await talk.bot.cards() if wanted in card.title]

        await talk.until_true(told, "the console says so")
        slack.space.channels[ROOM].member = True
        await talk.deliver(talk.people.mention(ANN, ROOM, "whoami"))
        await talk.whisper("ann", 0)
        await talk.bot.say(f"approve {run}")
        await talk.card(run, "succeeded")


async def test_a_card_that_was_deleted_in_slack_is_posted_anew(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await subscribed(talk, tmp_path)
        run = await talk.bot.start("run notes")
        card = await talk.card(run, "waits for review")
        del slack.space.said[ROOM, card["ts"]]
        await talk.bot.say(f"approve {run}")
        await talk.card(run, "succeeded")


async def test_reviewers_are_asked_alone_by_the_same_card_with_buttons_that_work(
    tmp_path: Path, slack: SlackWire
) -> None:
    async with in_slack(tmp_path / "home", slack, "ann", "bob") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path, review='{reviewers: [ann, bob], mode: all}')}")
        run = await talk.bot.start("run notes")
        for person, other in (("ann", "bob"), ("bob", "ann")):
            direct = slack.space.direct(f"U00{person.upper()}")
            card = await talk.card(run, "waits for review", direct)
            await talk.press(person, card, "Approve", direct)
            if other == "bob":
                await talk.until(lambda: "ann passed" in "".join(cards(slack, run, "D00BOB")), "bob sees ann's vote")
        await talk.bot.ends(run, RunState.SUCCEEDED)
        assert slack.messages(ROOM) == []


async def test_an_answer_in_a_thread_that_is_gone_is_given_alone(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        direct = slack.space.direct(ANN)
        before = len(slack.messages(direct))
        await talk.deliver(talk.people.message(ANN, direct, "whoami", thread="1.1"))
        await talk.until(lambda: len(slack.messages(direct)) > before, "ann is answered")
        assert "You are ann" in words(slack.messages(direct)[before])


async def test_a_long_log_is_a_file_in_the_thread_of_its_card(tmp_path: Path, slack: SlackWire) -> None:
    script = f'for n in $(seq 400); do echo "line $n {"of a long log " * 8}"; done; exit 3'
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        code = f"  - name: image\n    build: {{image: 'shop/notes:v1', script: '{script}'}}\n"
        assert "is defined" in await talk.bot.say(f"define\n{notes(tmp_path, code=code)}")
        await talk.deliver(talk.people.command(ANN, ROOM, "subscribe notes on everything"))
        run = await talk.bot.start("run notes")
        await talk.bot.until(run, lambda run: run.stage.name == "image" and run.stage.reason != "", "the build failed")
        card = await talk.card(run, "held" if (await talk.bot.run(run)).stage.state == "held" else "failed")
        thread = card["ts"]
        await talk.until(lambda: any("files" in one for one in slack.messages(ROOM, thread)), "the file is there")
        assert "line 400" in words(slack.messages(ROOM, thread)), "the end of the log is shown"
        [shared] = [one["files"][0]["id"] for one in slack.messages(ROOM, thread) if "files" in one]
        assert (slack.space.files[shared].content or b"").decode().count("of a long log") == 400 * 8
        assert slack.space.files[shared].name == f"{run}.txt"

"""What rooms show: a run's card where it was asked for, to those who decide, and to whoever wants to be told."""

import asyncio
from pathlib import Path

import pytest

from bot.cards import Card
from engine.model import RoomId, RunState
from tests.support.bot import a_bot
from tests.support.eventually import eventually
from tests.support.messaging import Talk, button, talking
from tests.support.model_messenger import CHANNEL, ModelMessenger, unreachable
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop

OTHER = RoomId("model:c2")
BOBS = RoomId("model:direct-bob")


async def said_in(chat: ModelMessenger, room: RoomId, count: int) -> list[Card]:
    """Wait until the room has so many messages, and return them as they are."""

    async def are_there() -> bool:
        return len(chat.rooms.get(room, {})) == count

    await eventually(are_there, f"{room} has {count} messages")
    return [message.card for message in chat.rooms[room].values()]


async def begun(talk: Talk, root: Path, account: str = "ann", room: RoomId = CHANNEL) -> str:
    """A run of `notes`, started in the model chat by buttons alone."""
    if "No pipelines" in await talk.bot.say("list"):
        await talk.bot.say(f"define\n{notes(root)}")
    asked = await talk.say(account, "run notes tag=v2", room)
    return (await talk.press(account, button(asked, "Start"), room)).title.split()[0]


async def test_a_run_has_one_card_in_its_room_that_is_edited_in_place(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await begun(talk, tmp_path)
        card = await talk.shows(run, "waits for review")
        await talk.press("ann", button(card, "Approve"))
        await talk.bot.ends(run, RunState.SUCCEEDED)
        await talk.shows(run, "succeeded")
        assert len(talk.chat.rooms[CHANNEL]) == 1

        async def is_told() -> bool:
            thread = "\n".join(one.text for message in talk.chat.rooms[CHANNEL].values() for one in message.thread)
            return "code succeeded" in thread and "ann approved review" in thread

        await eventually(is_told, "the thread tells of it")


async def test_reviewers_get_the_card_alone_and_can_decide_there(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        run = await begun(talk, tmp_path)
        card = await talk.shows(run, "waits for review", BOBS)
        await talk.press("bob", button(card, "Approve"), BOBS)
        await talk.shows(run, "succeeded", BOBS)
        await talk.shows(run, "succeeded")


async def test_a_vote_in_the_console_updates_the_card_in_the_chat(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await begun(talk, tmp_path)
        await talk.shows(run, "waits for review")
        await talk.bot.say(f"approve {run}", "bob")
        assert (await talk.shows(run, "succeeded")).ballot is not None


async def test_a_room_that_asked_for_failures_is_told_of_them_once_and_of_nothing_else(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        assert (await talk.say("ann", "subscribe notes on failure", OTHER)).title == "This room is told about notes"
        passed, refused = await talk.bot.start("run notes"), await talk.bot.start("run notes")
        for run, verdict, end in (
            (passed, "approve", RunState.SUCCEEDED),
            (refused, "reject", RunState.REJECTED),
        ):
            await talk.bot.asks(run)
            await talk.bot.say(f"{verdict} {run}")
            await talk.bot.ends(run, end)
        await talk.bot.shows(refused, lambda card: card.badge == "rejected", "is over")
        await talk.say("ann", "subscriptions", OTHER)
        titles = [message.card.title for message in talk.chat.rooms[OTHER].values()]
        assert titles == [f"{refused} · tag=v1 note=nothing: rejected"]
        await talk.say("ann", "unsubscribe notes", OTHER)
        assert "no pipeline" in (await talk.say("ann", "subscriptions", OTHER)).title


@pytest.mark.parametrize("on_error", ["{do: stop, hold: 1h}", "{do: return_to_start}"])
async def test_a_room_that_asked_for_failures_hears_of_each_attempt_while_it_can_still_be_mended(
    tmp_path: Path, on_error: str
) -> None:
    async with talking(tmp_path / "home", "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path, code=f'    on_error: {on_error}')}")
        await talk.say("ann", "subscribe notes on failure", OTHER)
        run = await talk.bot.start("run notes tag=nowhere")
        [said] = await said_in(talk.chat, OTHER, 1)
        assert said.title.startswith(f"{run} failed")
        assert "nowhere" in said.text
        assert (await talk.press("ann", button(said, "Retry"), OTHER)).title == f"{run} tries again."
        await said_in(talk.chat, OTHER, 2)
        rooms = talk.chat.rooms
    chat = ModelMessenger(rooms=rooms)
    async with a_bot(tmp_path / "home", messengers={"model": chat}) as bot:
        await bot.say(f"stop {run}")
        await bot.ends(run, RunState.CANCELLED)
        await bot.shows(run, lambda card: card.badge == "cancelled", "is over")
        assert len(rooms[OTHER]) == 2


async def test_where_an_edited_card_makes_no_sound_a_failure_is_a_message_of_its_own(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        talk.chat.has_threads = False
        gate = "    conditions: {of: [{channel: ready}]}"
        await talk.bot.say(f"define\n{notes(tmp_path, code=gate)}")
        await talk.say("ann", "subscribe notes on everything", OTHER)
        asked = await talk.say("ann", "run notes tag=nowhere")
        run = (await talk.press("ann", button(asked, "Start"))).title.split()[0]
        for room in (CHANNEL, OTHER):
            await talk.shows(run, "waits for a trigger", room)
        await talk.bot.say(f"trigger {run} channel:ready")
        for room in (CHANNEL, OTHER):
            [card] = [one for one in await said_in(talk.chat, room, 2) if not one.key]
            assert card.title == f"{run} failed at code"
            assert [one.text for one in card.buttons] == ["Retry", "Log", "Stop"]


async def test_a_card_that_is_new_and_shows_the_failure_is_all_that_is_said(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        talk.chat.has_threads = False
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("ann", "subscribe notes on everything", OTHER)
        talk.chat.fails = unreachable
        run = await talk.bot.start("run notes tag=nowhere")
        await talk.bot.is_held(run)
        await talk.bot.shows(run, lambda card: card.badge == "held", "is held")
        talk.chat.fails = lambda _call, _room: None
        await talk.shows(run, "held", OTHER)
        await talk.bot.say(f"retry {run}")
        await talk.bot.until(run, lambda now: now.stage.attempt == 2, "tries again")
        card, said = await said_in(talk.chat, OTHER, 2)
        assert (card.key, said.title) == (run, f"{run} failed at code"), "the first failure was on the card"


async def test_a_room_that_asked_for_everything_shows_every_run(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("ann", "subscribe notes on everything", OTHER)
        run = await talk.bot.start("run notes")
        await talk.shows(run, "waits for review", OTHER)


def in_group(root: Path, group: str) -> str:
    """A definition of `notes` in the group, decided by ann alone."""
    return notes(root, review="{reviewers: [ann]}", head=f"group: {group}")


async def test_a_room_hears_of_no_run_that_began_after_whoever_asked_there_lost_sight_of_it(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        for line in ("group create shop", f"define\n{in_group(tmp_path, 'shop')}", "grant bob read on shop"):
            await talk.bot.say(line)
        await talk.say("bob", "subscribe notes on everything", BOBS)
        await talk.say("bob", "subscribe notes on both", OTHER)
        await talk.say("ann", "subscribe notes on both")
        shown = await talk.bot.start("run notes")
        await talk.shows(shown, "waits for review", BOBS)
        await talk.bot.say("revoke bob on shop")
        assert "no right" in await talk.bot.say("DELETE")
        later = await talk.bot.start("run notes tag=nowhere")
        await talk.bot.is_held(later)
        await said_in(talk.chat, CHANNEL, 1)  # that it failed, before it is stopped
        for run, line in ((shown, f"approve {shown}"), (later, f"stop {later}")):
            await talk.bot.say(line)
            await talk.bot.until(run, lambda now: now.state.is_over, "is over")
        await said_in(talk.chat, CHANNEL, 3)
        await talk.shows(shown, "succeeded", BOBS)
        assert talk.chat.showing(BOBS, later) == []
        assert OTHER not in talk.chat.rooms


async def test_what_a_room_asked_for_is_seen_and_ended_there_whoever_sees_the_pipeline(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        for line in ("group create shop", f"define\n{in_group(tmp_path, 'shop')}", "grant bob read on shop"):
            await talk.bot.say(line)
        await talk.say("bob", "subscribe notes on everything", BOBS)
        await talk.bot.say("revoke bob on shop")
        await talk.bot.say("DELETE")
        table = (await talk.say("bob", "subscriptions", BOBS)).table
        assert table is not None
        assert table.rows == (("notes", "nothing, as bob does not see it any more", "bob"),)
        assert "told nothing of notes any more" in (await talk.say("bob", "unsubscribe notes", BOBS)).title
        assert "no pipeline" in (await talk.say("bob", "subscriptions", BOBS)).title
        assert (await talk.say("bob", "unsubscribe notes", BOBS)).title == "This room was not told about notes."


async def test_what_rooms_asked_of_a_pipeline_ends_with_it(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("bob", "subscribe notes on everything", OTHER)
        await talk.bot.say("delete notes")
        assert "is deleted" in await talk.bot.say("DELETE")
        assert "no pipeline" in (await talk.say("bob", "subscriptions", OTHER)).title
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        run = await talk.bot.start("run notes")
        await talk.shows(run, "waits for review", BOBS)
        assert OTHER not in talk.chat.rooms


async def test_what_cannot_be_told_by_itself_is_not_promised(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        assert "Nothing can be sent here by itself" in await talk.bot.say("subscribe notes")
        assert "nothing to be told on" in (await talk.say("ann", "subscribe notes on mondays")).title
        assert "There is no pipeline" in (await talk.say("ann", "subscribe nots")).title


async def test_a_dangerous_button_shows_what_it_does_before_the_second_tap(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await begun(talk, tmp_path)
        card = await talk.shows(run, "waits for review")
        asked = await talk.press("ann", button(card, "Reject"))
        assert asked.title == f"Reject {run}?"
        assert (await talk.bot.run(run)).stage.votes == ()
        left = await talk.press("ann", button(asked, "Leave it"))
        assert left.title == "Nothing was done."
        await talk.press("ann", button(asked, "Reject"))
        await talk.bot.ends(run, RunState.REJECTED)


async def test_a_rollback_takes_two_taps_and_shows_what_will_happen_before_the_second(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with talking(tmp_path / "home", "ann", target=target) as talk:
        await talk.bot.say(f"define\n{shop.gray()}")
        for tag in ("v1", "v2"):
            await talk.bot.release(f"run hello tag={tag}")
        await talk.say("ann", "subscribe hello on everything")
        card = await talk.say("ann", "status hello")
        asked = await talk.press("ann", button(card, "Roll back"))
        assert "hello:v1" in asked.title
        assert "1. " in asked.text
        back = (await talk.press("ann", button(asked, "Roll back"))).title.split()[0]
        await talk.bot.ends(back, RunState.SUCCEEDED)


async def test_a_button_works_in_its_own_room_only_and_a_forged_one_nowhere(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await begun(talk, tmp_path)
        card = await talk.shows(run, "waits for review")
        token = await talk.chat.token(CHANNEL, button(card, "Approve"))
        for update in (
            talk.update("ann", token=token, room=OTHER),
            talk.update("ann", token="A" * 24),
            talk.update("ann", token=token[:-1] + "!"),
        ):
            [answer] = await talk.deliver(update)
            assert "That button is not one that this room was shown" in answer.title
        assert (await talk.bot.run(run)).stage.votes == ()
        assert [deed.outcome for deed in (await talk.audited())[-3:]] == ["refused"] * 3


async def test_a_button_of_a_run_that_is_over_says_so_and_does_nothing(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        run = await begun(talk, tmp_path)
        card = await talk.shows(run, "waits for review")
        await talk.bot.say(f"approve {run}", "bob")
        await talk.bot.ends(run, RunState.SUCCEEDED)
        answer = await talk.press("ann", button(card, "Approve"))
        assert answer.title == f"Run {run} is succeeded; it cannot be voted on."
        assert (await talk.audited())[-1].outcome == "refused"


async def test_a_chat_that_stalls_over_a_direct_message_holds_up_no_other_room(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann", "bob") as talk:
        for person in ("ann", "bob"):
            await talk.bot.app.store.transact(
                lambda book, person=person: book.accounts.meet(f"model:{person}", RoomId(""))  # type: ignore[misc]
            )
        answered = asyncio.Event()
        talk.chat.stalls = {"direct": answered}
        run = await begun(talk, tmp_path)
        await talk.bot.shows(run, lambda card: card.badge == "waits for review", "the console goes on")
        await talk.shows(run, "waits for review")
        answered.set()
        await talk.shows(run, "waits for review", BOBS)


async def test_a_second_tap_on_a_share_that_has_changed_since_does_nothing(tmp_path: Path) -> None:
    target, shop = ModelTarget(), Shop(tmp_path, rest="0s")
    async with talking(tmp_path / "home", "ann", target=target) as talk:
        await talk.bot.say(f"define\n{shop.gray()}")
        await talk.bot.release("run hello tag=v1")
        await talk.say("ann", "subscribe hello on everything")
        run = await talk.bot.start("run hello tag=v2")
        card = await talk.shows(run, "waits for review")
        asked = await talk.press("ann", button(card, "Gray 50 %"))
        assert asked.title == f"Give gray 50 % in {run}?"
        await talk.bot.say(f"split {run} 1")
        late = await talk.press("ann", button(asked, "Gray 50 %"))
        assert "belongs to an earlier moment" in late.title
        assert (await talk.bot.run(run)).share == 1

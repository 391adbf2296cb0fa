"""What is broken and what was mended, said in rooms of chats, to those who look at no console."""

from pathlib import Path
from typing import Any, cast

from bot.cards import Card, Tone
from bot.chat import RoomLost
from bot.rights.holders import Sight
from bot.rooms.alarms import Alarms
from engine.errors import Broken, SluiceError
from engine.model import PersonId, RoomId
from tests.support.closed_shop import close
from tests.support.eventually import eventually
from tests.support.messaging import Talk, talking
from tests.support.model_messenger import CHANNEL
from tests.support.notes import notes

OTHER = RoomId("model:c2")
AWAY = "Mail: mail.example.com cannot be reached."
BACK = "Mail: messages go out again."


def said_in(talk: Talk, room: RoomId) -> list[Card]:
    """The messages of a room that show no run."""
    return [message.card for message in talk.chat.rooms.get(room, {}).values() if not message.card.key]


async def hears(talk: Talk, room: RoomId, *titles: str) -> None:
    async def look() -> bool:
        return [card.title for card in said_in(talk, room)] == list(titles)

    await eventually(look, f"{room} hears {titles}; it has {said_in(talk, room)}")


async def test_a_room_that_follows_a_pipeline_hears_once_of_trouble_and_of_its_end(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("ann", "subscribe notes on failure", OTHER)
        for _ in range(3):
            await talk.bot.app.keeper.announce(AWAY)
            await talk.bot.app.keeper.announce(BACK, Tone.GOOD)
        await talk.bot.app.keeper.announce("The database is full.")
        await talk.bot.app.keeper.announce(BACK, Tone.GOOD)
        await talk.bot.app.keeper.announce("Nothing of x runs any more.", Tone.STOPPED)
        await hears(talk, OTHER, AWAY, BACK, "The database is full.", BACK)
        assert not any(card.buttons for card in said_in(talk, OTHER))
        assert said_in(talk, CHANNEL) == []


async def test_where_no_room_follows_anything_those_hear_in_which_runs_were_asked_for(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        asked = await talk.say("ann", "run notes")
        await talk.press("ann", next(one for one in asked.buttons if one.text == "Start"))
        await talk.bot.asks("notes-1")
        await talk.bot.app.keeper.announce(AWAY)
        await hears(talk, CHANNEL, AWAY)


async def test_trouble_with_a_run_is_for_those_who_follow_it_and_no_closed_group_is_named_to_others(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        plans = notes(tmp_path).replace("pipeline: notes", "pipeline: plans\ngroup: shop")
        await talk.bot.say(f"define\n{plans}")
        await talk.say("ann", "subscribe notes")
        await talk.say("ann", "subscribe plans", OTHER)
        run = await talk.bot.start("run plans")
        await close(talk.bot, "shop")
        keeper = talk.bot.app.keeper
        await keeper.announce(f"{run}: it is stuck.", about=run)
        await keeper.announce("The webhook of plans is gone.")
        await keeper.announce(AWAY)
        await hears(talk, OTHER, f"{run}: it is stuck.", "The webhook of plans is gone.", AWAY)
        await hears(talk, CHANNEL, AWAY)


async def test_a_room_that_is_gone_keeps_no_other_from_hearing_and_is_no_news_for_them(tmp_path: Path) -> None:
    async with talking(tmp_path, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        for room in (CHANNEL, OTHER):
            await talk.say("ann", "subscribe notes", room)

        def gone(call: str, room: RoomId) -> SluiceError | None:
            return RoomLost("It was deleted.") if (call, room) == ("post", CHANNEL) else None

        talk.chat.fails = gone
        await talk.bot.app.keeper.announce(AWAY)
        await hears(talk, OTHER, AWAY)
        await talk.bot.app.keeper.announce("The next thing broke.")
        await hears(talk, OTHER, AWAY, "The next thing broke.")
        assert talk.chat.calls.count(("post", CHANNEL)) == 1


class Store:
    """A database that is away from the second reading on."""

    def __init__(self) -> None:
        self.found: list[dict[RoomId, Sight]] = [{CHANNEL: Sight(PersonId(""))}]

    async def read(self, _work: Any) -> dict[RoomId, Sight]:
        if not self.found:
            raise Broken("The database does not answer.")
        return self.found.pop()


async def test_a_database_that_is_away_is_said_where_trouble_was_to_be_said_before() -> None:
    said: list[tuple[RoomId, Card]] = []
    alarms = Alarms(cast("Any", Store()), lambda room, card: said.append((room, card)))
    await alarms.recall()
    card = Card("The database does not answer.", Tone.BAD)
    await alarms.tell(card)
    await alarms.tell(Card("notes-1: it is stuck.", Tone.BAD), "notes-1")
    assert said == [(CHANNEL, card)]

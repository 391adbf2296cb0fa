"""What is broken and what was mended, said in rooms of chats, to those who look at no console."""

from pathlib import Path
from typing import Any, cast

from bot.cards import Card, Tone
from bot.chat import RoomLost
from bot.rights.holders import Sight
from bot.rooms.alarms import Alarms
from engine.errors import Broken, SluiceError
from engine.model import PersonId, RoomId, RunState
from tests.support.closed_shop import close
from tests.support.eventually import eventually
from tests.support.messaging import Talk, talking
from tests.support.model_messenger import CHANNEL
from tests.support.model_target import ModelTarget
from tests.support.notes import notes
from tests.support.workload import Shop

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
        await hears(talk, OTHER, AWAY, BACK, AWAY, "The database is full.", BACK)
        assert "`status`" in said_in(talk, OTHER)[2].text
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


async def test_a_room_hears_nothing_of_what_else_is_in_the_closed_group_of_a_pipeline_that_it_follows(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path, "ann") as talk:
        for name in ("plans", "prices"):
            text = notes(tmp_path).replace("pipeline: notes", f"pipeline: {name}\ngroup: shop")
            await talk.bot.say(f"define\n{text}")
        await talk.say("ann", "subscribe plans", OTHER)
        await close(talk.bot, "shop")
        keeper = talk.bot.app.keeper
        await keeper.announce("The webhook of prices is gone.")
        await keeper.announce("The webhook of plans is gone.")
        await hears(talk, OTHER, "The webhook of plans is gone.")


async def test_what_is_about_a_pipeline_is_for_those_who_follow_it_and_what_is_nobodys_for_the_lobby(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path, "ann") as talk:
        for name in ("plans", "prices"):
            await talk.bot.say(f"define\n{notes(tmp_path).replace('pipeline: notes', f'pipeline: {name}')}")
        await talk.say("ann", "subscribe prices")
        await talk.say("ann", "subscribe plans", OTHER)
        keeper = talk.bot.app.keeper
        await keeper.announce("forge is unbound.", Tone.BAD, None)
        await keeper.announce("The webhook at git.example.com/secret is gone.", about="plans")
        await keeper.announce(AWAY)
        await hears(talk, OTHER, "The webhook at git.example.com/secret is gone.", AWAY)
        await hears(talk, CHANNEL, AWAY)
        assert "forge is unbound." in [card.title for card in await talk.bot.cards()]


class Place(ModelTarget):
    """A place that has something to say."""

    says: tuple[str, ...] = ()

    async def keep(self) -> tuple[str, ...]:
        return self.says


async def test_what_a_place_says_of_an_instance_is_for_those_who_follow_its_pipeline(tmp_path: Path) -> None:
    place = Place()
    async with talking(tmp_path, "ann", target=place) as talk:
        (tmp_path / "shop").mkdir()
        await talk.bot.say(f"define\n{Shop(tmp_path / 'shop', rest='0s').official()}")
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        await talk.say("ann", "subscribe notes")
        await talk.say("ann", "subscribe hello", OTHER)
        await talk.bot.ends(await talk.bot.start("run hello"), RunState.SUCCEEDED)
        place.says = ("hello-v1-1 did not run (was stopped); it is started again.", "Envoy was started again.")
        await talk.bot.app.keeper.keep()
        await hears(talk, CHANNEL, "Envoy was started again.")
        assert place.says[0] in [card.title for card in said_in(talk, OTHER)]


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


async def told(*cards: tuple[str, Tone, str]) -> list[str]:
    """What a room hears of this, each with what it is about."""
    said: list[str] = []
    alarms = Alarms(cast("Any", Always()), lambda _room, card: said.append(card.title))
    for title, tone, about in cards:
        await alarms.tell(Card(title, tone), about)
    return said


class Always:
    """A database in which one room is told everything."""

    async def read(self, _work: Any) -> dict[RoomId, Sight]:
        return {CHANNEL: Sight(PersonId(""))}


async def test_what_breaks_again_after_it_was_mended_is_said_again_and_once() -> None:
    away, back = (AWAY, Tone.BAD, ""), (BACK, Tone.GOOD, "")
    assert await told(away, back, away) == [AWAY, BACK, AWAY]
    assert await told(*[away, back] * 5) == [AWAY, BACK, AWAY]
    assert await told(away, away, back, back) == [AWAY, BACK]


async def test_that_one_thing_works_again_is_no_news_because_of_another() -> None:
    stuck, mended, away = ("stuck", Tone.BAD, "shop"), ("mended", Tone.GOOD, "shop"), (AWAY, Tone.BAD, "")
    assert await told(stuck, mended, away, mended) == ["stuck", "mended", AWAY]
    assert await told(stuck, (BACK, Tone.GOOD, ""), stuck) == ["stuck", BACK]

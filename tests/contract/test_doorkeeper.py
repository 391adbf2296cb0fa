"""What a chat's door refuses costs one row of the audit a minute, however much it is, and is spoken of once."""

from datetime import timedelta

from bot.cards import Tone
from bot.doorkeeper import Doorkeeper, Knocks
from storage.store import SqlStore
from tests.support.store import ManualClock

DOUBT = "Is the secret this app's?"


def keeping(store: SqlStore) -> tuple[Doorkeeper, Knocks, ManualClock, list[tuple[str, Tone]]]:
    said: list[tuple[str, Tone]] = []

    async def announce(sentence: str, tone: Tone) -> None:
        said.append((sentence, tone))

    knocks, clock = Knocks("/slack/events", DOUBT), ManualClock()
    return Doorkeeper(store, clock, announce, [knocks]), knocks, clock, said


async def rows(store: SqlStore) -> list[str]:
    return [deed.said for deed in await store.read(lambda book: book.audit.latest(100))][::-1]


async def test_a_flood_is_one_row_a_minute_with_its_number(store: SqlStore) -> None:
    keeper, knocks, clock, said = keeping(store)
    for seconds in range(61):
        for _ in range(100):
            knocks.refuse(is_signed=False)
        await keeper.keep()
        clock.pass_time(timedelta(seconds=1))
        assert len(await rows(store)) == (2 if seconds == 60 else 1)
    first, second = await rows(store)
    assert first == "100 without proof of where they come from"
    assert second == "6000 without proof of where they come from"
    assert said == []


async def test_what_is_likely_wrong_is_said_once_and_so_is_its_end(store: SqlStore) -> None:
    keeper, knocks, clock, said = keeping(store)
    for _ in range(5):
        knocks.refuse(is_signed=True)
        await keeper.keep()
        assert keeper.troubles() == (DOUBT,)
        clock.pass_time(timedelta(minutes=1))
    knocks.prove()
    assert keeper.troubles() == ()
    await keeper.keep()
    await keeper.keep()
    assert said == [(DOUBT, Tone.BAD), ("Deliveries to /slack/events are taken again.", Tone.GOOD)]


async def test_trouble_that_comes_and_goes_is_spoken_of_once_a_minute(store: SqlStore) -> None:
    keeper, knocks, clock, said = keeping(store)
    for _ in range(59):
        knocks.refuse(is_signed=True)
        await keeper.keep()
        knocks.prove()
        await keeper.keep()
        clock.pass_time(timedelta(seconds=1))
    assert said == [(DOUBT, Tone.BAD)]


async def test_what_cannot_be_written_down_is_counted_on(store: SqlStore) -> None:
    keeper, knocks, _, _ = keeping(store)
    knocks.refuse(is_signed=False)
    store.close()
    await keeper.keep()
    assert knocks.refused == 1

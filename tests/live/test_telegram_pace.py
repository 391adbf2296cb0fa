"""How often Telegram is written to, at the real pace: measured where the messages arrive."""

from pathlib import Path

import pytest

from tests.support.notes import notes
from tests.support.telegram_house import ANN, BOB, on_telegram
from tests.support.telegram_wire import telegram_wire

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

MINUTE, MOST, RUNS = 60.0, 20, 12
WRITING = ("sendMessage", "editMessageText", "sendDocument")


async def test_a_group_is_written_to_at_most_twenty_times_in_any_minute_and_every_end_is_shown(tmp_path: Path) -> None:
    async with telegram_wire() as wire, on_telegram(tmp_path, wire, "ann", quick=False) as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        forum = wire.people.group("releases", ANN, BOB, is_forum=True)
        wire.weather.pace(forum.id, MOST, MINUTE)
        for thread in (4, 5):
            await talk.asks(ANN, forum, "/subscribe notes on everything", "This room is told", thread=thread)
        runs = [await talk.bot.start("run notes") for _ in range(RUNS)]
        for run in runs:
            await talk.bot.asks(run)
            await talk.bot.say(f"approve {run}")
        for run in runs:
            await wire.until(
                lambda run=run: (
                    [  # type: ignore[misc]
                        "succeeded" in shown.text for shown in talk.cards(forum, run)
                    ]
                    == [True, True]
                ),
                200,
            )
    written = [call for call in wire.calls if call.chat == forum.id and call.method in WRITING]
    times = [call.at for call in written]
    assert len(times) > MOST
    assert max(sum(at <= one < at + MINUTE for one in times) for at in times) <= MOST
    assert not any(call.answered == 429 for call in written), "Telegram never had to ask for it"

"""The door for machines under rubbish: people in chats are answered as quickly as ever, and nothing is started."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from tests.support.bot import Bot, a_bot
from tests.support.eventually import eventually
from tests.support.tree import ROOT

pytestmark = pytest.mark.live

SECONDS = 2.0
RATE = 1000
"""Requests a second; as many as this machine can send if that is less."""
WITHIN = 0.2
"""Seconds that an answer in a chat may take."""
PIPELINE = """
pipeline: gated
starts: [{webhook: go}]
stages:
  - name: code
    conditions: {of: [{webhook: gate}]}
    source: {git: "https://git.example.com/shop/api.git"}
"""


async def answers(bot: Bot, over: asyncio.Task[bytes]) -> list[float]:
    """Ask in the chat twenty times a second until it is over; returns how long each answer took, the longest last."""
    took = []
    while not over.done():
        began = time.perf_counter()
        assert "gated" in await bot.say("list")
        took.append(time.perf_counter() - began)
        await asyncio.wait([over], timeout=0.05)
    return sorted(took)


async def sent(port: int) -> bytes:
    """Send rubbish from another process; returns how much was answered."""
    words = [sys.executable, "-m", "tests.support.rubbish", str(port), str(RATE), str(SECONDS)]
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    return printed


async def test_a_thousand_pieces_of_rubbish_a_second_leave_answers_in_chats_quick(tmp_path: Path) -> None:
    async with a_bot(tmp_path / "home") as bot:
        assert "is defined" in await bot.say(f"define\n{PIPELINE}")
        over = asyncio.create_task(sent(bot.app.switchboard.hooks or 0))
        took = await answers(bot, over)
        rate = int(over.result()) / SECONDS
        print(f"{rate:.0f} a second; answers {took[len(took) // 2] * 1000:.1f} ms, at worst {took[-1] * 1000:.1f} ms")
        assert took[int(len(took) * 0.95)] < WITHIN
        assert rate > RATE / 10, "too little rubbish to say anything"
        assert await bot.runs("gated") == []
        assert "Nothing was called yet" in await bot.say("triggers gated")


async def test_whoever_sends_a_head_drop_by_drop_is_sent_away_and_others_are_not(tmp_path: Path) -> None:
    async with a_bot(tmp_path / "home") as bot:
        port = bot.app.switchboard.hooks
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for _, writer in slow:
            writer.write(b"POST /hooks/x HTTP/1.1\r\nX-Slow: ")
        gone = [asyncio.create_task(reader.read()) for reader, _ in slow]

        async def all_gone() -> bool:
            return all(task.done() for task in gone)

        await eventually(all_gone, "slow ones are sent away", 12)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /hooks/x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        for _, one in [*slow, (reader, writer)]:
            one.close()


async def test_a_port_that_is_taken_is_said_keeps_nobody_from_starting_and_is_opened_when_it_is_free(
    tmp_path: Path,
) -> None:
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with a_bot(tmp_path / "home", settings={"hooks_port": port}) as bot:
        assert f"127.0.0.1:{port}" in await bot.say("status")
        assert [card.title for card in await bot.cards() if f"127.0.0.1:{port}" in card.title]
        taken.close()
        await taken.wait_closed()
        bot.app.switchboard.try_the_door()

        async def is_open() -> bool:
            return bool(bot.app.switchboard.hooks == port)

        await eventually(is_open, "the port is open")
        assert f"127.0.0.1:{port}" not in await bot.say("status")

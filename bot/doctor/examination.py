"""Asks every check, beside each other, and says what came of it: a line each."""

import asyncio
from collections.abc import Sequence

from bot.doctor.finding import Finding, Health
from bot.doctor.machine import database, home, programs
from bot.doctor.slack import slack
from bot.doctor.telegram import telegram
from bot.settings import Settings
from engine.errors import SluiceError
from engine.model import RoomId
from storage.store import SqlStore

MARKS = {Health.WELL: "ok", Health.ODD: "look", Health.ILL: "MEND"}
CHANNELS = 20


async def examine(settings: Settings) -> list[Finding]:
    """Everything that was found, in the order of the checks."""
    channels = await _channels(settings)
    found = await asyncio.gather(
        home(settings), database(settings), programs(settings), slack(settings, channels), telegram(settings)
    )
    said = [finding for part in found for finding in part]
    if settings.slack_bot_token is None and settings.telegram_token is None:
        chats = "none is set up; the console and the terminal need none"
        said.append(Finding("chats", Health.WELL, chats))
    return said


def lines(found: Sequence[Finding]) -> list[str]:
    """One line for each finding: its mark, what it is, how it is, and what mends it."""
    width = max((len(one.what) for one in found), default=0)
    said = [f"{MARKS[one.health]:<5} {one.what:<{width}}  {one.sentence}" for one in found]
    return [f"{line}  →  {one.cure}" if one.cure else line for line, one in zip(said, found, strict=True)]


async def _channels(settings: Settings) -> list[str]:
    """The Slack channels that show cards, as far as the database tells: it may not be there."""
    if not settings.database and not (settings.home / "sluice.db").exists():
        return []
    try:
        store = SqlStore.open(settings.database_url, migrate=False, patience=2.0)
        try:
            rooms = await store.read(lambda book: book.rooms.speaking())
        finally:
            store.close()
    except SluiceError:
        return []
    return [channel for room in rooms if (channel := _channel(room))][:CHANNELS]


def _channel(room: RoomId) -> str:
    """The channel's id; empty for a direct message and for other chats' rooms."""
    name = room.rpartition("/")[2]
    return name if room.startswith("slack:") and name[:1] in ("C", "G") else ""

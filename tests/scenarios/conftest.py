"""Telegram as scenarios meet it: its stand-in, and a bot that ann and bob speak with there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.telegram_house import OnTelegram, on_telegram
from tests.support.telegram_wire import TelegramWire, telegram_wire


@pytest.fixture
async def wire() -> AsyncIterator[TelegramWire]:
    async with telegram_wire() as running:
        yield running


@pytest.fixture
async def talk(wire: TelegramWire, tmp_path: Path) -> AsyncIterator[OnTelegram]:
    async with on_telegram(tmp_path / "home", wire, "ann", "bob") as running:
        yield running

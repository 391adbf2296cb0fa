"""A group that is closed, with a pipeline whose run waits for its review; and everything that is kept, to compare."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from engine.model import RunState
from storage.book import SqlBook
from storage.tables import metadata
from tests.support.bot import Bot, a_new_bot
from tests.support.model_target import ModelTarget
from tests.support.notes import notes

HIDDEN = ("hello", "hello-1", "hello-2", "web", "shop", "shop-wl")
"""Every name that somebody who sees nothing of the group must not learn."""
WEB = """\
pipeline: {name}
group: {group}
variables: {{where: free}}
stages:
  - name: official
    official: {{image: "shop/web:v1", workload: {workload}, service: {{port: 18080}}}}
"""
_MOVING = frozenset(
    {
        "audit",
        "inbox",
        "messages",
        "cards",
        "rooms",
        "buttons",
        "updates",
        "logs",
        "journal",
        "seals",
        "counters",
        "wirings",
    }
)
"""Tables that change by themselves, or because somebody was refused."""


@asynccontextmanager
async def a_closed_shop(root: Path) -> AsyncIterator[Bot]:
    """The closed group `shop`, which ann manages: hello-1 has passed its review, hello-2 waits for it; nothing of
    `web`, which would release the workload shop-wl, was ever started."""
    hello = notes(root, review="{reviewers: [ann]}").replace("pipeline: notes\n", "pipeline: hello\ngroup: shop\n")
    web = WEB.format(name="web", group="shop", workload="shop-wl")
    async with a_new_bot(hello, web, target=ModelTarget()) as bot:
        for _ in range(2):
            await bot.asks(await bot.start("run hello"))
        await bot.say("approve hello-1")
        await bot.ends("hello-1", RunState.SUCCEEDED)
        await close(bot, "shop")
        yield bot


async def close(bot: Bot, group: str, by: str = "ann") -> None:
    """The person closes the group, and manages it."""
    await bot.say(f"grant {by} manage on {group}", by)
    answer = await bot.say("yes", by)
    assert f"{group} is closed" in answer, answer


async def grant(bot: Bot, person: str, right: str, group: str = "shop") -> None:
    """Ann grants something in a group that is closed."""
    answer = await bot.say(f"grant {person} {right} on {group}")
    assert f"{person} has {right} on {group}" in answer, answer


async def everything(bot: Bot) -> dict[str, list[Any]]:
    """All that is kept, but for what moves by itself."""

    def read(book: SqlBook) -> dict[str, list[Any]]:
        tables = [table for name, table in metadata.tables.items() if name not in _MOVING]
        return {table.name: sorted(map(repr, book.read(select(table)).all())) for table in tables}

    return await bot.app.store.read(read)

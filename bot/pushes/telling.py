"""Tells the rooms that follow a pipeline what no run tells them: that a push has started nothing, and why.

It is said at most once: a room that cannot be told just then, or to which the sentence names what is hidden from it,
does not hear of it. The console does in any case, and `pushes` tells it whenever it is asked.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.cards import Card, Tone
from bot.rooms.alarms import listeners
from bot.rooms.following import followers
from engine.errors import SluiceError
from engine.model import RoomId
from storage.book import SqlBook
from storage.store import SqlStore
from storage.subscriptions import Wants

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells the lobby by `announce`, and who follows by `post`, which shows a card when the room's chat lets it."""

    store: SqlStore
    announce: Callable[[str, Tone, str | None], Awaitable[None]]
    post: Callable[[RoomId, Card], None]

    async def tell(self, pipeline: str, sentence: str) -> None:
        """Say it in the lobby, and in each room that wants to hear of failures and may read it."""
        await self.announce(sentence, Tone.BAD, None)
        try:
            rooms = await self.store.read(lambda book: _followers(book, pipeline, sentence))
        except SluiceError as error:
            _LOG.warning("Nobody is told of %s: %s", pipeline, error)
            return
        for room in rooms:
            self.post(room, Card(sentence, Tone.BAD))


def _followers(book: SqlBook, pipeline: str, sentence: str) -> Sequence[RoomId]:
    sights = listeners(book, pipeline)
    wishes = [wish for wish in followers(book, pipeline) if wish.wants is not Wants.SUCCESS]
    return [wish.room for wish in wishes if sights[wish.room].may_read(sentence)]

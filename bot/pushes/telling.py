"""Tells the rooms that follow a pipeline what no run tells them: that a push has started nothing, and why."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.cards import Tone
from engine.errors import SluiceError
from engine.model import RoomId
from storage.book import SqlBook
from storage.store import SqlStore
from storage.subscriptions import Wants

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells `room`, which is told everything, and who follows. `say_in` says it in one room; False: there is none."""

    store: SqlStore
    room: RoomId
    say_in: Callable[[str, str, Tone], Awaitable[bool]]

    async def tell(self, pipeline: str, sentence: str) -> None:
        """Say it once in each room that wants to hear of failures. Where it cannot be said, that is logged."""
        try:
            rooms = await self.store.read(lambda book: _followers(book, pipeline))
        except SluiceError as error:
            _LOG.warning("Nobody is told of %s: %s", pipeline, error)
            return
        for room in dict.fromkeys((self.room, *rooms)):
            try:
                await self.say_in(room, sentence, Tone.BAD)
            except SluiceError as error:
                _LOG.warning("%s is not told of %s: %s", room, pipeline, error)


def _followers(book: SqlBook, pipeline: str) -> Sequence[RoomId]:
    return [wish.room for wish in book.subscriptions.of_pipeline(pipeline) if wish.wants is not Wants.SUCCESS]

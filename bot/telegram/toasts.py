"""Answers to presses: Telegram shows a waiting sign on a button until the press is answered, and takes one answer only.

The danger is a button that seems to do nothing. What it did is usually known within a moment, and then the answer is
just that: "Your approval is counted." But answers to people wait their turn in the room, and a busy or limited room can
make them wait for a minute. So a press is answered within a second in any case: if nothing is known by then, that it
has arrived, and what it did follows as a message. Telegram does not limit answers to presses like messages, so these
need no turn.
"""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field

from bot.cards import Card, Tone
from bot.chat import Slower
from bot.telegram.api import Api
from bot.telegram.faults import TooOld
from bot.telegram.plain import cut, one_line
from engine.errors import SluiceError

PATIENCE = 0.6
"""Seconds in which what was done may become known; a network's way there and back fits into the rest of the second."""
LONGEST = 200
ARRIVED = "It has arrived. What comes of it follows here."
NOT_YET = "Sluice cannot take this in just now. It tries again by itself."
_REMEMBERED = 1_000
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Toasts:
    """Answers presses, by their ids."""

    api: Api
    patience: float = PATIENCE
    _waiting: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)
    _answered: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def expect(self, query: str) -> None:
        """A press is kept; `say` may follow. If it does not soon, the press is answered all the same."""
        if query not in self._answered and query not in self._waiting:
            task = asyncio.create_task(self._answer_in_time(query))
            self._waiting[query] = task
            task.add_done_callback(lambda _task: self._waiting.pop(query, None))

    async def say(self, query: str, card: Card) -> bool:
        """Answer with a card's words; False when the press was answered before, or waits no more.

        What was refused has to be closed by whoever pressed: a word that passes is missed too easily.
        """
        if query in self._answered:
            return False
        waiting = self._waiting.pop(query, None)
        if waiting is not None:
            waiting.cancel()
        return await self._tell(query, words_of(card), is_alert=card.tone is Tone.BAD)

    async def put_off(self, query: str) -> None:
        """A press cannot be kept now."""
        if query not in self._answered:
            await self._try(query, NOT_YET)

    async def end(self) -> None:
        """Answer what waits."""
        waiting = dict(self._waiting)
        for task in waiting.values():
            task.cancel()
        await asyncio.gather(*waiting.values(), return_exceptions=True)
        await asyncio.gather(*(self._try(query, ARRIVED) for query in waiting))

    async def _answer_in_time(self, query: str) -> None:
        await asyncio.sleep(self.patience)
        await self._try(query, ARRIVED)

    async def _try(self, query: str, text: str) -> None:
        try:
            await self._tell(query, text, is_alert=False)
        except SluiceError as error:
            _LOG.info("A press waits unanswered: %s", error)

    async def _tell(self, query: str, text: str, *, is_alert: bool) -> bool:
        self._remember(query)
        try:
            await self.api.toast(query, text, is_alert=is_alert)
        except (TooOld, Slower):
            return False
        except BaseException:
            self._answered.pop(query, None)
            raise
        return True

    def _remember(self, query: str) -> None:
        self._answered[query] = None
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)


def fits(card: Card) -> bool:
    """Whether the answer to a press says all that a card says."""
    has_more = card.topology or card.fields or card.buttons or card.split or card.ballot or card.table or card.code
    return not has_more and len(_all_words(card)) <= LONGEST


def words_of(card: Card) -> str:
    """Return a card's title, and its text if all is to be said in one."""
    return cut(_all_words(card) if fits(card) or card.tone is Tone.BAD else one_line(card.title), LONGEST)


def _all_words(card: Card) -> str:
    title, text = one_line(card.title), one_line(card.text)
    return f"{title} {text}".strip()

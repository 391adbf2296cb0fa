"""Buttons in chats: what a room shows carries a short name, and the line behind it stays here.

A name is good in the room that showed it and nowhere else, and one that was never shown means nothing: neither a
forged one nor one from a forwarded card does anything. The same button in the same room has the same name, so an edited
card does not grow the list.
"""

import base64
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.cards import Button, Card
from engine.errors import Refused
from engine.model import RoomId
from engine.ports import Clock
from storage.buttons import Pressable
from storage.store import SqlStore

REMEMBERED = 5_000
LENGTH = 24
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{LENGTH}}}")
Naming = Callable[[Button], str]


@dataclass(frozen=True, slots=True)
class Pressing:
    """Names buttons, and finds what was pressed."""

    store: SqlStore
    clock: Clock
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    async def naming(self, room: RoomId, card: Card) -> Naming:
        """Make the card's buttons pressable in the room; returns how each is called there."""
        shown = [_pressable(room, button) for button in card.buttons]
        new = [one for one in shown if one.token not in self._known]
        if new:
            now = self.clock.now()
            await self.store.transact(lambda book: book.buttons.show(new, now))
        for one in new:
            self._known[one.token] = None
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return lambda button: _pressable(room, button).token

    async def find(self, room: RoomId, token: str) -> Pressable:
        """What was pressed. Refuses what the room never showed."""
        is_ours = _TOKEN.fullmatch(token) is not None
        found = await self.store.read(lambda book: book.buttons.find(token)) if is_ours else None
        if found is None or found.room != room:
            raise Refused(
                "That button is not one that this room was shown, or it is too old; nothing was done.",
                "`status` shows what is going on, with buttons that work.",
            )
        return found


def _pressable(room: RoomId, button: Button) -> Pressable:
    text = "\n".join((room, button.line, "danger" if button.danger else ""))
    token = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())[:LENGTH].decode()
    return Pressable(token, room, button.line, button.danger)

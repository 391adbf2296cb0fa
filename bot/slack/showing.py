"""What everything that shows cards in Slack needs: cards made into messages, and the room where one person is alone."""

import re
from dataclasses import dataclass, field

from bot.cards import Button, Card
from bot.front import Front
from bot.inbox.pressing import Naming, Pressing
from bot.slack.api import Api
from bot.slack.names import in_slack, room_id
from bot.slack.render import Message, render
from engine.errors import InvariantViolation
from engine.model import RoomId

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")
QUIET = {"unfurl_links": False, "unfurl_media": False}
"""No previews: whoever writes a commit message would decide what stands under a release."""


@dataclass(slots=True)
class Showing:
    """Makes messages. `pressing` and `front` are set when the composition root has made them."""

    api: Api
    pressing: Pressing | None = None
    front: Front | None = None
    _directs: dict[str, RoomId] = field(default_factory=dict)

    async def message(self, room: RoomId, card: Card) -> Message:
        """Return the card as a message whose buttons can be pressed in the room."""
        return render(card, await self.naming(room, card.buttons))

    async def naming(self, room: RoomId, buttons: tuple[Button, ...]) -> Naming:
        """Make buttons pressable in the room."""
        if self.pressing is None:
            raise InvariantViolation("Slack was told something before it was introduced to the buttons.")
        return await self.pressing.naming(room, Card("", buttons=buttons))

    async def direct(self, account: str) -> RoomId:
        """Return the room where this account is spoken to alone."""
        if account not in self._directs:
            found = await self.api.call("conversations.open", users=in_slack(account))
            self.meet(account, room_id((await self.api.me()).team, found["channel"]["id"]))
        return self._directs[account]

    def meet(self, account: str, room: RoomId) -> None:
        """The account was met alone in this room."""
        self._directs[account] = room

    async def post(self, room: RoomId, message: Message, thread: str = "") -> str:
        """Post a message; returns its id."""
        where = {"channel": in_slack(room), **({"thread_ts": thread} if thread else {})}
        posted = await self.api.call("chat.postMessage", **where, **QUIET, **message.arguments())
        return str(posted["ts"])


def file_name(card: Card) -> str:
    """Return how the file is called that holds what a message cannot."""
    is_definition = card.code.startswith("pipeline:") or "\nstages:" in card.code
    named = _NAME.search(card.key or card.title)
    return f"{named[0] if named else 'sluice'}{'.yaml' if is_definition else '.txt'}"

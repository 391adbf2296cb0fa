"""The App Home, published: what waits for its owner, what is running, and on top what was just answered there.

A press in the App Home has no message to answer below, and its owner does not look into a channel at that moment. So
the answer stands on top of the page, until the page is opened again.
"""

from dataclasses import dataclass

from bot.cards import Card, Table
from bot.front import Page
from bot.slack.blocks import Block
from bot.slack.home import home, stranger
from bot.slack.names import in_slack
from bot.slack.showing import Showing
from engine.errors import InvariantViolation
from engine.model import RoomId


@dataclass(frozen=True, slots=True)
class Homes:
    """Publishes homes."""

    showing: Showing

    async def show(self, account: str, said: Card | None = None) -> None:
        """Publish the home of whoever has the account. Who is not known sees how to get in, and nothing else."""
        if self.showing.front is None:
            raise InvariantViolation("Slack's home was opened before it was introduced to the front page.")
        room = await self.showing.direct(account)
        page = await self.showing.front.page(account)
        view = stranger(said) if page is None else await self._view(room, page, said)
        await self.showing.api.call(
            "views.publish", user_id=in_slack(account), view={**view, "private_metadata": str(room)}
        )

    async def _view(self, room: RoomId, page: Page, said: Card | None) -> Block:
        shown = (*page.waiting, *page.running, *((said,) if said else ()))
        naming = await self.showing.naming(room, tuple(button for card in shown for button in card.buttons))
        return home(page.waiting, page.running, page.pipelines.table or Table((), ()), naming, said)

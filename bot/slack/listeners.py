"""What each delivery means: a line to carry out, a form to open, a page to show.

Whatever asks for something is handed on first and acknowledged then, and nothing is fetched before. What only shows
something is acknowledged at once and done beside. A form waits for its answer, so what it takes to answer it is counted
in seconds.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from slack_bolt.async_app import AsyncAck
from slack_bolt.response import BoltResponse

from bot.cards import Card, Tone
from bot.chat import Answer, Hearing, Update
from bot.slack import modals, reading
from bot.slack.chat import SlackChat
from bot.slack.fetching import is_let, names_a_file
from bot.slack.forms import Origin
from bot.slack.names import account_id, room_id
from bot.slack.remarks import remarked
from bot.slack.submissions import Sent, Submissions
from engine.errors import InvariantViolation, SluiceError

_LOOKING_UP = 1.5
"""Seconds to find out whether a person is alone somewhere: Slack waits three for its acknowledgement."""
_FETCHING = 2.0
"""Seconds from a form's arrival in which its file has to be here, for the same reason."""
_REPEATED = Card(
    "Just this was sent with this form before, and nothing was done again.",
    text="`status` shows what came of it; if nothing did, open the form anew and send that one.",
)
Body = dict[str, Any]


@dataclass(slots=True)
class Listeners:
    """Hands deliveries to `hearing`."""

    chat: SlackChat
    hearing: Hearing | None = None
    _submissions: Submissions = field(default_factory=Submissions)

    def begin(self, hearing: Hearing) -> None:
        """Hand on to `hearing` from now on."""
        self.hearing = hearing
        self.chat.fetching.onward.listen(hearing)
        if self.chat.carrier is not None:
            self.chat.carrier.onward.listen(hearing)

    async def end(self) -> None:
        """Hand nothing on any more."""
        self.chat.fetching.onward.end()
        if self.chat.carrier is not None:
            self.chat.carrier.onward.end()
        await self._submissions.end()
        await self.chat.beside.end()
        self.hearing = None

    async def command(self, ack: AsyncAck, body: Body) -> BoltResponse:
        """Take a slash command."""
        me = await self.chat.showing.api.me()
        account = account_id(body.get("team_id") or me.team, body["user_id"])
        is_alone = await self._is_alone(account, body["channel_id"])
        await self._hearing().accept(reading.of_command(me, body, is_alone=is_alone))
        return await ack()

    async def message(self, body: Body) -> None:
        """Take a mention or a direct message, with a definition perhaps."""
        event = body["event"]
        if event.get("subtype", "") not in reading.KEPT or event.get("hidden"):
            return
        me = await self.chat.showing.api.me()
        update = reading.of_message(me, body)
        if event.get("channel_type") == "im" and not update.is_bot:
            self.chat.showing.meet(update.account, room_id(me.team, event["channel"]))
        await self._hearing().accept(update)

    async def home_opened(self, body: Body) -> None:
        """Show the home to whoever opens it."""
        event, me = body["event"], await self.chat.showing.api.me()
        account = account_id(me.team, event["user"])
        if event.get("channel"):
            self.chat.showing.meet(account, room_id(me.team, event["channel"]))
        if event.get("tab", "home") == "home":
            self.chat.beside.do(lambda: self.chat.homes.show(account), f"The home of {account} is not shown")

    async def press(self, ack: AsyncAck, body: Body) -> BoltResponse:
        """Take a press: a card's button, or one of the home that begins something."""
        me = await self.chat.showing.api.me()
        is_alone = await self._is_alone(reading.account_of(me, body), reading.channel_of(body))
        await self._hearing().accept(reading.of_press(me, body, is_alone=is_alone))
        return await ack()

    async def link(self, ack: AsyncAck, body: Body) -> BoltResponse:
        """Open the form that takes a one-time code."""
        me = await self.chat.showing.api.me()
        update = reading.of_press(me, body, is_alone=False)
        view = modals.link_modal(reading.origin_of(me, body).metadata)

        async def open_it() -> None:
            try:
                await self.chat.showing.api.call("views.open", trigger_id=body["trigger_id"], view=view)
            except SluiceError:
                card = Card("The form did not open in time.", Tone.BAD, "Press again, or send me `link CODE` directly.")
                await self.chat.answer(update, Answer(card, private=True))

        self.chat.beside.do(open_it, f"{update.account} cannot be asked for a code")
        return await ack()

    async def submit(self, ack: AsyncAck, body: Body) -> BoltResponse:
        """Take a form that was sent: carry it out now, and complain at its fields."""
        acknowledgement = await self._submissions.once(body["view"], lambda key: self._carry_out(body, key))
        return await ack(**acknowledgement)

    async def _carry_out(self, body: Body, key: str) -> Sent:
        until = asyncio.get_running_loop().time() + _FETCHING
        me, view = await self.chat.showing.api.me(), body["view"]
        channel = Origin.of(view).room.rpartition("/")[2]
        is_alone = await self._is_alone(reading.account_of(me, body), channel)
        update = reading.of_submission(me, body, key, is_alone=is_alone)
        at = modals.FILE if names_a_file(update) else ""
        update, answers = await self._settled(update, until)
        bad = next((one.card for one in answers if one.card.tone is Tone.BAD), None)
        complaint = bad or (None if answers else _REPEATED)
        if complaint is not None and any(block.get("type") == "input" for block in view["blocks"]):
            text = complaint.code or f"{complaint.title} {complaint.text}"
            return Sent(modals.complaints_at(view["blocks"], text, at), is_refused=bad is not None)
        self._tell(update, answers or [Answer(_REPEATED, private=True)])
        return Sent({})

    async def _settled(self, update: Update, until: float) -> tuple[Update, Sequence[Answer]]:
        """Settle a form: one with a file twice, whether its sender may define at all, and what is in the file then."""
        answers = await self._hearing().settle(update)
        if any(is_let(update, one) for one in answers):
            left = until - asyncio.get_running_loop().time()
            update = await self.chat.fetching.whole(update, left)
            answers = await self._hearing().settle(update)
        return update, [remarked(update, one) for one in answers]

    async def _is_alone(self, account: str, channel: str) -> bool:
        """Whether nobody but the person and Sluice reads along. Two people's direct conversation looks alike."""
        if not channel.startswith("D"):
            return False
        try:
            async with asyncio.timeout(_LOOKING_UP):
                return (await self.chat.direct(account)).rpartition("/")[2] == channel
        except (SluiceError, TimeoutError):
            return False

    def _tell(self, update: Update, answers: Sequence[Answer]) -> None:
        for answer in answers:
            self.chat.beside.do(lambda said=answer: self.chat.answer(update, said), f"{update.account} is not answered")  # type: ignore[misc]

    def _hearing(self) -> Hearing:
        if self.hearing is None:
            raise InvariantViolation("Slack delivers, and nobody listens.")
        return self.hearing

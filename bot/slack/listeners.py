"""What each delivery means: a line to carry out, a form to open, a page to show.

Whatever asks for something is handed on first and acknowledged then. What only shows something is acknowledged at once
and done beside.
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
from bot.slack.beside import Beside
from bot.slack.chat import SlackChat
from bot.slack.forms import line_of
from bot.slack.names import account_id, room_id
from bot.slack.submissions import Acknowledgement, Submissions
from engine.errors import InvariantViolation, Refused, SluiceError

_LOOKING_UP = 1.5
"""Seconds to find out whether a person is alone somewhere: Slack waits three for its acknowledgement."""
_REPEATED = Card("That was sent before, and nothing was done again.", text="`status` shows what came of it.")
Body = dict[str, Any]


@dataclass(slots=True)
class Listeners:
    """Hands deliveries to `hearing`."""

    chat: SlackChat
    hearing: Hearing | None = None
    beside: Beside = field(default_factory=Beside)
    _submissions: Submissions = field(default_factory=Submissions)

    async def end(self) -> None:
        """Hand nothing on any more."""
        await self._submissions.end()
        await self.beside.end()
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
        line = reading.said(me, event)
        update = reading.of_message(me, body, line or "help")
        if update.is_alone and not update.is_bot:
            self.chat.showing.meet(update.account, update.room)
        try:
            found = None if update.is_bot else reading.definition_in(event, line)
            if found is not None:
                verb, file = found
                update = reading.of_message(me, body, f"{verb}\n{await self.chat.files.text(file)}")
        except Refused as refusal:
            self._tell(update, [_refused(refusal)])
            return
        await self._hearing().accept(update)

    async def home_opened(self, body: Body) -> None:
        """Show the home to whoever opens it."""
        event, me = body["event"], await self.chat.showing.api.me()
        account = account_id(me.team, event["user"])
        if event.get("channel"):
            self.chat.showing.meet(account, room_id(me.team, event["channel"]))
        if event.get("tab", "home") == "home":
            self.beside.do(lambda: self.chat.homes.show(account), f"The home of {account} is not shown")

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

        self.beside.do(open_it, f"{update.account} cannot be asked for a code")
        return await ack()

    async def submit(self, ack: AsyncAck, body: Body) -> BoltResponse:
        """Take a form that was sent: carry it out now, and complain at its fields."""
        acknowledgement = await self._submissions.once(body["view"], lambda key: self._carry_out(body, key))
        return await ack(**acknowledgement)

    async def _carry_out(self, body: Body, key: str) -> Acknowledgement:
        me, view = await self.chat.showing.api.me(), body["view"]
        try:
            line = await line_of(view, self.chat.files)
        except Refused as refusal:
            return modals.complaints_at(view["blocks"], f"{refusal} {refusal.hint}")
        update = reading.of_submission(me, body, line, key, is_alone=False)
        account, channel = reading.account_of(me, body), update.room.rpartition("/")[2]
        if await self._is_alone(account, channel):
            update = reading.of_submission(me, body, line, key, is_alone=True)
        answers = await self._hearing().settle(update)
        bad = next((one.card for one in answers if one.card.tone is Tone.BAD), None)
        has_fields = any(block.get("type") == "input" for block in view["blocks"])
        if bad is not None and has_fields:
            return modals.complaints_at(view["blocks"], bad.code or f"{bad.title} {bad.text}")
        self._tell(update, answers or [Answer(_REPEATED, private=True)])
        return {}

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
            self.beside.do(lambda said=answer: self.chat.answer(update, said), f"{update.account} is not answered")  # type: ignore[misc]

    def _hearing(self) -> Hearing:
        if self.hearing is None:
            raise InvariantViolation("Slack delivers, and nobody listens.")
        return self.hearing


def _refused(refusal: Refused) -> Answer:
    return Answer(Card(str(refusal), Tone.BAD, refusal.hint), private=True)

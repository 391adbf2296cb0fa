"""Slack, as a chat that cards are shown in: posted, edited, said below one another."""

from dataclasses import dataclass, field
from datetime import timedelta

from bot.cards import Card
from bot.chat import Answer, MessageLost, Pace, Undeliverable, Update
from bot.inbox.pressing import Pressing
from bot.packages import carrying
from bot.slack.answering import Answering
from bot.slack.beside import Beside
from bot.slack.fetching import Fetching, as_it_came, is_let
from bot.slack.files import Files
from bot.slack.homes import Homes
from bot.slack.names import CHAT, in_slack
from bot.slack.remarks import refused, remarked
from bot.slack.showing import Showing, file_name
from engine.model import RoomId
from storage.package_files import PackageFiles

PACE = Pace(every=timedelta(seconds=1.1), burst=4, refresh=timedelta(seconds=5))
"""Slack takes one message a second in a channel, and short bursts (its page on rate limits, "Posting messages"). Edits
are counted apart, 50 a minute in the whole workspace (tier 3); what comes too fast is answered with a time to wait."""


@dataclass(slots=True)
class SlackChat:
    """The `Messenger` of Slack."""

    showing: Showing
    carrier: carrying.Carrier | None = None
    files: Files = field(init=False)
    homes: Homes = field(init=False)
    fetching: Fetching = field(init=False)
    beside: Beside = field(default_factory=Beside)
    name: str = CHAT
    has_threads: bool = True
    _answering: Answering = field(init=False)

    def __post_init__(self) -> None:
        """Make the parts that write."""
        self.files = Files(self.showing.api, self.beside)
        self.fetching = Fetching(self.files)
        self.homes = Homes(self.showing)
        self._answering = Answering(self.showing, self.files, self.homes)

    @property
    def pressing(self) -> Pressing | None:
        """What names the buttons; the composition root sets it."""
        return self.showing.pressing

    @pressing.setter
    def pressing(self, pressing: Pressing) -> None:
        self.showing.pressing = pressing

    def pace(self, room: RoomId) -> Pace:  # noqa: ARG002 - every room has the same
        """How often a room may be written to."""
        return PACE

    async def post(self, room: RoomId, card: Card) -> str:
        """Show a new card; returns its ``ts``."""
        message = await self.showing.message(room, card)
        posted = await self.showing.post(room, message)
        if message.overflow is not None:
            self.files.attach(in_slack(room), posted, file_name(card), message.overflow)
        return posted

    async def edit(self, room: RoomId, message: str, card: Card) -> None:
        """Show `card` where `message` was. Raises `MessageLost` when it is gone."""
        shown = await self.showing.message(room, card)
        await self.showing.api.call("chat.update", channel=in_slack(room), ts=message, **shown.arguments())

    async def reply(self, room: RoomId, message: str, card: Card) -> None:
        """Say something in a message's thread; what is too long for it, as a file."""
        said = await self.showing.message(room, card)
        try:
            await self.showing.post(room, said, message)
        except MessageLost as error:
            raise Undeliverable(f"There is no thread to say it in: {error}") from error
        if said.overflow is not None:
            self.files.attach(in_slack(room), message, file_name(card), said.overflow)

    async def answer(self, update: Update, answer: Answer) -> None:
        """Answer what a person said or pressed, where they look; in place of letting them define, fetch their file."""
        if is_let(update, answer):
            await self.fetching.hand_on(update)
        elif self.carrier is not None and carrying.is_let(update, answer):
            await self.carrier.hand_on(update)
        else:
            update = carrying.as_it_came(update)
            await self._answering.answer(as_it_came(update), remarked(update, answer))
            await self._enclose(update, answer)

    def leave(self, account: str) -> None:
        """Show nothing in the home of an account that is nobody's any more, soon."""
        if account.startswith(f"{CHAT}:"):
            self.beside.do(lambda: self.homes.show(account), f"The home of {account} is not emptied")

    def carry(self, packages: PackageFiles) -> None:
        """Put files that people share for packages there, from now on."""
        self.carrier = carrying.Carrier(packages, self.files.fetch, refused, carrying.FETCHED[CHAT])

    async def _enclose(self, update: Update, answer: Answer) -> None:
        """Send the file of an answer where the answer was said."""
        if answer.encloses is None:
            return
        is_here = update.is_alone or not answer.private
        room = update.room if is_here else await self.direct(update.account)
        self.files.enclose(in_slack(room), update.context.get("thread", "") if is_here else "", answer.encloses)

    async def direct(self, account: str) -> RoomId:
        """The room where this account is spoken to alone."""
        return await self.showing.direct(account)

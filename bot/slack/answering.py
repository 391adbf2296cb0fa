"""Answers to people, where they look at that moment.

The danger is a press that seems to do nothing. So every answer has several ways, tried one after another, and the last
of them is a direct message: a form when Slack still opens one; in the App Home on top of the page; what is for one
person in a message that only they see, in place of the question that they answered; what is for all in the room. A
channel that Sluice is not in is answered at the address that came with the command. Nothing else can be said there, so
whoever is answered is told that, too, and what to do about it: else a promise to tell the channel something would be
broken in silence.
"""

import logging
from dataclasses import dataclass, field, replace

from bot.cards import Card, Field, Tone
from bot.chat import Answer, MessageLost, RoomLost, Undeliverable, Update
from bot.forms import Form
from bot.inbox.intake import Unknown
from bot.slack.blocks import context, piece, rich, section
from bot.slack.files import Files
from bot.slack.forms import view_of
from bot.slack.home import link_button
from bot.slack.homes import Homes
from bot.slack.names import in_slack
from bot.slack.render import Message
from bot.slack.showing import Showing, file_name
from engine.errors import SluiceError
from engine.model import RoomId

_LEAST = 300
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers updates. A room is never lost here: whoever is answered may speak where Sluice is not."""

    showing: Showing
    files: Files
    homes: Homes
    _told: dict[RoomId, str] = field(default_factory=dict)
    """The update of each channel with which it was last said that Sluice cannot post there: once for several cards."""

    async def answer(self, update: Update, answer: Answer) -> None:
        """Answer; if Slack does not take the card, with its title alone."""
        if answer.form is not None and await self._opened(update, answer.form):
            return
        try:
            await self._answer(update, answer)
        except (Undeliverable, RoomLost, MessageLost) as error:
            _LOG.warning("An answer to %s is said plainly: %s", update.account, error)
            await self._plainly(update, answer, error)

    async def _answer(self, update: Update, answer: Answer) -> None:
        if update.context.get("home"):
            await self.homes.show(update.account, answer.card)
        elif answer.private and not update.is_alone:
            await self._whisper(update, answer.card)
        else:
            await self._post(update, answer.card)

    async def _opened(self, update: Update, form: Form) -> bool:
        """Whether the form could be shown: only in the three seconds after what a person did."""
        trigger = update.context.get("trigger")
        if not trigger:
            return False
        try:
            view = view_of(form, update.room, update.context)
            await self.showing.api.call("views.open", trigger_id=trigger, view=view)
        except SluiceError as error:
            _LOG.info("The card is shown in place of a form: %s", error)
            return False
        return True

    async def _whisper(self, update: Update, card: Card) -> None:
        """Say it so that nobody else reads it."""
        message = await self._message(update, card)
        if not (update.context.get("replace") and await self._respond(update, message, replace_original=True)):
            await self._whisper_anew(update, message)
        if message.overflow is not None:
            await self._attach_directly(update.account, card, message.overflow)

    async def _whisper_anew(self, update: Update, message: Message) -> None:
        thread = update.context.get("thread")
        where = {"channel": in_slack(update.room), **({"thread_ts": thread} if thread else {})}
        try:
            await self.showing.api.call(
                "chat.postEphemeral", **where, user=in_slack(update.account), **message.arguments()
            )
        except (RoomLost, Undeliverable) as error:
            if not await self._respond_instead(update, message, error, "ephemeral"):
                raise

    async def _post(self, update: Update, card: Card) -> None:
        """Say it in the room."""
        message, thread = await self._message(update, card), update.context.get("thread", "")
        try:
            posted = await self.showing.post(update.room, message, thread)
        except (RoomLost, Undeliverable) as error:
            if not await self._respond_instead(update, message, error, "in_channel"):
                raise
            if message.overflow is not None:
                await self._attach_directly(update.account, card, message.overflow)
            return
        if message.overflow is not None:
            self.files.attach(in_slack(update.room), thread or posted, file_name(card), message.overflow)

    async def _respond_instead(self, update: Update, message: Message, error: SluiceError, kind: str) -> bool:
        """Whether it could be said there though it could not be posted; and that nothing else can be."""
        is_news = isinstance(error, RoomLost) and self._told.get(update.room) != update.key
        if is_news:
            said = rich(section([[piece("I cannot post here. ", bold=True), piece(str(error))]]))
            message = replace(message, blocks=(*message.blocks, *said))
        done = await self._respond(update, message, response_type=kind)
        if done and is_news:
            self._told[update.room] = update.key
        return done

    async def _respond(self, update: Update, message: Message, **how: str | bool) -> bool:
        """Whether it could be said at the address that came with what the person did."""
        url = update.context.get("url")
        if not url:
            return False
        try:
            await self.showing.api.respond(url, {**message.arguments(), **how})
        except (RoomLost, Undeliverable):
            return False
        return True

    async def _plainly(self, update: Update, answer: Answer, why: SluiceError) -> None:
        """Say the least of it alone. Buttons are left out: they were made for another room."""
        fields = (Field("Where you asked", f"I cannot post. {why}"),) if isinstance(why, RoomLost) else ()
        card = Card(answer.card.title, answer.card.tone, answer.card.text[:_LEAST], fields=fields)
        try:
            room = await self.showing.direct(update.account)
            await self.showing.post(room, await self.showing.message(room, card))
        except RoomLost as error:
            raise Undeliverable(f"{update.account} cannot be answered anywhere: {error}") from error

    async def _attach_directly(self, account: str, card: Card, text: str) -> None:
        """Send a file alone: below a message that only one person sees there can be none."""
        try:
            room = await self.showing.direct(account)
        except SluiceError as error:
            _LOG.warning("A file for %s is left out: %s", account, error)
            return
        self.files.attach(in_slack(room), "", file_name(card), text)

    async def _message(self, update: Update, card: Card) -> Message:
        message = await self.showing.message(update.room, card)
        extra = link_button() if _is_unknown(update, card) else []
        if message.overflow is not None and not update.is_alone:
            extra = [*extra, context("The whole is in a file, in our direct conversation or below.")]
        return replace(message, blocks=(*message.blocks, *extra))


def _is_unknown(update: Update, card: Card) -> bool:
    """Whether somebody is told that they are not known: then there is a button that asks for a code."""
    return card.tone is Tone.BAD and card.title == str(Unknown(update.account)) and not update.is_bot

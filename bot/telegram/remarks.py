"""What Sluice says in Telegram in place of the core's answer, because only the adapter knows better.

It goes the way of every update all the same (kept, carried out, answered in its turn, audited when it is refused), so
it is said once however often Telegram delivers. The line or button that is carried out for it changes nothing.

Here is also what a group reads in place of what is for one person alone, and what that is. A sentence may stay: that a
vote counts, or why something is refused, is understood only where it was said. So may a question before something is
done: the core takes its answer only in the room where it was asked, and the others see it coming. What holds more than
a sentence (accounts, logs, definitions, lists) is for whoever asked: a group has members whom nobody made known.
"""

from collections.abc import Mapping
from dataclasses import replace

from bot.cards import Card, Field, Tone
from bot.chat import Answer, Update
from engine.errors import Refused

_REPLY = Field("In a group", "say it as a reply to this message, or I do not hear it")
LONGEST = 200
"""Letters of a sentence or two."""
_SAYS, _WHY, _WHAT_NOW = "says", "why", "what_now"
_PLACE = "place"
_HELLO, _ANOTHERS, _REFUSED = "hello", "anothers", "refused"
_ANONYMOUS, _CHANNEL = "anonymous", "channel"
_CARDS = {
    _HELLO: Card(
        "Hello, this is Sluice",
        text="I release software, and you decide about it here. I hear commands, my name, and replies to me.",
        fields=(
            Field("What there is", "`/list`"),
            Field("To see every run here", "`/subscribe PIPELINE on everything`"),
            Field("What you can say", "`/help`"),
            Field("If I do not know you", "write to me alone; I say how to get in"),
        ),
    ),
    _ANOTHERS: Card(
        "That question was put to somebody else; nothing was done.",
        Tone.BAD,
        "Press the button on the card; then you are asked.",
    ),
    _ANONYMOUS: Card(
        "Releases are decided by people, and I cannot see who you are.",
        Tone.BAD,
        "You speak in the group's name, or a channel's. Turn off “Remain anonymous” in your administrator's rights, "
        "choose yourself beside the text field, or write to me alone.",
    ),
    _CHANNEL: Card(
        "Releases are decided by people, and in a channel I cannot see who you are.",
        Tone.BAD,
        "Write to me in a group, or alone.",
    ),
}


ALONE = Card("Sent to you alone.")
"""In a group, of an answer that is not for all."""


def unmet(bot: str) -> Card:
    """Return what is said in a group to whoever cannot be written to alone, as they never wrote to the bot."""
    cure = f"Open `t.me/{bot}`, press Start, and ask there." if bot else "Write to me alone first, and ask there."
    return Card("That is for you alone, and I cannot write to you yet.", Tone.BAD, cure)


def place(name: str) -> dict[str, str]:
    """Return the context of an update that comes from a group of this name."""
    return {_PLACE: name} if name else {}


def hello() -> dict[str, str]:
    """Return the context of an update that is answered with a greeting."""
    return {_SAYS: _HELLO}


def anothers() -> dict[str, str]:
    """Return the context of the press of a button that only somebody else may press."""
    return {_SAYS: _ANOTHERS}


def nameless(*, in_channel: bool) -> dict[str, str]:
    """Return the context of an update of somebody who speaks in the name of a group or a channel."""
    return {_SAYS: _CHANNEL if in_channel else _ANONYMOUS}


def refused(refusal: Refused) -> dict[str, str]:
    """Return the context of an update that was refused before the core could hear it."""
    return {_SAYS: _REFUSED, _WHY: str(refusal), _WHAT_NOW: refusal.hint}


def remarked(update: Update, answer: Answer) -> Answer:
    """Return the answer, or what is said in its place.

    Whoever is not known is told just that, and no reason of ours.
    """
    card = _card(update.context)
    is_turned_away = answer.card.tone is Tone.BAD and update.context.get(_SAYS) == _REFUSED
    if card is None or is_turned_away:
        return answer if update.is_alone else _to_reply_to(answer)
    return Answer(card)


def is_for_one(update: Update, answer: Answer) -> bool:
    """Whether an answer says more than others in the room may read."""
    if update.is_alone or not answer.private or is_question(answer):
        return False
    card = answer.card
    if card.topology or card.split or card.ballot or card.fields or card.table or card.code.strip():
        return True
    return card.tone is not Tone.BAD and (bool(card.buttons) or len(card.text) > LONGEST or "\n" in card.text.strip())


def apart(update: Update, card: Card) -> Card:
    """Return a card as it is said alone, far from where it was asked for."""
    where = update.context.get(_PLACE, "")
    return replace(card, fields=(*card.fields, Field("You asked in", where))) if where else card


def is_question(answer: Answer) -> bool:
    """Whether somebody is asked something: a question can be left, and the card of a run, which asks all, has a key."""
    card = answer.card
    return answer.private and card.tone is Tone.ASKING and bool(card.buttons) and not card.key


def _to_reply_to(answer: Answer) -> Answer:
    """Return the answer; of a question that is answered by typing, with how that is heard in a group."""
    if not is_question(answer) or any(button.primary for button in answer.card.buttons):
        return answer
    return replace(answer, card=replace(answer.card, fields=(*answer.card.fields, _REPLY)))


def _card(context: Mapping[str, str]) -> Card | None:
    if context.get(_SAYS) == _REFUSED:
        return Card(context.get(_WHY, ""), Tone.BAD, context.get(_WHAT_NOW, ""))
    return _CARDS.get(context.get(_SAYS, ""))

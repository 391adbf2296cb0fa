"""What Sluice says in Telegram in place of the core's answer, because only the adapter knows better.

It goes the way of every update all the same (kept, carried out, answered in its turn, audited when it is refused), so
it is said once however often Telegram delivers. The line or button that is carried out for it changes nothing.
"""

from collections.abc import Mapping
from dataclasses import replace

from bot.cards import Card, Field, Tone
from bot.chat import Answer, Update
from engine.errors import Refused

_REPLY = Field("In a group", "say it as a reply to this message, or I do not hear it")
_SAYS, _WHY, _WHAT_NOW = "says", "why", "what_now"
_HELLO, _ANOTHERS, _REFUSED = "hello", "anothers", "refused"
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
}


def hello() -> dict[str, str]:
    """Return the context of an update that is answered with a greeting."""
    return {_SAYS: _HELLO}


def anothers() -> dict[str, str]:
    """Return the context of the press of a button that only somebody else may press."""
    return {_SAYS: _ANOTHERS}


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
    return Answer(card, private=answer.private)


def is_question(answer: Answer) -> bool:
    """Whether somebody is asked something: the card of a run, which asks everybody, has a key."""
    return answer.private and answer.card.tone is Tone.ASKING and not answer.card.key


def _to_reply_to(answer: Answer) -> Answer:
    """Return the answer; of a question that is answered by typing, with how that is heard in a group."""
    if not is_question(answer) or any(button.primary for button in answer.card.buttons):
        return answer
    return replace(answer, card=replace(answer.card, fields=(*answer.card.fields, _REPLY)))


def _card(context: Mapping[str, str]) -> Card | None:
    if context.get(_SAYS) == _REFUSED:
        return Card(context.get(_WHY, ""), Tone.BAD, context.get(_WHAT_NOW, ""))
    return _CARDS.get(context.get(_SAYS, ""))

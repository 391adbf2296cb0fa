"""The commands that Telegram offers while somebody types a slash: the grammar's table. Pure."""

from bot.grammar import VERBS
from bot.telegram.plain import cut

_LONGEST = 256
_BY_BUTTON = ("yes", "no")
"""Answers to questions, which have buttons: in a list they would only be pressed where nothing was asked."""


def commands() -> tuple[tuple[str, str], ...]:
    """Return each command's name and what it does, and how it is written when words follow it."""
    offered = [verb for verb in VERBS if verb.name not in _BY_BUTTON]
    return tuple((verb.name, cut(_described(verb.form, verb.name, verb.does), _LONGEST)) for verb in offered)


def _described(form: str, name: str, does: str) -> str:
    words = form.removeprefix(name).strip()
    return f"{does} · {words}" if words else does

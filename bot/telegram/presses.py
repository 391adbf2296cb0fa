"""What a button sends: its short name, the topic it stands in, and whose question it answers. Pure.

The short name is the core's, and good in its own room. Beside it stands what a press itself may not tell: of an old
message Telegram names the chat only, not the topic. And a question that somebody was asked before something is
destroyed is answered by nobody else: for them that would be a first tap, and there shall be two.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bot.cards import Button
from bot.inbox.pressing import Naming
from bot.telegram.names import topic_of
from engine.model import RoomId

_APART = "|"


@dataclass(frozen=True, slots=True)
class Press:
    """What a press sent. `asked` is the number of the person whose question it answers; empty: it is anybody's."""

    token: str
    topic: int | None = None
    asked: str = ""


def naming(room: RoomId, name: Naming, asked: str = "") -> Callable[[Button], str]:
    """Return what each button of a message sends."""
    topic = str(topic_of(room) or "")
    return lambda button: _APART.join((name(button), topic, asked)).rstrip(_APART)


def read(data: str) -> Press:
    """Read what a press sent, whatever it is: what is not known as a token is refused where tokens are looked up."""
    token, topic, asked = [*data.split(_APART), "", "", ""][:3]
    return Press(token, int(topic) if topic.isascii() and topic.isdigit() else None, asked)

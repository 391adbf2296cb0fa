"""What is sent, as it is kept until it is: a request, or a card for a person, by the way it goes."""

from dataclasses import dataclass

from bot.cards import Card
from engine.errors import Broken
from engine.web_call import WebCall
from storage import codec
from storage.vault import Vault

WEBHOOK, ROOM, ACCOUNT, EMAIL, PHONE, GATEWAY, CHANNEL = (
    "webhook",
    "room",
    "account",
    "email",
    "phone",
    "gateway",
    "channel",
)


@dataclass(frozen=True, slots=True)
class Note:
    """A card for somebody: `to` is a room, an account, an address, a number or a gateway, by the way it goes.

    `link` leads to the console; empty when it has no public address.
    """

    to: str
    card: Card
    link: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A stage's message to a web address, `depth` runs after somebody asked for something."""

    call: WebCall
    depth: int = 0


def sealed(vault: Vault, content: Note | Request) -> str:
    """Write what is sent so that only this Sluice reads it."""
    return vault.seal(codec.dump(content))


def note_of(vault: Vault, text: str) -> Note:
    """Read a note back. Raises `Broken` when its key is gone."""
    return codec.load(Note, _opened(vault, text))


def request_of(vault: Vault, text: str) -> Request:
    """Read a request back. Raises `Broken` when its key is gone."""
    return codec.load(Request, _opened(vault, text))


def _opened(vault: Vault, text: str) -> str:
    opened = vault.open(text)
    if not opened:
        raise Broken("The message is empty.")
    return opened

"""What a workspace keeps of a channel, a person and a file, and how it refuses."""

from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """The error of an answer, with what else it says."""

    def __init__(self, error: str, **others: Any) -> None:
        super().__init__(error)
        self.error = error
        self.others = others


@dataclass
class Channel:
    """A channel or a direct conversation; `member`: whether the bot is in it."""

    name: str
    member: bool = True
    archived: bool = False
    user: str = ""


@dataclass
class Person:
    """Somebody with an account, or a bot."""

    name: str
    is_bot: bool = False
    deleted: bool = False


@dataclass
class Stored:
    """A file: uploaded by the bot in two steps, or by a person in a form."""

    name: str
    length: int
    content: bytes | None = None
    shared: tuple[str, str] | None = None

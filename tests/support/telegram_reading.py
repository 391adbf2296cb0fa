"""How the Telegram stand-in reads a call's parameters: strictly, and refusing in the real server's words."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.support.telegram_chats import Keyboard, Refusal, bad
from tests.support.telegram_html import CannotParse, Parsed, parse_html, parse_plain

LONGEST = 4096
LONGEST_CAPTION = 1024
MOST_BUTTONS = 100
MOST_IN_A_ROW = 8
MOST_DATA = 64


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a call."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Given:
    """The parameters of one call, as they came: text, numbers from JSON, or files."""

    values: dict[str, Any]

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name, default)
        if value is None:
            raise bad(f"{name} is empty" if name != "text" else "message text is empty")
        return str(value)

    def number(self, name: str, default: int | None = None) -> int:
        value = self.values.get(name, default)
        if value is None:
            raise bad(
                {"chat_id": "chat_id is empty", "message_id": "message identifier is not specified"}.get(name, name)
            )
        if not re.fullmatch(r"-?\d+", str(value)):
            raise bad("chat not found" if name == "chat_id" else f"invalid {name} specified")
        return int(value)

    def flag(self, name: str) -> bool:
        return str(self.values.get(name, "")).lower() in ("true", "1")

    def parsed(self, name: str) -> Any:
        """Return a parameter that is JSON; None when it is not there."""
        value = self.values.get(name)
        if value is None or not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise bad(f"can't parse {name.replace('_', ' ')} JSON object") from None

    def file(self, name: str) -> Upload:
        value = self.values.get(name)
        if isinstance(value, str) and value.startswith("attach://"):
            value = self.values.get(value.removeprefix("attach://"))
        if not isinstance(value, Upload):
            raise bad("there is no document in the request")
        return value

    def message(self, name: str = "text", longest: int = LONGEST) -> Parsed:
        """Return the message's text, parsed and measured."""
        said, mode = self.text(name, "" if name == "caption" else None), self.values.get("parse_mode")
        if mode not in (None, "HTML"):
            raise bad("unsupported parse_mode")
        try:
            read = parse_html(said) if mode else parse_plain(said)
        except CannotParse as broken:
            raise bad(f"can't parse entities: {broken}") from None
        if not read.text and name == "text":
            raise bad("message text is empty")
        if read.length > longest:
            raise bad("message is too long" if name == "text" else "message caption is too long")
        return read

    def keyboard(self) -> Keyboard:
        """Return the inline keyboard, checked against the limits."""
        markup = self.parsed("reply_markup")
        if markup is None:
            return ()
        if not isinstance(markup, dict) or set(markup) != {"inline_keyboard"}:
            raise bad("object expected as reply markup")
        rows = tuple(tuple(_button(one) for one in row) for row in markup["inline_keyboard"])
        if sum(map(len, rows)) > MOST_BUTTONS or any(len(row) > MOST_IN_A_ROW for row in rows):
            raise bad("reply markup is too long")
        return rows

    def reply_to(self) -> tuple[int | None, bool]:
        """Return the message that is answered, and whether it may be missing."""
        asked = self.parsed("reply_parameters")
        if asked is None:
            return None, True
        return int(asked["message_id"]), bool(asked.get("allow_sending_without_reply"))


def _button(given: Any) -> tuple[str, str]:
    if set(given) != {"text", "callback_data"}:
        raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    text, data = str(given["text"]), str(given["callback_data"])
    if not text.strip():
        raise bad('can\'t parse inline keyboard button: Field "text" must be non-empty')
    if not 1 <= len(data.encode()) <= MOST_DATA:
        raise bad("BUTTON_DATA_INVALID")
    return text, data


def check_parameters(method: str, given: Given, known: frozenset[str]) -> None:
    """Refuse parameters that the documentation does not know: the real server ignores them, and nobody notices."""
    attached = {value.removeprefix("attach://") for value in given.values.values() if isinstance(value, str)}
    unknown = set(given.values) - known - attached
    if unknown:
        raise Refusal(400, f"Bad Request: {method} has no parameter {', '.join(sorted(unknown))}")

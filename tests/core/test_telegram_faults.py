"""What Telegram's errors mean to the rest of the bot."""

from datetime import timedelta

import httpx
import pytest
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, NetworkError, TelegramError

from bot.chat import MessageLost, RoomLost, RoomMoved, Slower, Undeliverable
from bot.telegram.faults import TooOld, fault, is_unchanged
from bot.telegram.request import Flooded
from engine.errors import Broken, Interrupted, SluiceError
from engine.model import RoomId

ROOM = RoomId("telegram:-100/4")


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (Forbidden("Forbidden: bot was blocked by the user"), RoomLost, "has blocked the bot"),
        (Forbidden("Forbidden: bot was kicked from the supergroup chat"), RoomLost, "sent away from the group"),
        (Forbidden("Forbidden: user is deactivated"), RoomLost, "account is deleted"),
        (Forbidden("Forbidden: something new"), RoomLost, "Telegram forbids it: Forbidden: something new."),
        (BadRequest("Bad Request: chat not found"), RoomLost, "There is no such chat"),
        (BadRequest("Bad Request: message thread not found"), RoomLost, "The topic was deleted."),
        (BadRequest("Bad Request: TOPIC_CLOSED"), RoomLost, "The topic is closed."),
        (BadRequest("Bad Request: not enough rights to send text messages to the chat"), RoomLost, "may not write"),
        (BadRequest("Bad Request: message to edit not found"), MessageLost, "does not have the message"),
        (BadRequest("Bad Request: message can't be edited"), MessageLost, "does not have the message"),
        (BadRequest("Bad Request: can't parse entities: no end tag"), Undeliverable, "sendMessage"),
        (BadRequest("Bad Request: message is too long"), Undeliverable, "too long"),
        (BadRequest("Bad Request: BUTTON_DATA_INVALID"), Undeliverable, "utton"),
        (BadRequest("Bad Request: query is too old and response timeout expired"), TooOld, "cannot be answered"),
        (InvalidToken("Unauthorized"), Broken, "does not take the bot's token"),
        (Conflict("Conflict: terminated by other getUpdates request"), Broken, "Another program asks"),
        (Conflict("Conflict: can't use getUpdates method while webhook is active"), Broken, "A webhook is set"),
        (NetworkError("Bad Gateway"), Interrupted, "cannot be reached"),
        (TelegramError("Invalid server response"), Interrupted, "cannot be reached"),
    ],
)
def test_each_error_is_sorted_by_who_does_something_about_it(
    error: TelegramError, kind: type[SluiceError], sentence: str
) -> None:
    found = fault("sendMessage", error, ROOM)
    assert type(found) is kind
    assert sentence in str(found)


def test_a_wait_is_told_to_the_second() -> None:
    found = fault("sendMessage", Flooded(timedelta(seconds=37)), ROOM)
    assert isinstance(found, Slower)
    assert found.after == timedelta(seconds=37)


def test_a_group_that_moved_is_told_with_both_names() -> None:
    found = fault("sendMessage", ChatMigrated(-1009), ROOM)
    assert isinstance(found, RoomMoved)
    assert (found.new, str(found)) == ("telegram:-1009", "telegram:-100/4 is telegram:-1009 now.")


def test_an_edit_that_changes_nothing_is_no_error() -> None:
    assert is_unchanged(BadRequest("Bad Request: message is not modified: specified new message content"))
    assert not is_unchanged(BadRequest("Bad Request: message to edit not found"))


def test_of_what_the_network_says_only_the_kind_is_told() -> None:
    error = NetworkError("Unknown error: no route to http://127.0.0.1/bot110201543:SECRET/sendMessage")
    error.__cause__ = httpx.ConnectError("http://127.0.0.1/bot110201543:SECRET")
    assert str(fault("sendMessage", error, ROOM)) == "Telegram cannot be reached (sendMessage: ConnectError)."

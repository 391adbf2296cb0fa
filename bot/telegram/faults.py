"""What Telegram refuses, as the house's own errors: every error of every call is sorted here and nowhere else.

Four questions: does the room still exist for Sluice, does the message, is it only a matter of time, or has an operator
to do something? A refusal that is not listed is about the one message that was sent: it is dropped, and the rest of the
room goes on. The token is part of every address, so of what the network says only the kind is told.
"""

from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, TelegramError

from bot.chat import MessageLost, RoomLost, RoomMoved, Slower, Undeliverable
from bot.telegram.names import room_id
from bot.telegram.request import Flooded
from engine.errors import Broken, Interrupted, SluiceError
from engine.model import RoomId

_LOST = {
    "bot was blocked": "The person has blocked the bot. Unblocking it, or /start, brings it back.",
    "user is deactivated": "The person's account is deleted.",
    "can't initiate conversation": "The person has never written to the bot. /start in a chat with it is enough.",
    "bot was kicked": "The bot was sent away from the group. Adding it again brings it back.",
    "not a member": "The bot is not in the chat. Adding it brings it back.",
    "chat not found": "There is no such chat for the bot: it was deleted, or nobody there has ever written to it.",
    "peer_id_invalid": "There is no such chat for the bot.",
    "group chat was deactivated": "The group was deleted.",
    "not enough rights": "The bot may not write in the group. Let it: group, Administrators or Permissions.",
    "no rights to send": "The bot may not write in the group. Let it: group, Administrators or Permissions.",
    "chat_write_forbidden": "The bot may not write in the group. Let it: group, Administrators or Permissions.",
    "administrator rights": "The bot may not write in the channel. Make it an administrator.",
    "message thread not found": "The topic was deleted.",
    "topic_deleted": "The topic was deleted.",
    "topic_closed": "The topic is closed. Open it again.",
}
_MESSAGE_LOST = (
    "message to edit not found",
    "message to delete not found",
    "message can't be edited",
    "no text in the message",
    "message_id_invalid",
)
_UNCHANGED = "message is not modified"
_TOO_OLD = ("query is too old", "query_id_invalid")


class TooOld(Undeliverable):
    """Nobody looks at this press any more: it was answered, or Telegram has given it up."""


def fault(method: str, error: TelegramError, room: RoomId | None = None) -> SluiceError:
    """Return what an error of a method means, which was called for `room`."""
    match error:
        case Flooded():
            return Slower("Telegram", error.after)
        case ChatMigrated():
            old = room or room_id(0)
            return RoomMoved(old, room_id(error.new_chat_id))
        case InvalidToken():
            cure = "Ask @BotFather for it: /mybots, API Token; set SLUICE_TELEGRAM_TOKEN. Look at SLUICE_TELEGRAM_API."
            return Broken("Telegram does not take the bot's token.", cure)
        case Conflict():
            return _conflict(str(error))
        case Forbidden() | BadRequest():
            return _refusal(method, str(error), is_forbidden=isinstance(error, Forbidden))
    cause = error.__cause__
    kind = type(error if cause is None else cause).__name__
    return Interrupted(f"Telegram cannot be reached ({method}: {kind}).")


def is_unchanged(error: TelegramError) -> bool:
    """Whether an edit was refused because the message shows this already."""
    return isinstance(error, BadRequest) and _UNCHANGED in str(error).lower()


def _refusal(method: str, said: str, *, is_forbidden: bool) -> SluiceError:
    words = said.lower()
    lost = next((sentence for sign, sentence in _LOST.items() if sign in words), "")
    if lost or is_forbidden:
        return RoomLost(lost or f"Telegram forbids it: {said}.")
    if any(sign in words for sign in _MESSAGE_LOST):
        return MessageLost(f"Telegram does not have the message any more ({said}).")
    if any(sign in words for sign in _TOO_OLD):
        return TooOld(f"The press cannot be answered any more ({said}).")
    return Undeliverable(f"Telegram does not take it ({method}: {said}).")


def _conflict(said: str) -> Broken:
    if "webhook" in said.lower():
        cure = (
            "Somebody has set one since Sluice started: set SLUICE_TELEGRAM_WEBHOOK, or give each program its own bot."
        )
        return Broken("A webhook is set for this bot, so asking for updates is refused.", cure)
    return Broken(
        "Another program asks for this bot's updates.", "Stop it, or give it a bot of its own from @BotFather."
    )

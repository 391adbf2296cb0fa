"""How Telegram's chats and people are called in Sluice: ``telegram:CHAT``, ``telegram:CHAT/TOPIC``, ``telegram:USER``.

A topic of a forum is a room of its own. The chat that somebody has with the bot alone has the person's own number, so
an account is also the room where it is spoken to alone.
"""

from engine.model import RoomId

CHAT = "telegram"


def room_id(chat: int, topic: int | None = None) -> RoomId:
    """Return how a chat, or a topic in it, is called."""
    return RoomId(f"{CHAT}:{chat}" + (f"/{topic}" if topic else ""))


def account_id(user: int) -> str:
    """Return how a person's account is called."""
    return f"{CHAT}:{user}"


def chat_of(room: str) -> int:
    """Return the chat's number, of a room or of an account."""
    return int(room.partition(":")[2].partition("/")[0])


def topic_of(room: RoomId) -> int | None:
    """Return the topic's number; None when the room is a whole chat."""
    topic = room.partition("/")[2]
    return int(topic) if topic else None


def is_private(room: RoomId) -> bool:
    """Whether the room is a chat with one person: Telegram's numbers of groups and channels are negative."""
    return chat_of(room) > 0

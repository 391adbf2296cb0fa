"""How Slack's rooms and accounts are called in Sluice: ``slack:TEAM/CHANNEL`` and ``slack:TEAM/USER``.

The team of a room is the one that Sluice is installed in; the team of an account is that of the person, which in a
channel shared with another company is another one.
"""

from engine.model import RoomId

CHAT = "slack"


def room_id(team: str, channel: str) -> RoomId:
    """Return how a channel is called."""
    return RoomId(f"{CHAT}:{team}/{channel}")


def account_id(team: str, user: str) -> str:
    """Return how a person's account is called."""
    return f"{CHAT}:{team}/{user}"


def in_slack(name: str) -> str:
    """Return how Slack calls the channel of a room, or the user of an account."""
    return name.rpartition("/")[2]

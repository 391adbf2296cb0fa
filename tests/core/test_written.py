"""What chats delivered is read back after a restart; what cannot be read keeps nothing else from being carried out."""

from dataclasses import asdict

import pytest

from bot.chat import Update
from bot.inbox import written
from engine.model import RoomId
from storage.updates import Kept
from tests.support.store import T0

SAID = Update(key="one", room=RoomId("model:1"), account="model:ann", line="status")


@pytest.mark.parametrize(
    "document", ["", "{", "[]", "null", "{}", '{"update": {"key": "x"}}', '{"update": {"room": "x", "not": "there"}}']
)
def test_what_cannot_be_read_is_left_out_and_the_others_are_there(document: str) -> None:
    found = [Kept("old", T0, document), Kept("one", T0, written.update(SAID))]
    [(update, answers)] = written.readable(found)
    assert (asdict(update), answers) == (asdict(SAID), None)

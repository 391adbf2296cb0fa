"""What machines do with packages is written into the audit, in the transaction that does it."""

import secrets
from datetime import datetime

from bot.packages.access import Access
from engine.model import RoomId
from storage.audit import Deed
from storage.book import SqlBook
from storage.package_shelf import Note


def deed(access: Access, line: str, now: datetime, outcome: str, said: str) -> Deed:
    """Return what somebody did over HTTP and what came of it."""
    return Deed(
        key=f"packages:{secrets.token_hex(12)}",
        at=now,
        person=access.person,
        account=access.account,
        room=RoomId(access.room),
        line=line,
        outcome=outcome,
        said=said,
    )


def noted(access: Access, line: str, now: datetime) -> Note:
    """Return what writes down that it was done."""

    def note(book: SqlBook, is_new: bool) -> None:  # noqa: FBT001 - the shelf's own signature
        book.audit.add(deed(access, line, now, "done", "" if is_new else "It was there."))

    return note

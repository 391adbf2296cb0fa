"""What goes wrong in a database, in the house's words; and the switch that tests use to die at a chosen commit."""

import os
import signal
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from engine.errors import Broken, Interrupted, InvariantViolation, SluiceError

_MET = ("40001", "40P01")
"""PostgreSQL's names for a serialization failure and for a deadlock: one of the two has to begin again."""


class StoreUnavailable(Broken):
    """The database does not take what has to be kept. Nothing that was committed is lost."""


def translated(error: Exception) -> SluiceError:
    """Say `error` as one of ours, with what to do about it."""
    if isinstance(error, IntegrityError) or _sqlstate(error) in _MET:
        return Interrupted(f"Two writers met in the database: {_words(error)}")
    if isinstance(error, OperationalError | OSError):
        return _unavailable(_words(error))
    if isinstance(error, DBAPIError):
        return InvariantViolation(f"The database refused a statement: {_words(error)}")
    return InvariantViolation(f"A transaction failed: {_words(error)}")


def _unavailable(words: str) -> StoreUnavailable:
    if any(sign in words for sign in ("disk is full", "No space left", "could not extend file")):
        return StoreUnavailable(
            "The disk that holds the database is full; nothing can be written down.",
            "Make room; Sluice carries on by itself.",
        )
    if "is locked" in words:
        return StoreUnavailable(
            "The database is locked by another program; nothing can be written down.",
            "End that program or let it finish; Sluice carries on by itself.",
        )
    return StoreUnavailable(f"The database cannot be used: {words}", "Sluice tries again by itself.")


def _words(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


@dataclass(slots=True)
class Faults:
    """Kills the process at its nth commit to the journal.

    SLUICE_DIE_AT says which, before it (``-12``) or after (``12``). Only tests set it. It is how "kill -9 at every
    persisted transition" is tried for real.
    """

    at: int = field(default_factory=lambda: int(os.environ.get("SLUICE_DIE_AT", "0")))
    count: int = 0

    def before_commit(self) -> None:
        """Called when a transaction with journal entries is about to be committed."""
        self.count += 1
        if self.at == -self.count:
            os.kill(os.getpid(), signal.SIGKILL)

    def after_commit(self) -> None:
        """Called when it has been, before anybody has heard of it."""
        if self.at and self.at == self.count:
            os.kill(os.getpid(), signal.SIGKILL)

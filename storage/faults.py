"""What goes wrong in a database, in the house's words; and the switch that tests use to die at a chosen commit."""

import errno
import os
import signal
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from engine.errors import Broken, Interrupted, InvariantViolation, SluiceError


class StoreUnavailable(Broken):
    """The database does not take what has to be kept. Nothing that was committed is lost."""


def translated(error: Exception) -> SluiceError:
    """`error` as one of ours, with what to do about it."""
    words = str(getattr(error, "orig", None) or error)
    if "disk is full" in words or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return StoreUnavailable(
            "The disk that holds the database is full; nothing can be written down.",
            "Make room; Sluice carries on by itself.",
        )
    if "locked" in words or "busy" in words:
        return StoreUnavailable(
            "The database is locked by another program; nothing can be written down.",
            "End that program or let it finish; Sluice carries on by itself.",
        )
    if isinstance(error, IntegrityError):
        return Interrupted(f"Two writers met in the database: {words}")
    if isinstance(error, OperationalError | OSError):
        return StoreUnavailable(f"The database cannot be used: {words}", "Sluice tries again by itself.")
    if isinstance(error, DBAPIError):
        return InvariantViolation(f"The database refused a statement: {words}")
    return InvariantViolation(f"A transaction failed: {words}")


@dataclass(slots=True)
class Faults:
    """Kills the process at its nth commit to the journal, before or after it, as SLUICE_DIE_AT says (``12`` or ``-12``).

    Only tests set it. It is how "kill -9 at every persisted transition" is tried for real.
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

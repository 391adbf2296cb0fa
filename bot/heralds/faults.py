"""Why a message has not gone out: it may later, a whole way is away, or it never will."""

from datetime import timedelta

from engine.errors import Interrupted, Refused


class NotNow(Interrupted):
    """It could not be sent now. `after`: how long the receiver asks to wait."""

    def __init__(self, sentence: str, after: timedelta | None = None, hint: str = "") -> None:
        super().__init__(sentence, hint, after=after)


class Away(NotNow):
    """What carries all messages of this way cannot be reached: it is no matter of this message."""


class NotEver(Refused):
    """The receiver does not take this message, however often it is sent."""


class Unanswered(NotEver):
    """What carries all messages of this way did not answer in time: it may have taken the message."""


class NotSetUp(NotEver):
    """Nothing goes out this way before whoever runs Sluice has set it up."""

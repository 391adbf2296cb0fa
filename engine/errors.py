"""Everything that can go wrong, sorted by who does something about it.

`Refused`: the person who asked; the sentence is shown word for word, `hint` says what to type next. `Interrupted`: the
worker, by trying again. `Broken`: an operator; it is said in the room and tried again when it is mended.
`InvariantViolation`: us.

Raise sites pass facts, the class writes the sentence.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Offer:
    """A way out that a person may take at once: the line that takes it, and what a button for it says."""

    text: str
    line: str
    danger: bool = False


class SluiceError(Exception):
    """The root of the house's own errors.

    `hint` is what to do about it, in words, and `offers` what can be done at once; both may be empty.
    """

    hint: str = ""
    offers: tuple[Offer, ...] = ()

    def __init__(self, sentence: str, hint: str = "", offers: tuple[Offer, ...] = ()) -> None:
        super().__init__(sentence)
        if hint:
            self.hint = hint
        if offers:
            self.offers = offers


class Refused(SluiceError):
    """The asked-for thing is not done; the person can do something about it."""


class Interrupted(SluiceError):
    """A passing failure; the worker tries again, but not before `after` is over: some say when they can be asked."""

    after: timedelta = timedelta(0)

    def __init__(
        self, sentence: str, hint: str = "", offers: tuple[Offer, ...] = (), *, after: timedelta | None = None
    ) -> None:
        super().__init__(sentence, hint, offers)
        if after is not None:
            self.after = after


class Broken(SluiceError):
    """Something on the machine or outside does not work; an operator has to mend it."""


class InvariantViolation(SluiceError):
    """A promise of the code does not hold: a bug in Sluice."""


class StageFailure(SluiceError):
    """A stage's own work failed for good: a build script ended with an error, a branch does not exist."""


class LeaseLost(Interrupted):
    """Another worker has taken the run over; this one must not write any more."""

    def __init__(self, run: str, token: int) -> None:
        super().__init__(f"The lease {token} on run {run} is no longer held.")

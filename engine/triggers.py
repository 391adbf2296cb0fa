"""What starts a run or meets a condition without a person: hooks and channels, inside somebody else's transaction.

Nothing here fails because one of several listeners cannot be served: what became of each is an `Effect`, which whoever
called writes down.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.book import Book
from engine.calls import BadCall, values_for
from engine.channels import MAX_DEPTH, TooDeep, hears
from engine.commands import MeetCondition
from engine.complaints import Complaints
from engine.control import Control
from engine.definition import Hook, Pipeline, Start
from engine.errors import Refused
from engine.model import PersonId, RoomId, Run, StageState
from engine.orders import Order
from engine.pipeline import resolve
from engine.variables import SystemVariable, UndeclaredVariable

OPEN = (StageState.PENDING, StageState.AWAITING_TRIGGER)
_BAD_VALUES = (BadCall, Complaints, SystemVariable, UndeclaredVariable)
Outcome = Literal["started", "met", "refused", "cut"]


@dataclass(frozen=True, slots=True)
class Message:
    """What a stage of `teller` has told a channel. `by` is who stands behind it: whoever asked for that run."""

    channel: str
    values: Mapping[str, str]
    teller: Run
    by: PersonId


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of a call or a message in one place. `is_bad`: because of the values that came with it."""

    pipeline: str
    run: str
    outcome: Outcome
    said: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Triggers:
    """Starts and meets through `control`. `room` is where runs are told that nobody asked for in a room."""

    control: Control
    room: RoomId

    def relay(self, book: Book, message: Message, starts: Sequence[str]) -> list[Effect]:
        """Meet the conditions of other pipelines' runs that wait for the channel, and start those in `starts`.

        Who does not hear the teller is left alone, and learns nothing of it.
        """
        key, by = f"channel:{message.channel}", PersonId(f"channel:{message.channel}")
        others = [run for run in book.runs.active() if run.pipeline != message.teller.pipeline and is_open(run, key)]
        met = [self._met(book, run, message, key, by) for run in others]
        started = [self._started(book, name, message) for name in starts]
        return [effect for effect in (*met, *started) if effect is not None]

    def meet(self, book: Book, run: Run, given: Mapping[str, str], key: str, by: PersonId) -> Effect:
        """Meet a condition of one run with the parameters `given`."""
        try:
            values = values_for(given, parameters_of(book, run, key))
            self.control.apply(book, MeetCondition(run=run.id, by=by, key=key, variables=values))
        except Refused as error:
            return Effect(run.pipeline, run.id, "refused", _said(error), isinstance(error, _BAD_VALUES))
        return Effect(run.pipeline, run.id, "met")

    def start(
        self, book: Book, pipeline: str, values: Mapping[str, str], by: PersonId, *, depth: int, why: str
    ) -> Effect:
        """Start a pipeline with these variables."""
        if depth > MAX_DEPTH:
            return Effect(pipeline, "", "cut", str(TooDeep(pipeline, why)))
        order = Order(pipeline=pipeline, by=by, room=self.room, changes=values, reason=why, by_itself=True, depth=depth)
        try:
            run = self.control.start(book, order)
        except Refused as error:
            return Effect(pipeline, "", "refused", _said(error), isinstance(error, _BAD_VALUES))
        if run.state.is_over:
            return Effect(pipeline, run.id, "refused", run.reason)
        return Effect(pipeline, run.id, "started")

    def _met(self, book: Book, run: Run, message: Message, key: str, by: PersonId) -> Effect | None:
        """Meet a condition of one run; None: it does not hear the teller."""
        try:
            if not _is_heard(book, run, key, message):
                return None
            given = _known(message.values, parameters_of(book, run, key))
        except Refused as error:
            return Effect(run.pipeline, run.id, "refused", _said(error))
        return self.meet(book, run, given, key, by)

    def _started(self, book: Book, pipeline: str, message: Message) -> Effect | None:
        """Start a pipeline; None: it does not hear the teller."""
        try:
            starts = [one for one in declared(book, pipeline).starts if one.channel == message.channel]
            if not starts:
                return Effect(pipeline, "", "refused", f"{message.channel} does not start {pipeline} any more.")
            group, teller = book.pipelines.load(pipeline).group, message.teller
            heard = [one for one in starts if hears(one, group, teller.pipeline, group_of(book, teller))]
            if not heard:
                return None
            wanted = heard[0].parameters
            values = values_for(_known(message.values, wanted), wanted)
        except Refused as error:
            return Effect(pipeline, "", "refused", _said(error), is_bad=True)
        why = f"{message.teller.id} told channel {message.channel}."
        return self.start(book, pipeline, values, message.by, depth=message.teller.depth + 1, why=why)


def _said(error: Refused) -> str:
    """Say why, without the values of a definition: whoever called may not know them."""
    if not isinstance(error, Complaints):
        return str(error)
    places = ", ".join(dict.fromkeys(one.path for one in error.complaints))
    return f"The definition does not take these values: {places}."


def group_of(book: Book, run: Run) -> str:
    """Find the group of a run's pipeline, also of one that was deleted since."""
    return book.pipelines.load(run.pipeline, run.version).group


def _is_heard(book: Book, run: Run, key: str, message: Message) -> bool:
    """Whether every stage of the run that waits for the channel hears the teller: it is met for all of them."""
    hooks = hooks_of(declared(book, run.pipeline, run.version), key)
    own, teller = group_of(book, run), message.teller
    return all(hears(hook, own, teller.pipeline, group_of(book, teller)) for hook in hooks)


def is_open(run: Run, key: str) -> bool:
    """Tell whether a stage of the run waits for the condition, or will."""
    return not run.state.is_over and run.unwinding is None and not run.is_straight and bool(_ahead(run, key))


def waits_now(run: Run, key: str) -> bool:
    """Tell whether the stage that the run is at waits for the condition."""
    return is_open(run, key) and run.stage.state is StageState.AWAITING_TRIGGER and run.position in _ahead(run, key)


def declared(book: Book, pipeline: str, version: int | None = None) -> Pipeline:
    """Read a version of a definition (None: the newest) with the values that it declares. Raises `Refused`."""
    return resolve(book.pipelines.load(pipeline, version).text, {})


def hooks_of(stages: Pipeline, key: str) -> list[Hook]:
    """Find every condition of this key in a definition."""
    return [hook for stage in stages.stages for hook in stage.conditions.of if hook.key == key]


def parameters_of(book: Book, run: Run, key: str) -> dict[str, str]:
    """Find the parameters of a condition, as the version says that the run goes through."""
    return joined(hooks_of(declared(book, run.pipeline, run.version), key))


def joined(hooks: Iterable[Hook | Start]) -> dict[str, str]:
    """Join the parameters of the places where one hook stands."""
    return {parameter: variable for hook in hooks for parameter, variable in hook.parameters.items()}


def _known(values: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Leave out what this listener does not ask for: a channel has many."""
    return {name: value for name, value in values.items() if name in wanted}


def _ahead(run: Run, key: str) -> list[int]:
    return [
        number
        for number, (stage, rule) in enumerate(zip(run.stages, run.rules, strict=True))
        if number >= run.position and key in rule.conditions and key not in stage.conditions and stage.state in OPEN
    ]

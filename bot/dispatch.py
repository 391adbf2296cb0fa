"""From a line to what it does: every chat hands its lines here, and shows the cards that come back.

Looking is answered by the desk, and written down beside the answer (`bot.looking`). Acting goes through `Control`, in
the same transaction that remembers the delivery's key: a line that a chat delivers twice has one effect, and one that
was never carried out is not remembered as if it had been. What destroys or starts something is asked about first; the
question is kept in the database, so the yes may come after a restart.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.acting import Acting, audited, deed_of
from bot.acts.adopting import Adopting
from bot.acts.defining import Defining
from bot.acts.locks import Locking
from bot.acts.questions import Questions
from bot.acts.runs import RunActs
from bot.cards import Button, Card, Tone
from bot.chat import Answer, Incoming
from bot.desk import Desk, Transports
from bot.feature import Doing, Hears, MakeFeature, Pressed
from bot.fitting import fitting
from bot.grammar import BY_NAME, DELETE, PRESS, Said, begins_with_no_command, gives_reason, may_change, parse, plain
from bot.linking import Linking
from bot.looking import Looking
from bot.preview import Previews
from bot.rights.grants import check
from bot.rights.holders import sight_of
from bot.rights.sights import Sights
from bot.rooms.wishes import Wishes
from bot.secrecy.codes import code_in
from bot.secrecy.lines import MASK, conceal, masked, without_logins
from engine.control import Control
from engine.errors import Interrupted, Refused, SluiceError
from engine.model import RoomId
from engine.pipeline import Complaints, describe
from engine.ports import Clock
from engine.secret_variables import SecretNotHere
from storage.audit import SHOWN
from storage.faults import StoreUnavailable
from storage.store import SqlStore
from storage.vault import Vault

_LOOKS = {"list": "pipelines"}
"""Verbs whose answer the desk keeps under another name."""
_LISTS = ("list", "status", "runs", "check")
"""Verbs whose answer leaves out what the person does not see."""
_UNKEPT = re.compile("[\x00\ud800-\udfff]")
"""What no database takes as text: NUL, and halves of characters."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Dispatch:
    """Answers lines."""

    store: SqlStore
    control: Control
    clock: Clock
    desk: Desk
    previews: Previews
    transports: Transports = field(default_factory=Transports)
    reaches: Callable[[RoomId], bool] = field(default=lambda _room: False)
    features: Sequence[MakeFeature] = ()
    vault: Vault | None = None
    sights: Sights = field(init=False)
    linking: Linking = field(init=False)
    defining: Defining = field(init=False)
    _acting: Acting = field(init=False)
    _looking: Looking = field(default_factory=Looking)
    _runs: RunActs = field(init=False)
    _questions: Questions = field(init=False)
    _acts: dict[str, Doing] = field(init=False)
    _presses: dict[str, Pressed] = field(default_factory=dict)
    _hears: list[Hears] = field(default_factory=list)
    _leaves: list[Hears] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Connect the grammar's verbs that act with what they do."""
        self.sights = Sights(self.store)
        self._acting = Acting(self.store, self.control, self.clock)
        self._runs = RunActs(self._acting)
        self.linking = Linking(self._acting)
        wishes = Wishes(self._acting, self.reaches)
        questions = self._questions = Questions(self._acting, self.desk, self.previews)
        self.defining = Defining(self._acting, self.desk, self.transports, self.sights)
        locking = Locking(self._acting, self.desk, questions.ask)
        self._acts = {
            "define": self.defining.define,
            "edit": self.defining.edit,
            "run": questions.run,
            "stop": self._runs.stop,
            "retry": self._runs.retry,
            "approve": self._runs.approve,
            "reject": self._runs.reject,
            "split": self._runs.split,
            "promote": self._runs.promote,
            "rollback": questions.roll_back,
            "redeploy": questions.redeploy,
            "lock": locking.lock,
            "unlock": locking.unlock,
            "restore": questions.settle,
            "adopt": Adopting(self._acting, questions.ask, self.previews, questions.settle).adopt,
            "trigger": self._runs.trigger,
            "delete": questions.delete,
            "retire": questions.retire,
            "yes": questions.yes,
            "no": self._no,
            "subscribe": wishes.subscribe,
            "unsubscribe": wishes.unsubscribe,
            "subscriptions": wishes.subscriptions,
            "link": self.linking.link,
            "unlink": self.linking.unlink,
        }
        for make in self.features:
            feature = make(self._acting, questions.ask)
            self._acts.update(feature.says)
            self.defining.checks += feature.checks
            self.defining.follows += feature.follows
            self._presses.update(feature.presses)
            self._hears += [feature.hears] if feature.hears else []
            self._leaves += [feature.leaves] if feature.leaves else []
            questions.confirms.update(feature.confirms)

    def concealed(self, line: str, *, alone: bool) -> str:
        """Return the line as it may be kept: what is secret in it is sealed. Whoever keeps lines asks first."""
        return conceal(self.vault, _reasoned(line), alone=alone) if self.vault else masked(line)

    async def answer(self, incoming: Incoming) -> list[Answer]:
        """Do what the line says, and say what came of it.

        Always answers; what cannot be done is said with the reason. For whoever can say it again: see `carry_out`.
        """
        try:
            return await self.carry_out(incoming)
        except SluiceError as error:
            return [_refusal(error)]

    async def carry_out(self, incoming: Incoming) -> list[Answer]:
        """Answer, but for what passes: then it raises `Interrupted` or `StoreUnavailable`, and nothing was done.

        For whoever has kept the line and tries again.
        """
        incoming = replace(incoming, line=_reasoned(plain(incoming.line)))
        outcome, answers, secret = await self._tried(incoming)
        if may_change(incoming.line):
            self.sights.forget()
        if outcome == "done":
            self._looked(incoming, answers)
        else:
            shown = replace(incoming, line=incoming.line.replace(secret, MASK)) if secret else incoming
            await self._write_down(shown, outcome, answers)
        return answers

    async def _tried(self, incoming: Incoming) -> tuple[str, list[Answer], str]:
        """The outcome, the answers, and what of the line must not be written down."""
        try:
            await self._known(incoming)
            return "done", await self._answer(incoming), ""
        except Complaints as complaints:
            text = describe(complaints.complaints, "definition")
            card = Card(f"{len(complaints.complaints)} to mend", Tone.BAD, code=without_logins(text))
            return "refused", [Answer(card, private=True)], ""
        except (Interrupted, StoreUnavailable):
            raise
        except SluiceError as error:
            outcome = "refused" if isinstance(error, Refused) else "broke"
            return outcome, [_refusal(error)], error.value if isinstance(error, SecretNotHere) else ""
        except Exception:  # noqa: BLE001 - the edge: one line that breaks must not end the chat
            _LOG.exception("Answering %r", audited(incoming.line)[:80])
            sorry = Card("That went wrong inside Sluice; nothing was changed.", Tone.BAD, "Its log says what.")
            return "broke", [Answer(sorry, private=True)], ""

    def _looked(self, incoming: Incoming, answers: list[Answer]) -> None:
        """Have it audited that something was shown. A delivery of which something was done has its row already."""
        if answers and not incoming.is_view and (incoming.key or not may_change(incoming.line)):
            self._looking.note(self.store, deed_of(incoming, self.clock.now(), SHOWN, answers[0].card.title))

    async def _write_down(self, incoming: Incoming, outcome: str, answers: list[Answer]) -> None:
        """Audit what was not done. What cannot be written down has been answered all the same."""
        deed = deed_of(incoming, self.clock.now(), outcome, answers[0].card.title)
        try:
            await self.store.transact(lambda book: book.audit.add(deed))
        except SluiceError as error:
            _LOG.warning("Not audited: %s", error)

    async def _known(self, incoming: Incoming) -> None:
        if await self.store.read(lambda book: book.people.find(incoming.person)) is None:
            way_in = f"On this machine: `sluice person add {incoming.person}`."
            if incoming.room.startswith("terminal:"):
                way_in = f"You speak as `{incoming.person}`: say `--as NAME`, or set SLUICE_AS. {way_in}"
            raise Refused(f"Nobody here knows {incoming.person}.", way_in)

    async def _answer(self, incoming: Incoming) -> list[Answer]:
        unkept = _UNKEPT.search(incoming.line)
        if unkept is not None:
            raise Refused(f"The character U+{ord(unkept.group()):04X} cannot be kept.", "Say it without that.")
        await self.store.read(lambda book: check(book, incoming))
        if incoming.line.startswith(f"{PRESS}run "):
            return await self._questions.begin(incoming)
        if incoming.line.startswith(PRESS):
            verb = (incoming.line.split()[1:] or [""])[0]
            return await self._presses.get(verb, self._runs.press)(incoming)
        if incoming.line.strip() == DELETE:
            return await self._acts["yes"](incoming, Said(BY_NAME["yes"], (), DELETE))
        try:
            said = parse(incoming.line)
        except Refused:
            heard = await (
                _first(self._hears, incoming) if begins_with_no_command(incoming.line) else self._fit(incoming)
            )
            if heard is not None:
                return heard
            code = code_in(incoming.line)
            if not code:
                raise
            said = Said(BY_NAME["link"], (code,), code)
        act = self._acts.get(said.verb.name)
        if act is not None:
            return await act(incoming, said)
        return [Answer(card, private=True) for card in await self._look(incoming, said)]

    async def _fit(self, incoming: Incoming) -> list[Answer] | None:
        """What fits a command that names nothing; None when the line is something else."""
        card = await self.store.read(lambda book: fitting(book, incoming, self.clock.now()))
        return None if card is None else [Answer(card, private=True)]

    async def _no(self, incoming: Incoming, said: Said) -> list[Answer]:
        left = None if said.words else await _first(self._leaves, incoming)
        return await self._questions.no(incoming, said) if left is None else left

    async def _look(self, incoming: Incoming, said: Said) -> list[Card]:
        if said.verb.name == "whoami":
            return [await self.desk.whoami(incoming.person)]
        look = getattr(self.desk, _LOOKS.get(said.verb.name, said.verb.name))
        if said.verb.name in _LISTS:
            found = await look(said, await self.store.read(lambda book: sight_of(book, incoming.person)))
        else:
            found = await look(said)
        return found if isinstance(found, list) else [found]


async def _first(hears: Sequence[Hears], incoming: Incoming) -> list[Answer] | None:
    """The answer of the first whom the line is for, if it is for anybody."""
    for hear in hears:
        heard = await hear(incoming)
        if heard is not None:
            return heard
    return None


def _reasoned(line: str) -> str:
    """Return the line without the passwords that a reason repeats from addresses."""
    return without_logins(line) if gives_reason(line) else line


def _refusal(error: SluiceError) -> Answer:
    """Say why it was not done, with the ways out as buttons. A refusal may repeat what was said."""
    buttons = tuple(Button(offer.text, offer.line, danger=offer.danger) for offer in error.offers)
    said, hint = without_logins(str(error)), without_logins(error.hint)
    return Answer(Card(said, Tone.BAD, hint, buttons=buttons), private=True)

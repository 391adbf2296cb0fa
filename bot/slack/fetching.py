"""Definitions that come as files: asked about first, fetched then.

The danger is a file that does not come: Slack waits three seconds for an acknowledgement, and a download may take
longer, be refused or never end. And nobody whom the core does not know may make Sluice download anything. So what is
kept and acknowledged is an update that says `define` and only names the file. When the core has nothing against that,
its answer is not shown: the file is fetched in its place. What is in the file, or why it could not be had, is then an
update of its own, kept under the first one's key with a word added: one file has one effect and one answer.

The first update counts as answered when the second is kept, so a download that Sluice's end cuts off begins anew with
the next start. Until then it has a room of its own, below the one that it came from: a room is written to by one task,
and no other room's cards wait for a file.
"""

from dataclasses import dataclass, field, replace

from bot.cards import Tone
from bot.chat import Answer, Update
from bot.onward import Onward, fetched
from bot.slack.files import Files, Shared
from bot.slack.remarks import refused
from engine.errors import Refused
from engine.model import RoomId

_AGAIN = "Share it again, or say `define` with the YAML on the lines below it."
_ROOM, _ALONE = "file_room", "file_alone"


class NotGiven(Refused):
    """Slack does not give a file that somebody shared."""

    def __init__(self, name: str, why: str, hint: str = "") -> None:
        super().__init__(f"The file {name} could not be had from Slack. {why}", hint or _AGAIN)


@dataclass(slots=True)
class Fetching:
    """Fetches files, each for at most so many `seconds`, and hands on what is in them once somebody listens."""

    files: Files
    seconds: float = 20.0
    onward: Onward = field(default_factory=Onward)

    async def hand_on(self, update: Update) -> None:
        """Fetch what an update names and hand it on. Raises `Interrupted` or `Broken` when it could not be kept."""
        await self.onward.accept(await self.whole(update, self.seconds))

    async def whole(self, update: Update, seconds: float) -> Update:
        """Return what an update that names a file says with what is in it, or that it is refused."""
        shared = Shared.of(update.context) or Shared("define", "", "")
        said = replace(as_it_came(update), key=f"{update.key}:file")
        try:
            return replace(said, line=f"{shared.verb}\n{await self._text(shared, seconds)}")
        except Refused as refusal:
            return refused(said, refusal)

    async def _text(self, shared: Shared, seconds: float) -> str:
        return await fetched(
            lambda: self.files.text(shared), seconds, lambda why, hint: NotGiven(shared.name, why, hint)
        )


def asking(update: Update, shared: Shared) -> Update:
    """Return the update as one that asks whether its file may be fetched, in a room of its own."""
    context = {**update.context, **shared.context, _ROOM: str(update.room), _ALONE: "yes" if update.is_alone else ""}
    room = RoomId(f"{update.room}/{shared.file}")
    return replace(update, line="define", room=room, is_alone=False, context=context)


def names_a_file(update: Update) -> bool:
    """Whether the update asks whether its file may be fetched."""
    return _ROOM in update.context


def is_let(update: Update, answer: Answer) -> bool:
    """Whether this answer says that the update's file may be fetched: whoever may not is refused."""
    return names_a_file(update) and answer.card.tone is not Tone.BAD


def as_it_came(update: Update) -> Update:
    """Return the update in the room that it came from, without what is about its file."""
    if not names_a_file(update):
        return update
    about = (*Shared("", "", "").context, _ROOM, _ALONE)
    context = {name: said for name, said in update.context.items() if name not in about}
    return replace(update, room=RoomId(update.context[_ROOM]), is_alone=bool(update.context[_ALONE]), context=context)

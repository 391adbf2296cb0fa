"""Who wants to be told about which pipeline: a room, of how its runs end or of everything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.acting import Acting
from bot.cards import Card, Table, Tone
from bot.chat import Answer, Incoming
from bot.grammar import BY_NAME, Said
from bot.rooms.following import seen
from engine.errors import Refused
from engine.model import RoomId
from storage.book import SqlBook
from storage.subscriptions import Subscription, Wants

_WORDS = {
    "success": Wants.SUCCESS,
    "failure": Wants.FAILURE,
    "both": Wants.ENDS,
    "ends": Wants.ENDS,
    "everything": Wants.EVERYTHING,
}
_SAYS = {
    Wants.SUCCESS: "when a run succeeds",
    Wants.FAILURE: "when a run fails, is refused or is taken back",
    Wants.ENDS: "when a run fails, and how every run ends",
    Wants.EVERYTHING: "everything, as a card that follows each run",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """Keeps wishes. `reaches` says whether a room can be told anything by itself."""

    acting: Acting
    reaches: Callable[[RoomId], bool]

    async def subscribe(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Tell this room about a pipeline."""
        wants = _wants(said)
        if not self.reaches(incoming.room):
            raise Refused("Nothing can be sent here by itself.", "Say it in Slack or Telegram; the console shows all.")
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        wish = Subscription(incoming.room, stored.name, wants, incoming.person)
        done = await self.acting.once(incoming, lambda book: _keep(book, wish))
        text = f"Told is {_SAYS[wants]}. `unsubscribe {stored.name}` ends it."
        return [] if done is None else [Answer(Card(f"This room is told about {stored.name}", Tone.GOOD, text))]

    async def unsubscribe(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Tell this room nothing of it any more."""
        name = said.words[0]
        dropped = await self.acting.once(incoming, lambda book: book.subscriptions.drop(incoming.room, name))
        if dropped is None:
            return []
        if not dropped:
            raise Refused(f"This room was not told about {name}.", "`subscriptions` lists what it is told about.")
        return [Answer(Card(f"This room is told nothing of {name} any more"))]

    async def subscriptions(self, incoming: Incoming, _said: Said) -> list[Answer]:
        """What this room is told about, also what the person does not see: the room may end it."""
        rows = await self.acting.store.read(lambda book: tuple(_rows(book, incoming.room)))
        if not rows:
            hint = f"`{BY_NAME['subscribe'].example}` changes that."
            return [Answer(Card("This room is told about no pipeline", text=hint), private=True)]
        return [
            Answer(Card("This room is told about", table=Table(("Pipeline", "What", "Asked by"), rows)), private=True)
        ]


def _rows(book: SqlBook, room: RoomId) -> Iterator[tuple[str, ...]]:
    wishes = book.subscriptions.of_room(room)
    told = seen(book, wishes)
    for wish in wishes:
        what = _SAYS[wish.wants] if wish in told else f"nothing, as {wish.by} does not see it any more"
        yield wish.pipeline, what, wish.by


def _keep(book: SqlBook, wish: Subscription) -> bool:
    book.subscriptions.put(wish)
    return True


def _wants(said: Said) -> Wants:
    words = said.words[1:]
    if not words:
        return Wants.ENDS
    word = words[-1].lower()
    if words[0].lower() != "on" or len(words) != 2 or word not in _WORDS:  # noqa: PLR2004 - on WHAT
        raise Refused(f"{' '.join(words)!r} is nothing to be told on.", f"Write `{BY_NAME['subscribe'].form}`.")
    return _WORDS[word]

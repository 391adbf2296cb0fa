"""Which of the people who are asked to decide are told by no chat, and what can be done about it. Changes nothing."""

from collections.abc import Collection, Iterable, Iterator

from bot.cards import Field
from engine.model import PersonId
from storage.book import SqlBook


def untold(book: SqlBook, people: Iterable[PersonId], chats: Collection[str]) -> Iterator[Field]:
    """Say it as fields of a card. `chats` are the names of those that are set up."""
    lost, strangers = book.rooms.lost(), []
    for person in people:
        rooms = [account.direct for account in book.accounts.of(person) if account.id.partition(":")[0] in chats]
        if not rooms:
            strangers.append(person)
        elif all(room in lost for room in rooms):
            yield Field("Cannot be told", f"{person}: {lost[rooms[0]]}")
    if strangers:
        how = f"`sluice say --as {strangers[0]} link`, on Sluice's machine, prints a code to send me: `link CODE`."
        yield Field("Not in any chat", f"{', '.join(strangers)}. {how}")

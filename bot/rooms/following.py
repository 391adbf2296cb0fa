"""Which rooms follow a pipeline: those that asked to, while whoever asked there still sees it. Changes nothing."""

from collections.abc import Iterable

from bot.rights.holders import holder_of, right_on
from storage.book import SqlBook
from storage.grants import Right
from storage.subscriptions import Subscription


def followers(book: SqlBook, pipeline: str) -> list[Subscription]:
    """What rooms want to be told about the pipeline, as far as they may be."""
    return seen(book, book.subscriptions.of_pipeline(pipeline))


def seen(book: SqlBook, wishes: Iterable[Subscription]) -> list[Subscription]:
    """The wishes whose pipeline is seen by whoever asked."""
    wishes = list(wishes)
    if not wishes or not book.grants.closed():
        return wishes
    holders = {person: holder_of(book, person) for person in {wish.by for wish in wishes}}
    return [wish for wish in wishes if right_on(book, holders[wish.by], wish.pipeline) is not Right.NONE]

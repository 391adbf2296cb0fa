"""Which rooms follow a pipeline: those that asked to, while whoever asked there still sees it. Changes nothing."""

from collections.abc import Iterable, Mapping

from bot.rights.holders import Holder, holder_of
from bot.rights.reviewers import asks_in
from storage.book import SqlBook
from storage.grants import Right
from storage.subscriptions import Subscription


def followers(book: SqlBook, pipeline: str) -> list[Subscription]:
    """What rooms want to be told about the pipeline, as far as they may be."""
    wishes = book.subscriptions.of_pipeline(pipeline)
    group = book.grants.group_of(pipeline) if wishes else None
    return _seen(book, wishes, {pipeline: group} if group and group in book.grants.closed() else {})


def seen(book: SqlBook, wishes: Iterable[Subscription]) -> list[Subscription]:
    """The wishes whose pipeline is seen by whoever asked."""
    wishes = list(wishes)
    closed = book.grants.closed() if wishes else ()
    return _seen(book, wishes, {name: group for group in closed for name in book.grants.pipelines_in(group)})


def _seen(book: SqlBook, wishes: Iterable[Subscription], closed: Mapping[str, str]) -> list[Subscription]:
    """The same; `closed` are the pipelines that not everybody sees, with their groups."""
    wishes = list(wishes)
    holders = {person: holder_of(book, person) for person in {wish.by for wish in wishes if wish.pipeline in closed}}
    return [wish for wish in wishes if wish.by not in holders or _sees(book, holders[wish.by], wish, closed)]


def _sees(book: SqlBook, holder: Holder, wish: Subscription, closed: Mapping[str, str]) -> bool:
    group = closed.get(wish.pipeline)
    if group is None or holder.on(group) is not Right.NONE:
        return True
    return asks_in(book.grants.text_of(wish.pipeline), holder.person)

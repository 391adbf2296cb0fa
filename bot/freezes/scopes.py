"""What a word means when something is frozen: a pipeline, a workload, a group, everything, or a freeze itself."""

from bot.chat import Incoming
from bot.rights.access import About, Line, Need
from bot.rights.grants import demand, reach_in
from engine.complaints import nearest
from engine.errors import Refused
from engine.freezes import Freeze, FreezeId, Reach, Scope
from storage.book import SqlBook
from storage.grants import Right

PAGE = 200
_ALL = ("all", "everything", "*")


def scope_of(book: SqlBook, word: str) -> Scope:
    """Find what is meant: ``all``, ``group:NAME`` and the like, or the one thing that has this name.

    A pipeline and its workload that are called alike are the pipeline.
    """
    if word.lower() in _ALL:
        return Scope(Reach.EVERYTHING)
    reach, name = reach_in(word)
    named = _named(book)
    if reach is not None:
        if name not in named[reach]:
            raise _unknown(name, named[reach])
        return Scope(reach, name)
    found = [reach for reach in named if word in named[reach]]
    if Reach.GROUP in found and len(found) > 1:
        ways = " or ".join(f"`{reach}:{word}`" for reach in found)
        raise Refused(f"{word} is the name of more than one thing.", f"Write {ways}.")
    if not found:
        raise _unknown(word, {name for names in named.values() for name in names})
    return Scope(found[0], word)


def check_scope(book: SqlBook, incoming: Incoming, verb: str, scope: Scope) -> None:
    """Refuse whoever may not change what is frozen."""
    about = {
        Reach.EVERYTHING: About.SLUICE,
        Reach.GROUP: About.GROUP,
        Reach.PIPELINE: About.PIPELINE,
        Reach.WORKLOAD: About.WORKLOAD,
    }
    demand(book, incoming.person, Line(verb, (scope.name,)), Need(about[scope.reach], Right.EDIT))


def _named(book: SqlBook) -> dict[Reach, set[str]]:
    pipelines: dict[str, str] = {}
    after = ""
    while page := book.pipelines.page(after, PAGE):
        pipelines |= {one.name: one.group for one in page}
        after = page[-1].name
    workloads = {*book.releases.workloads(), *(lock.workload for lock in book.locks.all())}
    return {Reach.PIPELINE: set(pipelines), Reach.WORKLOAD: workloads, Reach.GROUP: set(pipelines.values())}


def _unknown(word: str, known: set[str]) -> Refused:
    near = nearest(word, sorted(known))
    hint = f"Did you mean {near}?" if near else "`list` shows every pipeline with its group; `all` is everything."
    return Refused(f"There is no pipeline, workload or group {word}.", hint)


def freeze_of(book: SqlBook, word: str) -> Freeze:
    """Find the freeze of this name, or the only one of what is named."""
    found = book.freezes.find(FreezeId(word.lower()))
    if found is not None:
        return found
    reach, name = (Reach.EVERYTHING, "") if word.lower() in _ALL else reach_in(word)
    standing = [one for one in book.freezes.all() if one.scope.name == name and reach in (None, one.scope.reach)]
    if len(standing) > 1:
        ids = " and ".join(freeze.id for freeze in standing)
        raise Refused(f"{word} has {len(standing)} freezes: {ids}.", "Say which of them; `freezes` shows them.")
    if not standing:
        raise Refused(f"There is no freeze {word}.", "`freezes` shows them.")
    return standing[0]

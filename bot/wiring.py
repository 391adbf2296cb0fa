"""What definitions say of hooks and channels, kept where it is found without reading every definition.

It is brought up to date by whoever is about to rely on it, in the same transaction, so it does not matter who changed
which definition in which way.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from engine.book import StoredPipeline
from engine.calls import mark_of
from engine.channels import Wiring, circle_complaints, hears, wiring_of
from engine.complaints import Complaints
from engine.definition import Pipeline
from engine.errors import Refused
from engine.pipeline import Definition, resolve
from storage.book import SqlBook
from storage.hooks import Role, Scope, StoredHook
from storage.vault import Vault

TOKEN = "hook"  # noqa: S105 - what tokens are derived for
SECRET = "hook-secret"  # noqa: S105 - what secrets that sign calls are derived for
PAGE = 200
_EVERY = 100_000


def rewire(book: SqlBook, vault: Vault) -> None:
    """Read every definition that has changed since; the tokens of deleted ones are good for nothing any more."""
    for hook in book.hooks.orphans():
        book.hooks.put(replace(hook, generation=hook.generation + 1, mark=""))
    while stale := book.hooks.stale(PAGE):
        for stored in stale:
            _wire(book, stored, vault)


def check_circles(book: SqlBook, definition: Definition, hidden: Collection[str] = ()) -> None:
    """Refuse a definition by which pipelines would start each other for ever. Raises `Complaints`; changes nothing.

    What is `hidden` from whoever defines it is not named.
    """
    if definition.pipeline.starts and "channel" in definition.text:
        is_heard = _Ears(book, definition.pipeline).is_heard
        complaints = tuple(circle_complaints(definition, _wirings(book), is_heard, hidden))
        if complaints:
            raise Complaints(complaints)


@dataclass(slots=True)
class _Ears:
    """Who hears whom, as the newest definitions say and the one that is about to be kept; each is read once."""

    book: SqlBook
    own: Pipeline
    _read: dict[str, tuple[str, Pipeline | None]] = field(default_factory=dict)

    def is_heard(self, teller: str, channel: str, listener: str) -> bool:
        """Tell whether a pipeline that is started by the channel hears a teller."""
        group, pipeline = self._of(listener)
        starts = pipeline.starts if pipeline is not None else ()
        return any(hears(one, group, teller, self._of(teller)[0]) for one in starts if one.channel == channel)

    def _of(self, name: str) -> tuple[str, Pipeline | None]:
        if name == self.own.pipeline:
            return self.own.group, self.own
        if name not in self._read:
            stored = self.book.pipelines.load(name)
            self._read[name] = stored.group, _read(stored)
        return self._read[name]


def _wirings(book: SqlBook) -> list[Wiring]:
    """Give every pipeline that has to do with channels, as the newest definitions say."""
    later = {stored.name: _read(stored) for stored in book.hooks.stale(_EVERY)}
    fresh = [one for one in _kept(book) if one.pipeline not in later]
    return fresh + [wiring_of(pipeline) for pipeline in later.values() if pipeline is not None]


def _kept(book: SqlBook) -> list[Wiring]:
    found: dict[str, dict[Role, set[str]]] = {}
    for pipeline, role, channel in book.hooks.channels():
        found.setdefault(pipeline, {}).setdefault(role, set()).add(channel)
    return [
        Wiring(name, *(frozenset(roles.get(role, ())) for role in ("starts", "waits", "tells")))
        for name, roles in found.items()
    ]


def rotate(book: SqlBook, hook: StoredHook, vault: Vault) -> StoredHook:
    """Give a hook another token; the one before is good for nothing from now on."""
    new = remarked(replace(hook, generation=hook.generation + 1), vault)
    book.hooks.put(new)
    return new


def hooks_in(pipeline: Pipeline) -> Iterator[tuple[Scope, str]]:
    """Name every hook of a definition, once."""
    starts = dict.fromkeys(start.webhook for start in pipeline.starts if start.webhook)
    yield from (("start", name) for name in starts)
    waits = dict.fromkeys(hook.webhook for stage in pipeline.stages for hook in stage.conditions.of if hook.webhook)
    yield from (("stage", name) for name in waits)


def _wire(book: SqlBook, stored: StoredPipeline, vault: Vault) -> None:
    channels: list[tuple[Role, str]] = []
    pipeline = _read(stored)
    if pipeline is not None:
        channels = list(_roles(wiring_of(pipeline)))
        for scope, name in hooks_in(pipeline):
            hook = book.hooks.find(stored.name, scope, name) or StoredHook(stored.name, scope, name, 1, "")
            if not hook.mark:
                book.hooks.put(remarked(hook, vault))
    book.hooks.wire(stored.name, stored.version, channels)


def _read(stored: StoredPipeline) -> Pipeline | None:
    """Read a definition that has to do with hooks or channels; None: it has not, or no run can be made from it."""
    if "webhook" not in stored.text and "channel" not in stored.text:
        return None
    try:
        return resolve(stored.text, {})
    except Refused:
        return None


def _roles(wiring: Wiring) -> Iterator[tuple[Role, str]]:
    yield from (("starts", channel) for channel in sorted(wiring.starts))
    yield from (("waits", channel) for channel in sorted(wiring.waits))
    yield from (("tells", channel) for channel in sorted(wiring.tells))


def remarked(hook: StoredHook, vault: Vault) -> StoredHook:
    """Give a hook the mark of its token."""
    return replace(hook, mark=mark_of(vault.token(TOKEN, hook.about)))

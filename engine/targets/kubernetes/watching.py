"""What a cluster holds, kept up to date by watches, so that looking at it costs no request.

Each list that somebody reads (a kind, a namespace, a label selector) has a cache of its own: the first who reads has it
listed and watched, and it ends when nobody has read it for a while. Nobody is shown a picture that may be old: when a
watch has been broken for too long, the next who reads has the list made anew, and hears why when that fails. Own writes
are put into the caches (`note`, `forget`), so that a decision is never made from before one's own last step.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from engine.errors import Interrupted
from engine.model import Json
from engine.targets.kubernetes.cache import Cache
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.following import Follower, Subject
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind

_WITH_MANAGERS = frozenset({DEPLOYMENT, SERVICE, VIRTUAL_SERVICE, HTTP_ROUTE})
"""Kinds of which it matters who manages which field; of others that is dropped, being half of what there is."""
_OPEN_WITHIN = 2.0
"""Seconds that the first reader waits for the watch: long enough to hear that it is refused."""
_END_WITHIN = 2.0


@dataclass(slots=True)
class _View:
    subject: Subject
    cache: Cache
    read_at: float = 0.0
    follower: Follower | None = None
    renewing: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None


class Watching:
    """The caches of one cluster, read by coroutines of one loop.

    A cache that nobody has read for `idle` ends its watch. `stale` is how long a watch may be broken before its cache
    is listed anew.
    """

    def __init__(
        self, cluster: Cluster, *, idle: timedelta = timedelta(minutes=2), stale: timedelta = timedelta(seconds=30)
    ) -> None:
        self._cluster = cluster
        self._idle = idle.total_seconds()
        self._stale = stale.total_seconds()
        self._views: dict[Subject, _View] = {}
        self._is_closed = False

    async def seen(self, kind: Kind, namespace: str, labels: str = "") -> Mapping[str, Json]:
        """Every object that `labels` select, by name, as it is now; nobody may change them in place.

        Raises what keeps it from being known: `Interrupted` when the cluster does not answer.
        """
        view = self._view(Subject(kind, namespace, labels))
        if view.follower is None or not view.follower.is_fresh(self._stale):
            await self._renewed(view)
        return MappingProxyType(view.cache.things())

    def note(self, kind: Kind, thing: Json) -> None:
        """Put what an own write returned (not a dry one) into every cache that it belongs to."""
        namespace = str(thing["metadata"].get("namespace", ""))
        for subject, view in self._views.items():
            if subject.kind == kind and subject.namespace in ("", namespace):
                view.cache.note(thing)

    def forget(self, kind: Kind, namespace: str, name: str) -> None:
        """Take out of every cache what an own write removed."""
        for subject, view in self._views.items():
            if subject.kind == kind and subject.namespace == namespace:
                view.cache.forget(name)

    async def close(self) -> None:
        """End every watch. Who waits for a list is told so."""
        self._is_closed = True
        views = list(self._views.values())
        for view in views:
            self._drop(view)
        ending = [view.renewing for view in views if view.renewing is not None]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        followers = [view.follower for view in views if view.follower is not None]
        await asyncio.to_thread(_await_end, followers)

    def _view(self, subject: Subject) -> _View:
        if self._is_closed:
            raise self._closing()
        view = self._views.get(subject)
        if view is None:
            view = _View(subject, Cache(subject.labels, slim=subject.kind not in _WITH_MANAGERS))
            self._views[subject] = view
            self._look_again(view, self._idle)
        view.read_at = time.monotonic()
        return view

    async def _renewed(self, view: _View) -> None:
        """Have it listed, once for all who wait for it."""
        if view.renewing is None:
            view.renewing = asyncio.create_task(self._renew(view))
            view.renewing.add_done_callback(_heard)
        renewing = view.renewing
        await asyncio.wait({renewing})
        if renewing.cancelled():
            raise self._closing()
        renewing.result()

    async def _renew(self, view: _View) -> None:
        try:
            subject, began = view.subject, time.monotonic()
            turn = view.cache.turn()
            listed = await self._cluster.list(subject.kind, subject.namespace, labels=subject.labels)
            if view.follower is not None:
                view.follower.end()
            number = view.cache.replace(listed.items, listed.version, turn)
            view.follower = Follower(self._cluster, subject, view.cache, number, listed.version, began)
            view.follower.start()
            await self._await_beginning(view.follower)
        finally:
            view.renewing = None

    async def _await_beginning(self, follower: Follower) -> None:
        """Wait a moment for the watch. A refusal is told; when it is only late, the list is enough for now."""
        with contextlib.suppress(TimeoutError):
            kept = await asyncio.wait_for(asyncio.wrap_future(follower.begun), _OPEN_WITHIN)
            if kept is not None and not isinstance(kept, Interrupted):
                raise kept

    def _look_again(self, view: _View, after: float) -> None:
        view.timer = asyncio.get_running_loop().call_later(after, self._end_if_idle, view)

    def _end_if_idle(self, view: _View) -> None:
        left = view.read_at + self._idle - time.monotonic()
        if view.renewing is not None:
            self._look_again(view, self._idle)
        elif left > 0:
            self._look_again(view, left)
        else:
            self._drop(view)
            del self._views[view.subject]

    def _drop(self, view: _View) -> None:
        if view.timer is not None:
            view.timer.cancel()
        if view.follower is not None:
            view.follower.end()

    def _closing(self) -> Interrupted:
        return Interrupted(f"Nobody watches cluster {self._cluster.name} any more.")


def _heard(task: asyncio.Task[None]) -> None:
    """Nobody may have waited long enough to hear how it ended; it is no mistake then."""
    if not task.cancelled():
        task.exception()


def _await_end(followers: list[Follower]) -> None:
    until = time.monotonic() + _END_WITHIN
    for follower in followers:
        follower.join(max(0.0, until - time.monotonic()))

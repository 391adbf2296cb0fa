"""Follows one list by a watch, in a thread of its own, until nobody wants it any more.

The danger is a picture that has stopped moving and is taken for the present. So a follower says since when it may be
behind: not at all while its watch is open, since the watch broke otherwise. It takes a broken watch up again where it
stopped, after a pause that grows and is never the same for two. What it cannot go on from (the cluster has forgotten
the version, or refuses) ends it; then whoever reads next begins with a new list.
"""

import random
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from engine.errors import Interrupted, SluiceError
from engine.targets.kubernetes.cache import Cache
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.faults import Gone
from engine.targets.kubernetes.kinds import Kind
from engine.targets.kubernetes.streams import Stream

_SHORTEST, _LONGEST = 0.1, 20.0
"""Seconds between two attempts."""
_STEADY = 5.0
"""A watch that lasted so many seconds was a good one, even when it told nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is listed and watched."""

    kind: Kind
    namespace: str
    labels: str


def _promised() -> "Future[SluiceError | None]":
    """A future that nobody can cancel: who waits for it may give up, the thread still answers."""
    promised: Future[SluiceError | None] = Future()
    promised.set_running_or_notify_cancel()
    return promised


@dataclass(slots=True)
class Follower:
    """Brings to `cache` what happens to the list `number`, which was made at `known_at` (monotonic) as of `version`."""

    cluster: Cluster
    subject: Subject
    cache: Cache
    number: int
    version: str
    known_at: float
    begun: "Future[SluiceError | None]" = field(default_factory=_promised)
    """Is done as soon as the first attempt has ended: with None when the watch is open, else with what kept it."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stream: Stream | None = None
    _is_over: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, and return at once."""
        name = f"sluice-watch-{self.cluster.name}-{self.subject.kind.plural}"
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let it end, and return at once. Nothing it still reads is taken."""
        self._ended.set()
        with self._lock:
            if self._stream is not None:
                self._stream.hang_up()

    def join(self, within: float) -> None:
        """Wait until it has ended, for some seconds at most."""
        if self._thread is not None:
            self._thread.join(within)

    def is_fresh(self, stale: float) -> bool:
        """Whether what the cache holds is the present, or was less than `stale` seconds ago."""
        with self._lock:
            if self._is_over:
                return False
            return self._stream is not None or time.monotonic() - self.known_at < stale

    def _live(self) -> None:
        last: SluiceError | None = None
        try:
            last = self._follow_on()
        finally:
            with self._lock:
                self._is_over = True  # before anybody hears of it, and looks again
            self._tell(last)

    def _follow_on(self) -> SluiceError | None:
        """Follow until it is ended, or until it cannot go on; returns what kept it then."""
        pause = _SHORTEST
        while not self._ended.is_set():
            began, version, asked = time.monotonic(), self.version, 0.0
            try:
                self._follow()
            except Gone as error:
                return error
            except Interrupted as error:
                asked = min(error.after.total_seconds(), _LONGEST)
                self._tell(error)
            except SluiceError as error:
                return error
            was_good = self.version != version or time.monotonic() - began > _STEADY
            pause = _SHORTEST if was_good else min(_LONGEST, 2 * pause)
            spread = pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads, hides nothing
            self._ended.wait(max(asked, spread))
        return None

    def _follow(self) -> None:
        subject = self.subject
        with self.cluster.stream(subject.kind, subject.namespace, subject.labels, self.version, self._ended) as stream:
            self._open(stream)
            try:
                for word, thing in stream:
                    self.cache.take(self.number, word, thing)
                    self.version = str(thing["metadata"]["resourceVersion"])
            finally:
                self._open(None)

    def _open(self, stream: Stream | None) -> None:
        with self._lock:
            self._stream = stream
            self.known_at = time.monotonic() if stream is None else self.known_at
            if stream is not None and self._ended.is_set():
                stream.hang_up()
        if stream is not None:
            self._tell(None)

    def _tell(self, how: SluiceError | None) -> None:
        if not self.begun.done():
            self.begun.set_result(how)

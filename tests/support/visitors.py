"""Visitors of a workload: each has one connection at a time, and makes its requests one after another at a steady pace.

Half of them stay on their connection until the other side closes it: that is looked for right before each request, as
HTTP clients do. The others come anew every few requests.

Who ends closes the connections on which it has nothing to do, and cannot know of a request that is on its way there
just then. HTTP/1.1 leaves that to clients (RFC 9112, 9.3.1): a request that changes nothing is made once more, on a new
connection, if it met its end on a kept one before any byte of an answer came. Visitors do the same and say so of each.
Whatever else goes wrong is a failure: on a new connection, within an answer, too late, or the second time.

They are a process of their own so that nothing else keeps a visitor from seeing that its connection was closed. It says
`ready` when it begins, and what has come of the requests, as one line of JSON, for each line of its input and once more
at the end of that.
"""

import http.client
import json
import select
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Protocol

Address = tuple[str, int]

ANSWER_WITHIN = 10.0
_TROUBLE = (OSError, http.client.HTTPException, ValueError)
"""What a request can end in; a body that is no JSON is one that was cut off."""
_A_VISIT = 5
"""Requests on one connection of those that do not stay."""


class Doors(Protocol):
    """Where a visitor's next connection goes; as text, for people, how things stand there."""

    def pick(self) -> Address:
        """Choose an address. Raises OSError when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Errand:
    """What visitors ask for. Their answers are counted as ``NAME VERSION``; without a name, as ``VERSION``."""

    name: str = ""
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)


PLAIN = Errand()


class Step(StrEnum):
    """How far a request is."""

    CONNECT = "connecting"
    SEND = "sending"
    AWAIT = "awaiting an answer"
    READ = "reading the answer"


@dataclass(frozen=True, slots=True)
class Mishap:
    """What came in the way of a request: when (monotonic seconds), at which pod, and all that is known of it."""

    at: float
    host: str
    words: str


_NOTED = ("failures", "again")


@dataclass
class Tally:
    """What came of all requests, and how many connections the pods have closed. `again`: those made once more."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[Mishap] = field(default_factory=list)
    again: list[Mishap] = field(default_factory=list)
    closed: int = 0

    @property
    def total(self) -> int:
        """Requests made; one that was made once more counts once."""
        return sum(self.answers.values()) + len(self.failures)

    def told(self) -> str:
        """All of it as one line of JSON."""
        noted = {name: [asdict(each) for each in getattr(self, name)] for name in _NOTED}
        return json.dumps({"answers": dict(self.answers), "closed": self.closed, **noted})

    def take(self, line: str | bytes) -> None:
        """Take over what another one has `told`."""
        said = json.loads(line)
        self.answers, self.closed = Counter(said["answers"]), said["closed"]
        self.failures, self.again = ([Mishap(**each) for each in said[name]] for name in _NOTED)


@dataclass
class Visitor:
    """One connection at a time, and its requests. One that does not `stay` makes a few on each."""

    doors: Doors
    tally: Tally
    stays: bool
    errand: Errand = PLAIN
    connection: http.client.HTTPConnection | None = None
    made: int = 0
    step: Step = Step.CONNECT
    begun: float = 0.0
    answered: float = 0.0

    def ask(self) -> None:
        """Make one request and note what comes of it."""
        self.begun = time.monotonic()
        kept = self._is_open()
        try:
            self._make()
        except _TROUBLE as error:
            seen = self._mishap(error, kept=kept)
            self._close()
            if kept and self.step in (Step.SEND, Step.AWAIT) and isinstance(error, ConnectionError):
                self.tally.again.append(seen)
                self.tally.closed += 1
                self._make_again()
            else:
                self.tally.failures.append(seen)

    def _make_again(self) -> None:
        try:
            self._make()
        except _TROUBLE as error:
            self.tally.failures.append(self._mishap(error, kept=False))
            self._close()

    def _make(self) -> None:
        if self.connection is None:
            self.step = Step.CONNECT
            self.connection = http.client.HTTPConnection(*self.doors.pick(), timeout=ANSWER_WITHIN)
            self.connection.connect()
        self.step = Step.SEND
        self.connection.request("GET", self.errand.path, headers=dict(self.errand.headers))
        self.step = Step.AWAIT
        if not self.connection.sock.recv(1, socket.MSG_PEEK):
            raise http.client.RemoteDisconnected("closed without an answer")
        self.step = Step.READ
        self._read(self.connection)

    def _read(self, connection: http.client.HTTPConnection) -> None:
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"{answer.status} {body[:200]!r}")
        self.tally.answers[f"{self.errand.name} {json.loads(body)['version']}".strip()] += 1
        self.made, self.answered = self.made + 1, time.monotonic()
        if connection.sock is None:  # the answer said that it is the last one
            self.tally.closed += 1
            self._close()
        elif not self.stays and self.made >= _A_VISIT:
            self._close()

    def _mishap(self, error: Exception, *, kept: bool) -> Mishap:
        now, host = time.monotonic(), self.connection.host if self.connection else ""
        idle = f"kept, {self.made} answers, the last {now - self.answered:.4f} s ago" if kept else "new"
        where = f"{host or 'no pod'}, {self.step}, {now - self.begun:.4f} s after the request began"
        words = f"{where} ({idle}): {error!r}; {self.doors}"
        return Mishap(now, host, words)

    def _is_open(self) -> bool:
        """Whether there is a connection that the pod has not closed."""
        if self.connection is None:
            return False
        if select.select([self.connection.sock], [], [], 0)[0]:
            self.tally.closed += 1
            self._close()
            return False
        return True

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection, self.made = None, 0


def visit(visitor: Visitor, every: float, over: threading.Event) -> None:
    """Make a request every so many seconds until it is over."""
    due = time.monotonic()
    while not over.wait(max(0.0, due - time.monotonic())):
        visitor.ask()
        due = max(due + every, time.monotonic() - 1)


def keep_visiting(doors: Doors, errands: Sequence[Errand], rate: float) -> None:
    """Have one visitor for each errand, and `rate` requests a second from all of them, until the input ends."""
    over, tally = threading.Event(), Tally()
    visitors = [
        threading.Thread(target=visit, args=(Visitor(doors, tally, number % 2 == 0, errand), len(errands) / rate, over))
        for number, errand in enumerate(errands)
    ]
    for one in visitors:
        one.start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(tally.told(), flush=True)
    over.set()
    for one in visitors:
        one.join()
    print(tally.told(), flush=True)

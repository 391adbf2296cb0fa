"""What can go wrong between a client and the Kubernetes API stand-in, for the next requests that a test chooses."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.support.kube_kinds import Json
from tests.support.kube_refusals import Refusal


class Fault(StrEnum):
    """How a request goes wrong."""

    TOO_MANY = "429 with Retry-After"
    BROKEN = "500"
    UNAVAILABLE = "503"
    UNAUTHORIZED = "401"
    CONFLICT = "409: somebody wrote in between"
    GONE = "410"
    SLOW = "held until the test releases it, then answered"
    RESET = "the connection is cut before anything is done"
    LOST = "it is done, and the answer is lost"
    CUT = "a watch is cut after its next event"
    SILENT = "a watch is answered and then says nothing"
    GARBAGE = "a watch says what is no JSON, then ends"


_CONFLICT = (
    'Operation cannot be fulfilled on {0} "{1}": the object has been modified; please apply your changes to the latest'
    " version and try again"
)

OF_WATCHES = (Fault.CUT, Fault.SILENT, Fault.GARBAGE)


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came. `verb` is the one that permissions speak of."""

    verb: str
    group: str
    plural: str
    namespace: str
    name: str
    query: Mapping[str, str]
    subresource: str = ""
    body: Json | None = None


@dataclass
class Trouble:
    """A fault for the next `times` requests that match; empty words match everything. `met` counts them."""

    fault: Fault
    times: int = 1
    verb: str = ""
    plural: str = ""
    name: str = ""
    retry_after: int = 1
    met: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _reached: asyncio.Event = field(default_factory=asyncio.Event)

    def meets(self, call: Call) -> bool:
        """Whether it befalls a request; if so it is counted."""
        words = ((self.verb, call.verb), (self.plural, call.plural), (self.name, call.name))
        if self.met >= self.times or any(word not in ("", said) for word, said in words):
            return False
        if self.fault in OF_WATCHES and call.verb != "watch":
            return False
        self.met += 1
        self._reached.set()
        return True

    def release(self) -> None:
        """Let requests go on that are held, and those that come."""
        self._released.set()

    async def reached(self) -> None:
        """Return when a request has met it."""
        await self._reached.wait()

    async def held(self) -> None:
        """Return when it is released."""
        await self._released.wait()

    def refusal(self) -> Refusal | None:
        """What it answers in place of the API; None when it does something else."""
        name, slow = self.name or "x", {"retryAfterSeconds": self.retry_after}
        answers: dict[Fault, tuple[int, str, str, Json]] = {
            Fault.TOO_MANY: (429, "TooManyRequests", "too many requests, please try again later", slow),
            Fault.BROKEN: (500, "InternalError", "Internal error occurred: etcdserver: request timed out", {}),
            Fault.UNAVAILABLE: (503, "ServiceUnavailable", "the server is currently unable to handle the request", {}),
            Fault.UNAUTHORIZED: (401, "Unauthorized", "Unauthorized", {}),
            Fault.GONE: (410, "Expired", "The resourceVersion for the provided watch is too old.", {}),
            Fault.CONFLICT: (409, "Conflict", _CONFLICT.format(self.plural, name), {"name": name, "kind": self.plural}),
        }
        found = answers.get(self.fault)
        return Refusal(found[0], found[1], found[2], found[3]) if found else None

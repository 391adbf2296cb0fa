"""What a Docker Engine tells while it works, as lines for people: what it does, and now and then how far it is.

The danger: an engine repaints bars, a message for each layer and quarter of a second. Thousands of lines say nothing,
and what matters, the failing step, drowns in them.

The promise: every line of a build step is kept, each layer only counts. Of what is fetched or pushed there is a line
when it begins, one every few seconds, and one when it is done. Nothing that the engine says is taken for a line of the
log before `engine.outlets.LogOutlet` has bounded and cleaned it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.outlets import LogOutlet
from engine.ports import LogSink

EVERY = 5.0
"""Seconds between two lines on how far a transfer is."""
_NOISE = re.compile(
    r"^ ---> (Running in )?[0-9a-f]{12}$|^Removing intermediate container |^Successfully (built|tagged) "
)
_STEP = re.compile(r"^Step ([0-9]{1,6})/([0-9]{1,6}) :")
_DONE = frozenset(
    {"Pull complete", "Already exists", "Pushed", "Layer already exists", "Download complete", "Mounted from"}
)
_WAITS = "Retrying in "
_MEGABYTE = 1_000_000
_SHOWN = 5


@dataclass(slots=True)
class _Layer:
    current: int = 0
    total: int = 0
    is_done: bool = False


@dataclass(slots=True)
class Progress:
    """Takes the engine's messages in their order; `clock` counts seconds, `ours` are steps at the end to leave out.

    Afterwards `image` is the id of what was built and `digest` that of what was pushed, as far as they were told,
    `error` what went wrong, and `is_stuck` says that the engine waits before it tries the same again by itself.
    """

    log: LogSink
    clock: Callable[[], float]
    verb: str = "Fetching"
    ours: int = 0
    image: str = ""
    digest: str = ""
    error: str = ""
    is_stuck: bool = False
    _outlet: LogOutlet = field(init=False)
    _layers: dict[str, _Layer] = field(default_factory=dict)
    _about: str = ""
    _told: float = 0.0
    _begun: str = ""
    _is_noise: bool = False

    def __post_init__(self) -> None:
        """Everything that steps print goes through one outlet, which is bounded."""
        self._outlet = LogOutlet(self.log)

    def take(self, message: Mapping[str, Any]) -> None:
        """Take one message."""
        if "stream" in message:
            self._step(str(message["stream"]))
        elif "error" in message or "errorDetail" in message:
            self.error = str(message.get("error") or _detail(message, "errorDetail", "message") or "it says no reason")
        elif "aux" in message:
            self.image = str(_detail(message, "aux", "ID") or self.image)
            self.digest = str(_detail(message, "aux", "Digest") or self.digest)
        elif "status" in message:
            self._transfer(str(message["status"]), str(message.get("id", "")), message.get("progressDetail"))

    def close(self) -> None:
        """Say what is left: there is nothing more to come."""
        self._finish()
        self._outlet.close()

    def last_lines(self) -> list[str]:
        """The last lines of what steps said."""
        return self._outlet.last_lines(_SHOWN)

    def _step(self, text: str) -> None:
        self._finish()
        if text.strip():
            step = _STEP.match(text)
            self._is_noise = _NOISE.match(text.rstrip()) is not None or (step is not None and self._is_ours(step))
            text = _STEP.sub(self._without_ours, text)
        if not self._is_noise:  # the end of a line may come by itself, after the line
            self._outlet(text.encode())

    def _is_ours(self, step: re.Match[str]) -> bool:
        return int(step[1]) > int(step[2]) - self.ours

    def _without_ours(self, step: re.Match[str]) -> str:
        return f"Step {step[1]}/{int(step[2]) - self.ours} :"

    def _transfer(self, status: str, layer: str, detail: Any) -> None:
        if status.startswith(_WAITS):
            self.is_stuck = True
        if not layer or status.startswith("Pulling from"):
            if status.startswith("Pulling from"):
                self._about = f"{status.removeprefix('Pulling from ')}:{layer}"
            return
        one = self._layers.setdefault(layer, _Layer())
        if isinstance(detail, dict) and detail.get("total"):
            one.current, one.total = _count(detail.get("current")), _count(detail["total"])
        one.is_done = one.is_done or any(status.startswith(word) for word in _DONE)
        self._tell()

    def _tell(self) -> None:
        if not self._begun:
            self._begun = self._about or "it"
            self._told = self.clock()
            self.log(f"{self.verb} {self._begun}")
        elif self.clock() - self._told >= EVERY:
            self._told = self.clock()
            self.log(f"{self.verb} {self._begun}: {self._far()}")

    def _far(self) -> str:
        layers = self._layers.values()
        done = sum(layer.is_done for layer in layers)
        total = sum(layer.total for layer in layers)
        current = sum(layer.total if layer.is_done else min(layer.current, layer.total) for layer in layers)
        size = f", {current / _MEGABYTE:.1f} of {total / _MEGABYTE:.1f} MB" if total else ""
        return f"{done} of {len(layers)} layers{size}"

    def _finish(self) -> None:
        if self._begun:
            self.log(f"{self.verb} {self._begun}: {self._far()}")
        self._begun, self._about = "", ""
        self._layers.clear()


def _detail(message: Mapping[str, Any], part: str, key: str) -> Any:
    found = message.get(part)
    return found.get(key) if isinstance(found, dict) else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0

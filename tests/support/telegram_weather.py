"""Trouble for the Telegram stand-in, ordered by a test: flood control, errors, silence."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.support.telegram_chats import Refusal


@dataclass(slots=True)
class Call:
    """One call of the bot. `answered`: the status it got, 0 when it got none. `impatient`: made before it might."""

    method: str
    parameters: dict[str, object]
    at: float
    answered: int = 0
    impatient: bool = False

    @property
    def chat(self) -> int | None:
        asked = self.parameters.get("chat_id")
        return int(str(asked)) if asked is not None else None


class Kind(StrEnum):
    """What goes wrong."""

    FLOOD = "flood"
    ERROR = "error"
    LOST = "lost"
    """The call arrives; its answer does not."""
    SWALLOWED = "swallowed"
    """Neither the call nor its answer arrives."""


SENDING = frozenset({"sendMessage", "editMessageText", "sendDocument", "deleteMessage"})


@dataclass(slots=True)
class Rule:
    """Trouble for each `every`-th call of `methods` (to `chat`), at most `times` times."""

    kind: Kind
    every: int = 1
    times: float = math.inf
    chat: int | None = None
    methods: frozenset[str] = SENDING
    retry_after: int = 1
    status: int = 502
    met: int = 0

    def strikes(self, call: Call) -> bool:
        """Whether this call has bad luck; counts it."""
        if call.method not in self.methods or self.chat not in (None, call.chat) or self.times <= 0:
            return False
        self.met += 1
        if self.met % self.every:
            return False
        self.times -= 1
        return True


@dataclass(slots=True)
class Weather:
    """The rules in force, and until when each chat wants to be left alone."""

    now: Callable[[], float]
    rules: list[Rule] = field(default_factory=list)
    paces: dict[int, tuple[int, float]] = field(default_factory=dict)
    closed_until: dict[int | None, float] = field(default_factory=dict)
    sent: dict[int, list[float]] = field(default_factory=dict)

    def order(self, kind: Kind, **how: object) -> Rule:
        """Let something go wrong, see `Rule`."""
        rule = Rule(kind, **how)  # type: ignore[arg-type]
        self.rules.append(rule)
        return rule

    def pace(self, chat: int, calls: int, within: float) -> None:
        """Let a chat take so many calls within so many seconds and no more, like the real flood control."""
        self.paces[chat] = (calls, within)

    def clear(self) -> None:
        """No trouble any more."""
        self.rules.clear()
        self.paces.clear()
        self.closed_until.clear()

    def meet(self, call: Call) -> Kind | None:
        """Refuse the call, or say what becomes of it."""
        self._flood(call)
        rule = next((rule for rule in self.rules if rule.strikes(call)), None)
        if rule is None:
            return None
        if rule.kind is Kind.FLOOD:
            self.closed_until[call.chat] = call.at + rule.retry_after
            raise too_many(rule.retry_after)
        if rule.kind is Kind.ERROR:
            raise Refusal(rule.status, "Internal Server Error" if rule.status == 500 else "Bad Gateway")
        return rule.kind

    def _flood(self, call: Call) -> None:
        if call.method not in SENDING:
            return
        until = self.closed_until.get(call.chat, 0.0)
        if call.at < until:
            call.impatient = True
            raise too_many(math.ceil(until - call.at))
        if call.chat in self.paces:
            self._count(call, call.chat)

    def _count(self, call: Call, chat: int) -> None:
        calls, within = self.paces[chat]
        recent = [at for at in self.sent.get(chat, []) if at > call.at - within]
        if len(recent) >= calls:
            wait = math.ceil(recent[0] + within - call.at)
            self.closed_until[chat] = call.at + wait
            raise too_many(wait)
        self.sent[chat] = [*recent, call.at]


def too_many(seconds: int) -> Refusal:
    return Refusal(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)

"""What a call of a hook does, in one transaction: found, allowed, read, carried out, written down, answered once.

A call may come twice: with the same `Idempotency-Key`, or the very same signed call. The second time it is answered as
the first one was, and nothing is done. What led to nothing is not remembered, so that it can be tried again.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from bot.delivered import HOOKS
from bot.strangers import Strangers
from bot.wiring import SECRET, rewire
from engine.addresses import is_within, parse_network
from engine.calls import BadCall, NotAllowed, check_signature, mark_of, read_parameters, values_for
from engine.definition import Hook, Start
from engine.errors import Refused
from engine.model import PersonId, Run
from engine.triggers import Effect, Triggers, declared, hooks_of, is_open, joined, waits_now
from storage.audit import Deed
from storage.book import SqlBook
from storage.hooks import Answered, Scope, StoredHook, Trigger
from storage.vault import Vault

DEPTH_HEADER = "Sluice-Depth"
NOBODY = Answered(HTTPStatus.NOT_FOUND, json.dumps({"error": "There is no such hook."}))
_KEY = "idempotency-key"
_LONGEST_KEY = 200
_DEEPEST = 1000
_DEPTH = re.compile(r"[0-9]{1,4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """One call, read whole. `headers` by small letters; `key` is new with each."""

    key: str
    scope: Scope
    token: str
    query: str
    body: bytes
    headers: Mapping[str, str]
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Rules:
    """What definitions say of a hook: each place where it stands, and the runs that it can be about."""

    places: Sequence[Hook | Start]
    runs: Sequence[Run] = ()


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers calls."""

    vault: Vault
    triggers: Triggers
    strangers: Strangers = field(default_factory=Strangers)

    def answer(self, book: SqlBook, call: Call) -> Answered:
        """Carry out a call, inside a transaction."""
        rewire(book, self.vault)
        hook = book.hooks.marked(mark_of(call.token))
        rules = _rules(book, hook) if hook is not None and hook.scope == call.scope else None
        if hook is None or rules is None:
            return NOBODY
        try:
            names = self._allowed(call, hook, rules)
        except NotAllowed as error:
            return self._refused(book, call, hook, error, HTTPStatus.UNAUTHORIZED)
        keys = [_call_key(hook, name) for name in names]
        answered = _answered_before(book, keys, call.at) or self._carried_out(book, call, hook, rules)
        for key in keys:
            if answered.status == HTTPStatus.CREATED:
                book.hooks.answer(key, answered)
            else:
                book.hooks.free(key)
        return answered

    def _allowed(self, call: Call, hook: StoredHook, rules: _Rules) -> list[str]:
        """Check where the call comes from and how it is signed; gives all that names it, so that it counts once.

        A key is said by whoever calls and is not signed, so beside it the signature counts: or somebody who has seen a
        signed call could make it again under another key.
        """
        for place in rules.places:
            networks = tuple(parse_network(one) for one in place.networks)
            if networks and not is_within(call.source, networks):
                raise NotAllowed(f"Calls from {call.source} are not taken here.")
        names = []
        if any(place.signature == "hmac" for place in rules.places):
            secret = self.vault.token(SECRET, hook.about)
            names.append("signature " + check_signature(secret, call.headers, call.query, call.body, call.at))
        if said := call.headers.get(_KEY, "")[:_LONGEST_KEY]:
            names.append(f"key {said}")
        return names

    def _carried_out(self, book: SqlBook, call: Call, hook: StoredHook, rules: _Rules) -> Answered:
        try:
            given = read_parameters(call.query, call.body, call.headers.get("content-type", ""))
            effects = self._effects(book, call, hook, rules, given)
        except BadCall as error:
            return self._refused(book, call, hook, error, HTTPStatus.BAD_REQUEST)
        if not effects:
            nothing = Refused(f"Nothing of {hook.pipeline} waits for {hook.name} now.")
            return self._refused(book, call, hook, nothing, HTTPStatus.CONFLICT)
        return self._answered(book, call, hook, effects)

    def _effects(
        self, book: SqlBook, call: Call, hook: StoredHook, rules: _Rules, given: Mapping[str, str]
    ) -> list[Effect]:
        by = PersonId(f"hook:{hook.name}")
        if hook.scope == "start":
            values = values_for(given, joined(rules.places))
            why = f"Webhook {hook.name} was called."
            return [self.triggers.start(book, hook.pipeline, values, by, depth=_depth(call), why=why)]
        values_for(given, joined(rules.places))
        key = f"webhook:{hook.name}"
        waiting = [run for run in rules.runs if waits_now(run, key)] or rules.runs
        return [self.triggers.meet(book, run, given, key, by) for run in waiting]

    def _answered(self, book: SqlBook, call: Call, hook: StoredHook, effects: Sequence[Effect]) -> Answered:
        done = [effect for effect in effects if effect.outcome in ("started", "met")]
        if not done:
            status = HTTPStatus.BAD_REQUEST if all(effect.is_bad for effect in effects) else HTTPStatus.CONFLICT
            return self._in_vain(book, call, hook, effects, Answered(status, json.dumps({"error": effects[0].said})))
        for effect in effects:
            _record(book, call, hook, effect)
        _audit(book, call, hook, "done", " ".join(f"{effect.run} {effect.outcome}" for effect in done))
        book.hooks.called(hook, call.at, "triggered")
        said = {"run": done[0].run, "runs": [effect.run for effect in done], "outcome": done[0].outcome}
        return Answered(HTTPStatus.CREATED, json.dumps(said))

    def _refused(self, book: SqlBook, call: Call, hook: StoredHook, error: Refused, status: HTTPStatus) -> Answered:
        effect = Effect(hook.pipeline, "", "refused", str(error))
        answered = Answered(status, json.dumps({"error": f"{error} {error.hint}".strip()}))
        self._in_vain(book, call, hook, [effect], answered)
        if status == HTTPStatus.UNAUTHORIZED:
            book.hooks.called(hook, call.at, "not allowed")
        return answered

    def _in_vain(
        self, book: SqlBook, call: Call, hook: StoredHook, effects: Sequence[Effect], answered: Answered
    ) -> Answered:
        """Nothing was done. That is written down a few times an hour for each hook and reason, or it fills the disk."""
        if self.strangers.may_ask(f"{hook.mark} {answered.status}", call.at):
            for effect in effects:
                _record(book, call, hook, effect)
            _audit(book, call, hook, "refused", effects[0].said)
        book.hooks.called(hook, call.at, effects[0].outcome)
        return answered


def _rules(book: SqlBook, hook: StoredHook) -> _Rules | None:
    """Find what definitions say of the hook now; None when nothing has it any more."""
    try:
        newest = declared(book, hook.pipeline)
    except Refused:
        return None
    if hook.scope == "start":
        starts = [start for start in newest.starts if start.webhook == hook.name]
        return _Rules(starts) if starts else None
    key = f"webhook:{hook.name}"
    runs = [run for run in book.runs.active(hook.pipeline) if is_open(run, key)]
    places = hooks_of(newest, key)
    for version in {run.version for run in runs}:
        with contextlib.suppress(Refused):  # the others are served; a run of this version is refused when it is met
            places += hooks_of(declared(book, hook.pipeline, version), key)
    return _Rules(places, runs) if places else None


def _answered_before(book: SqlBook, keys: Sequence[str], at: datetime) -> Answered | None:
    """Take the keys of a call; gives what was answered when one of them was taken before."""
    taken = [key for key in keys if not book.hooks.reserve(key, at)]
    return book.hooks.answered(taken[0]) or NOBODY if taken else None


def _call_key(hook: StoredHook, named: str) -> str:
    return hashlib.sha256(f"{hook.mark}\n{named}".encode("utf-8", "replace")).hexdigest()


def _depth(call: Call) -> int:
    """Count the runs that led to this call, as far as it says so: one that calls back here is one more.

    Of a header that came more than once, which is joined with commas, the greatest counts.
    """
    written = [one.strip() for one in call.headers.get(DEPTH_HEADER.lower(), "").split(",")]
    said = [min(int(one), _DEEPEST) + 1 for one in written if _DEPTH.fullmatch(one)]
    return max(said, default=0)


def _record(book: SqlBook, call: Call, hook: StoredHook, effect: Effect) -> None:
    row = Trigger(call.at, hook.pipeline, "webhook", hook.name, call.source, effect.run, effect.outcome, effect.said)
    book.hooks.record(row)


def _audit(book: SqlBook, call: Call, hook: StoredHook, outcome: str, said: str) -> None:
    line = f"{hook.scope} hook {hook.name} of {hook.pipeline}"
    by = PersonId(f"hook:{hook.name}")
    book.audit.add(Deed(f"hook:{call.key}", call.at, by, call.source[:128], HOOKS, line, outcome, said))

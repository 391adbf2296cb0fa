"""What others have changed of what Sluice wrote, what they hold, and what a write would change: fields, with names.

A field that somebody changed after Sluice wrote it, or that somebody holds before Sluice writes it, is a dispute: it is
named with its manager, and a person decides. Two kinds of differences are none. A field that nobody but Sluice holds
has the value that the cluster itself made of what was written. And what Sluice never wrote is not its affair.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.model import Json
from engine.ports import Dispute
from engine.targets.kubernetes import names
from engine.targets.kubernetes.comparing import Difference, altered, lost, lost_at
from engine.targets.kubernetes.lines import brief, one_line
from engine.targets.kubernetes.merging import in_order
from engine.targets.kubernetes.owners import Owner, owners_of
from engine.targets.kubernetes.paths import NOTHING, Item, Path, at, read, with_value, written

NOBODY = "nobody"
_LONGEST = 80
_NOT_OURS_TO_SAY = ("apiVersion", "kind", "status")
_NOISE = frozenset(
    (name,) for name in ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
)
_BOOKKEEPING = frozenset(
    (name,)
    for name in (
        names.APPLIED,
        "deployment.kubernetes.io/revision",
        "kubectl.kubernetes.io/last-applied-configuration",
    )
)
_TRAFFIC = {"VirtualService": ("http", "tcp", "tls"), "HTTPRoute": ("rules",)}
_SHARES = ("route", "backendRefs")
_MANY = 4
_WHOLE_ROUTE = 3
"""Steps to one route of a mesh object: ``spec.http[0]``."""


@dataclass(frozen=True, slots=True)
class Drift(Dispute):
    """A dispute over a field that was changed since Sluice wrote it: `operation` and `at` say how and when."""

    operation: str = ""
    at: datetime | None = None

    def __str__(self) -> str:
        """Say it in one sentence."""
        who = str(Owner(self.manager, self.operation, self.at)) if self.operation else self.manager
        return f"{self.thing}: {self.field} is {self.theirs} by {who}; Sluice wants {self.ours}."


def drifted(applied: Json, live: Json, manager: str, before: Collection[str] = ()) -> tuple[Dispute, ...]:
    """Every field that `manager` applied and that is not so any more, once for each who holds it now.

    `before` are older names of `manager`.
    """
    found = [each for each in lost(applied, live) if _counts(each.path)]
    return tuple(dispute for each in found for dispute in _drifts(each, applied, live, {manager, *before}))


def held(fields: Sequence[tuple[str, str]], wanted: Json, live: Json, thing: str) -> tuple[Dispute, ...]:
    """The fields that the API server would not let be written, each with the manager that it named."""
    return tuple(
        Dispute(thing, field, one_line(manager), shown(each.one), shown(each.other), is_decided(wanted, each.path))
        for text, manager in dict.fromkeys(fields)
        for field, each in _refused(text, wanted, live)
    )


def changed(before: Json | None, after: Json, thing: str) -> tuple[str, ...]:
    """What a write does to an object, in sentences; empty when it does nothing."""
    if before is None:
        return (f"{thing}: created{_made(after)}",)
    found = [each for each in altered(before, after) if not _is_noise(each.path)]
    ours = sorted({str(each.path[-1]) for each in found if _is_note(each.path)})
    said = [
        f"{thing}, {written(each.path)}: {shown(each.one)} -> {shown(each.other)}"
        for each in found
        if not _is_note(each.path)
    ]
    return (*said, *((f"{thing}: Sluice's own notes on it ({', '.join(ours)})",) if ours else ()))


def present(applied: Json, live: Json, disputes: Sequence[Dispute]) -> Json:
    """`applied` with what is live now in the disputed fields: what has to be applied to change nothing."""
    kept = applied
    for dispute in disputes:
        path = read(dispute.field, applied, live) if dispute.thing == thing_of(live, applied) else None
        if path is not None:
            kept = with_value(kept, path, at(live, path))
    ordered: Json = in_order(kept, live)
    return ordered


def thing_of(live: Json, applied: Json) -> str:
    """How an object is called in disputes: ``Deployment shop/web``. Objects from a list do not say their kind."""
    metadata = live.get("metadata") or {}
    return f"{live.get('kind') or applied.get('kind')} {metadata.get('namespace', '')}/{metadata.get('name', '')}"


def shown(value: Any) -> str:
    """A value as people read it, on one line."""
    if value is NOTHING or value is None:
        return "nothing"
    if isinstance(value, str):
        return one_line(brief(value), _LONGEST) or '""'
    return one_line(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")), _LONGEST)


def _drifts(each: Difference, applied: Json, live: Json, us: Collection[str]) -> Iterator[Dispute]:
    owners = owners_of(live, each.path)
    others = [owner for owner in owners if owner.manager not in us]
    if owners and not others:
        return
    decided = is_decided(applied, each.path)
    for owner in others or [Owner(NOBODY, "", None)]:
        yield Drift(
            thing=thing_of(live, applied),
            field=written(each.path),
            manager=owner.manager,
            ours=shown(each.one),
            theirs=shown(each.other),
            decided=decided,
            operation=owner.operation,
            at=owner.at,
        )


def _refused(text: str, wanted: Json, live: Json) -> Iterator[tuple[str, Difference]]:
    """The field that the API server named; of one that is held as a whole, what differs in it, if that is not much."""
    path = read(text, wanted, live)
    if path is None:
        yield one_line(text.removeprefix("."), 200), Difference((), NOTHING, NOTHING)
        return
    ours, theirs = at(wanted, path), at(live, path)
    inner = list(lost_at(path, ours, theirs))
    for each in inner if 1 <= len(inner) <= _MANY else [Difference(path, ours, theirs)]:
        yield written(each.path), each


def is_decided(wanted: Json, path: Path) -> bool:
    """Whether the release itself decides the field, or something within it."""
    kind = wanted.get("kind")
    if kind == "Deployment":
        return _within(path, ("spec", "replicas")) or any(_within(path, each) for each in _images(wanted))
    if kind == "Service":
        return path[:2] == ("spec", "selector")
    if kind in _TRAFFIC:
        routes = path[:1] == ("spec",) and path[1:2] and path[1] in _TRAFFIC[kind]
        return bool(routes) and (len(path) <= _WHOLE_ROUTE or path[_WHOLE_ROUTE] in _SHARES)
    return False


def _within(path: Path, decided: Path) -> bool:
    return bool(path) and decided[: len(path)] == path


def _images(wanted: Json) -> Iterator[Path]:
    """Where the image of the workload's own container stands: the only one, else the one of its name, else any."""
    template = ("spec", "template", "spec", "containers")
    every = at(wanted, template)
    containers = [each for each in (() if every is NOTHING else every) if "image" in each]
    named = [each for each in containers if each["name"] in _own_names(wanted)]
    for each in containers if len(containers) == 1 else named or containers:
        yield (*template, Item((("name", each["name"]),)), "image")


def _own_names(wanted: Json) -> tuple[str, ...]:
    return (names.label(wanted, names.WORKLOAD), str(wanted["metadata"].get("name", "")))


def _counts(path: Path) -> bool:
    return path[0] not in _NOT_OURS_TO_SAY and path != ("metadata", "annotations", names.APPLIED)


def _is_noise(path: Path) -> bool:
    if path[:1] == ("metadata",):
        return path[1:2] in _NOISE or path[2:] in _BOOKKEEPING
    return path[0] in _NOT_OURS_TO_SAY or path[-2:] == ("metadata", "creationTimestamp")


def _is_note(path: Path) -> bool:
    own = path[:2] in (("metadata", "annotations"), ("metadata", "labels"))
    return own and str(path[-1]).startswith(f"{names.DOMAIN}/")


def _made(after: Json) -> str:
    """What matters of an object that is new."""
    spec: Mapping[str, Any] = after.get("spec") or {}
    containers = at(after, ("spec", "template", "spec", "containers"))
    said = [f"image {shown(each.get('image'))}" for each in (() if containers is NOTHING else containers)]
    said += [f"{spec['replicas']} replicas"] if "replicas" in spec else []
    said += [f"port {port.get('port')}" for port in spec.get("ports") or () if after.get("kind") == "Service"]
    said += [f"selector {shown(spec['selector'])}"] if after.get("kind") == "Service" and spec.get("selector") else []
    said += [f"hosts {', '.join(map(shown, spec['hosts']))}"] if spec.get("hosts") else []
    return f": {one_line(', '.join(said), 240)}" if said else ""

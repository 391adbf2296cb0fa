"""What Sluice leaves behind of objects that it has found: themselves, and nothing of its own on them. Pure.

In two steps. First an apply: a Deployment is left without instances, a Service and routes as they were found. An apply
that says less than the one before would take away what nobody else holds (an image, a selector), so the values have to
stay said until Sluice's name is off the fields. That is the second step, which takes its notes away as well: from then
on the object is as if Sluice had never met it. The notes stay until then, so either step may be repeated.
"""

import json
from collections.abc import Collection, Iterable
from typing import Any

from engine.model import Json
from engine.routing import gateway, istio
from engine.targets.kubernetes import names, objects
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind
from engine.targets.kubernetes.overlay import laid_over

_ROUTERS = {VIRTUAL_SERVICE: istio, HTTP_ROUTE: gateway}


def put_back(kind: Kind, live: Json) -> Json | None:
    """What to apply to an object that others made when its workload is ended; None when it is as it was found."""
    applied = objects.applied_of(live)
    if kind == DEPLOYMENT and applied is not None:
        return objects.with_applied(objects.scaled(applied, 0))
    found = _as_found(kind, live)
    return objects.with_applied(laid_over(objects.bare(kind, live), {**_notes(live), "spec": found})) if found else None


def let_go(live: Json, managers: Collection[str]) -> dict[str, Any]:
    """What to merge into it then: no note of Sluice's any more, and no field held by `managers`, its own names."""
    metadata = live["metadata"]
    held = [each for each in metadata.get("managedFields") or () if each.get("manager") not in managers]
    about = {"resourceVersion": metadata["resourceVersion"], "managedFields": held, **_no_notes(metadata)}
    template = _no_notes((live.get("spec") or {}).get("template", {}).get("metadata") or {})
    return {"metadata": about, **({"spec": {"template": {"metadata": template}}} if template else {})}


def _as_found(kind: Kind, live: Json) -> dict[str, Any] | None:
    """What was changed of its specification, as it was before."""
    if kind == SERVICE and names.annotation(live, names.FOUND):
        return {"selector": json.loads(names.annotation(live, names.FOUND))["selector"]}
    if kind in _ROUTERS and (found := _ROUTERS[kind].remembered(live)) is not None:
        return dict(_ROUTERS[kind].restored(found)["spec"])
    return None


def _notes(live: Json) -> dict[str, Any]:
    """By what it is known until it is let go."""
    labels = {names.WORKLOAD: objects.workload_of(live)}
    return {"metadata": {"labels": labels, "annotations": {names.FOUND: names.annotation(live, names.FOUND)}}}


def _no_notes(metadata: Json) -> dict[str, Any]:
    taken = {key: _ours(metadata.get(key) or ()) for key in ("labels", "annotations")}
    return {key: dict.fromkeys(found) for key, found in taken.items() if found}


def _ours(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key.startswith(f"{names.DOMAIN}/")]

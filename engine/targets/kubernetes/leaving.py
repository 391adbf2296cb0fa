"""What Sluice leaves behind of objects that it has found: themselves, as they were. Pure.

An apply that says less than the one before takes away what it no longer says, unless somebody else holds it. So to
apply what was found, and nothing of our own beside it, takes our labels and notes off the object as well.
"""

import json

from engine.model import Json
from engine.routing import gateway, istio
from engine.targets.kubernetes import names, objects
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind

_ROUTERS = {VIRTUAL_SERVICE: istio, HTTP_ROUTE: gateway}


def put_back(kind: Kind, live: Json) -> Json | None:
    """What to apply to an object that others made when its workload is ended; None when Sluice never wrote to it.

    A Deployment is left without instances, a Service and routes as they were found.
    """
    applied = objects.applied_of(live)
    if applied is None:
        return None
    if kind == DEPLOYMENT:
        return objects.with_applied(objects.scaled(applied, 0))
    metadata = {key: live["metadata"][key] for key in ("name", "namespace")}
    bare = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    if kind == SERVICE and names.annotation(live, names.FOUND):
        return {**bare, "spec": {"selector": json.loads(names.annotation(live, names.FOUND))["selector"]}}
    if kind in _ROUTERS and (found := _ROUTERS[kind].remembered(live)) is not None:
        return {**bare, **_ROUTERS[kind].restored(found)}
    return bare

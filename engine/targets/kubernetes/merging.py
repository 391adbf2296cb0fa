"""Which lists and mappings the API server takes apart when objects of several managers are put together.

It is written in the schemas of the API. What stands here is the part of it that Deployments, Services and what stands
beside them have. All other lists, and everything in a custom resource, belong to one manager as a whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "claims": ("name",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_WHOLE = frozenset(
    {
        "selector",
        "labelSelector",
        "nodeSelector",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "configMapKeyRef",
        "fieldRef",
        "fileKeyRef",
        "resourceFieldRef",
        "secretKeyRef",
        "nodePublishSecretRef",
        "dataSource",
    }
)
_ASSUMED = {"protocol": "TCP"}
_OF_ROUTES = frozenset({"http", "tcp", "tls", "rules", "hosts", "gateways", "hostnames", "parentRefs", "exportTo"})


def keys_of(names: Sequence[str]) -> tuple[str, ...]:
    """By which keys the items of a list are told apart; `names` are the mappings' keys that lead to it.

    Empty for a list that is one value.
    """
    if not names or _OF_ROUTES & set(names[1:2]):
        return ()
    if names[-1] == "ports":
        return (
            ("containerPort", "protocol")
            if "containers" in names or "initContainers" in names
            else ("port", "protocol")
        )
    if names[-1] == "imagePullSecrets":
        return ("name",) if len(names) > 1 else ()
    return _KEYS.get(names[-1], ())


def is_set(names: Sequence[str]) -> bool:
    """Whether a list is a set of values, each of which may have its own manager."""
    return tuple(names[-2:]) == ("metadata", "finalizers")


def is_whole(names: Sequence[str]) -> bool:
    """Whether a mapping belongs to one manager as a whole."""
    return bool(names) and names[-1] in _WHOLE


def in_order(thing: Any, live: Any, names: Sequence[str] = ()) -> Any:
    """`thing` with the items of its lists in the order that they have in `live`; new ones come last.

    The order that is applied is the one that the object gets: another one would be a change, and restart pods.
    """
    if isinstance(thing, Mapping) and isinstance(live, Mapping):
        return {key: in_order(each, live.get(key), (*names, key)) for key, each in thing.items()}
    keys = keys_of(names)
    if not keys or not isinstance(thing, list) or not isinstance(live, list):
        return thing
    there = {values_of_keys(each, keys): (place, each) for place, each in enumerate(live)}
    placed = [(*there.get(values_of_keys(each, keys), (len(live), None)), each) for each in thing]
    return [in_order(each, other, names) for _, other, each in sorted(placed, key=lambda one: one[0])]


def values_of_keys(item: Mapping[str, Any], keys: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """The keys of `item` with their values, those that the API server assumes included."""
    return tuple((key, item.get(key, _ASSUMED.get(key))) for key in keys)

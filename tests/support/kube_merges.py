"""Patches that are no apply: merge patches, strategic merge patches and JSON patches, as the API takes them."""

from collections.abc import Callable
from typing import Any

from tests.support.kube_kinds import Json, Resource
from tests.support.kube_refusals import Refusal, bad_request
from tests.support.kube_schema import How, Shape, shape_of

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


def change_of(resource: Resource, kind: str, patch: Any) -> Callable[[Json], Json]:
    """What a patch of that content type makes of an object."""
    if kind == MERGE:
        return lambda thing: _merge(thing, patch)
    if kind == STRATEGIC and not resource.custom:
        return lambda thing: _strategic(shape_of(resource), thing, patch)
    if kind == JSON:
        return lambda thing: _edited(thing, patch)
    raise Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def _merge(value: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    here = value if isinstance(value, dict) else {}
    below = {name: _merge(here.get(name), one) for name, one in patch.items() if one is not None}
    return {**{name: one for name, one in here.items() if patch.get(name, ...) is not None}, **below}


def _strategic(shape: Shape, value: Any, patch: Any) -> Any:
    """Merge by the keys of lists; ``$patch: delete`` takes an item away, null a field."""
    if isinstance(patch, dict):
        if patch.get("$patch") == "replace":
            return {name: one for name, one in patch.items() if name != "$patch"}
        here = value if isinstance(value, dict) else {}
        below = {
            name: _strategic(shape.child(name), here.get(name), one) for name, one in patch.items() if one is not None
        }
        return {**{name: one for name, one in here.items() if patch.get(name, ...) is not None}, **below}
    if isinstance(patch, list) and isinstance(value, list) and shape.how(patch) is How.KEYED:
        there, asked = dict(shape.items(value)), dict(shape.items(patch))
        for key, one in asked.items():
            if one.get("$patch") == "delete":
                there.pop(key, None)
            else:
                there[key] = _strategic(shape.item, there.get(key), one)
        return list(there.values())
    return patch


def _edited(thing: Json, operations: list[Json]) -> Json:
    result: Any = thing
    for one in operations:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in one["path"].split("/")[1:]]
        result = _set(result, steps, one)
    return dict(result)


def _set(value: Any, steps: list[str], operation: Json) -> Any:
    """`value` with one operation done at the end of `steps`."""
    step, last = steps[0], len(steps) == 1
    if isinstance(value, list):
        return _set_item(value, steps, operation)
    if not isinstance(value, dict) or (step not in value and (not last or operation["op"] != "add")):
        raise bad_request("the server rejected our request due to an error in our request")
    if not last:
        return {**value, step: _set(value[step], steps[1:], operation)}
    rest = {name: one for name, one in value.items() if name != step}
    return rest if operation["op"] == "remove" else {**value, step: operation["value"]}


def _set_item(value: list[Any], steps: list[str], operation: Json) -> list[Any]:
    place = len(value) if steps[0] == "-" else int(steps[0])
    if len(steps) > 1:
        return [*value[:place], _set(value[place], steps[1:], operation), *value[place + 1 :]]
    put = [] if operation["op"] == "remove" else [operation["value"]]
    return [*value[:place], *put, *value[place + (operation["op"] != "add") :]]

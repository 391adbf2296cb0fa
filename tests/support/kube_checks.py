"""What the API server refuses in an object: names, labels, selectors, what is missing and what may not change."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from tests.support.kube_fields import duplicates
from tests.support.kube_kinds import Json, Resource
from tests.support.kube_pod_checks import NEEDED, WRONG, Cause, pods, ports, strategies
from tests.support.kube_refusals import Refusal, bad_request, invalid
from tests.support.kube_schema import Custom, How, Shape, shape_of, unknown_fields
from tests.support.kube_selectors import matches
from tests.support.kube_types import as_applied, as_written, mistyped

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_WORD = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_SAID = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    f" an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_SAID = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    f" end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_KEY_SAID = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    f" character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_WORD}')"
)
_VALUE_SAID = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    f" end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
    f" '({_WORD})?')"
)
_SHORT, _LONG = 63, 253
_BY_LABEL = ("services", "namespaces")
_ANNOTATIONS = 256 * 1024
_OMITTED = {
    "value": "",
    "workingDir": "",
    "subPath": "",
    "minReadySeconds": 0,
    "initialDelaySeconds": 0,
    "nodePort": 0,
    "hostPort": 0,
    "readOnly": False,
    "paused": False,
    "hostNetwork": False,
    "stdin": False,
    "tty": False,
    "publishNotReadyAddresses": False,
}
"""Fields that the server does not keep when they hold nothing."""


def check(resource: Resource, thing: Json, old: Json | None) -> None:
    """Refuse `thing` for everything that is wrong with it."""
    causes = [*_names(resource, thing), *_selectors(resource, thing), *_unchanged(resource, thing, old)]
    if causes:
        raise invalid(resource, thing["metadata"]["name"], causes)


def _names(resource: Resource, thing: Json) -> Iterator[Cause]:
    meta, short = thing["metadata"], resource.plural in _BY_LABEL
    if not meta["name"]:
        yield NEEDED, "Required value: name or generateName is required", "metadata.name"
        return
    pattern, said, longest = (_LABEL, _LABEL_SAID, _SHORT) if short else (_SUBDOMAIN, _SUBDOMAIN_SAID, _LONG)
    if not re.fullmatch(pattern, meta["name"]):
        yield WRONG, f"Invalid value: {_quoted(meta['name'])}: {said}", "metadata.name"
    if len(meta["name"]) > longest:
        yield (
            WRONG,
            f"Invalid value: {_quoted(meta['name'])}: must be no more than {longest} characters",
            "metadata.name",
        )
    yield from _labels(meta.get("labels") or {}, "metadata.labels")
    annotations = meta.get("annotations") or {}
    if sum(len(key) + len(str(value)) for key, value in annotations.items()) > _ANNOTATIONS:
        yield "FieldValueTooLong", f"Too long: may not be more than {_ANNOTATIONS} bytes", "metadata.annotations"


def _labels(labels: Mapping[str, Any], field: str) -> Iterator[Cause]:
    for key, value in labels.items():
        name = key.rsplit("/", 1)[-1]
        if not re.fullmatch(_WORD, name):
            yield WRONG, f"Invalid value: {_quoted(key)}: {_KEY_SAID}", field
        if len(name) > _SHORT:
            yield WRONG, f"Invalid value: {_quoted(key)}: name part must be no more than {_SHORT} bytes", field
        if not re.fullmatch(f"({_WORD})?", value):
            yield WRONG, f"Invalid value: {_quoted(value)}: {_VALUE_SAID}", field
        if len(value) > _SHORT:
            yield WRONG, f"Invalid value: {_quoted(value)}: must be no more than {_SHORT} bytes", field


def _selectors(resource: Resource, thing: Json) -> Iterator[Cause]:
    spec = thing.get("spec") or {}
    if resource.plural == "services" and not resource.custom:
        yield from _labels(spec.get("selector") or {}, "spec.selector")
        if not spec.get("ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
            yield NEEDED, "Required value", "spec.ports"
        yield from ports(spec)
    if resource.name not in ("deployments.apps", "replicasets.apps"):
        return
    selector, template = spec.get("selector"), spec["template"]
    labels = template["metadata"].get("labels")
    yield from _labels(labels or {}, "spec.template.metadata.labels")
    if selector is None:
        yield NEEDED, "Required value", "spec.selector"
    if not matches((selector or {}).get("matchLabels"), labels or {}):
        shown = "null" if labels is None else _plain(labels)
        said = f"Invalid value: {shown}: `selector` does not match template `labels`"
        yield WRONG, said, "spec.template.metadata.labels"
    yield from _containers(template["spec"], "spec.template.spec")
    yield from pods(template["spec"], "spec.template.spec")
    if resource.name == "deployments.apps":
        yield from strategies(spec)


def _containers(spec: Json, at: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield NEEDED, "Required value", f"{at}.containers"
    for number, container in enumerate(spec.get("containers") or ()):
        if not container.get("image"):
            yield NEEDED, "Required value", f"{at}.containers[{number}].image"
        if not re.fullmatch(_LABEL, container.get("name", "")):
            said = f"Invalid value: {_quoted(container.get('name', ''))}: {_LABEL_SAID}"
            yield WRONG, said, f"{at}.containers[{number}].name"


def _unchanged(resource: Resource, thing: Json, old: Json | None) -> Iterator[Cause]:
    if old is None:
        return
    before, after = old.get("spec") or {}, thing.get("spec") or {}
    if resource.group == "apps" and before.get("selector") != after.get("selector"):
        yield WRONG, f"Invalid value: {_plain(after.get('selector'))}: field is immutable", "spec.selector"
    if resource.plural == "services" and before.get("clusterIP") != after.get("clusterIP"):
        said = f"Invalid value: {_plain([after.get('clusterIP', '')])}: may not change once set"
        yield WRONG, said, "spec.clusterIPs[0]"


def check_written(resource: Resource, thing: Json, *, strict: bool) -> None:
    """Refuse what cannot be read into the kind, and fields that nobody declared when that is asked for."""
    said = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
    for path, declared, value in mistyped(shape_of(resource), thing):
        raise bad_request(said + as_written(path, declared, value))
    unknown = sorted(f'unknown field "{one}"' for one in unknown_fields(shape_of(resource), thing)) if strict else []
    if unknown:
        raise bad_request(f"{said}strict decoding error: {', '.join(unknown)}")


def check_applied(resource: Resource, thing: Json) -> None:
    """Refuse what cannot be applied at all: wrong types, fields that nobody declared, and an item twice."""
    meta, shape = thing["metadata"], shape_of(resource)
    wrong = next(
        chain(
            (f"{path}: {as_applied(declared, value)}" for path, declared, value in mistyped(shape, thing)),
            (f".{path}: field not declared in schema" for path in unknown_fields(shape, thing)),
            (f"{path}: duplicate entries for key {key}" for path, key in duplicates(shape, thing)),
        ),
        "",
    )
    if wrong:
        named = f"{meta.get('namespace', '')}/{meta['name']}; {resource.api_version}, Kind={resource.kind}"
        raise Refusal(500, "", f"failed to create typed patch object ({named}): {wrong}")


def tidied(shape: Shape, value: Any) -> Any:
    """`value` as a typed server keeps it: nothing that is null, no empty lists and maps, no zero that means unset."""
    if shape.node is None:
        is_whole = isinstance(shape, Custom) and isinstance(value, dict)
        return {**value, "metadata": tidied(shape.child("metadata"), value["metadata"])} if is_whole else value
    if isinstance(value, list):
        return [tidied(shape.item, one) for one in value]
    if not isinstance(value, dict):
        return value
    how = shape.how(value)
    kept = {name: tidied(shape.child(name), one) for name, one in value.items() if not _is_nothing(how, name, one)}
    return {name: one for name, one in kept.items() if one != {} or not _goes(shape.child(name))}


def _is_nothing(how: How, name: str, value: Any) -> bool:
    is_zero = how is How.STRUCT and name in _OMITTED and value == _OMITTED[name]
    return value is None or value == [] or is_zero


def _goes(shape: Shape) -> bool:
    """Whether an empty value is left out: a map of entries is, a structure is not."""
    return shape.node is not None and "additionalProperties" in shape.node


def _quoted(text: str) -> str:
    return f'"{text}"'


def _plain(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)

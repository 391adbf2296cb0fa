"""What a request to the Kubernetes API stand-in asks for, read from its path, its query and its body."""

import json
from typing import Any

import kmock
import yaml

from tests.support.kube_kinds import NAMESPACE, Json, Resource, resource_at
from tests.support.kube_refusals import bad_request
from tests.support.kube_trouble import Call
from tests.support.kube_writing import Asked

NAMESPACES, ALL = "/api/v1/namespaces", "*"
"""The path of all namespaces, and the name that stands for all of them: kmock cannot read the path without one."""


def resource_named(request: kmock.Request) -> Resource | None:
    """The kind that a path names, one without a `kind` when there is none of that name; None for discovery."""
    said = request.resource
    if said is None or said.group is None or said.version is None:
        return None
    if said.plural is None:
        return NAMESPACE if request.namespace else None
    return resource_at(said.group, said.version, said.plural) or Resource(said.group, said.version, "", said.plural)


def call_of(request: kmock.Request, resource: Resource) -> Call:
    """The request in the words of permissions."""
    namespace, name = request.namespace or "", request.name or ""
    if resource == NAMESPACE:
        namespace, name = "", "" if namespace == ALL else namespace or name
    method, query = request.method.value, dict(request.params)
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, "get" if name else "list")
    if method == "DELETE":
        verb = "delete" if name else "deletecollection"
    if method == "GET" and query.get("watch") in ("true", "1", "True"):
        verb = "watch"
    words = (verb, resource.group, resource.plural, namespace, name)
    return Call(*words, query, request.subresource or "", _read(request))


def discovery(request: kmock.Request) -> Call:
    """A request for what there is; its path stands where others have their kind."""
    return Call("get", "", request.url.path, "", "", dict(request.params))


def _read(request: kmock.Request) -> Any:
    if not request.body:
        return None
    try:
        is_yaml = request.headers.get("Content-Type", "").endswith("yaml")
        return yaml.safe_load(request.text) if is_yaml else json.loads(request.text)
    except (ValueError, yaml.YAMLError) as fault:
        raise bad_request(f"error decoding the body: {fault}") from fault


def body_of(call: Call) -> Json:
    """The object in a body."""
    if not isinstance(call.body, dict):
        raise bad_request("error decoding YAML: error unmarshaling JSON: cannot unmarshal into an object")
    return call.body


def asked_of(request: kmock.Request, call: Call) -> Asked:
    """How a write is asked for. Who names no manager is named by his program."""
    program = request.headers.get("User-Agent", "unknown").split("/")[0].split(" ")[0]
    query = call.query
    return Asked(
        manager=query.get("fieldManager") or program,
        dry=query.get("dryRun") == "All",
        force=query.get("force") in ("true", "1", "True"),
        strict=query.get("fieldValidation") == "Strict",
        subresource=call.subresource,
    )

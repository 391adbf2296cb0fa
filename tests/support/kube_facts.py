"""Facts about the Kubernetes API are stated once and held against the stand-in and a real API server: here is where.

By itself everything runs against the stand-in. With `pytest -m cluster` it runs, word for word, in a namespace of its
own in the cluster that KUBECONFIG names, with pods of SLUICE_TEST_IMAGE (which has to run until it is ended).
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from kubernetes import config
from kubernetes.client import Configuration

from tests.support.kube_behaviour import Behaviour
from tests.support.kube_client import Client, connected
from tests.support.kube_kinds import Json
from tests.support.kube_server import kube


@asynccontextmanager
async def on_stand_in() -> AsyncIterator[Client]:
    """A namespace in the stand-in, whose controllers work by themselves."""
    async with kube(istio=True, gateway=True) as server:
        server.have_namespace("facts")
        server.images["shop/hello:missing"] = Behaviour.NO_IMAGE
        async with connected(server.configuration()) as http, server.living():
            yield Client(http, "facts", ("shop/hello:v1", "shop/hello:v2", "shop/hello:missing"))


@asynccontextmanager
async def in_cluster() -> AsyncIterator[Client]:
    """A namespace in a real cluster, made for one test and removed after it."""
    image = os.environ.get("SLUICE_TEST_IMAGE", "")
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster: set it to the path of a kubeconfig whose cluster is for tests.")
    if not image:
        pytest.skip("SLUICE_TEST_IMAGE names no image: set it to one that runs there, as REGISTRY/ORG/REPOSITORY:v1.")
    configuration = Configuration()
    config.load_kube_config(client_configuration=configuration)
    repository, namespace = image.rpartition(":")[0], f"sluice-facts-{secrets.token_hex(4)}"
    async with connected(configuration) as http:
        client = Client(http, namespace, (image, f"{repository}:v2", f"{repository}:missing"))
        made = await client.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        assert made.status == 201, made.body
        try:
            yield client
        finally:
            await client.ask("DELETE", f"/api/v1/namespaces/{namespace}")


def deployment(image: str, count: int = 0, **labels: str) -> Json:
    """A Deployment as somebody writes it who knows no Sluice."""
    container = {
        "name": "web",
        "image": image,
        "ports": [{"containerPort": 8080}],
        "env": [{"name": "A", "value": "1"}],
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", **({"labels": labels} if labels else {})},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    }


def partial(image: str, count: int | None = None) -> Json:
    """What a release applies to it."""
    container = {"name": "web", "image": image}
    spec: Json = {"template": {"spec": {"containers": [container]}}}
    spec |= {} if count is None else {"replicas": count}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def settings(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def service(**selector: str) -> Json:
    ports = [{"port": 80, "targetPort": 8080}]
    spec = {"selector": selector or {"app": "web"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def container_of(thing: Json) -> Json:
    return dict(thing["spec"]["template"]["spec"]["containers"][0])


def owned(thing: Json, manager: str, operation: str = "Apply") -> Json:
    """The fields that somebody owns; nothing when he owns none."""
    entries = thing["metadata"].get("managedFields", [])
    found = [one["fieldsV1"] for one in entries if (one["manager"], one["operation"]) == (manager, operation)]
    return dict(found[0]) if found else {}

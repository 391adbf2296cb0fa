"""Objects in a cluster as others make them: a workload that was there before Sluice, and what leads to it.

Nothing here knows how Sluice writes objects. Names and labels are those that people's manifests have.
"""

from typing import Any

from engine.targets.kubernetes.kinds import AUTOSCALER, DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE

Json = dict[str, Any]

PORT = 80
CONTAINER_PORT = 8080
TIER = {"app": "hello", "tier": "front"}
"""What the foreign Service selects by."""


def deployment(name: str, image: str, count: int = 3, **container: Any) -> Json:
    """A Deployment as `kubectl apply` writes it; `container` adds to its only container."""
    asked: Json = {
        "name": "web",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": CONTAINER_PORT}],
        "env": [{"name": "GREETING", "value": "found"}, {"name": "PORT", "value": str(CONTAINER_PORT)}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        **container,
    }
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {"name": name, "labels": {"app": "hello", "team": "shop"}},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": dict(TIER)},
            "template": {
                "metadata": {"labels": {**TIER, "team": "shop"}, "annotations": {"shop.example/owner": "ann"}},
                "spec": {"containers": [asked], "terminationGracePeriodSeconds": 30},
            },
        },
    }


def service(name: str, port: int = PORT) -> Json:
    """The Service in front of it."""
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": {"name": name, "labels": {"team": "shop"}},
        "spec": {"selector": dict(TIER), "ports": [{"name": "http", "port": port, "targetPort": "http"}]},
    }


def virtual_service(name: str, host: str, port: int = PORT) -> Json:
    """A VirtualService with a route of its own beside the one to `host`."""
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.kind,
        "metadata": {"name": name, "labels": {"team": "shop"}},
        "spec": {
            "hosts": [host],
            "http": [
                {
                    "name": "reports",
                    "match": [{"uri": {"prefix": "/reports"}}],
                    "route": [{"destination": {"host": "reports", "port": {"number": 8000}}}],
                    "timeout": "9s",
                },
                {
                    "name": "all",
                    "route": [{"destination": {"host": host, "port": {"number": port}}}],
                    "retries": {"attempts": 2, "perTryTimeout": "2s"},
                },
            ],
        },
    }


def http_route(name: str, host: str, port: int = PORT) -> Json:
    """An HTTPRoute of a gateway, with a route of its own beside the one to the Service `host`."""
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.kind,
        "metadata": {"name": name, "labels": {"team": "shop"}},
        "spec": {
            "parentRefs": [{"name": "front"}],
            "hostnames": ["shop.example.com"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/reports"}}],
                    "backendRefs": [{"name": "reports", "port": 8000}],
                },
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"name": host, "port": port}],
                },
            ],
        },
    }


def autoscaler(name: str, aim: str) -> Json:
    """An autoscaler that decides on the instances of the Deployment `aim`."""
    return {
        "apiVersion": AUTOSCALER.api_version,
        "kind": AUTOSCALER.kind,
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "name": aim},
            "minReplicas": 2,
            "maxReplicas": 9,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
        },
    }

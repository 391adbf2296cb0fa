"""What an operator says of each Kubernetes cluster, under the name that pipelines call it by."""

import re
from datetime import timedelta
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_REGISTRY = re.compile(r"(?:https?://)?[^\s/@?#]+(?:/[a-z0-9._-]+)*/?", re.ASCII)

_NO_PROMETHEUS = "Prometheus' address is http://HOST[:PORT] or https://HOST[:PORT], without a user in it"


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a cluster's name has small letters, digits and dashes, at most 63")
    return name


def _registry(address: str) -> str:
    """Check ``registry.example.com``, ``registry.example.com/mirror`` or ``http://127.0.0.1:5000``."""
    if address and not _REGISTRY.fullmatch(address):
        raise ValueError("a registry is HOST, HOST:PORT or HOST/FOLDER; http:// in front means without TLS")
    return address.rstrip("/")


def _prometheus(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        raise ValueError(_NO_PROMETHEUS) from None
    if address and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise ValueError(_NO_PROMETHEUS)
    return address.rstrip("/")


ClusterName = Annotated[str, AfterValidator(_named)]


class ClusterSettings(BaseModel):
    """One cluster: how it is reached, where its images come from, and what counts its requests."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kubeconfig: str = ""
    """The kubeconfig's path; empty: KUBECONFIG, or the usual one."""
    context: str = ""
    """The kubeconfig's context; empty: its current one."""
    in_cluster: bool = False
    """Whether Sluice runs in this cluster and uses its pod's service account."""
    registry: Annotated[str, AfterValidator(_registry)] = ""
    """Where images are: HOST[:PORT][/FOLDER]; ``http://`` in front means without TLS. Empty: tags are not looked up."""
    registry_user: str = ""
    registry_password: SecretStr | None = None
    prometheus: Annotated[str, AfterValidator(_prometheus)] = ""
    """Prometheus' address; empty: requests are not counted."""
    requests_query: str = ""
    """PromQL for requests so far. $namespace and $workload (a regular expression of Deployments) are put in."""
    errors_query: str = ""
    """PromQL for failed ones; empty with a `requests_query`: none are counted."""
    settle: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=2)
    """How long proxies may take to follow a changed route, in seconds."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.in_cluster and (self.kubeconfig or self.context):
            raise ValueError("in_cluster stands beside a kubeconfig or context; write one of the two")
        if self.errors_query and not self.requests_query:
            raise ValueError("errors_query stands without a requests_query")
        return self

    @property
    def image_prefix(self) -> str:
        """What stands in front of an image's name in a manifest: the registry without its scheme."""
        return self.registry.partition("://")[2] or self.registry

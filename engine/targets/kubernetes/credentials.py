"""Where a cluster is and what Sluice shows to it: read from a kubeconfig, or found inside a pod.

The library's own complaints may quote a whole kubeconfig with its tokens, so they are never told: what people get wrong
is looked for here first, and said in our words.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import Configuration
from kubernetes.config import load_incluster_config, load_kube_config
from kubernetes.config.config_exception import ConfigException

from engine.errors import Broken
from engine.targets.kubernetes.faults import CredentialsUnread

_NAME_IT = "SLUICE_CLUSTERS says where it is: kubeconfig, context, or in_cluster."
_USUAL = "~/.kube/config"


def load(cluster: str, *, kubeconfig: str = "", context: str = "", in_cluster: bool = False) -> Configuration:
    """Read where `cluster` is and how to speak to it; anew with each call, so that renewed credentials are found.

    `kubeconfig` is one path or more, as KUBECONFIG has them, which counts when it is empty. No file is written: what a
    kubeconfig's program returns is kept in memory. Runs that program, if there is one.
    """
    return _inside(cluster) if in_cluster else _from_file(cluster, kubeconfig, context)


def _inside(cluster: str) -> Configuration:
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        told = f"Cluster {cluster} is to be found by its pod's service account, but Sluice is in no pod that has one."
        raise Broken(told, _NAME_IT) from error
    return configuration


def _from_file(cluster: str, kubeconfig: str, context: str) -> Configuration:
    given = kubeconfig or os.environ.get("KUBECONFIG", "") or _USUAL
    configuration = Configuration()
    try:
        _look(cluster, given, context)
        load_kube_config(given, context or None, configuration, persist_config=False)
    except (ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # Whatever the library says may hold what the file holds, so not even the chain of errors keeps it.
        raise CredentialsUnread(
            cluster, f"something in {given} is not as it should be ({type(error).__name__})"
        ) from None
    return configuration


def _look(cluster: str, given: str, context: str) -> None:
    """Find the mistakes that people make: no file, no YAML, no such context."""
    paths = [path for each in given.split(os.pathsep) if each and (path := Path(each).expanduser()).exists()]
    if not paths:
        raise Broken(f"Cluster {cluster}: there is no kubeconfig {given}.", _NAME_IT)
    read = [_read(cluster, path) for path in paths]
    names = {name for each in read for name in _contexts(each)}
    wanted = context or next((str(each["current-context"]) for each in read if each.get("current-context")), "")
    if wanted not in names:
        which = f"no context {wanted}" if wanted else "no current-context, and SLUICE_CLUSTERS names none"
        told = ", ".join(sorted(names)) or "none"
        raise Broken(f"Cluster {cluster}: {given} has {which}. Contexts there are: {told}.", _NAME_IT)


def _read(cluster: str, path: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError):
        read = None
    except OSError as error:
        raise Broken(f"Cluster {cluster}: {path} cannot be read ({error.strerror}).", _NAME_IT) from error
    if not isinstance(read, dict):
        raise Broken(f"Cluster {cluster}: {path} is no kubeconfig.", _NAME_IT)
    return read


def _contexts(read: dict[str, Any]) -> Iterator[str]:
    contexts = read.get("contexts")
    for each in contexts if isinstance(contexts, list) else ():
        if isinstance(each, dict) and "name" in each:
            yield str(each["name"])

"""Where a cluster is and what Sluice shows to it: read from a kubeconfig, or found inside a pod.

The library's own complaints may quote a whole kubeconfig with its tokens, so they are never told: what people get wrong
is looked for here first, and said in our words.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import Configuration
from kubernetes.config import load_incluster_config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from engine.errors import Broken
from engine.targets.kubernetes import bounded
from engine.targets.kubernetes.faults import CredentialsUnread

_NAME_IT = "SLUICE_CLUSTERS says where it is: kubeconfig, context, or in_cluster."
_USUAL = "~/.kube/config"
_UNREADABLE = (ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Where:
    """Where it is read. `kubeconfig` is one path or more, as KUBECONFIG has them, which counts when it is empty."""

    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False

    @property
    def given(self) -> str:
        """The paths that count."""
        return self.kubeconfig or os.environ.get("KUBECONFIG", "") or _USUAL


def check(cluster: str, where: Where) -> None:
    """Raise `Broken` when there is nothing to read; runs no program."""
    if where.in_cluster:
        _inside(cluster)
    else:
        _look(cluster, where.given, where.context)


def load(cluster: str, where: Where | None = None, *, within: timedelta = timedelta(seconds=10)) -> Configuration:
    """Read where `cluster` is and how to speak to it; anew with each call, so that renewed credentials are found.

    No file is written: what a kubeconfig's program returns is kept in memory. Runs that program, if there is one, here
    and whenever what it gave has ended; it is ended when it takes longer than `within`. Blocks as long.
    """
    where = where or Where()
    return _inside(cluster) if where.in_cluster else _from_file(cluster, where, within)


def _inside(cluster: str) -> Configuration:
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        told = f"Cluster {cluster} is to be found by its pod's service account, but Sluice is in no pod that has one."
        raise Broken(told, _NAME_IT) from error
    return configuration


def _from_file(cluster: str, where: Where, within: timedelta) -> Configuration:
    given = where.given
    configuration = Configuration()
    _look(cluster, given, where.context)
    try:
        read = KubeConfigMerger(given).config
        bound = [name for each in read.value["users"] if (name := _bind(each.value, within))]
        KubeConfigLoader(read, where.context or None, config_base_path=None).load_and_set(configuration)
    except _UNREADABLE as error:
        # Whatever the library says may hold what the file holds, so not even the chain of errors keeps it.
        raise CredentialsUnread(
            cluster, f"something in {given} is not as it should be ({type(error).__name__})"
        ) from None
    if bound and not configuration.api_key and not configuration.cert_file:
        told = f"{', '.join(bound)} gave none, or not within {within.total_seconds():g} s"
        raise CredentialsUnread(cluster, told)
    return configuration


def _bind(user: dict[str, Any], within: timedelta) -> str:
    """Have the program of a kubeconfig's user run for so long at most. Returns its name; empty when there is none."""
    program = (user.get("user") or {}).get("exec")
    if not isinstance(program, dict) or not isinstance(program.get("command"), str):
        return ""
    command = str(program["command"])
    arguments = [str(each) for each in program.get("args") or ()]
    program["command"], program["args"] = bounded.wrapped(command, arguments, within.total_seconds())
    return Path(command).name


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

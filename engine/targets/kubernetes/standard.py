"""What the settings of a definition mean for a pod: the template that they write.

A workload that is wholly Sluice's gets all of it. In a Deployment that somebody else made, only what the author wrote
is laid over what is there, so `theirs`, the template without Sluice's own fields, decides in a few places: a check that
it has already is not replaced by Sluice's default, and where both ask for two kinds of the same thing, of which
Kubernetes takes one, that is refused with both names.

A template depends on nothing but the settings that a release is identified by: the same release always gives the same
pods, so writing it again restarts none.
"""

import math
import shlex
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from engine.deployment import Deployment, log_directory
from engine.errors import StageFailure
from engine.instance import Liveness, Volume
from engine.model import Json, Release
from engine.rollout.rolling import least_ready
from engine.targets.kubernetes import names

SURGE = "25%"
"""How many may run beyond the count while one release replaces another: the share of `engine.rollout.rolling.surge`."""
_AFTER_DRAIN = 30
_LEAST_AFTER_DRAIN = 10
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_LOGS = "sluice-logs"


def image_of(release: Release, registry: str) -> str:
    """The image as the cluster pulls it: by its digest where that is known."""
    head, _, tag = release.image.rpartition(":")
    name = f"{head}@{release.digest}" if release.digest else f"{head}:{tag}"
    host = registry.removeprefix("https://").removeprefix("http://").rstrip("/")
    return f"{host}/{name}" if host else name


def strategy(count: int, max_unavailable: int, *, recreate: bool) -> dict[str, Any]:
    """How the instances of a Deployment are replaced."""
    if recreate:
        return {"type": "Recreate"}
    missing = count - least_ready(count, max_unavailable)
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": missing, "maxSurge": SURGE}}


def patience(spec: Deployment) -> int:
    """Seconds after which a Deployment that does not get on says so."""
    return _seconds(spec.readiness.within)


def container_port(spec: Deployment) -> int:
    """The port that the container listens on."""
    return spec.service.container_port or spec.service.port


def template(spec: Deployment, container: str, image: str, theirs: Json | None = None) -> dict[str, Any]:
    """The pod template that the settings write, without labels. `theirs`: a template that is there already."""
    pod: dict[str, Any] = (theirs or {}).get("spec", {})
    present: Json = next((each for each in pod.get("containers", ()) if each["name"] == container), {})
    made = _container(spec, container, image, None if theirs is None else present)
    logs = _log_volume(spec, present)
    volumes = [_volume(each, pod) for each in spec.volumes or ()]
    mounts = [{"name": each.name, "mountPath": each.mount} for each in spec.volumes or ()]
    if logs:
        volumes.append({"name": logs, "emptyDir": {}})
        mounts.append({"name": logs, "mountPath": log_directory(spec.log_path)})
    if mounts:
        made["volumeMounts"] = mounts
    written: dict[str, Any] = {"containers": [made]}
    grace = _grace(spec, present, pod, theirs)
    if grace is not None:
        written["terminationGracePeriodSeconds"] = grace
    if volumes:
        written["volumes"] = volumes
    return {"metadata": {"annotations": _annotations(spec)}, "spec": written}


def _container(spec: Deployment, name: str, image: str, theirs: Json | None) -> dict[str, Any]:
    whole, present = theirs is None, theirs or {}
    made: dict[str, Any] = {"name": name, "image": image}
    if spec.pull or whole:
        made["imagePullPolicy"] = "Always" if spec.pull == "always" else "IfNotPresent"
    if spec.lifecycle is not None and spec.lifecycle.command:
        made |= _command(spec.lifecycle.command, whole=whole)
    if whole:
        made["ports"] = _ports(spec)
    environment = _environment(spec, present, whole=whole)
    if environment:
        made["env"] = environment
    resources = _resources(spec)
    if resources:
        made["resources"] = resources
    made |= _probes(spec, present)
    lifecycle = _lifecycle(spec, present)
    if lifecycle:
        made["lifecycle"] = lifecycle
    return made


def _command(line: str, *, whole: bool) -> dict[str, Any]:
    """What starts the container. Arguments that are there already would be added to it, so they are written as well."""
    words = [_literal(word) for word in shlex.split(line)]
    return {"command": words} if whole else {"command": words[:1], "args": words[1:]}


def _literal(text: str) -> str:
    """`text` so that Kubernetes puts no variable into it."""
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def _ports(spec: Deployment) -> list[dict[str, Any]]:
    port = container_port(spec)
    protocol = "UDP" if spec.service.protocol == "udp" else "TCP"
    ports: list[dict[str, Any]] = [{"name": spec.service.protocol, "containerPort": port, "protocol": protocol}]
    if spec.monitoring is not None and (spec.monitoring.port, "TCP") != (port, protocol):
        ports.append({"name": "metrics", "containerPort": spec.monitoring.port, "protocol": "TCP"})
    return ports


def _environment(spec: Deployment, theirs: Json, *, whole: bool) -> list[dict[str, str]]:
    taken = {each["name"]: each["valueFrom"] for each in theirs.get("env") or () if each.get("valueFrom")}
    for name in spec.environment:
        if name in taken:
            source = next(iter(taken[name]), "elsewhere")
            raise StageFailure(
                f"{name} of the container {theirs['name']} comes from {source}, and the definition sets it, too.",
                f"Remove {name} from environment, or from the Deployment.",
            )
    made = [{"name": "PORT", "value": str(container_port(spec))}] if whole else []
    # In the order of names: what comes from the store may be in another order than the author's, and pods are not to be
    # restarted by that.
    return [*made, *({"name": name, "value": _literal(value)} for name, value in sorted(spec.environment.items()))]


def _resources(spec: Deployment) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name in ("cpu", "memory"):
        amount = getattr(spec.resources, name, None)
        for key, value in (("requests", amount and amount.request), ("limits", amount and amount.limit)):
            if value:
                found.setdefault(key, {})[name] = value
    return found


def _probes(spec: Deployment, theirs: Json) -> dict[str, Any]:
    port, readiness = container_port(spec), spec.readiness
    found: dict[str, Any] = {}
    if readiness.http is not None:
        found["readinessProbe"] = {"httpGet": {"path": readiness.http, "port": port}}
    elif "readinessProbe" not in theirs and spec.service.protocol != "udp":
        found["readinessProbe"] = {"tcpSocket": {"port": port}}
    if "readinessProbe" in found:
        found["readinessProbe"]["periodSeconds"] = _seconds(readiness.every)
    if spec.liveness is not None:
        found["livenessProbe"] = _liveness(spec.liveness, port, spec.liveness.failures)
        if "startupProbe" not in theirs:
            tries = math.ceil(_seconds(readiness.within) / _seconds(spec.liveness.every))
            found["startupProbe"] = _liveness(spec.liveness, port, tries)
    for key, probe in found.items():
        _check_kind(theirs, key, theirs.get(key, {}), probe)
    return found


def _liveness(check: Liveness, port: int, failures: int) -> dict[str, Any]:
    how = {"tcpSocket": {"port": check.tcp}} if check.tcp else {"httpGet": {"path": check.http, "port": port}}
    return {**how, "periodSeconds": _seconds(check.every), "failureThreshold": failures}


def _lifecycle(spec: Deployment, theirs: Json) -> dict[str, Any]:
    present, wanted = theirs.get("lifecycle") or {}, spec.lifecycle
    found: dict[str, dict[str, Any]] = {}
    if wanted is not None and wanted.post_start:
        found["postStart"] = {"exec": {"command": shlex.split(wanted.post_start)}}
    if wanted is not None and wanted.pre_stop:
        found["preStop"] = {"exec": {"command": shlex.split(wanted.pre_stop)}}
    elif "preStop" not in present and spec.drain:
        found["preStop"] = {"sleep": {"seconds": _seconds(spec.drain)}}
    for key, handler in found.items():
        _check_kind(theirs, f"lifecycle.{key}", present.get(key, {}), handler)
    return found


def _check_kind(container: Json, what: str, theirs: Json, ours: Json) -> None:
    """A check or hook is of one kind. Taking another manager's kind away is not in the power of a partial write."""
    kinds = [kind for kind in _HANDLERS if kind in theirs and kind not in ours]
    if kinds:
        wanted = next(kind for kind in _HANDLERS if kind in ours)
        raise StageFailure(
            f"{what} of the container {container['name']} is {kinds[0]} already, and the definition makes it {wanted}; "
            "it can be one of them.",
            "Remove it from the Deployment, or the setting from the definition.",
        )


def _grace(spec: Deployment, container: Json, pod: Json, theirs: Json | None) -> int | None:
    """Seconds between the wish to end a pod and its end by force: time to drain, and then to finish."""
    wanted = _seconds(spec.drain) + _AFTER_DRAIN if spec.drain else _AFTER_DRAIN
    if theirs is None:
        return wanted
    given = pod.get("terminationGracePeriodSeconds")
    if given is None:  # every live pod template has it: it is Sluice's already
        return wanted
    waits = "preStop" not in (container.get("lifecycle") or {})
    return wanted if waits and int(given) < wanted - _AFTER_DRAIN + _LEAST_AFTER_DRAIN else None


def _volume(volume: Volume, pod: Json) -> dict[str, Any]:
    source: dict[str, Any]
    if volume.host_path is not None:
        source = {"hostPath": {"path": volume.host_path}}
    elif volume.claim is not None:
        source = {"persistentVolumeClaim": {"claimName": volume.claim}}
    else:
        source = {"emptyDir": {"medium": "Memory"} if volume.empty == "memory" else {}}
    present: Mapping[str, Any] = next((each for each in pod.get("volumes") or () if each["name"] == volume.name), {})
    others = sorted(present.keys() - source.keys() - {"name"})
    if others:
        raise StageFailure(
            f"The volume {volume.name} is {others[0]} in the Deployment already, and {next(iter(source))} in the "
            "definition; it can be one of them.",
            "Give the volume of the definition another name.",
        )
    return {"name": volume.name, **source}


def _log_volume(spec: Deployment, theirs: Json) -> str:
    """The name of the volume that logs are written into; empty when there is none, or another is mounted there."""
    directory = log_directory(spec.log_path)
    given = [(each.name, each.mount) for each in spec.volumes or ()]
    mounted = [mount for _, mount in given] + [each["mountPath"] for each in theirs.get("volumeMounts") or ()]
    if not directory or any(f"{directory}/".startswith(f"{mount.rstrip('/')}/") for mount in mounted):
        return ""
    taken = {name for name, _ in given}
    return next(name for name in (_LOGS, *(f"{_LOGS}-{n}" for n in range(len(taken)))) if name not in taken)


def _annotations(spec: Deployment) -> dict[str, str]:
    found: dict[str, str] = {}
    if spec.log_path is not None:
        found[names.LOG_PATH] = spec.log_path
    if spec.monitoring is not None:
        found["prometheus.io/scrape"] = "true"
        found["prometheus.io/port"] = str(spec.monitoring.port)
        found["prometheus.io/path"] = spec.monitoring.path
    return found


def _seconds(span: timedelta) -> int:
    """Whole seconds, rounded up, and never none: a cluster counts in them."""
    return max(1, math.ceil(span.total_seconds()))

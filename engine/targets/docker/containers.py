"""An instance as Docker Engine is told of it: the container's whole configuration. Pure.

Restarts are the engine's: `always`, because `unless-stopped` takes the containers that a killed engine finds when it is
back for stopped by somebody, and leaves them so. What an instance prints is kept by the engine, bounded.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.deployment import Deployment
from engine.instance import bytes_of, processors
from engine.model import Json, Release
from engine.ports import Placement
from engine.targets.docker import names
from engine.targets.fronted.environment import environment_of
from engine.targets.fronted.state import InstanceRecord

RESTART = "always"
_SHARES = 1024
"""What Docker calls one processor when several containers want more than there is."""
_LOGS = {"Type": "json-file", "Config": {"max-size": "16m", "max-file": "2"}}


@dataclass(frozen=True, slots=True)
class Site:
    """Where containers of this place run: whose they are, their network, and whether this machine reaches into it."""

    place: str
    network: str
    direct: bool


def listening_port(release: Release) -> int:
    """The port that the service listens on inside of its container."""
    service = release.settings.get("service", {})
    return int(service.get("container_port") or service["port"])


def settings_of(release: Release) -> Deployment:
    """The settings that a release was deployed with."""
    known = {name: value for name, value in release.settings.items() if name in Deployment.model_fields}
    return Deployment.model_validate(known)


def configuration(instance: InstanceRecord, release: Release, placement: Placement, image: str, site: Site) -> Json:
    """What Docker's API takes to create the container. `image` names the content: an id, or a name with a digest."""
    spec, inside = settings_of(release), listening_port(release)
    told = environment_of(instance, release) | {"PORT": str(inside)}
    line = spec.lifecycle.command if spec.lifecycle else None
    command = {"Entrypoint": shlex.split(line), "Cmd": []} if line else {}
    return {
        "Image": image,
        **command,
        "Env": [f"{name}={value}" for name, value in sorted(told.items())],
        "Labels": _labels(instance, release, placement, site),
        "ExposedPorts": {f"{inside}/tcp": {}},
        "HostConfig": {
            "RestartPolicy": {"Name": RESTART},
            "NetworkMode": site.network,
            "PortBindings": _published(instance, inside, site),
            "LogConfig": _LOGS,
            "Mounts": _mounts(spec),
            **limits(spec),
        },
        "NetworkingConfig": {"EndpointsConfig": {site.network: _address(instance, site)}},
    }


def limits(spec: Deployment) -> dict[str, int]:
    """What one instance may use, as Docker counts it. A limit of memory is one of memory and swap together."""
    resources = spec.resources
    cpu = resources.cpu if resources else None
    memory = resources.memory if resources else None
    found: dict[str, int] = {}
    if cpu and cpu.limit:
        found["NanoCpus"] = int(processors(cpu.limit) * 10**9)
    if cpu and cpu.request:
        found["CpuShares"] = max(2, int(processors(cpu.request) * Decimal(_SHARES)))
    if memory and memory.limit:
        found["Memory"] = found["MemorySwap"] = bytes_of(memory.limit)
    if memory and memory.request:
        found["MemoryReservation"] = bytes_of(memory.request)
    return found


def _labels(instance: InstanceRecord, release: Release, placement: Placement, site: Site) -> dict[str, str]:
    return {
        names.PLACE: site.place,
        names.WORKLOAD: placement.workload,
        names.GROUP: instance.group,
        names.RELEASE: str(release.id),
        names.INSTANCE: instance.name,
        names.IMAGE: release.image,
        names.PIPELINE: placement.pipeline,
        names.RUN: placement.run,
        names.ADDRESS: instance.host,
        names.PORT: str(instance.port),
        **_set_aside(settings_of(release)),
    }


def _set_aside(spec: Deployment) -> dict[str, str]:
    resources = spec.resources
    cpu = resources.cpu.request if resources and resources.cpu else None
    memory = resources.memory.request if resources and resources.memory else None
    return {name: value for name, value in ((names.CPU, cpu), (names.MEMORY, memory)) if value}


def _published(instance: InstanceRecord, inside: int, site: Site) -> Json:
    if site.direct:
        return {}
    return {f"{inside}/tcp": [{"HostIp": instance.host, "HostPort": str(instance.port)}]}


def _address(instance: InstanceRecord, site: Site) -> Json:
    return {"IPAMConfig": {"IPv4Address": instance.host}} if site.direct else {}


def _mounts(spec: Deployment) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for volume in spec.volumes or ():
        if volume.host_path:
            found.append({"Type": "bind", "Source": volume.host_path, "Target": volume.mount})
        elif volume.claim:
            found.append({"Type": "volume", "Source": volume.claim, "Target": volume.mount})
        else:
            found.append({"Type": "tmpfs" if volume.empty == "memory" else "volume", "Target": volume.mount})
    return found

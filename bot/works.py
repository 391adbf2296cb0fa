"""What the engine works with: where source comes from, what builds, where things run, and the worker that does it."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from bot.code.feature import private_networks
from bot.ground import Ground
from bot.keyring import Keyring
from bot.places.building import builder_of, engine_of, registries_of
from bot.places.clusters import registries
from bot.places.sites import Sites
from engine.builders.choice import Choice
from engine.errors import StageFailure
from engine.forges.git import GitForge
from engine.forges.reaching import Reach
from engine.model import StageKind
from engine.ports import Target
from engine.stages.build import BuildStage
from engine.stages.gray import GrayStage
from engine.stages.job import Act
from engine.stages.official import OfficialStage, WayBack
from engine.stages.review import ReviewStage
from engine.stages.rollout import Rollouts
from engine.stages.source import SourceStage
from engine.targets.docker import DockerTarget
from engine.targets.kubernetes.target import KubernetesTarget
from engine.targets.process import ProcessTarget
from engine.worker import Worker

_NAME_A_CLUSTER = 'Name one in SLUICE_CLUSTERS: README says how, under "On Kubernetes".'


class Places(dict[str, Target]):
    """The targets by name. One that a definition may name but this version does not have is refused in words."""

    def __missing__(self, name: str) -> Target:
        if name == "kubernetes":
            raise StageFailure("This Sluice knows no cluster.", _NAME_A_CLUSTER)
        raise StageFailure(f"This version of Sluice cannot deploy to {name}.", "Write `target: process`.")


@dataclass(frozen=True, slots=True, repr=False)
class Works:
    """Made once; `targets` are the places by their names in definitions."""

    builder: Choice
    process: ProcessTarget
    containers: DockerTarget
    sites: Sites
    cluster: KubernetesTarget
    targets: Mapping[str, Target]
    rollouts: Rollouts
    worker: Worker


def works_of(ground: Ground, keyring: Keyring, targets: Mapping[str, Target] | None) -> Works:
    """Make them as the settings say; `targets` take the place of all others. Nothing runs yet."""
    settings, clock = ground.settings, ground.clock
    forge = GitForge(
        settings.home / "git",
        allow_local=settings.local_git,
        allow_http=settings.plain_git,
        credentials=keyring.credential,
        reach=Reach(private_networks(settings), os.environ, ssh_names=frozenset(map(str.lower, settings.ssh_names))),
    )
    builder = builder_of(settings, forge, ground.packages)
    address = settings.instances_host
    process = ProcessTarget(settings.home / "workloads", builder.bundles.directory, clock, address=address)
    engine, shelves = engine_of(settings), registries_of(settings.registries)
    containers = DockerTarget(settings.home / "containers", engine, shelves, clock, address=address)
    sites = Sites(settings, clock)
    cluster = KubernetesTarget(sites, clock)
    here: dict[str, Target] = {"process": process, "docker": containers}
    places = Places(targets or (here | {"kubernetes": cluster} if settings.clusters else here))
    rollouts = Rollouts(ground.store, places, builder, registries(settings.clusters, builder.images))
    worker = _worker(ground, _acts(ground, forge, builder, rollouts), rollouts)
    return Works(builder, process, containers, sites, cluster, places, rollouts, worker)


def _acts(ground: Ground, forge: GitForge, builder: Choice, rollouts: Rollouts) -> dict[StageKind, Act]:
    return {
        StageKind.SOURCE: SourceStage(forge),
        StageKind.BUILD: BuildStage(builder, ground.kept),
        StageKind.GRAY: GrayStage(rollouts),
        StageKind.REVIEW: ReviewStage(rollouts),
        StageKind.OFFICIAL: OfficialStage(rollouts),
    }


def _worker(ground: Ground, acts: Mapping[StageKind, Act], rollouts: Rollouts) -> Worker:
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    return Worker(name, ground.store, ground.control, ground.clock, acts, WayBack(rollouts), redaction=ground.redaction)

"""What is remembered of a workload behind Envoy: what is wanted, and what was begun. One file for each workload."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from engine.deployment import Readiness
from engine.errors import Broken
from engine.model import Release
from engine.rollout.fleet import ReleaseId, Route
from engine.rollout.rolling import GroupSpec, InstanceState
from engine.routing import atomic
from engine.routing.envoy_config import LOOPBACK, Endpoint, Site


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A group as it is wanted. `retiring`: every instance goes, then the group."""

    spec: GroupSpec
    retiring: bool = False
    unrouted_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """How to see that an instance is ready: an HTTP path, or (None) that its port opens."""

    http: str | None = None
    every: timedelta = timedelta(milliseconds=500)
    within: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """One instance. `listed`: Envoy is to send it requests; `reached`: Envoy can; `exposed`: a visitor's may have come.

    `since` is when it came into `state`, and for one that drains, once Envoy has let go of it, when that was.
    `accepted` are values that somebody else has given it and a person has let stand, by field.
    """

    name: str
    group: str
    release: ReleaseId
    port: int
    check: Check
    started_at: datetime
    since: datetime
    state: InstanceState = InstanceState.STARTING
    listed: bool = False
    reached: bool = False
    exposed: bool = False
    ending: bool = False
    failures: int = 0
    trouble: str = ""
    trouble_at: datetime | None = None
    host: str = LOOPBACK
    accepted: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers."""
        return Endpoint(self.host, self.port)

    @property
    def serves(self) -> bool:
        """Whether it neither drains nor ends."""
        return self.state is not InstanceState.DRAINING and not self.ending


@dataclass(frozen=True, slots=True)
class Tally:
    """A counter that goes on where the proxy's begins again: `base` of former lives, `last` of this one."""

    base: int = 0
    last: int = 0

    @property
    def total(self) -> int:
        """Everything counted so far."""
        return self.base + self.last

    def read(self, value: int, *, reborn: bool) -> "Tally":
        """After the proxy's counter was read again."""
        return Tally(self.total, value) if reborn or value < self.last else Tally(self.base, value)


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything about one workload. `serial` numbers its instances; `proxy` tells one life of Envoy from the next.

    `name` is the one that all of Sluice's targets tell it by, see `engine.deployment.Deployment.workload_id`. `run` has
    wished last: it has `launched` that release of its own, and the route is its wish if it is `rerouted`.
    """

    name: str
    port: int
    preview_port: int | None = None
    groups: Mapping[str, GroupRecord] = field(default_factory=dict)
    instances: tuple[InstanceRecord, ...] = ()
    route: Route = field(default_factory=Route)
    serial: int = 0
    proxy: str = ""
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    run: str = ""
    launched: ReleaseId | None = None
    rerouted: bool = False

    @property
    def plain(self) -> str:
        """Its name on this machine: what files, instances, and Envoy's listeners and clusters are called by."""
        return plain_name(self.name)

    @property
    def site(self) -> Site:
        """What visitors are to meet."""
        places: dict[str, list[Endpoint]] = {group: [] for group in self.groups}
        for each in self.instances:
            if each.listed:
                places[each.group].append(each.endpoint)
        found = {name: tuple(sorted(at)) for name, at in places.items()}
        return Site(self.plain, self.port, self.preview_port, found, self.route)


def plain_name(workload: str) -> str:
    """The name of a workload without what says where it runs."""
    return workload.rpartition("/")[2]


def without_counters(workload: Workload, groups: Collection[str]) -> Workload:
    """The workload after the proxy has given up its counters of `groups`."""
    gone = {name for name in workload.tallies if name.rpartition(".")[0] in groups}
    tallies = {name: Tally(each.total) if name in gone else each for name, each in workload.tallies.items()}
    return replace(workload, tallies=tallies)


def checks_of(releases: Mapping[ReleaseId, Release]) -> dict[ReleaseId, Check]:
    """How the instances of every release show that they are ready."""
    return {name: _check_of(release) for name, release in releases.items()}


def _check_of(release: Release) -> Check:
    readiness = Readiness.model_validate(release.settings.get("readiness", {}))
    return Check(readiness.http, readiness.every, readiness.within)


_WORKLOAD = TypeAdapter(Workload)


class Memory:
    """The files that hold the workloads, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_all(self) -> dict[str, Workload]:
        """Every workload that is remembered."""
        loaded = (_load(path) for path in sorted(self._folder.glob("*.json")))
        return {each.name: each for each in loaded}

    def save(self, workload: Workload) -> None:
        """Remember it so that a power cut does not forget it."""
        text = _WORKLOAD.dump_json(workload).decode()
        atomic.write(self._folder / f"{workload.plain}.json", text, lasting=True)

    def forget(self, name: str) -> None:
        """Remember it no longer."""
        (self._folder / f"{plain_name(name)}.json").unlink(missing_ok=True)


def _load(path: Path) -> Workload:
    try:
        return _WORKLOAD.validate_json(path.read_bytes())
    except ValidationError as error:
        raise Broken(f"{path} cannot be read: {error.errors()[0]['msg']}.", hint="Restore it from a copy.") from error

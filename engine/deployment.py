"""The sections of a definition that say where and how a workload runs, and who gets its new version.

What only a cluster can do is None unless it is written, so the settings of a process stay short where they are shown
and hashed. That the process target refuses it is said in `engine.keys`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from engine.fields import (
    MAX_INSTANCES,
    Amount,
    Duration,
    HeaderName,
    HttpPath,
    ImageName,
    Name,
    Port,
    SomeTime,
    VariableName,
    check_re2,
    from_to,
    read_amount,
    shown,
    whole_number,
)
from engine.instance import DomainName, FilePath, Lifecycle, Liveness, Monitoring, Resources, Volume
from engine.section import Conflict, Mistake, Section, exactly_one

DEFAULT_CLUSTER = "default"
"""The cluster of a definition that names none."""
DEFAULT_NAMESPACE = "default"
FOUND = "found"
"""The creation of a release that others made: stored with it, and written by no author.

One that was made of a release with a manifest keeps that: what stands beside its workload is as it says.
"""
_CREATIONS = ("standard", "yaml")
_UNTESTABLE = frozenset(
    {"host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


def _testable(value: str) -> str:
    if not value or value != value.strip() or not value.isprintable():
        raise Mistake(
            f"{shown(value)} is a value that no request can have", "printable text without spaces at either end"
        )
    return value


def _sent(name: str) -> str:
    low = name.lower()
    if low == "cookie":
        raise Mistake(f"{name} is tested as a whole here", "a cookie rule: cookie: {exact: name=value}")
    if low in _UNTESTABLE or low.startswith("x-envoy-"):
        raise Mistake(f"{name} never reaches the rule; the proxy sets or removes it", "for example X-Tester")
    return name


def _creation_word(value: object) -> object:
    """Let `found` through, which only Sluice itself writes, and name to authors the words that they may write."""
    if isinstance(value, str) and value not in (*_CREATIONS, FOUND):
        raise Mistake(f"{shown(value)} is none of {', '.join(_CREATIONS)}", f"one of {', '.join(_CREATIONS)}")
    return value


class Service(Section):
    """The one service of a workload: the fixed port in front of all its instances."""

    port: Port
    name: Name = "service"
    protocol: Literal["http", "tcp", "udp"] = "http"
    preview_port: Port | None = None
    domain: DomainName | None = None
    access: Literal["cluster", "node", "balancer"] | None = None
    container_port: Port | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """See that the two ports are two."""
        port = whole_number(given.get("port"))
        if port is not None and port == whole_number(given.get("preview_port")):
            yield Conflict("preview_port", f"{port} is the service's own port too", "another port")


class Readiness(Section):
    """When an instance counts as ready: `http` is a path that answers 200-399; without it the port only has to open."""

    http: HttpPath | None = None
    every: SomeTime = timedelta(milliseconds=500)
    within: SomeTime = timedelta(minutes=1)


class Text(Section):
    """A value to hold a request's against: exactly, or as an RE2 expression that must match the whole of it."""

    exact: Annotated[str, AfterValidator(_testable)] | None = None
    regex: Annotated[str, AfterValidator(check_re2)] | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Exactly or by expression, not both."""
        yield from exactly_one(given, "exact", "regex")


class ContentRule(Section):
    """One group of tests; a request belongs to gray when it passes all of them."""

    cookie: Text | None = None
    headers: dict[Annotated[HeaderName, AfterValidator(_sent)], Text] = Field(default_factory=dict)
    systems: tuple[Literal["ios", "android", "windows", "macos", "linux"], ...] = ()
    browsers: tuple[Literal["chrome", "360", "ie", "safari", "sogou", "edge"], ...] = ()

    @field_validator("cookie")
    @classmethod
    def _is_a_pair(cls, value: Text | None) -> Text | None:
        if value is not None and value.exact is not None and ("=" not in value.exact or ";" in value.exact):
            raise Mistake(f"{shown(value.exact)} is not one cookie", "name=value, for example beta=yes")
        return value

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Refuse a rule that tests nothing: it would send everybody to gray."""
        if not any(given.get(name) for name in ("cookie", "headers", "systems", "browsers")):
            yield Conflict("", "tests nothing", "a cookie, headers, systems or browsers")


class Policy(Section):
    """Who gets the new version. `ratio` is percent of the plain requests, 0 to 100."""

    ratio: Annotated[int, BeforeValidator(from_to(0, 100))] | None = None
    content: tuple[ContentRule, ...] = ()
    description: str = ""


class Deployment(Section):
    """Where and how a workload runs: what the gray stage and a stand-alone official stage share."""

    service: Service
    image: ImageName | None = None
    target: Literal["process", "docker", "kubernetes"] = "process"
    cluster: Name | None = None
    namespace: Name | None = None
    workload: Name | None = None
    container: Name | None = None
    strategy: Literal["canary", "blue_green", "istio"] = "canary"
    instances: Annotated[int, BeforeValidator(from_to(1, MAX_INSTANCES))] = 2
    max_unavailable: Amount = 0
    upgrade: Literal["rolling", "recreate"] = "rolling"
    readiness: Readiness = Readiness()
    drain: Duration = timedelta(seconds=5)
    environment: dict[VariableName, str] = Field(default_factory=dict)
    hold: Duration = timedelta(minutes=1)
    after_hold: Literal["upgrade", "remove"] = "upgrade"
    creation: Annotated[Literal["standard", "yaml", "found"], BeforeValidator(_creation_word)] | None = None
    manifest: str | None = None
    pull: Literal["always", "when_changed"] | None = None
    resources: Resources | None = None
    liveness: Liveness | None = None
    log_path: FilePath | None = None
    volumes: Annotated[tuple[Volume, ...], Field(max_length=50)] | None = None
    lifecycle: Lifecycle | None = None
    monitoring: Monitoring | None = None

    @field_validator("environment", mode="before")
    @classmethod
    def _read_scalars(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: str(item) if isinstance(item, int | float) else item for key, item in value.items()}

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """See that PORT is left to Sluice, that a manifest stands alone, and that no two volumes are one."""
        environment = given.get("environment")
        if isinstance(environment, Mapping) and "PORT" in environment:
            yield Conflict("environment", "sets PORT, which Sluice gives to each instance", "another name")
        yield from _creation(given)
        if log_directory(given.get("log_path")) == "/":
            problem = f"{shown(given['log_path'])} lies in the root directory, where nothing can be mounted"
            yield Conflict("log_path", problem, "a directory of its own, for example /var/log/shop")
        volumes = given.get("volumes")
        for key in ("name", "mount") if isinstance(volumes, list | tuple) else ():
            counted = Counter(_text_of(volume, key) for volume in volumes or ())
            for text in sorted(text for text, times in counted.items() if text and times > 1):
                yield Conflict("volumes", f"{shown(text)} is the {key} of more than one", f"another {key}")

    def workload_id(self, pipeline: str) -> str:
        """Name the workload among all of Sluice's: NAME, docker/NAME, and in a cluster CLUSTER/NAMESPACE/NAME."""
        name = self.workload or pipeline
        if self.target == "process":
            return name
        if self.target == "docker":
            return f"docker/{name}"
        return f"{self.cluster or DEFAULT_CLUSTER}/{self.namespace or DEFAULT_NAMESPACE}/{name}"

    @property
    def missing_allowed(self) -> int:
        """How many of the instances may be missing, as a count. A percentage is rounded down."""
        return count_of(self.max_unavailable, self.instances, round_up=False)


_SAID_BY_A_MANIFEST = ("pull", "resources", "liveness", "log_path", "volumes", "lifecycle", "monitoring")


def _creation(given: Mapping[str, Any]) -> Iterator[Conflict]:
    if given.get("creation") != "yaml":
        if "manifest" in given and given.get("creation") != FOUND:
            yield Conflict("manifest", "stands beside creation: standard, which has no use for it", "creation: yaml")
        return
    if not given.get("manifest"):
        yield Conflict("creation", "yaml wants a manifest, and there is none", "manifest: | and its YAML below it")
    for key in _SAID_BY_A_MANIFEST:
        if key in given:
            yield Conflict(key, "stands beside a manifest, which says it itself", "it in the manifest alone")


def log_directory(path: object) -> str:
    """The directory of a log path: the path itself, or what is above it when its last part has a dot (app.log)."""
    if not isinstance(path, str) or not path.startswith("/"):
        return ""
    above, _, last = path.rstrip("/").rpartition("/")
    return (above if "." in last else f"{above}/{last}") or "/"


def _text_of(section: object, key: str) -> str:
    value = section.get(key) if isinstance(section, Mapping) else getattr(section, key, None)
    return value if isinstance(value, str) else ""


class Gray(Deployment):
    """A deployment whose new version gets a share of the traffic first.

    `deadline` is how long that version may stand when nobody is asked about it and nothing works on it.
    """

    gray_instances: Amount = 1
    policy: Policy = Policy()
    deadline: SomeTime = timedelta(days=14)
    on_deadline: Literal["take_back", "keep"] = "take_back"

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Gray instances must leave room for stable ones."""
        yield from super().conflicts(given)
        strategy = given.get("strategy", "canary")
        instances = whole_number(given.get("instances", 2))
        if strategy == "blue_green" or instances is None or not 1 <= instances <= MAX_INSTANCES:
            return
        if strategy == "canary" and instances == 1:
            is_open = given.get("target") == "kubernetes" and "strategy" not in given
            mesh = "; or strategy: istio, where the cluster has Istio" if is_open else ""
            instead = f"2 or more, at least one of them gray{mesh}"
            yield Conflict("instances", "1 leaves a canary no stable instance", instead)
            return
        try:
            gray = count_of(read_amount(given.get("gray_instances", 1)), instances, round_up=True)
        except Mistake:
            return
        most = instances - 1 if strategy == "canary" else MAX_INSTANCES
        if gray < 1:
            yield Conflict("gray_instances", f"{gray} shows the new version to nobody", f"1 to {most}")
        elif gray > most:
            problem = f"{gray} gray instances leave no stable one of {instances}"
            yield Conflict("gray_instances", problem, f"1 to {most}")

    @property
    def gray_count(self) -> int:
        """How many instances the gray track has. A percentage is rounded up."""
        if self.strategy == "blue_green":
            return self.instances
        return count_of(self.gray_instances, self.instances, round_up=True)

    @property
    def follows_share(self) -> bool:
        """Whether another share means another number of gray instances: without a mesh they are what gives it."""
        return self.target == "kubernetes" and self.strategy == "canary"

    @property
    def share(self) -> int:
        """Percent of the plain requests that gray gets."""
        if self.policy.ratio is not None:
            return self.policy.ratio
        if self.policy.content or self.strategy == "blue_green":
            return 0
        if self.strategy == "istio":
            return round(100 * self.gray_count / (self.gray_count + self.instances))
        return round(100 * self.gray_count / self.instances)


def count_of(amount: int | str, whole: int, *, round_up: bool) -> int:
    """Turn an `Amount` into a count of `whole`."""
    if isinstance(amount, int):
        return amount
    hundredths = int(amount[:-1]) * whole
    return -(-hundredths // 100) if round_up else hundredths // 100


def target_of(workload: str) -> str:
    """Name the target that a workload runs on: its name says it, see `Deployment.workload_id`."""
    return ("process", "docker", "kubernetes")[min(workload.count("/"), 2)]

"""The sections of a definition that say where and how a workload runs, and who gets its new version.

What only a cluster can do is None unless it is written, so the settings of a process stay short where they are shown
and hashed. That the process target refuses it is said in `engine.keys`.
"""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
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
    spelled,
    whole_number,
)
from engine.section import Conflict, Mistake, Section, exactly_one

_UNTESTABLE = frozenset(
    {"host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_CPU_UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
_MEMORY_UNITS = {
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)([A-Za-z]{0,2})", re.ASCII)
_LABELS = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
_LONGEST_COMMAND = 4000


def _measured(value: object, units: Mapping[str, Decimal]) -> Decimal | None:
    """A quantity as a number of processors or bytes; None when it is none, or nothing at all."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None or found[2] not in units:
        return None
    return Decimal(found[1]) * units[found[2]] or None


def _quantity(units: Mapping[str, Decimal], what: str, instead: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, str | int | float) and _measured(value, units) is None:
            raise Mistake(f"{shown(value)} is not an amount of {what}", instead)
        return str(value) if isinstance(value, int | float) else value

    return read


def _runnable(value: str) -> str:
    if len(value) > _LONGEST_COMMAND or not value.isprintable() or not value.strip():
        raise Mistake(f"{shown(value)} is not a command", "one line, for example python3 server.py")
    try:
        shlex.split(value)
    except ValueError:
        raise Mistake(f"{shown(value)} leaves a quote or a backslash open", "it with its end") from None
    return value


Cpus = Annotated[str, BeforeValidator(_quantity(_CPU_UNITS, "processors", "for example 250m, 0.5 or 2"))]
Bytes = Annotated[str, BeforeValidator(_quantity(_MEMORY_UNITS, "memory with its unit", "for example 256Mi or 1Gi"))]
Command = Annotated[str, AfterValidator(_runnable)]
FilePath = Annotated[
    str,
    AfterValidator(
        spelled(
            r"/(?!(.*/)?\.\.(/|$))[!-9;-~]{0,1000}", "is not a path from the root down", "for example /var/log/shop"
        )
    ),
]
DomainName = Annotated[
    str, AfterValidator(spelled(rf"(?=.{{1,253}}$){_LABELS}", "is not a domain name", "for example shop-api.internal"))
]


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


class Liveness(Section):
    """When an instance that was ready counts as lost: `failures` in a row of a path or of opening a port."""

    http: HttpPath | None = None
    tcp: Port | None = None
    every: SomeTime = timedelta(seconds=10)
    failures: Annotated[int, BeforeValidator(from_to(1, 100))] = 3

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One check, one way."""
        yield from exactly_one(given, "http", "tcp")


class Cpu(Section):
    """Processors of one instance: what is set aside for it, and the most it gets."""

    request: Cpus | None = None
    limit: Cpus | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Keep the request within the limit."""
        yield from _within_limit(given, _CPU_UNITS)


class Memory(Section):
    """Memory of one instance: what is set aside for it, and the most it gets."""

    request: Bytes | None = None
    limit: Bytes | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Keep the request within the limit."""
        yield from _within_limit(given, _MEMORY_UNITS)


def _within_limit(given: Mapping[str, Any], units: Mapping[str, Decimal]) -> Iterator[Conflict]:
    request, limit = _measured(given.get("request"), units), _measured(given.get("limit"), units)
    if request is not None and limit is not None and request > limit:
        problem = f"{given['request']} is more than the limit of {given['limit']}"
        yield Conflict("request", problem, f"{given['limit']} or less")


class Resources(Section):
    """What one instance may use of the machine it runs on."""

    cpu: Cpu | None = None
    memory: Memory | None = None


class Volume(Section):
    """A directory in every instance that comes from outside of it."""

    name: Name
    mount: FilePath
    host_path: FilePath | None = None
    claim: DomainName | None = None
    empty: Literal["disk", "memory"] | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One directory comes from one place."""
        yield from exactly_one(given, "host_path", "claim", "empty")


class Lifecycle(Section):
    """What runs at the start of an instance, right after it and before its end, instead of what the image says."""

    command: Command | None = None
    post_start: Command | None = None
    pre_stop: Command | None = None


class Monitoring(Section):
    """Where an instance tells its own figures."""

    port: Port
    path: HttpPath = "/metrics"


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
    target: Literal["process", "kubernetes"] = "process"
    cluster: Name | None = None
    namespace: Name | None = None
    workload: Name | None = None
    strategy: Literal["canary", "blue_green", "istio"] = "canary"
    instances: Annotated[int, BeforeValidator(from_to(1, MAX_INSTANCES))] = 2
    max_unavailable: Amount = 0
    upgrade: Literal["rolling", "recreate"] = "rolling"
    readiness: Readiness = Readiness()
    drain: Duration = timedelta(seconds=5)
    environment: dict[VariableName, str] = Field(default_factory=dict)
    hold: Duration = timedelta(minutes=1)
    after_hold: Literal["upgrade", "remove"] = "upgrade"
    creation: Literal["standard", "yaml"] | None = None
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
        volumes = given.get("volumes")
        for key in ("name", "mount") if isinstance(volumes, list | tuple) else ():
            counted = Counter(_text_of(volume, key) for volume in volumes or ())
            for text in sorted(text for text, times in counted.items() if text and times > 1):
                yield Conflict("volumes", f"{shown(text)} is the {key} of more than one", f"another {key}")

    @property
    def missing_allowed(self) -> int:
        """How many of the instances may be missing, as a count. A percentage is rounded down."""
        return count_of(self.max_unavailable, self.instances, round_up=False)


_SAID_BY_A_MANIFEST = ("pull", "resources", "liveness", "log_path", "volumes", "lifecycle", "monitoring")


def _creation(given: Mapping[str, Any]) -> Iterator[Conflict]:
    if given.get("creation") != "yaml":
        if "manifest" in given:
            yield Conflict("manifest", "stands beside creation: standard, which has no use for it", "creation: yaml")
        return
    if not given.get("manifest"):
        yield Conflict("creation", "yaml wants a manifest, and there is none", "manifest: | and its YAML below it")
    for key in _SAID_BY_A_MANIFEST:
        if key in given:
            yield Conflict(key, "stands beside a manifest, which says it itself", "it in the manifest alone")


def _text_of(section: object, key: str) -> str:
    value = section.get(key) if isinstance(section, Mapping) else getattr(section, key, None)
    return value if isinstance(value, str) else ""


class Gray(Deployment):
    """A deployment whose new version gets a share of the traffic first."""

    gray_instances: Amount = 1
    policy: Policy = Policy()

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Gray instances must leave room for stable ones."""
        yield from super().conflicts(given)
        strategy = given.get("strategy", "canary")
        instances = whole_number(given.get("instances", 2))
        if strategy == "blue_green" or instances is None or not 1 <= instances <= MAX_INSTANCES:
            return
        if strategy == "canary" and instances == 1:
            yield Conflict("instances", "1 leaves a canary no stable instance", "2 or more, at least one of them gray")
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

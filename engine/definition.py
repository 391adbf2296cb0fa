"""The shape of a pipeline definition: one class a section, checked by pydantic, explained in `deploy/pipeline.reference.yaml`.

Text only becomes one of these in `engine.pipeline`, which knows about lines, variables and aliases; here live the types and
the rules that hold within one section or between stages.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

import re2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from engine.model import Mode, OnError, StageKind

MAX_INSTANCES = 300
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: object) -> object:
    """Read ``90s``, ``1h30m`` or ``500ms`` as a timedelta; anything else is left for pydantic to refuse."""
    if isinstance(value, timedelta) or not isinstance(value, str):
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f"{value} has no unit; write for example {value}s, {value}m or {value}h")
        return value
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is not a duration; write for example 500ms, 30s, 10m, 1h30m or 7d")
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())


def _check_amount(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}%", value) and int(value[:-1]) <= 100:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"{value!r} is neither a count nor a percentage; write for example 1 or 20%")


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Amount = Annotated[int | str, BeforeValidator(_check_amount)]
"""A count (int) or a percentage (``"20%"``)."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
FreeName = Annotated[str, StringConstraints(min_length=1, max_length=63, strip_whitespace=True)]
ImageName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"),
]
Port = Annotated[int, Field(ge=1, le=65535)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


class Section(BaseModel):
    """One mapping of a definition. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Variable(Section):
    """A global variable with the value it has when nobody changes it."""

    value: str = ""
    description: str = ""

    @field_validator("value", mode="before")
    @classmethod
    def _read_scalar(cls, value: object) -> object:
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, int | float) else value


class Recipient(Section):
    """One person, room or address that a result is told to."""

    person: str | None = None
    room: str | None = None
    email: str | None = None
    phone: str | None = None

    @model_validator(mode="after")
    def _needs_one(self) -> Self:
        _exactly_one(self, "person", "room", "email", "phone")
        return self


class Notify(Section):
    """Who hears of a run's result."""

    on_failure: tuple[Recipient, ...] = ()
    on_success: tuple[Recipient, ...] = ()


class Hook(Section):
    """A trigger condition: a generated URL or an internal channel, with parameters that go into variables."""

    webhook: Name | None = None
    channel: Name | None = None
    parameters: dict[str, VariableName] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _needs_one(self) -> Self:
        _exactly_one(self, "webhook", "channel")
        return self

    @property
    def key(self) -> str:
        """The condition's name in a run: ``webhook:NAME`` or ``channel:NAME``."""
        return f"webhook:{self.webhook}" if self.webhook else f"channel:{self.channel}"


class Start(Section):
    """A start of the pipeline that needs no person: by the clock, by a webhook or by a channel."""

    cron: str | None = None
    timezone: str = "UTC"
    webhook: Name | None = None
    channel: Name | None = None
    parameters: dict[str, VariableName] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _needs_one(self) -> Self:
        _exactly_one(self, "cron", "webhook", "channel")
        return self


class ErrorRule(Section):
    """What becomes of the run when the stage fails; `hold` is how long a held stage can be retried."""

    do: OnError = OnError.STOP
    hold: Duration = timedelta(hours=1)


class Conditions(Section):
    """What must have happened before the stage runs."""

    mode: Mode = Mode.ALL
    of: tuple[Hook, ...] = ()


class Tell(Section):
    """One message that goes out when a stage has ended."""

    channel: Name | None = None
    webhook: str | None = None
    method: Literal["GET", "POST"] = "POST"
    headers: dict[HeaderName, str] = Field(default_factory=dict)
    body: str = ""
    parameters: dict[str, VariableName] = Field(default_factory=dict)
    when: tuple[Literal["success", "failure"], ...] = ("success", "failure")

    @model_validator(mode="after")
    def _needs_one(self) -> Self:
        _exactly_one(self, "channel", "webhook")
        return self


class Source(Section):
    """Where the code comes from: a branch or a tag of a git repository."""

    git: str
    branch: str | None = None
    tag: str | None = None
    account: str | None = None

    @model_validator(mode="after")
    def _branch_or_tag(self) -> Self:
        if self.branch and self.tag:
            raise ValueError("has both a branch and a tag; keep one of them")
        return self


class Build(Section):
    """How source becomes an image, and what the image is called."""

    image: ImageName
    builder: Literal["bundle"] = "bundle"
    script: str = ""
    procfile: str = ""


class Service(Section):
    """The one service of a workload: the fixed port in front of all its instances."""

    port: Port
    name: Name = "service"
    protocol: Literal["http"] = "http"
    preview_port: Port | None = None


class Readiness(Section):
    """When an instance counts as ready: `http` is a path that answers 200-399; without it the port only has to open."""

    http: str | None = None
    every: Duration = timedelta(milliseconds=500)
    within: Duration = timedelta(minutes=1)

    @field_validator("http")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("/"):
            raise ValueError(f"{value!r} is not a path; write for example /healthz")
        return value


class Text(Section):
    """A value to hold a request's against: exactly, or as an RE2 expression that must match the whole of it."""

    exact: str | None = None
    regex: str | None = None

    @model_validator(mode="after")
    def _needs_one(self) -> Self:
        _exactly_one(self, "exact", "regex")
        if self.regex is not None:
            _check_re2(self.regex)
        return self


class ContentRule(Section):
    """One group of tests; a request belongs to gray when it passes all of them."""

    cookie: Text | None = None
    headers: dict[HeaderName, Text] = Field(default_factory=dict)
    systems: tuple[Literal["ios", "android", "windows", "macos", "linux"], ...] = ()
    browsers: tuple[Literal["chrome", "360", "ie", "safari", "sogou", "edge"], ...] = ()

    @model_validator(mode="after")
    def _needs_a_test(self) -> Self:
        if not (self.cookie or self.headers or self.systems or self.browsers):
            raise ValueError("tests nothing; give it a cookie, headers, systems or browsers")
        return self


class Policy(Section):
    """Who gets the new version. `ratio` is percent of the plain requests, 0 to 100."""

    ratio: Annotated[int, Field(ge=0, le=100)] | None = None
    content: tuple[ContentRule, ...] = ()
    description: str = ""


class Deployment(Section):
    """Where and how a workload runs: what the gray stage and a stand-alone official stage share."""

    service: Service
    image: ImageName | None = None
    target: Literal["process"] = "process"
    workload: Name | None = None
    strategy: Literal["canary", "blue_green", "istio"] = "canary"
    instances: Annotated[int, Field(ge=1, le=MAX_INSTANCES)] = 2
    max_unavailable: Amount = 0
    upgrade: Literal["rolling", "recreate"] = "rolling"
    readiness: Readiness = Readiness()
    drain: Duration = timedelta(seconds=5)
    environment: dict[VariableName, str] = Field(default_factory=dict)
    hold: Duration = timedelta(minutes=1)
    after_hold: Literal["upgrade", "remove"] = "upgrade"

    @field_validator("environment", mode="before")
    @classmethod
    def _read_scalars(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: str(item) if isinstance(item, int | float) else item for key, item in value.items()}

    @property
    def missing_allowed(self) -> int:
        """How many of the instances may be missing, as a count. A percentage is rounded down."""
        return count_of(self.max_unavailable, self.instances, round_up=False)


class Gray(Deployment):
    """A deployment whose new version gets a share of the traffic first."""

    gray_instances: Amount = 1
    policy: Policy = Policy()

    @model_validator(mode="after")
    def _instances_fit(self) -> Self:
        if self.strategy == "canary" and self.instances < 2:  # noqa: PLR2004 - R18
            raise ValueError("a canary needs instances: 2 or more, one of them gray")
        if self.strategy == "blue_green":
            return self
        gray = self.gray_count
        if gray < 1 or gray > MAX_INSTANCES:
            raise ValueError(f"gray_instances is {gray}; it must be 1 to {MAX_INSTANCES}")
        if gray >= self.instances and self.strategy == "canary":
            raise ValueError(
                f"gray_instances ({gray}) must be fewer than instances ({self.instances}); write {self.instances - 1} or fewer"
            )
        return self

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


class Review(Section):
    """Who is asked before the run goes on. Nobody deciding before the deadline counts as a refusal."""

    reviewers: Annotated[tuple[str, ...], Field(min_length=1)]
    mode: Literal["all", "one"] = "one"
    on_refusal: Literal["take_back", "keep"] = "take_back"
    deadline: Duration = timedelta(days=7)


class Official(Section):
    """The official release after a gray stage: it has no settings of its own."""


class Stage(Section):
    """One stage: a name, exactly one of the five kinds, and the options every stage has."""

    name: FreeName
    source: Source | None = None
    build: Build | None = None
    gray: Gray | None = None
    review: Review | None = None
    official: Deployment | Official | None = None
    on_error: ErrorRule = ErrorRule()
    conditions: Conditions = Conditions()
    tell: tuple[Tell, ...] = ()
    timeout: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _needs_one(self) -> Self:
        _exactly_one(self, *(kind.value for kind in StageKind))
        return self

    @property
    def kind(self) -> StageKind:
        """Which of the five it is."""
        return next(kind for kind in StageKind if getattr(self, kind.value) is not None)


class Pipeline(Section):
    """The written plan."""

    pipeline: Name
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=50)]
    group: Name = "default"
    description: str = ""
    variables: dict[VariableName, Variable] = Field(default_factory=dict)
    notify: Notify = Notify()
    concurrency: Literal["queue", "reject", "replace"] = "queue"
    starts: tuple[Start, ...] = ()

    @property
    def deployment(self) -> Deployment | None:
        """The settings that this pipeline deploys with, if it deploys at all."""
        for stage in self.stages:
            if stage.gray is not None:
                return stage.gray
            if isinstance(stage.official, Deployment):
                return stage.official
        return None

    @property
    def workload(self) -> str:
        """The workload that a run holds while it is active; empty when the pipeline deploys nothing."""
        deployment = self.deployment
        return (deployment.workload or self.pipeline) if deployment else ""


def count_of(amount: int | str, whole: int, *, round_up: bool) -> int:
    """An `Amount` as a count of `whole`."""
    if isinstance(amount, int):
        return amount
    hundredths = int(amount[:-1]) * whole
    return -(-hundredths // 100) if round_up else hundredths // 100


def _exactly_one(section: Section, *names: str) -> None:
    given = [name for name in names if getattr(section, name) is not None]
    if len(given) != 1:
        has = " and ".join(given) if given else "none of them"
        raise ValueError(f"needs exactly one of {', '.join(names)}; it has {has}")


def _check_re2(pattern: str) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"{pattern!r} is not an RE2 expression: {error}") from None

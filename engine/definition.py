"""The shape of a pipeline definition: one class a section, explained in `deploy/pipeline.reference.yaml`.

Text only becomes one of these in `engine.pipeline`, which knows about lines, variables and aliases, and about the order
of stages; here live the types. The sections of a deployment are in `engine.deployment`, the kinds of values in
`engine.fields`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from engine.deployment import ContentRule, Deployment, Gray, Policy, Readiness, Service, Text, count_of
from engine.fields import (
    MAX_INSTANCES,
    Amount,
    Cron,
    Duration,
    FreeName,
    HeaderName,
    ImageName,
    Name,
    OneLine,
    Port,
    SomeTime,
    TimeZone,
    VariableName,
    WebAddress,
    parse_duration,
    shown,
)
from engine.git_url import check_form, check_name
from engine.model import Mode, OnError, StageKind
from engine.section import Conflict, Section, exactly_one

__all__ = [
    "MAX_INSTANCES",
    "Amount",
    "Build",
    "Conditions",
    "ContentRule",
    "Deployment",
    "Duration",
    "ErrorRule",
    "FreeName",
    "Gray",
    "HeaderName",
    "Hook",
    "ImageName",
    "Name",
    "Notify",
    "Official",
    "Pipeline",
    "Policy",
    "Port",
    "Readiness",
    "Recipient",
    "Review",
    "Section",
    "Service",
    "Source",
    "Stage",
    "Start",
    "Tell",
    "Text",
    "Variable",
    "VariableName",
    "count_of",
    "parse_duration",
]


class Variable(Section):
    """A global variable with the value it has when nobody changes it. Its value alone will do: ``tag: v1``."""

    value: str = ""
    description: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read_value_alone(cls, value: object) -> object:
        return {"value": value} if isinstance(value, str | int | float) else value

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

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One line, one way."""
        yield from exactly_one(given, "person", "room", "email", "phone")


class Notify(Section):
    """Who hears of a run's result."""

    on_failure: tuple[Recipient, ...] = ()
    on_success: tuple[Recipient, ...] = ()


class Hook(Section):
    """A trigger condition: a generated URL or an internal channel, with parameters that go into variables."""

    webhook: Name | None = None
    channel: Name | None = None
    parameters: dict[str, VariableName] = Field(default_factory=dict)

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One line, one way."""
        yield from exactly_one(given, "webhook", "channel")

    @property
    def key(self) -> str:
        """The condition's name in a run: ``webhook:NAME`` or ``channel:NAME``."""
        return f"webhook:{self.webhook}" if self.webhook else f"channel:{self.channel}"


class Start(Section):
    """A start of the pipeline that needs no person: by the clock, by a webhook or by a channel."""

    cron: Cron | None = None
    timezone: TimeZone = "UTC"
    webhook: Name | None = None
    channel: Name | None = None
    parameters: dict[str, VariableName] = Field(default_factory=dict)

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One line, one way."""
        yield from exactly_one(given, "cron", "webhook", "channel")


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
    webhook: WebAddress | None = None
    method: Literal["GET", "POST"] = "POST"
    headers: dict[HeaderName, OneLine] = Field(default_factory=dict)
    body: str = ""
    parameters: dict[str, VariableName] = Field(default_factory=dict)
    when: tuple[Literal["success", "failure"], ...] = ("success", "failure")

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One message, one way."""
        yield from exactly_one(given, "channel", "webhook")


class Source(Section):
    """Where the code comes from: a branch or a tag of a git repository. An empty text counts as left out."""

    git: Annotated[str, AfterValidator(check_form)]
    branch: Annotated[str, AfterValidator(check_name)] | None = None
    tag: Annotated[str, AfterValidator(check_name)] | None = None
    account: OneLine | None = None

    @field_validator("branch", "tag", "account")
    @classmethod
    def _empty_is_none(cls, value: str | None) -> str | None:
        return value or None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Keep to a branch or a tag."""
        if given.get("branch") and given.get("tag"):
            yield Conflict("tag", "stands beside a branch", "one of the two")


class Build(Section):
    """How source becomes an image, and what the image is called."""

    image: ImageName
    builder: Literal["bundle"] = "bundle"
    script: str = ""
    procfile: str = ""


class Review(Section):
    """Who is asked before the run goes on, and what it means when nobody has decided before the deadline."""

    reviewers: Annotated[tuple[FreeName, ...], Field(min_length=1, max_length=100)]
    mode: Literal["all", "one"] = "one"
    on_refusal: Literal["take_back", "keep"] = "take_back"
    deadline: SomeTime = timedelta(days=7)
    on_deadline: Literal["refuse", "pass"] = "refuse"

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Nobody votes twice."""
        names = given.get("reviewers")
        if isinstance(names, list | tuple):
            counted = Counter(name for name in names if isinstance(name, str))
            for name in sorted(name for name, times in counted.items() if times > 1):
                yield Conflict("reviewers", f"names {shown(name)} more than once", "each reviewer once")


class Official(Section):
    """The official release after a gray stage: it has no settings of its own."""


def _has_settings(value: object) -> str:
    return "official" if value == {} or isinstance(value, Official) else "deployment"


class Stage(Section):
    """One stage: a name, exactly one of the five kinds, and the options every stage has."""

    name: FreeName
    source: Source | None = None
    build: Build | None = None
    gray: Gray | None = None
    review: Review | None = None
    official: (
        Annotated[
            Annotated[Deployment, Tag("deployment")] | Annotated[Official, Tag("official")],
            Discriminator(_has_settings),
        ]
        | None
    ) = None
    on_error: ErrorRule = ErrorRule()
    conditions: Conditions = Conditions()
    tell: tuple[Tell, ...] = ()
    timeout: SomeTime = timedelta(hours=1)

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One stage does one thing."""
        yield from exactly_one(given, *(kind.value for kind in StageKind))

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
    variables: Annotated[dict[VariableName, Variable], Field(max_length=200)] = Field(default_factory=dict)
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
        return deployment.workload_id(self.pipeline) if deployment else ""

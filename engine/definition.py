"""The shape of a pipeline definition: one class a section, explained in `deploy/pipeline.reference.yaml`.

Text only becomes one of these in `engine.pipeline`, which knows about lines, variables and aliases, and about the order
of stages; here live the types. The sections of a deployment are in `engine.deployment`, the kinds of values in
`engine.fields`.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from engine.addresses import parse_network
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
    spelled,
)
from engine.image_build import Build, PlacedImage, PlacedPackage
from engine.model import Mode, OnError, StageKind
from engine.review import Review
from engine.secret_variables import is_secret, marker
from engine.section import Conflict, Mistake, Section, exactly_one
from engine.source import AutoBuild, Source

__all__ = [
    "MAX_INSTANCES",
    "Amount",
    "AutoBuild",
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
    "PlacedImage",
    "PlacedPackage",
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
    """A global variable with the value it has when nobody changes it. Its value alone will do: ``tag: v1``.

    The value of a `secret` one is no part of the definition: it is given in private, and used without being kept.
    """

    value: str = ""
    description: str = ""
    secret: bool = False

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """A secret's value is not written down."""
        if is_secret(given) and given.get("value"):
            instead = "secret: true alone, and give it its value with `secret set PIPELINE NAME`"
            yield Conflict("value", "would be read by everybody who sees the definition", instead)

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


def _network(value: str) -> str:
    try:
        return str(parse_network(value))
    except ValueError:
        problem = f"{shown(value)} is no network"
        raise Mistake(problem, "for example 10.20.0.0/16, 2001:db8::/32 or one address") from None


def _sendable(name: str) -> str:
    if name.lower() in _SET_BY_SLUICE:
        raise Mistake(f"{name} is set by Sluice", "it nowhere, or another name, for example X-Team")
    return name


_SET_BY_SLUICE = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"),
        *("idempotency-key", "sluice-depth"),
    }
)
EmailAddress = Annotated[
    str,
    AfterValidator(
        spelled(
            r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}",
            "is not one e-mail address",
            "for example shop-team@example.com",
        )
    ),
]
PhoneNumber = Annotated[
    str,
    AfterValidator(spelled(r"\+?[0-9][0-9 ()/.-]{2,30}", "is not a phone number", 'for example "+49 30 1234567"')),
]
Network = Annotated[str, AfterValidator(_network)]
Heard = Annotated[tuple[Name, ...], Field(alias="from", max_length=50)]
"""Whose messages on a channel count; nothing: those of the pipelines in the listener's own group."""
SentHeader = Annotated[HeaderName, AfterValidator(_sendable)]


def _belongs(given: Mapping[str, Any]) -> Iterator[Conflict]:
    """A signature and a network belong to somebody outside, and a pipeline to a channel."""
    for key in ("signature", "networks"):
        if "webhook" not in given and given.get(key) not in (None, "none", (), []):
            yield Conflict(key, "is for webhooks: nothing outside calls this", "it beside webhook, or leave it out")
    if "channel" not in given and (given.get("from") or given.get("heard")):
        yield Conflict("from", "is for channels: no pipeline tells this", "it beside channel, or leave it out")


class Recipient(Section):
    """One person, room or address that a result is told to. `gateway` is one of those that the settings name."""

    person: str | None = None
    room: str | None = None
    email: EmailAddress | None = None
    phone: PhoneNumber | None = None
    gateway: Name | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One line, one way."""
        yield from exactly_one(given, "person", "room", "email", "phone", "gateway")


class Notify(Section):
    """Who hears of a run's result."""

    on_failure: tuple[Recipient, ...] = ()
    on_success: tuple[Recipient, ...] = ()


class Hook(Section):
    """A trigger condition: a generated URL or an internal channel, with parameters that go into variables."""

    model_config = ConfigDict(populate_by_name=True)

    webhook: Name | None = None
    channel: Name | None = None
    heard: Heard = ()
    parameters: dict[str, VariableName] = Field(default_factory=dict)
    signature: Literal["none", "hmac"] = "none"
    networks: Annotated[tuple[Network, ...], Field(max_length=50)] = ()

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One line, one way."""
        yield from exactly_one(given, "webhook", "channel")
        yield from _belongs(given)

    @property
    def key(self) -> str:
        """The condition's name in a run: ``webhook:NAME`` or ``channel:NAME``."""
        return f"webhook:{self.webhook}" if self.webhook else f"channel:{self.channel}"


class Start(Section):
    """A start of the pipeline that needs no person: by the clock, by a webhook or by a channel."""

    model_config = ConfigDict(populate_by_name=True)

    cron: Cron | None = None
    timezone: TimeZone = "UTC"
    webhook: Name | None = None
    channel: Name | None = None
    heard: Heard = ()
    parameters: dict[str, VariableName] = Field(default_factory=dict)
    signature: Literal["none", "hmac"] = "none"
    networks: Annotated[tuple[Network, ...], Field(max_length=50)] = ()

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One line, one way."""
        yield from exactly_one(given, "cron", "webhook", "channel")
        yield from _belongs(given)


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
    headers: dict[SentHeader, OneLine] = Field(default_factory=dict)
    body: str = ""
    parameters: dict[str, VariableName] = Field(default_factory=dict)
    when: tuple[Literal["success", "failure"], ...] = ("success", "failure")

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One message, one way."""
        yield from exactly_one(given, "channel", "webhook")


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
    def values(self) -> dict[str, str]:
        """The declared variables with the values that they have when nobody changes them; a secret has its marker."""
        return {name: marker(name) if one.secret else one.value for name, one in self.variables.items()}

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

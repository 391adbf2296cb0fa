"""The section of a definition that says where the code comes from, and which pushes start the pipeline."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from engine.fields import OneLine, RefPattern, VariableName
from engine.git_url import check_form, check_name
from engine.section import Conflict, Section


class AutoBuild(Section):
    """Pushes that start the pipeline: to branches, of new tags, or both, by patterns."""

    branches: Annotated[tuple[RefPattern, ...], Field(max_length=50)] = ()
    tags: Annotated[tuple[RefPattern, ...], Field(max_length=50)] = ()
    webhook: Literal["automatic", "manual"] = "automatic"
    forge: Literal["github", "gitlab", "gitee", "devcloud"] | None = None
    ignore: Annotated[tuple[OneLine, ...], Field(max_length=50)] = ()
    parameters: dict[Literal["branch", "tag", "commit", "pusher"], VariableName] = Field(default_factory=dict)

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Something has to be chosen."""
        if not given.get("branches") and not given.get("tags"):
            yield Conflict("", "names neither branches nor tags", "branches: [main], or tags: [v*], or both")


class Source(Section):
    """Where the code comes from: a branch or a tag of a git repository. An empty text counts as left out."""

    git: Annotated[str, AfterValidator(check_form)]
    branch: Annotated[str, AfterValidator(check_name)] | None = None
    tag: Annotated[str, AfterValidator(check_name)] | None = None
    account: OneLine | None = None
    auto_build: AutoBuild | None = None

    @field_validator("branch", "tag", "account")
    @classmethod
    def _empty_is_none(cls, value: str | None) -> str | None:
        return value or None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Keep to a branch or a tag."""
        if given.get("branch") and given.get("tag"):
            yield Conflict("tag", "stands beside a branch", "one of the two")
        auto = given.get("auto_build")
        if not given.get("account") and _webhook_of(auto) == "automatic":
            problem = "attaches a webhook, and no account is named to do that with"
            yield Conflict("auto_build", problem, "account: NAME beside it, or webhook: manual in it")


def _webhook_of(auto: object) -> str:
    """Tell how the webhook gets to the repository, of raw text or of a section; empty when there is no auto build."""
    if isinstance(auto, AutoBuild):
        return auto.webhook
    return str(auto.get("webhook", "automatic")) if isinstance(auto, dict) else ""

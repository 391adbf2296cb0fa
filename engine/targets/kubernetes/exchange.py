"""One request to a cluster and what came back, as values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from engine.model import Json
from engine.targets.kubernetes.kinds import Kind

_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as its errors name it. `kind` is None for what is about the cluster; then `name` is a path."""

    cluster: str
    verb: str
    kind: Kind | None = None
    namespace: str = ""
    name: str = ""

    @property
    def right(self) -> tuple[str, str]:
        """The verb and the resource, as a Role has them."""
        return self.verb, self.kind.plural if self.kind else self.name

    @property
    def path(self) -> str:
        """Where it is asked for, below the cluster's address."""
        return self.kind.path(self.namespace, self.name) if self.kind else self.name

    def __str__(self) -> str:
        """Name what was asked for: one object, or all of a kind."""
        if self.kind is None:
            return self.name
        if not self.name:
            return f"{self.kind.plural} in namespace {self.namespace}" if self.namespace else self.kind.plural
        return f"{self.kind.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it is. The names of headers are in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether what was asked for was done."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def said(self) -> Json:
        """The object that it holds; of a line of text its words, of anything else (a proxy's page) nothing."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            is_text = self.headers.get("content-type", "").startswith("text/plain")
            return {"message": self.body.decode(errors="replace")} if is_text else {}
        return read if isinstance(read, dict) else {}

    @property
    def message(self) -> str:
        """What it says, in one line; the status in words when it says nothing."""
        said = self.said.get("message")
        return short(said) if isinstance(said, str) and said.strip() else _phrase(self.status)

    @property
    def details(self) -> Json:
        """What an API's Status object is about."""
        found = self.said.get("details")
        return found if isinstance(found, dict) else {}


def short(text: str, longest: int = _LONGEST) -> str:
    """`text` in one line without control characters, cut to a sane length."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def sentence(text: str) -> str:
    """`text` with an end."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no words"

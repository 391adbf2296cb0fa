"""From the text of a definition to a pipeline, or to everything that is wrong with it.

The danger: people mend the one mistake they are told of and meet the next; a definition that only fails when a run has
reached its third stage; an error of a library that no author can read.

The promise: `check` finds all mistakes at once, each with its line and with what to write; what it passes, a run with
the declared values can be made from; and any text at all gives an answer. It holds because the text is looked at in
parts that do not depend on each other: its YAML, its variables, the keys of every section, every single value, the
order of stages, and the people named. The author's text is kept; `resolve` makes the pipeline from it again for each
run.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from pydantic import ValidationError

from engine.complaints import Complaint, Complaints, Finding, Path, describe, write_path
from engine.definition import Pipeline, Stage
from engine.fields import shown
from engine.git_url import check_git_url
from engine.keys import key_findings
from engine.model import Mode, PersonId, StageKind, StageRule
from engine.secret_variables import tagged
from engine.section import Mistake
from engine.sentences import findings_of
from engine.stage_order import order_findings
from engine.strangers import sections_of, unknown_clusters, unknown_people
from engine.variable_use import declared_in, expanded, variable_findings
from engine.variables import SYSTEM_NAMES, merge, system_variables
from engine.yaml_text import Node, Place, read_yaml

__all__ = [
    "Complaint",
    "Complaints",
    "Definition",
    "check",
    "describe",
    "parse",
    "releasing_part",
    "render_yaml",
    "resolve",
    "stage_rules",
]

MAX_COMPLAINTS = 100
_RELEASING = (StageKind.GRAY, StageKind.REVIEW, StageKind.OFFICIAL)
_EXAMPLE_SYSTEM = system_variables(datetime(2026, 1, 1, tzinfo=UTC), 1)


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition without mistakes: the author's text, its tree with lines, and the pipeline by declared values."""

    text: str
    tree: Node
    pipeline: Pipeline

    @property
    def variables(self) -> dict[str, str]:
        """The declared variables with their values."""
        return self.pipeline.values


@dataclass(frozen=True, slots=True)
class _Examined:
    complaints: tuple[Complaint, ...]
    tree: Node | None = None
    pipeline: Pipeline | None = None


def parse(
    text: str,
    *,
    people: Collection[str] | None = None,
    clusters: Collection[str] | None = None,
    allow_local: bool = True,
    allow_http: bool = True,
) -> Definition:
    """Read a definition. `people` and `clusters` may be named in it (None: not checked). Raises `Complaints`.

    `allow_local` and `allow_http` say which repositories the settings allow beside https and ssh; a definition that is
    kept already was checked for that.
    """
    seen = _examine(text, {}, people, clusters, allow_local=allow_local, allow_http=allow_http)
    if seen.tree is None or seen.pipeline is None:
        raise Complaints(seen.complaints)
    return Definition(text, seen.tree, seen.pipeline)


def check(
    text: str,
    people: Collection[str] | None = None,
    *,
    clusters: Collection[str] | None = None,
    allow_local: bool = True,
    allow_http: bool = False,
) -> tuple[Complaint, ...]:
    """Find everything that is wrong with `text`, in the order of lines; nothing when it is a definition."""
    return _examine(text, {}, people, clusters, allow_local=allow_local, allow_http=allow_http).complaints


def resolve(text: str, variables: Mapping[str, str]) -> Pipeline:
    """Make the pipeline that a run with these values sees; others have their declared value. Raises `Complaints`."""
    return _resolved(text, tuple(sorted(variables.items())) if "${" in text else _unused(variables))


@lru_cache(maxsize=256)
def _resolved(text: str, variables: tuple[tuple[str, str], ...]) -> Pipeline:
    """Make it once for equal values: a run asks for its pipeline when it is begun and again when it is worked on."""
    seen = _examine(text, dict(variables), None, None, allow_local=True, allow_http=True)
    if seen.pipeline is None:
        raise Complaints(seen.complaints)
    return seen.pipeline


def _unused(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Of values that nothing in the text refers to, those that a definition has to declare."""
    return tuple(sorted((name, value) for name, value in variables.items() if name not in SYSTEM_NAMES))


def render_yaml(definition: Definition) -> str:
    """Give the definition as its author wrote it, comments included."""
    return definition.text


def stage_rules(pipeline: Pipeline) -> tuple[StageRule, ...]:
    """Give what the state machine needs to know of each stage."""
    return tuple(_stage_rule(stage) for stage in pipeline.stages)


def releasing_part(pipeline: Pipeline) -> Pipeline:
    """Leave out the stages that make an image: what a release goes through that is made already."""
    kept = tuple(stage for stage in pipeline.stages if stage.kind in _RELEASING)
    return pipeline.model_copy(update={"stages": kept})


def _stage_rule(stage: Stage) -> StageRule:
    rule = StageRule(
        name=stage.name,
        kind=stage.kind,
        on_error=stage.on_error.do,
        hold=stage.on_error.hold,
        conditions=tuple(dict.fromkeys(hook.key for hook in stage.conditions.of)),
        mode=stage.conditions.mode,
    )
    review, gray = stage.review, stage.gray
    if gray is not None:
        return replace(rule, deadline=gray.deadline, keep_on_deadline=gray.on_deadline == "keep")
    if review is None:
        return rule
    return replace(
        rule,
        reviewers=tuple(PersonId(name) for name in review.reviewers),
        votes_needed=Mode.ALL if review.mode == "all" else Mode.ANY,
        take_back_on_refusal=review.on_refusal == "take_back",
        deadline=review.deadline,
        at_least=review.quorum,
        no_self_approval=review.no_self_approval,
        deputies=tuple(PersonId(name) for name in review.deputies),
        escalate_after=review.escalate_after,
        remind_after=review.remind_after,
        remind_every=review.remind_every,
        pass_on_deadline=review.on_deadline == "pass",
    )


def _examine(
    text: str,
    changes: Mapping[str, str],
    people: Collection[str] | None,
    clusters: Collection[str] | None,
    *,
    allow_local: bool,
    allow_http: bool,
) -> _Examined:
    tree, complaints = read_yaml(text)
    if tree is None or tree.kind != "mapping":
        if not complaints:
            complaints = [Complaint(1, 1, "", "the definition is no mapping", "pipeline: and a name on the first line")]
        return _Examined(tuple(complaints))
    data = tree.data()
    values = _values(declared_in(data), changes)
    data = expanded(data, tagged(values))
    pipeline, faults = _validate(data)
    findings = chain(
        variable_findings(tree, values),
        key_findings(tree, data),
        order_findings(data["stages"] if isinstance(data.get("stages"), list) else ()),
        _places(data, allow_local=allow_local, allow_http=allow_http),
        unknown_people(data, people),
        unknown_clusters(data, clusters),
    )
    complaints += _complaints(tree, list(islice(findings, MAX_COMPLAINTS)), faults)
    if complaints:
        return _Examined(tuple(sorted(complaints)[:MAX_COMPLAINTS]))
    return _Examined((), tree, pipeline)


def _values(declared: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    system = {name: value for name, value in changes.items() if name in SYSTEM_NAMES}
    changed = merge(declared, {name: value for name, value in changes.items() if name not in SYSTEM_NAMES})
    return {**changed, **_EXAMPLE_SYSTEM, **system}


def _validate(data: Any) -> tuple[Pipeline | None, list[tuple[Finding, bool]]]:
    try:
        return Pipeline.model_validate(data), []
    except ValidationError as error:
        return None, list(findings_of(error))


def _complaints(tree: Node, findings: list[Finding], faults: list[tuple[Finding, bool]]) -> list[Complaint]:
    """Place every finding. What pydantic says of a value is left out where that was spoken of already."""
    said = {one.path for one in findings} | {(*one.path[:-1], one.instead) for one in findings if one.at_key}
    covered = {one.path for one in findings if one.covers}
    fresh = [
        fault
        for fault, is_conflict in faults
        if not is_conflict and fault.path not in said and not any(_starts(fault.path, path) for path in covered)
    ]
    if faults and not findings and not fresh:
        fresh = [fault for fault, _ in faults]
    return [_placed(tree, one) for one in dict.fromkeys([*findings, *fresh])]


def _starts(path: Path, above: Path) -> bool:
    return path[: len(above)] == above


def _placed(tree: Node, finding: Finding) -> Complaint:
    place, node = tree.place_of(finding.path, of_key=finding.at_key), tree.find(finding.path)
    if node is not None and node.is_block:
        place = Place(place.line + 1 + finding.row)
    written = (node.text if node else None) or ""
    note = f" (from {shown(written)})" if "${" in written and "${" not in finding.problem else ""
    return Complaint(place.line, place.column, write_path(finding.path), finding.problem + note, finding.instead)


def _places(data: Any, *, allow_local: bool, allow_http: bool) -> Iterator[Finding]:
    for path, source in sections_of(data, "source"):
        url = source.get("git")
        if not isinstance(url, str):
            continue
        try:
            check_git_url(url, allow_local=allow_local, allow_http=allow_http)
        except Mistake as mistake:
            yield Finding((*path, "git"), mistake.problem, mistake.instead)

"""From an order to the run that it asks for, before anything is done about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import yaml
from pydantic import ValidationError

from engine.book import Book, StoredPipeline
from engine.definition import Deployment, Gray, Pipeline
from engine.errors import InvariantViolation, Refused
from engine.evolution import new_stages
from engine.model import Json, PersonId, Pushed, Release, RoomId, Run, RunId, StageKind, StageRule, Way
from engine.pipeline import releasing_part, resolve, stage_rules
from engine.secret_variables import is_marker
from engine.stages.rollout import UNIDENTIFIED, deployment_part
from engine.variables import merge, system_variables

TAKING_BACK = "take gray back"
"""The only stage of a run that takes away the gray release which another one has left standing."""
_OF_THE_RELEASE = ("image",)
"""Settings that say nothing of what a release is, but stay with it when it is brought back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run that somebody wants: of which pipeline, with which variables changed, told to which room.

    `redeploys` asks for a run that brings this release back, and `way` says how: reviewed, it goes through the gray,
    review and official stages that the pipeline has now; otherwise in one stage of its own. One that adopts takes what
    runs as this release. `reason` is why, in the
    words of whoever asks. Nobody waits for an answer to an order that is made `by_itself`, by a clock or a hook.
    A run that a push asks for is made of what was `pushed`.
    """

    pipeline: str
    by: PersonId
    room: RoomId
    changes: Mapping[str, str]
    redeploys: Release | None = None
    way: Way = Way.FAST
    reason: str = ""
    by_itself: bool = False
    depth: int = 0
    pushed: Pushed | None = None


def new_run(book: Book, stored: StoredPipeline, order: Order, now: datetime) -> Run:
    """Make the run that `order` asks for, as it is before it begins. A release that it brings back is kept anew."""
    number = book.runs.next_number(stored.name)
    system = system_variables(now, number)
    release = order.redeploys
    if release is None:
        variables = {**merge(_declared(stored.text, system), order.changes), **system}
        pipeline = resolve(stored.text, variables)
        workload, rules = pipeline.workload, stage_rules(pipeline)
    elif order.way is Way.REVIEWED:
        variables, pipeline, release = reviewed(stored.text, release, system)
        workload, rules = release.workload, stage_rules(pipeline)
    else:
        variables = {**_declared(stored.text, system), **system, **release.variables}
        workload, rules = release.workload, (_straight_rule(release, order.way),)
    if release is not None:
        book.releases.add(release)
    return Run(
        id=RunId(f"{stored.name}-{number}"),
        pipeline=stored.name,
        number=number,
        version=stored.version,
        workload=workload,
        variables=variables,
        rules=rules,
        stages=new_stages(rules),
        requested_by=order.by,
        room=order.room,
        created_at=now,
        redeploys=release.id if release else None,
        way=order.way if release else None,
        because=order.reason,
        depth=order.depth,
        pushed=order.pushed,
    )


def taking_back(book: Book, left: Run, now: datetime, by: PersonId) -> Run:
    """Make a run whose way back takes away the gray release that the run `left`, which is over, has left standing."""
    gray = next((stage for stage in left.stages if stage.kind is StageKind.GRAY), None)
    release = None if gray is None else gray.outputs.get("release") or gray.outputs.get("placed")
    if release is None:
        raise InvariantViolation(f"Run {left.id} has left no gray release.")
    number = book.runs.next_number(left.pipeline)
    rules = (StageRule(TAKING_BACK, StageKind.GRAY),)
    return Run(
        id=RunId(f"{left.pipeline}-{number}"),
        pipeline=left.pipeline,
        number=number,
        version=left.version,
        workload=left.workload,
        variables={**left.variables, **system_variables(now, number)},
        rules=rules,
        stages=tuple(replace(stage, outputs={"release": release}) for stage in new_stages(rules)),
        requested_by=by,
        room=left.room,
        created_at=now,
        because=f"{left.id} left it standing.",
    )


def reviewed(text: str, release: Release, system: Mapping[str, str]) -> tuple[dict[str, str], Pipeline, Release]:
    """Give the variables, the stages and the settings with which `release` goes through the definition `text` of today.

    Variables that the release was made with have those values again, as far as the definition still has them. Raises
    `Refused` when it has no stages that a release could go through.
    """
    declared = _declared(text, system)
    own = {name: value for name, value in release.variables.items() if name in declared}
    own = {name: value for name, value in own.items() if not is_marker(value) and not is_marker(declared[name])}
    variables = {**declared, **own, **system}
    pipeline = releasing_part(resolve(text, variables))
    spec = pipeline.deployment
    if spec is None or all(stage.kind is not StageKind.OFFICIAL for stage in pipeline.stages):
        fast = f"`redeploy {pipeline.pipeline} {release.number} fast` brings it back without them."
        raise Refused(f"{pipeline.pipeline} has no stages any more that {release.image} could go through.", fast)
    settings = redeployed_settings(release, spec)
    manifest = _written(release, settings) if spec.target != "kubernetes" else release.manifest
    return variables, pipeline, replace(release, settings=settings, manifest=manifest, idle=False)


def redeployed_settings(release: Release, now: Deployment) -> Json:
    """Give the settings of a release that is brought back through the stages of today.

    What it is (its environment, ports, resources, readiness) stays as it was deployed with. How it gets its traffic,
    and how many instances there are, is what people have agreed on since, so that is taken from the definition `now`;
    a strategy that the definition leaves to the place stays, too. Raises `Refused` when the two do not go together.
    """
    own = deployment_part(release.settings)
    today = now.model_dump(mode="json", exclude_none=True)
    if "strategy" not in now.model_fields_set:
        today["strategy"] = own.get("strategy", today["strategy"])
    kept = {name: value for name, value in own.items() if name not in UNIDENTIFIED or name in _OF_THE_RELEASE}
    taken = {name: today[name] for name in UNIDENTIFIED if name in today and name not in _OF_THE_RELEASE}
    settings = {**kept, **taken}
    shape = Gray if isinstance(now, Gray) else Deployment
    try:
        return shape.model_validate(settings).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise Refused(f"{release.image} does not go with the definition of today: {problem}.") from error


def _written(release: Release, settings: Json) -> str:
    about = {"workload": release.workload, "image": release.image, "digest": release.digest, **settings}
    return yaml.safe_dump(about, sort_keys=False, allow_unicode=True)


def spec_of(release: Release) -> Deployment:
    """Give the settings that are kept with a release, with those of its gray stage if it has any."""
    shape = Gray if "gray_instances" in release.settings else Deployment
    return shape.model_validate(release.settings)


def _declared(text: str, system: Mapping[str, str]) -> dict[str, str]:
    return resolve(text, system).values


def _straight_rule(release: Release, way: Way) -> StageRule:
    if way is Way.ADOPT:
        return StageRule("adopt what runs", StageKind.OFFICIAL)
    does = "roll back to" if way is Way.ROLL_BACK else "redeploy"
    return StageRule(f"{does} version {release.number}", StageKind.OFFICIAL)

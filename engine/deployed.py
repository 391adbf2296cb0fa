"""What a run releases, from what, in words and as the values that targets and plans need. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import yaml

from engine.definition import Deployment, Gray, Policy
from engine.deployment import FOUND, target_of
from engine.errors import StageFailure
from engine.manifest import QUIETLY, has_stop_hook
from engine.model import Json, Release, Run, StageKind
from engine.ports import Dispute, Placement, Traffic
from engine.rollout.fleet import Fleet, Launch, Move, ReleaseId, Reroute, Retire, Scale
from engine.rollout.rolling import least_ready
from engine.rollout.traffic import describe_rules

_MOST_SAID = 4
_AT_ONCE = "0s"
_UNPLANNED = {"image", "policy", "deadline", "on_deadline"}
"""Settings that stand in a plan by themselves, or say nothing of what will be released."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """`new` on its way to replace `old` (None: the workload's first release), with the settings `spec`."""

    workload: str
    spec: Deployment
    new: Release
    old: Release | None
    pipeline: str = ""
    run: str = ""

    @property
    def serving(self) -> Release | None:
        """The version before, if it had instances."""
        return None if self.old is None or self.old.idle else self.old

    @property
    def is_everywhere(self) -> bool:
        """Whether the new version is the one that was deployed last: there is nothing to split."""
        return self.old is not None and self.old.id == self.new.id

    def placement(self, *, firm: bool = False) -> Placement:
        """Where, for a target. `firm`: see `engine.ports.Placement`."""
        releases = {release.id: release for release in (self.new, self.old) if release}
        service = self.spec.service
        return Placement(
            self.workload,
            service.port,
            releases,
            service.preview_port,
            self.spec.drain,
            spec=self.spec,
            pipeline=self.pipeline,
            run=self.run,
            firm=firm,
            back_to=self.old.id if firm and self.old else None,
        )

    def name_of(self, release: ReleaseId) -> str:
        """A release in people's words: its image's tag."""
        found = {item.id: item for item in (self.new, self.old) if item}.get(release)
        return found.image if found else release

    def share(self, run: Run) -> int:
        """Percent of the plain requests that gray is to get in this run."""
        if run.share is not None:
            return run.share
        return self.spec.share if isinstance(self.spec, Gray) else 0

    @property
    def policy(self) -> Policy:
        """Who gets the new version; without a gray stage nobody before the others."""
        return self.spec.policy if isinstance(self.spec, Gray) else Policy()

    @property
    def rules(self) -> str:
        """Which requests get the new version by their content, in words; the share of the others is another matter."""
        return describe_rules(self.policy.model_copy(update={"ratio": None}))

    def plan(self, run: Run) -> Json:
        """Everything that reviewers approve. Whatever changes here voids their votes."""
        settings = self.spec.model_dump(mode="json", exclude_none=True, exclude=_UNPLANNED)
        return {
            "image": self.new.image,
            "digest": self.new.digest,
            "release": self.new.id,
            "from": self.old.id if self.old else "",
            "workload": self.workload,
            "target": self.spec.target,
            "strategy": self.spec.strategy,
            "share": self.share(run),
            # in the words of earlier versions of Sluice, so that an update voids no votes
            "rules": describe_rules(self.policy) if self.policy.content else "",
            "settings": settings,
        }


def surviving(spec: Deployment) -> str:
    """How many instances serve at the least while they are replaced, in words; empty where a manifest says it."""
    if spec.creation == "yaml":
        return ""
    if spec.strategy == "blue_green":
        return f"all {spec.instances} serve"
    if spec.upgrade == "recreate":
        others = "only gray serves" if isinstance(spec, Gray) else "Careful: none serves"
        return f"{others} while all {spec.instances} are replaced at once (upgrade: recreate)"
    least = least_ready(spec.instances, spec.missing_allowed)
    said = f"at least {least} of {spec.instances} serve"
    if spec.missing_allowed < spec.instances:
        return said
    return f"Careful: {said}; max_unavailable would let all of them be missing, and no more than one is kept"


def fingerprint(plan: Json) -> str:
    """A short name for exactly this plan."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Disputed(StageFailure):
    """Somebody else manages or has changed what the release needs: it stands still until a person decides.

    `ways` are the commands that decide it; `first` is said before all else. `is_hotfix`: what runs can be adopted as a
    version.
    """

    def __init__(self, disputes: Sequence[Dispute], name: str, first: str = "") -> None:
        said = " ".join(filter(None, (first, *(str(each) for each in disputes[:_MOST_SAID]))))
        more = f" And {len(disputes) - _MOST_SAID} more." if len(disputes) > _MOST_SAID else ""
        self.disputes = tuple(disputes)
        drifted = [each for each in disputes if not each.held]
        restore = ["restore"] if drifted else []
        adopt = ["adopt"] if not any(each.decided and not each.hotfix for each in drifted) else []
        self.is_hotfix = any(each.hotfix for each in drifted)
        self.ways = (*restore, *adopt)
        words = {
            "restore": f"`restore {name}` puts Sluice's values there",
            "adopt": f"`adopt {name}` goes on with them",
        }
        if self.is_hotfix:
            words["adopt"] = f"`adopt {name}` takes what runs as a version to go back to, and goes on"
        if not drifted:
            words["adopt"] = f"`adopt {name}` lets Sluice manage that from now on; nothing changes by it"
        super().__init__(f"{said}{more}", f"{', '.join(words[way] for way in self.ways)}.")


def difference(before: Json, after: Json) -> str:
    """What is no longer as it was approved, in words."""
    changed = [name for name in after if before.get(name) != after.get(name)]
    words = [f"{name} was {_short(before.get(name))} and is {_short(after.get(name))}" for name in changed]
    return "; ".join(words) or "nothing that can be named"


def describe_move(move: Move, deployed: Deployed) -> str:
    """A move in people's words."""
    match move:
        case Launch(group, release, count):
            return f"Bringing {group} to {count} of {deployed.name_of(release)}"
        case Scale(group, count):
            return f"Scaling {group} to {count}"
        case Retire(group):
            return f"Draining and ending {group}"
        case Reroute(route):
            shares = ", ".join(f"{weight} % to {name}" for name, weight in sorted(route.weights.items()) if weight)
            matched = f"; requests that match the rules to {route.matched}" if route.rules and route.matched else ""
            return f"Sending {shares or 'no traffic'}{matched}"


def tracks_of(fleet: Fleet, new: ReleaseId) -> dict[str, str]:
    """Each group's track: ``gray`` is where the new release runs."""
    return {name: "gray" if group.release == new else "stable" for name, group in fleet.groups.items()}


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is of a gray release just now, by looking: ready instances on each track, and its traffic.

    `share` is the percent of the plain requests that the route sends to gray. `changed` says, a sentence each, what
    somebody else has changed.
    """

    instances: Mapping[str, int]
    share: int
    changed: tuple[str, ...] = ()


def standing_of(fleet: Fleet, new: ReleaseId) -> Standing:
    """Count a fleet by tracks."""
    instances = {"stable": 0, "gray": 0}
    tracks = tracks_of(fleet, new)
    for name, track in tracks.items():
        instances[track] += fleet.groups[name].ready_now()
    share = sum(weight for name, weight in fleet.route.weights.items() if tracks.get(name) == "gray")
    return Standing(instances, share)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the proxy has counted on each track since the present split began."""

    requests: Mapping[str, int]
    failed: Mapping[str, int]

    @property
    def total(self) -> int:
        """Requests on both tracks."""
        return sum(self.requests.values())

    @property
    def share(self) -> float | None:
        """The share of gray, 0 to 1; None before the first request."""
        return self.requests.get("gray", 0) / self.total if self.total else None


def observed(run: Run, traffic: Traffic) -> Observed | None:
    """Requests and failures per track since the split that is in effect was set; None when they are not known."""
    noted = latest_split(run)
    if noted is None:
        return None
    tracks, base = noted["tracks"], noted["baseline"]
    if target_of(run.workload) == "kubernetes" and not base["requests"]:
        return None  # nobody counted when the split was set, so what was counted since cannot be told
    requests = {"stable": 0, "gray": 0}
    failed = {"stable": 0, "gray": 0}
    for group, count in traffic.requests.items():
        track = tracks.get(group, "stable")
        requests[track] += max(0, count - base["requests"].get(group, 0))
        failed[track] += max(0, traffic.failed.get(group, 0) - base["failed"].get(group, 0))
    return Observed(requests, failed)


def observed_before(run: Run) -> Observed:
    """What was counted in this run under the shares that gray had before the present one."""
    noted = (latest_split(run) or {}).get("earlier") or {}
    return Observed(noted.get("requests", {}), noted.get("failed", {}))


def added(one: Observed, other: Observed) -> Observed:
    """Both together."""
    return Observed(_sums(one.requests, other.requests), _sums(one.failed, other.failed))


def _sums(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {track: one.get(track, 0) + other.get(track, 0) for track in {**one, **other}}


def is_split_over(run: Run) -> bool:
    """Whether visitors have begun to be led elsewhere than the split says: what is counted then is not of it."""
    return any(stage.outputs.get("split_over") for stage in run.stages)


def latest_split(run: Run) -> Json | None:
    """What was noted when the newest split of the run was set."""
    for stage in reversed(run.stages):
        if stage.kind in (StageKind.GRAY, StageKind.REVIEW) and "baseline" in stage.outputs:
            return stage.outputs
    return None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits a phone's line


def leaves_quietly(release: Release) -> bool:
    """Whether an instance of `release` goes on answering for a while after it is told to end.

    In a cluster that takes a preStop hook: without one, a pod ends while requests are on their way to it. Everywhere
    else the target sees to it, and so it is where the owner has said that nothing is to be waited for. What Sluice
    writes may be less than what runs, so a manifest has said it since it was pinned; one that was found holds it all.
    """
    if release.settings.get("target") != "kubernetes":
        return True
    workload, creation = _workload_in(release.manifest), release.settings.get("creation", "standard")
    if workload is None or (creation == "standard" and release.settings.get("drain") == _AT_ONCE):
        return True
    said = (workload["metadata"].get("annotations") or {}).get(QUIETLY)
    if said is not None:
        return bool(said == "true")
    template = workload["spec"]["template"]
    if creation == FOUND:
        named = (str(release.settings.get(key, "")) for key in ("workload", "container"))
        return has_stop_hook(template, next(named), release.image, next(named))
    return any((one.get("lifecycle") or {}).get("preStop") for one in template["spec"].get("containers", ()))


@lru_cache(maxsize=256)
def _workload_in(manifest: str) -> Json | None:
    written = (each for each in yaml.safe_load_all(manifest) if isinstance(each, dict))
    return next((each for each in written if each.get("kind") == "Deployment"), None)

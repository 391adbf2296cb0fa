"""Whether a push starts a pipeline, and why not. Pure: what was pushed and what the definition says, a decision out.

What is never started by itself: what was deleted, a push without anything new, a tag that was moved (what it named
before may be released under its name), what Sluice's own account or one that the definition ignores pushed (it would
answer itself without end), and a commit whose message asks for nothing to be done.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from engine.definition import AutoBuild, Pipeline, Source
from engine.forges.hosts import repository_path
from engine.forges.payloads import Push
from engine.model import Pushed

_SKIP = re.compile(r"\[(?:skip (?:ci|sluice)|(?:ci|sluice) skip)\]", re.IGNORECASE)
_SHORT = 12


@dataclass(frozen=True, slots=True)
class Wanted:
    """One source stage of a pipeline that builds by itself: its repository, and what for."""

    stage: str
    source: Source
    auto: AutoBuild

    @property
    def path(self) -> str:
        """The repository's path at its forge."""
        return repository_path(self.source.git)


@dataclass(frozen=True, slots=True)
class Starts:
    """The push starts a run of what was pushed, with these variables changed."""

    pushed: Pushed
    changes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Passes:
    """The push starts nothing, and why."""

    why: str


def wanted_of(pipeline: Pipeline) -> Wanted | None:
    """Find the source stage that builds by itself; there is at most one."""
    for stage in pipeline.stages:
        if stage.source is not None and stage.source.auto_build is not None:
            return Wanted(stage.name, stage.source, stage.source.auto_build)
    return None


def decide(push: Push, wanted: Wanted, own_logins: Sequence[str] = ()) -> Starts | Passes:
    """Decide. `own_logins` are those of accounts that no person uses: apps."""
    why = _why_not(push, wanted, own_logins)
    if why:
        return Passes(why)
    pushed = Pushed(push.kind, push.ref, push.after, wanted.stage)
    values = {
        "branch": push.ref if push.kind == "branch" else "",
        "tag": push.ref if push.kind == "tag" else "",
        "commit": push.after,
        "pusher": push.login,
    }
    changes = {variable: values[name] for name, variable in wanted.auto.parameters.items() if values[name]}
    return Starts(pushed, changes)


def _why_not(push: Push, wanted: Wanted, own_logins: Sequence[str]) -> str:
    auto = wanted.auto
    patterns = auto.branches if push.kind == "branch" else auto.tags
    named = f"{push.kind} {push.ref}"
    reasons = (
        (push.repository.casefold() != wanted.path.casefold(), f"it is of {push.repository}, not of {wanted.path}"),
        (push.is_deletion, f"{named} was deleted"),
        (not patterns, f"{'branches' if push.kind == 'branch' else 'tags'} start nothing here"),
        (not any(matches(push.ref, one) for one in patterns), f"{named} matches none of {', '.join(patterns)}"),
        (push.kind == "tag" and not push.is_new, f"{named} is not new, it was moved"),
        (push.before == push.after, f"{named} is where it was"),
        (push.login.casefold() in {one.casefold() for one in own_logins}, f"{push.login} is Sluice's own account"),
        (push.login.casefold() in {one.casefold() for one in auto.ignore}, f"pushes by {push.login} are ignored"),
        (_SKIP.search(push.subject) is not None, "its message asks to be skipped"),
    )
    return next((why for holds, why in reasons if holds), "")


def matches(name: str, pattern: str) -> bool:
    """Whether a branch or tag is meant by a pattern: ``*`` stands for any letters, also for slashes, ``?`` for one."""
    return _expression(pattern).fullmatch(name) is not None


@lru_cache(maxsize=512)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def because(push: Push) -> str:
    """Say in one line why the run was started."""
    how = "force-pushed" if push.forced else "pushed"
    subject = f": {push.subject}" if push.subject else ""
    return f"{push.name or push.login} {how} {push.after[:_SHORT]} to {push.kind} {push.ref}{subject}"

"""Runs as cards. Pure: what is shown depends on the run, on what was counted and seen of it and on the time alone."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bot.ballots import about_voters, ballot_of
from bot.cards import Button, Card, Field, Split, Stop, Tone
from engine.deployed import Observed, Standing, is_split_over, latest_split, observed_before
from engine.deployment import target_of
from engine.locks import Lock
from engine.model import Json, Mode, Run, RunState, StageKind, StageRun, StageState, Way
from engine.orders import TAKING_BACK
from engine.secret_variables import is_marker
from engine.stages.rollout import noted_release
from engine.transitions import was_placed

S = StageState
_TONES = {
    RunState.QUEUED: Tone.PLAIN,
    RunState.RUNNING: Tone.BUSY,
    RunState.WAITING: Tone.ASKING,
    RunState.SUCCEEDED: Tone.GOOD,
    RunState.FAILED: Tone.BAD,
    RunState.REJECTED: Tone.BAD,
    RunState.CANCELLED: Tone.STOPPED,
    RunState.ROLLED_BACK: Tone.STOPPED,
}
_SHORT = 12


def present_run(
    run: Run,
    now: datetime,
    seen: Observed | None = None,
    lock: Lock | None = None,
    standing: Standing | None = None,
    *,
    untold: Sequence[Field] = (),
) -> Card:
    """Return the one card of a run. `lock` is its workload's, if there is one; `untold`: who cannot be asked.

    `standing` is what there is now of the gray release that it waits with, if that was looked at.
    """
    lock = lock if lock is not None and _is_about(lock, run) else None
    return Card(
        title=title_of(run),
        tone=_tone(run),
        text=_text(run),
        topology=tuple(_stop(run, number, now) for number in range(len(run.stages))),
        split=split_of(run, seen, standing),
        ballot=ballot_of(run),
        fields=(*_by_others(run, standing), *_fields(run, now), *untold, *(locked_field(lock) if lock else ())),
        buttons=(*_buttons(run), *_adopt(run, standing), *(unlock_button(lock) if lock else ())),
        key=run.id,
        badge=badge_of(run),
    )


def present_lock(lock: Lock) -> Card:
    """Return a lock as a card of its own."""
    return Card(f"{lock.workload} is locked", Tone.BAD, f"{lock}\n{lock.way_out}", buttons=unlock_button(lock))


def locked_field(lock: Lock) -> tuple[Field, ...]:
    """Return a lock as a line on another card."""
    return (Field("Locked", f"{lock}"),)


def unlock_button(lock: Lock) -> tuple[Button, ...]:
    """Return the button that asks whether the lock is to go."""
    return (Button("Unlock", f"unlock {lock.workload}", danger=True),)


def _is_about(lock: Lock, run: Run) -> bool:
    """Whether the run has brought the lock about, or was turned away by it."""
    return lock.run == run.id or run.reason.startswith(f"{lock}")


def title_of(run: Run) -> str:
    """Return the run's name with what it brings back and the variables that tell it from others."""
    own = [f"{name}={value}" for name, value in own_variables(run).items()]
    values = " ".join(own) if len(own) <= 3 else ""  # noqa: PLR2004 - what fits a phone's line
    return " · ".join(part for part in (run.id, errand_of(run), values) if part)


def errand_of(run: Run) -> str:
    """Return what a run is for that does not release what its pipeline makes: ``rollback``; else nothing."""
    if run.way is not None:
        return {Way.ROLL_BACK: "rollback", Way.ADOPT: "adoption"}.get(run.way, "redeploy")
    return TAKING_BACK if run.rules[0].name == TAKING_BACK else ""


def own_variables(run: Run) -> dict[str, str]:
    """Return the variables that people have to do with, without those that are secret."""
    return {
        name: value for name, value in run.variables.items() if not name.startswith("SYS_") and not is_marker(value)
    }


def badge_of(run: Run) -> str:
    """Return where the run is, in two or three words."""
    if run.unwinding is not None:
        return "being taken back"
    if run.paused:
        return "back at the start"
    if run.state is RunState.WAITING:
        return {
            S.AWAITING_REVIEW: "waits for review",
            S.AWAITING_TRIGGER: "waits for a trigger",
            S.HELD: "held",
            S.FROZEN: "frozen",
        }.get(run.stage.state, "waits")
    return run.state.value.replace("_", " ")


def split_of(run: Run, seen: Observed | None, standing: Standing | None = None) -> Split | None:
    """Return the split wanted and the one observed, while there is one or once there was one."""
    noted = latest_split(run)
    if noted is None or not any(stage.kind is StageKind.GRAY for stage in run.stages):
        return None
    is_past = is_split_over(run)
    numbers = _kept(run) if is_past else seen or _kept(run)
    share = None if numbers is None or numbers.share is None else round(100 * numbers.share, 1)
    if run.state.is_over and share is None:
        return None
    is_past = is_past or (run.state.is_over and run.gray_until is None)
    return Split(
        wanted=wanted_share(run),
        observed=share,
        requests=dict(numbers.requests) if numbers else {},
        failed=dict(numbers.failed) if numbers else {},
        rules=str(noted.get("rules", "")),
        gray=str(noted.get("gray_image", "")),
        stable=str(noted.get("stable_image", "")),
        instances=_said(standing.instances) if standing else "" if is_past else _instances(noted),
        earlier=_earlier(run),
        is_over=is_past,
    )


def _earlier(run: Run) -> str:
    """Say what was counted before the share was changed; empty when nothing was."""
    before = observed_before(run)
    tracks = [(track, before.requests.get(track, 0), before.failed.get(track, 0)) for track in ("gray", "stable")]
    said = [f"{track} {count:,} requests, {failed:,} failed" for track, count, failed in tracks if count]
    return f"before the share was changed: {'; '.join(said)}" if said else ""


def _instances(noted: Json) -> str:
    """Say how many instances each track had when its split began; empty when it was not noted."""
    counted = {"stable": 0, "gray": 0}
    for group, count in (noted.get("instances") or {}).items():
        counted[noted["tracks"].get(group, "stable")] += int(count)
    return _said(counted)


def _said(counted: Mapping[str, int]) -> str:
    """Say what share the instances alone would give: ``4 stable, 1 gray (20 %)``; empty where there are none."""
    total = sum(counted.values())
    if not total:
        return ""
    return f"{counted['stable']} stable, {counted['gray']} gray ({round(100 * counted['gray'] / total)} %)"


def _by_others(run: Run, standing: Standing | None) -> Iterator[Field]:
    """What there is that people would not think of when they read what is wanted."""
    if standing is None:
        return
    if latest_split(run) is not None and standing.share != wanted_share(run):
        yield Field("Now", f"gray gets {standing.share} % of the plain requests, not {wanted_share(run)} %")
    if standing.changed:
        yield Field("Changed by others", "\n".join(standing.changed))


def _adopt(run: Run, standing: Standing | None) -> tuple[Button, ...]:
    """Offer to keep what others have changed in a cluster while people are asked; what it is, is shown first."""
    is_asked = run.stage.state is S.AWAITING_REVIEW and target_of(run.workload) == "kubernetes"
    changed = standing is not None and standing.changed and is_asked
    return (Button("Adopt what runs", f"adopt {run.id}"),) if changed else ()


def elapsed(span: timedelta) -> str:
    """Return a duration as people say it: ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d``."""
    seconds = max(0, int(span.total_seconds()))
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _tone(run: Run) -> Tone:
    if run.stage.state is S.HELD or run.paused:
        return Tone.BAD
    return Tone.BUSY if run.unwinding else _TONES[run.state]


def _text(run: Run) -> str:
    if run.unwinding is not None:
        because = f" {run.unwinding.reason}" if run.unwinding.reason else ""
        return f"{run.unwinding.by} takes it back.{because}\n{run.stage.note}".strip()
    if run.state.is_over or run.paused:
        return run.reason
    if run.stage.state is S.HELD:
        until = f"\nHeld until {run.stage.deadline:%H:%M} UTC." if run.stage.deadline else ""
        return run.stage.reason + until
    if run.state is RunState.QUEUED:
        return f"Waits until {run.workload} is free."
    if run.stage.state is S.AWAITING_TRIGGER:
        missing = [key for key in run.rule.conditions if key not in run.stage.conditions]
        word = " and " if run.rule.mode is Mode.ALL else " or "
        return f"{run.stage.name} waits for {word.join(missing)}."
    return f"{_everywhere(run)}\n{run.stage.note}".strip()


def _everywhere(run: Run) -> str:
    """Say that the run releases what is deployed; empty when it does not."""
    image = next((stage.outputs["everywhere"] for stage in run.stages if "everywhere" in stage.outputs), "")
    return f"{image} is already everywhere: there is no split." if image else ""


def _stop(run: Run, number: int, now: datetime) -> Stop:
    stage = run.stages[number]
    seconds = None
    if stage.started_at is not None:
        end = stage.ended_at or run.ended_at or now
        seconds = max(0.0, (end - stage.started_at).total_seconds())
    is_running = stage.started_at is not None and stage.ended_at is None and not run.state.is_over
    return Stop(
        name=stage.name,
        kind=stage.kind.value,
        state=stage.state.value,
        seconds=seconds,
        detail=detail_of(stage),
        started_at=stage.started_at.isoformat() if is_running and stage.started_at else "",
    )


def detail_of(stage: StageRun) -> str:
    """Return what a stage has brought, in a line: the commit, the image; or why it did not."""
    if "sha" in stage.outputs:
        return f"{stage.outputs['sha'][:_SHORT]} {stage.outputs['subject']}"
    if "digest" in stage.outputs:
        made = f"{stage.outputs['image']} {stage.outputs['digest'][7 : 7 + _SHORT]}"
        how = f"{stage.outputs.get('builder', '')} {stage.outputs.get('why', '')}".strip()
        return f"{made} ({how})" if how else made
    if "passed" in stage.outputs:
        return str(stage.outputs["passed"])
    return stage.reason if stage.state in (S.FAILED, S.HELD, S.REJECTED) else ""


def _fields(run: Run, now: datetime) -> Iterator[Field]:
    noted = latest_split(run)
    if noted is not None and noted.get("about") and not run.state.is_over:
        yield Field("Rule", noted["about"])
    yield Field("Asked for by", run.requested_by)
    if run.because:
        yield Field("Because", run.because)
    for stage in run.stages:
        if "sha" in stage.outputs:
            found = stage.outputs
            yield Field("Commit", f"{found['sha'][:_SHORT]} {found['subject']} ({found['author']}, {found['ref']})")
    if run.started_at is not None:
        yield Field("Took" if run.ended_at else "Running for", elapsed((run.ended_at or now) - run.started_at))
    if run.unwinding is None and run.stage.state is S.AWAITING_REVIEW and run.stage.note:
        yield Field("Asked again", run.stage.note)
    yield from about_voters(run)
    if run.override is not None:
        over = run.override
        yield Field("Freezes overruled", f"{over.by}, confirmed by {over.confirmed_by}: {over.reason}")
    if run.gray_until is not None:
        yield Field("Gray stands", f"until {run.gray_until:%d %B, %H:%M} UTC; then {gray_outcome(run)}")


def gray_outcome(run: Run) -> str:
    """Return what becomes of a gray release that has stood for as long as it may."""
    is_kept = any(rule.kind is StageKind.GRAY and rule.keep_on_deadline for rule in run.rules)
    return "it is kept, and said again" if is_kept else "it is taken back"


def present_failure(run: Run) -> Card:
    """Return a short message of its own about a run that stands still because it failed, with what can be done."""
    title = f"{run.id} failed, and is back at the start" if run.paused else f"{run.id} failed at {run.stage.name}"
    ways = tuple(button for button in _buttons(run) if not button.line.startswith("press split "))
    return Card(title, Tone.BAD, _text(run), buttons=ways)


def moment_of(run: Run) -> str:
    """Return what a button of the run carries, so that a stale one is recognised."""
    return f"{run.id} {run.position} {run.stage.attempt} {run.stage.fingerprint or '-'}"


def _buttons(run: Run) -> Iterator[Button]:
    seen = moment_of(run)
    broken = _broken(run)
    log = [] if broken is None else [Button("Log", f"logs {run.id} {broken + 1}")]
    if run.state.is_over:
        yield from log
        if run.gray_until is not None:
            yield Button("Take gray back", f"rollback {run.id}", danger=True)
        elif run.state is RunState.SUCCEEDED and run.workload:
            yield Button("Roll back", f"rollback {run.id}", danger=True)
        if noted_release(run) is not None and errand_of(run) != TAKING_BACK:
            yield Button("YAML", f"yaml {run.id}")
        return
    if run.unwinding is not None:
        if f"`giveup {run.id}`" in run.stage.note:
            yield Button("Give up", f"giveup {run.id}", danger=True)
        return
    yield from _decisions(run, seen)
    yield from log
    yield from split_buttons(run)
    yield from _ways_out(run, seen)


def _ways_out(run: Run, seen: str) -> Iterator[Button]:
    """How a run that goes on is ended. Of one that brings a version back, that leads to what it was to replace."""
    if run.is_straight:
        yield Button("Versions", f"versions {run.pipeline}")
    if was_placed(run):
        yield Button("Take this back" if run.is_straight else "Roll back", f"rollback {run.id}", danger=True)
    else:
        yield Button("Stop", f"press stop {seen}", danger=True)


def split_buttons(run: Run) -> Iterator[Button]:
    """Give gray another share, while there is one to change."""
    if run.stage.kind not in (StageKind.GRAY, StageKind.REVIEW) or latest_split(run) is None:
        return
    wanted = wanted_share(run)
    for percent in (5, 20, 50):
        if percent != wanted:
            line = f"press split {moment_of(run)} {wanted} {percent}"
            yield Button(f"Gray {percent} %", line, danger=percent > wanted)


def _decisions(run: Run, seen: str) -> Iterator[Button]:
    """What the run waits for a person to say."""
    if run.stage.state is S.AWAITING_REVIEW:
        yield Button("Approve", f"press approve {seen}", primary=True)
        yield Button("Reject", f"press reject {seen}", danger=True)
    if run.stage.state is S.HELD or run.paused:
        yield Button("Retry", f"press retry {seen}", primary=True)
    if run.stage.state is S.HELD and run.stage.outputs.get("disputed"):
        for way in run.stage.outputs["ways"]:
            yield Button(way.capitalize(), f"{way} {run.id}", danger=True)


def _broken(run: Run) -> int | None:
    """Return which stage did not get on, whose log people want to see then."""
    shown = (number for number, stage in enumerate(run.stages) if stage.state in (S.HELD, S.FAILED))
    return next(shown, None)


def wanted_share(run: Run) -> int:
    """Return the percent that gray is to get now."""
    noted = latest_split(run)
    return run.share if run.share is not None else int(noted.get("share", 0)) if noted else 0


def _kept(run: Run) -> Observed | None:
    noted = next((stage.outputs["observed"] for stage in reversed(run.stages) if "observed" in stage.outputs), None)
    return None if noted is None else Observed(noted["requests"], noted["failed"])


def clock_time(moment: datetime) -> str:
    """Return a moment for people: UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

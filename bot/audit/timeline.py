"""A run told as an incident: what happened in order, who did what where, how long nothing happened and what for. Pure.

It is read twice: at three in the morning by somebody who wants to know what is the case now and what was done, and a
week later by people who write the post-mortem. So the outcome comes first, every line has its time of day and its time
since the run was asked for, what went wrong is marked, and what is not known is said.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.news import sentence
from bot.presenters import badge_of, clock_time, elapsed, own_variables, split_of
from engine import events as e
from engine.deployed import Observed, added, observed_before
from engine.locks import Lock
from engine.model import Release, Run, RunState, StageState
from engine.ports import Entry
from engine.transitions import ENGINE, evolve, missing_reviewers
from storage.audit import Deed
from storage.outbox import Parcel

GAP = timedelta(minutes=5)
"""A time in which nothing happened is told when it is at least this long."""
_SAME = timedelta(seconds=5)
"""A deed and what it did to the run are written down in one transaction, with two looks at the clock."""
_TROUBLE = (e.StageFailed, e.StageHeld, e.StageRejected, e.UnwindingBegan, e.ReturnedToStart, e.VotesVoided)
_BEGINNINGS = (e.RunStarted, e.StageStarted)
"""What follows of itself is told beside what it follows from."""
_AT_ONCE = timedelta(milliseconds=50)
_BAD = (RunState.FAILED, RunState.REJECTED, RunState.ROLLED_BACK)
_BRIEF = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `mark` is ``!`` for what went wrong, ``x`` for what was refused, otherwise empty."""

    at: datetime
    words: str
    mark: str = ""
    since: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nothing happened, and what was waited for."""

    span: timedelta
    words: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run's story: its outcome, facts about it by name, and what happened."""

    title: str
    facts: tuple[tuple[str, str], ...]
    lines: tuple[Line | Gap, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """What a run is told from: its journal, what people did about it, what others were told, and how things are now."""

    entries: Sequence[Entry]
    deeds: Sequence[Deed] = ()
    parcels: Sequence[Parcel] = ()
    lock: Lock | None = None
    deployed: Release | None = None


def tell(run: Run, sources: Sources, now: datetime) -> Timeline:
    """Tell of `run`."""
    entries, deeds = sources.entries, sources.deeds
    about = [deed for deed in deeds if deed.at >= run.created_at - _SAME]
    told = sorted([*_happened(entries, about), *_denied(about), *_sent(sources.parcels)], key=lambda line: line[0].at)
    lines = _with_gaps([replace(line, since=line.at - run.created_at) for line, _ in told], [w for _, w in told])
    end = run.ended_at or now
    undone = next((entry.event for entry in entries if isinstance(entry.event, e.UnwindingBegan)), None)
    title = f"{run.id}: {badge_of(run)}" + (f" by {undone.by}" if undone and undone.by != ENGINE else "")
    facts = (*_facts(run, entries, end), *_present(run, sources))
    return Timeline(title, facts, tuple(lines), tuple(_notes(run, entries, now)))


def _facts(run: Run, entries: Sequence[Entry], end: datetime) -> Iterator[tuple[str, str]]:
    over = "" if run.state.is_over else ", and it goes on"
    yield "When", f"{clock_time(run.created_at)} to {clock_time(end)} UTC ({elapsed(end - run.created_at)}){over}"
    if run.reason:
        yield "Because", run.reason
    yield "Pipeline", f"{run.pipeline}, version {run.version}" + (f", releasing {run.workload}" if run.workload else "")
    yield "Asked for by", f"{run.requested_by} in {run.room}" + (f": {run.because}" if run.because else "")
    own = own_variables(run)
    if own:
        yield "Variables", ", ".join(f"{name}={value}" for name, value in own.items())
    for stage in run.stages:
        if "sha" in stage.outputs:
            yield "Commit", f"{stage.outputs['sha'][:_BRIEF]} {stage.outputs['subject']} ({stage.outputs['author']})"
        if "digest" in stage.outputs and "image" in stage.outputs:
            yield "Image", f"{stage.outputs['image']} {stage.outputs['digest'][7 : 7 + _BRIEF]}"
    votes = [entry.event.vote for entry in entries if isinstance(entry.event, e.Voted)]
    if votes:
        yield "Votes", ", ".join(f"{vote.person} {vote.verdict.value}" for vote in votes)
    yield from _visitors(run, entries)


def _visitors(run: Run, entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Who had the new version: from when to when, which share, how many requests, and how many of them failed."""
    notes = [entry.event for entry in entries if isinstance(entry.event, e.StageNoted)]
    splits = [note for note in notes if "baseline" in note.outputs]
    if not splits:
        return
    shares = ", then ".join(f"{note.outputs.get('share', 0)} % from {_clock(note.at, dated=False)}" for note in splits)
    over = _taken_back(entries)
    ended = f"; back on the old one at {_clock(over, dated=False)} ({elapsed(over - splits[0].at)})" if over else ""
    yield "Visitors had it", shares + ended
    split = split_of(run, None)
    seen = added(observed_before(run), Observed(split.requests, split.failed) if split else Observed({}, {}))
    for track, count in seen.requests.items():
        yield f"Requests to {track}", f"{count}, {seen.failed.get(track, 0)} failed"


def _taken_back(entries: Sequence[Entry]) -> datetime | None:
    """When visitors were back on the old version: what followed the last change of the routes on the way back."""
    begun = False
    sent = False
    for entry in entries:
        event = entry.event
        if sent:
            return event.at
        begun = begun or isinstance(event, e.UnwindingBegan)
        sent = begun and isinstance(event, e.StageNoted) and event.note.startswith("Sending ")
    return None


def _present(run: Run, sources: Sources) -> Iterator[tuple[str, str]]:
    """How things are now, which may have nothing to do with this run any more."""
    if sources.deployed is not None:
        release = sources.deployed
        yield "Deployed now", f"{release.image}, version {release.number}, by {release.run}"
    if sources.lock is not None:
        yield "Locked now", f"{sources.lock}"
    if run.gray_until is not None:
        yield "Gray stands", f"until {clock_time(run.gray_until)} UTC"


def _happened(entries: Sequence[Entry], deeds: Sequence[Deed]) -> Iterator[tuple[Line, str]]:
    """Each entry as a line, with what the run waits for after it."""
    seen: Run | None = None
    done = [deed for deed in deeds if deed.outcome == "done"]
    before: Line | None = None
    waiting = ""
    for entry in entries:
        seen = evolve(seen, entry.event)
        line = _line(seen, entry.event, done)
        if line is None:
            continue
        if before is not None and isinstance(entry.event, _BEGINNINGS) and line.at - before.at < _AT_ONCE:
            before, waiting = replace(before, words=f"{before.words}; {line.words}"), _waits_for(seen)
            continue
        if before is not None:
            yield before, waiting
        before, waiting = line, _waits_for(seen)
    if before is not None:
        yield before, waiting


def _line(seen: Run, event: e.Event, done: Sequence[Deed]) -> Line | None:
    words = sentence(seen, event).removeprefix(f"{seen.id}: ")
    if not words:
        return None
    if isinstance(event, e.StageNoted) and seen.unwinding is not None:
        words = f"going back: {event.note}"
    is_bad = isinstance(event, _TROUBLE) or (isinstance(event, e.RunEnded) and event.state in _BAD)
    return Line(event.at, f"{words}{_where(event, done)}", "!" if is_bad else "")


def _where(event: e.Event, done: Sequence[Deed]) -> str:
    """Where a person did this, as far as the audit knows: the deed that is nearest in time."""
    near = [one for one in done if one.person == event.by and abs(one.at - event.at) <= _SAME]
    if not near:
        return ""
    return f" (in {min(near, key=lambda one: abs(one.at - event.at)).room})"


def _denied(deeds: Iterable[Deed]) -> Iterator[tuple[Line, str]]:
    for deed in deeds:
        if deed.outcome == "done":
            continue
        who = deed.person or f"somebody unknown ({deed.account})"
        how = "was refused" if deed.outcome == "refused" else "met a fault"
        yield Line(deed.at, f"{who} {how}: `{deed.line}`: {deed.said} (in {deed.room})", "x"), ""


def _sent(parcels: Iterable[Parcel]) -> Iterator[tuple[Line, str]]:
    for one in parcels:
        tries = f" after {one.attempts} tries" if one.attempts > 1 else ""
        why = f": {one.error}" if one.error and one.status != "sent" else ""
        words = {"sent": "was told", "failed": "could not be told", "refused": "may not be told"}.get(one.status)
        at, mark = one.done_at or one.at, "" if one.status in ("sent", "waiting") else "!"
        yield Line(at, f"{one.shown} {words or 'is still to be told'} ({one.about}){tries}{why}", mark), ""


def _waits_for(run: Run) -> str:
    """What nothing will happen without, now."""
    if run.state.is_over:
        return ""
    if run.paused:
        return "somebody to send it off again"
    stage = run.stage
    waits = {
        StageState.AWAITING_REVIEW: f"the review of {', '.join(missing_reviewers(run))}",
        StageState.AWAITING_TRIGGER: f"the trigger of {stage.name}",
        StageState.HELD: "somebody to retry or to stop it",
        StageState.FROZEN: "the end of a freeze",
    }
    return waits.get(stage.state, f"{stage.name}")


def _with_gaps(lines: Sequence[Line], waits: Sequence[str]) -> Iterator[Line | Gap]:
    waiting = ""
    for number, line in enumerate(lines):
        if number and line.at - lines[number - 1].at >= GAP:
            yield Gap(line.at - lines[number - 1].at, f"waiting for {waiting}" if waiting else "")
        yield line
        waiting = waits[number] or waiting


def _notes(run: Run, entries: Sequence[Entry], now: datetime) -> Iterator[str]:
    if not run.state.is_over:
        yield f"It goes on: this is how it was at {clock_time(now)} UTC."
    missing = run.seq - len(entries)
    if missing:
        yield f"{missing} of its {run.seq} journal entries are missing; `audit verify` says which."
    else:
        yield f"From {run.seq} journal entries and the audit; `audit verify` says whether they can be trusted."


def plain(story: Timeline) -> str:
    """Write it as plain text, in columns."""
    wide = max(len(name) for name, _ in story.facts)
    head = [story.title, "", *(f"{name:<{wide}}  {value}" for name, value in story.facts), ""]
    dated = _days(story) > 1
    return "\n".join([*head, *(_plain_line(line, dated=dated) for line in story.lines), "", *story.notes]) + "\n"


def _plain_line(line: Line | Gap, *, dated: bool) -> str:
    if isinstance(line, Gap):
        return f"{'':{14 if dated else 8}}  {'':>9}    ... nothing for {elapsed(line.span)}{_after(line)}"
    return f"{_clock(line.at, dated=dated)}  {since(line.since):>9}  {line.mark or ' '} {line.words}"


def phone(story: Timeline) -> str:
    """Write what happened in lines that may be wrapped: for a narrow screen."""
    dated = _days(story) > 1
    return "\n".join(_phone_line(line, dated=dated) for line in story.lines)


def _phone_line(line: Line | Gap, *, dated: bool) -> str:
    if isinstance(line, Gap):
        return f"… nothing for {elapsed(line.span)}{_after(line)}"
    return f"{_clock(line.at, dated=dated)} {line.mark}{' ' if line.mark else ''}{line.words}"


def markdown(story: Timeline) -> str:
    """Write it as Markdown, for a post-mortem."""
    facts = [f"- **{name}:** {_escaped(value)}" for name, value in story.facts]
    dated = _days(story) > 1
    rows = []
    for line in story.lines:
        if isinstance(line, Gap):
            rows.append(f"| | | *nothing for {elapsed(line.span)}{_escaped(_after(line))}* |")
        else:
            mark = {"!": "**!** ", "x": "*refused* "}.get(line.mark, "")
            rows.append(f"| {_clock(line.at, dated=dated)} | {since(line.since)} | {mark}{_escaped(line.words)} |")
    table = ["| Time (UTC) | Since the start | What happened |", "|---|---|---|", *rows]
    return "\n".join([f"## {_escaped(story.title)}", "", *facts, "", *table, "", *story.notes]) + "\n"


def since(span: timedelta) -> str:
    """Write a time since the start: ``+0:05:13``."""
    seconds = int(abs(span).total_seconds())
    sign = "-" if span < timedelta() and seconds else "+"
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _after(gap: Gap) -> str:
    return f", {gap.words}" if gap.words else ""


def _days(story: Timeline) -> int:
    return len({line.at.astimezone(UTC).date() for line in story.lines if isinstance(line, Line)})


def _clock(at: datetime, *, dated: bool) -> str:
    return f"{at.astimezone(UTC):{'%d %b %H:%M:%S' if dated else '%H:%M:%S'}}"


def _escaped(text: str) -> str:
    """What people wrote, as Markdown shows it: one line, and nothing in it is markup."""
    for sign in "\\|*_<>[]#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())

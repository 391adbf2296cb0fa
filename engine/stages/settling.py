"""What a person has decided about the hands of others on a workload: exactly what was shown, and nothing more.

The danger: a yes to one field that is taken for a yes to all of them. Between the card and the tap, and from the tap to
the end of the stage, more may come in between, which nobody has seen. So what is shown is written down field by field;
when something else is there by the time of the yes, nothing is done and all of it is asked about again; and later moves
overrule others in the decided fields alone.
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.deployed import Disputed
from engine.errors import StageFailure
from engine.model import Json, StageRun
from engine.ports import Dispute, Placement, Target
from engine.stages.job import Job
from engine.stages.versions import Versions

Key = tuple[str, str, str]
"""An object, its field, and who is overruled: `Dispute.key`."""


def shown(stopped: Disputed) -> Json:
    """What is written down of disputes that a stage stands still for."""
    disputes = stopped.disputes
    return {
        "disputed": [str(each) for each in disputes],
        "ways": list(stopped.ways),
        "disputes": [[*each.key, each.theirs] for each in disputes],
        "hotfix": stopped.is_hotfix,
    }


def overruled(job: Job) -> frozenset[Key]:
    """Every field that others have been overruled in at this stage."""
    return frozenset(_key(each) for each in job.state.outputs.get("overruled") or ())


async def settled(job: Job, target: Target, place: Placement, versions: Versions) -> bool:
    """Do once what a person has decided; whether there was anything to do.

    What was adopted as a version is written down. Raises `Disputed` when what is there is not what the person was
    shown.
    """
    decided = job.state.outputs.get("settle")
    if not decided or decided.get("done"):
        return False
    seen, done = _seen(job.state), {**decided, "done": True}
    disputes = await target.disputes(place)
    if any(not _was_shown(each, seen, exactly=decided["how"] == "adopt") for each in disputes):
        await job.note(
            f"{decided['by']}: {decided['how']}, but more has changed since that was asked.", {"settle": done}
        )
        raise Disputed(disputes, job.run.pipeline)
    if decided["how"] == "adopt":
        try:
            await _adopted(job, target, place, disputes, versions)
        except StageFailure as failure:
            await job.note(f"{decided['by']}: adopt, but {failure}", {"settle": done})
            raise Disputed(disputes, job.run.pipeline, str(failure)) if disputes else failure from failure
    elif disputes:
        await target.restore(place, disputes, decided["by"])
    said = "; ".join(f"{thing}: {field} by {manager}" for thing, field, manager in seen) or "nothing"
    fields = [list(each) for each in sorted(overruled(job) | seen.keys())]
    await job.note(f"{decided['by']}: {decided['how']} ({said})", {"settle": done, "overruled": fields})
    return True


async def _adopted(job: Job, target: Target, place: Placement, disputes: Sequence[Dispute], versions: Versions) -> None:
    """Let what others have made stand, as a version if it can be one. It is kept after it is one in its place."""
    by, hotfix = job.state.outputs["settle"]["by"], None
    if job.state.outputs.get("hotfix"):
        hotfix = await target.hotfix(place)
    release = replace(hotfix.release, adopted_by=by) if hotfix else None
    if release is not None:
        await versions.announce(release)
    if disputes or release is not None:
        await target.adopt(place, disputes, by, release)
    if release is not None:
        await versions.keep(job, release)


def _seen(stage: StageRun) -> dict[Key, str]:
    """What the person was shown: the fields, each with the value of the others."""
    return {_key(each[:3]): str(each[3]) for each in stage.outputs.get("disputes") or ()}


def _key(written: list[str]) -> Key:
    thing, field, manager = written
    return thing, field, manager


def _was_shown(each: Dispute, seen: dict[Key, str], *, exactly: bool) -> bool:
    """Whether it was. Their value matters to whoever goes on with it; whoever puts it back does so with any."""
    return each.key in seen and (not exactly or seen[each.key] == each.theirs)

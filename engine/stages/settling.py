"""What a person has decided about the hands of others on a workload: exactly what was shown, and nothing more.

The danger: a yes to one field that is taken for a yes to all of them. Between the card and the tap, and from the tap to
the end of the stage, more may come in between, which nobody has seen. So what is shown is written down field by field;
when something else is there by the time of the yes, nothing is done and all of it is asked about again; and later moves
overrule others in the decided fields alone.
"""

from engine.deployed import Disputed
from engine.model import Json, StageRun
from engine.ports import Dispute, Placement, Target
from engine.stages.job import Job

Key = tuple[str, str, str]
"""An object, its field, and who is overruled: `Dispute.key`."""


def shown(stopped: Disputed) -> Json:
    """What is written down of disputes that a stage stands still for."""
    disputes = stopped.disputes
    return {
        "disputed": [str(each) for each in disputes],
        "ways": list(stopped.ways),
        "disputes": [[*each.key, each.theirs] for each in disputes],
    }


async def settled(job: Job, target: Target, place: Placement) -> frozenset[Key]:
    """Do once what a person has decided. Returns every field that others have been overruled in at this stage.

    Raises `Disputed` when what is there is not what the person was shown.
    """
    kept = frozenset(_key(each) for each in job.state.outputs.get("overruled") or ())
    decided = job.state.outputs.get("settle")
    if not decided or decided.get("done"):
        return kept
    seen, done = _seen(job.state), {**decided, "done": True}
    disputes = await target.disputes(place)
    if any(not _was_shown(each, seen, exactly=decided["how"] == "adopt") for each in disputes):
        await job.note(
            f"{decided['by']}: {decided['how']}, but more has changed since that was asked.", {"settle": done}
        )
        raise Disputed(disputes, job.run.pipeline)
    if disputes:
        settle = target.restore if decided["how"] == "restore" else target.adopt
        await settle(place, disputes, decided["by"])
    said = "; ".join(f"{thing}: {field} by {manager}" for thing, field, manager in seen) or "nothing"
    kept |= seen.keys()
    overruled = [list(each) for each in sorted(kept)]
    await job.note(f"{decided['by']}: {decided['how']} ({said})", {"settle": done, "overruled": overruled})
    return kept


def _seen(stage: StageRun) -> dict[Key, str]:
    """What the person was shown: the fields, each with the value of the others."""
    return {_key(each[:3]): str(each[3]) for each in stage.outputs.get("disputes") or ()}


def _key(written: list[str]) -> Key:
    thing, field, manager = written
    return thing, field, manager


def _was_shown(each: Dispute, seen: dict[Key, str], *, exactly: bool) -> bool:
    """Whether it was. Their value matters to whoever goes on with it; whoever puts it back does so with any."""
    return each.key in seen and (not exactly or seen[each.key] == each.theirs)

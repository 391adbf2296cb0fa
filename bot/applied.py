"""What a run has applied, as cards: also long after it was taken back."""

from collections import defaultdict
from collections.abc import Sequence

from bot.cards import Card
from bot.presenters import errand_of
from bot.secrecy.masking import applied_card, version_card
from engine.errors import Refused
from engine.model import Json, Release, Run, RunId, Way
from engine.orders import TAKING_BACK
from engine.rollout.fleet import ReleaseId
from engine.stages.rollout import noted_release
from storage.book import SqlBook

_ADOPTED = "It changed nothing: this is what ran."


def run_meant(book: SqlBook, words: Sequence[str]) -> Run | None:
    """The run that `yaml` is about; None where it is about a pipeline. Raises `Refused` for a version of a run."""
    run = book.runs.find(RunId(words[0]))
    if run is None or words[1:] == ():
        return run
    if words[0] in book.pipelines.names():
        return None
    version = f"`yaml {run.pipeline} {words[1]}` shows that version of {run.pipeline}"
    raise Refused(f"{run.id} is a run, and has no versions.", f"`yaml {run.id}` shows what it applied; {version}.")


def applied_cards(book: SqlBook, run: Run) -> list[Card]:
    """What each stage of a run has applied. Raises `Refused` when that is kept no more, nor its version."""
    release = noted_release(run)
    stages = defaultdict[int, list[Json]](list)
    for each in book.applied.of(run.id):
        stages[each.stage].append(each.document)
    why = _why_nothing(run, begun=bool(stages))
    if release is None or why:
        return [Card(f"{run.id} has applied nothing", text=why)]
    if stages:
        about = book.releases.find(release)
        return [applied_card(run, run.stages[number].name, things, about) for number, things in stages.items()]
    whole = _whole(book, run, release)
    if whole is None:
        hint = f"`versions {run.pipeline}` lists what has been everywhere, `timeline {run.id}` tells what it did."
        raise Refused(f"What {run.id} applied is not kept any more.", hint)
    if run.way is Way.ADOPT:
        return [version_card(whole, title=f"{run.id} adopted {whole.image}", text=_ADOPTED)]
    text = "What it applied object by object is not kept. This is its release as a whole."
    return [version_card(whole, title=f"{run.id} released {whole.image}", text=text)]


def _why_nothing(run: Run, *, begun: bool) -> str:
    """Why a run has applied nothing; empty when it has. `begun`: something is kept that it has applied."""
    everywhere = next((stage.outputs["everywhere"] for stage in run.stages if "everywhere" in stage.outputs), "")
    if not run.workload:
        return f"{run.pipeline} deploys nothing."
    if errand_of(run) == TAKING_BACK:
        return f"It takes gray back: {run.because}"
    if noted_release(run) is None or not (begun or run.state.is_over):
        return "It ended before it came to that." if run.state.is_over else "It has not come to that yet."
    return f"{everywhere} was everywhere already." if everywhere and not begun else ""


def _whole(book: SqlBook, run: Run, release: ReleaseId) -> Release | None:
    """The release as this run had it: with a deployment of its own, or where no later run has had the same one."""
    kept = book.releases.find(release)
    last = kept if kept is not None and kept.run == run.id else None
    return book.releases.deployed_by(run.workload, run.id, release) or last

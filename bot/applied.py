"""What a run has applied, as cards: also long after it was taken back."""

from collections import defaultdict
from collections.abc import Sequence

from bot.cards import Card
from bot.secrecy.masking import applied_card, version_card
from engine.errors import Refused
from engine.model import Json, Release, Run, RunId
from engine.rollout.fleet import ReleaseId
from engine.stages.rollout import noted_release
from storage.book import SqlBook


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
    if not run.workload:
        return [Card(f"{run.id} has applied nothing", text=f"{run.pipeline} deploys nothing.")]
    stages = defaultdict[int, list[Json]](list)
    for each in book.applied.of(run.id):
        stages[each.stage].append(each.document)
    if release is None or not (stages or run.state.is_over):
        text = "It ended before it came to that." if run.state.is_over else "It has not come to that yet."
        return [Card(f"{run.id} has applied nothing", text=text)]
    if stages:
        about = book.releases.find(release)
        return [applied_card(run, run.stages[number].name, things, about) for number, things in stages.items()]
    everywhere = next((stage.outputs["everywhere"] for stage in run.stages if "everywhere" in stage.outputs), "")
    if everywhere:
        return [Card(f"{run.id} has applied nothing", text=f"{everywhere} was everywhere already.")]
    whole = _whole(book, run, release)
    if whole is None:
        hint = f"`versions {run.pipeline}` lists what has been everywhere, `timeline {run.id}` tells what it did."
        raise Refused(f"What {run.id} applied is not kept any more.", hint)
    text = "What it applied object by object is not kept. This is its release as a whole."
    return [version_card(whole, title=f"{run.id} released {whole.image}", text=text)]


def _whole(book: SqlBook, run: Run, release: ReleaseId) -> Release | None:
    """The release as this run had it: with a deployment of its own, or where no later run has had the same one."""
    kept = book.releases.find(release)
    last = kept if kept is not None and kept.run == run.id else None
    return book.releases.deployed_by(run.workload, run.id, release) or last

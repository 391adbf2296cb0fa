"""Adopting what somebody else has put in the place of a release: it becomes a version.

The danger: a yes to what is no longer there, or two of them. So what is shown is named by what it is, down to the last
variable, and a run of its own takes it, if it is still exactly that: it has a journal, waits for no window because it
moves nothing, and goes on after a crash. While a run has the workload, that one does it: where it stops at the change,
or while its review is open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.acting import Acting
from bot.cards import Card, Field, Tone
from bot.chat import Answer, Incoming
from bot.feature import Ask, Doing
from bot.grammar import Said
from bot.preview import Previews
from bot.ways_back import workload_of
from engine import commands as c
from engine.control import Order
from engine.deployed import Deployed, Disputed
from engine.deployment import Deployment, target_of
from engine.errors import Refused, StageFailure
from engine.model import Json, Release, Run, RunId, StageState, Way
from engine.pipeline import parse, resolve
from engine.ports import Dispute, StoredPipeline, Target
from engine.stages.rollout import straight_spec
from engine.stages.settling import shown
from engine.stages.versions import Versions, is_found, is_news
from engine.variables import system_variables
from storage import codec
from storage.book import SqlBook

_MOST_SHOWN = 8
_PAST_SLUICE = (
    "It serves instead of what was deployed last: `kubectl rollout undo` does that, or a run that was given up."
)


@dataclass(frozen=True, slots=True)
class Adopting:
    """Shows what would be adopted, and asks. What a run is held by is settled by `settle`."""

    acting: Acting
    ask: Ask
    previews: Previews
    settle: Doing

    async def adopt(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Answer ``adopt PIPELINE|RUN``."""
        name = said.words[0]
        if await self.acting.store.read(lambda book: _has_run(book, name)):
            run = await self.acting.meant(name)
            if run.stage.state is StageState.AWAITING_REVIEW and run.unwinding is None:
                return await self._beside(incoming, run)
            if run.stage.state is not StageState.HELD and not run.state.is_over and run.workload:
                raise _busy(run)
            return await self.settle(incoming, said)
        stored = await self.acting.store.read(lambda book: book.pipelines.load(name))
        workload, old = await self.acting.store.read(lambda book: _deployed(book, stored))
        holder = await self.acting.store.read(lambda book: _holder(book, workload))
        if holder is not None:
            raise _busy(holder)
        try:
            release, disputes, how = await self._seen(stored, workload, old)
        except StageFailure as failure:
            raise Refused(str(failure), failure.hint) from failure
        what = {
            "verb": "adopt",
            "pipeline": stored.name,
            "release": codec.dump(release),
            "now": old.number if old else None,
        }
        return await self.ask(incoming, _card(release, old, disputes, how), "yes", what, "Adopt")

    async def _beside(self, incoming: Incoming, run: Run) -> list[Answer]:
        """Show what was put in the place of the old version while people are asked about the new one, and ask."""
        deployed = await self.previews.deployed_by(run) if run.workload else None
        hotfix, place = None, deployed.placement() if deployed else None
        if place is not None and len(place.releases) > 1:
            target = self.previews.targets[target_of(run.workload)]
            try:
                hotfix, disputes = await target.hotfix(place), await target.disputes(place)
            except StageFailure as failure:
                raise Refused(str(failure), failure.hint) from failure
        if deployed is None or hotfix is None or not hotfix.disputes:
            hint = f"`status {run.id}` shows where it is, and what others have changed."
            raise Refused(f"There is nothing to adopt in {run.id} while people are asked.", hint)
        stopped = Disputed(disputes, run.pipeline)
        if "adopt" not in stopped.ways:
            others = " ".join(str(each) for each in disputes if each.decided and not each.hotfix)
            raise Refused(f"{run.id} cannot go on with all that was changed. {others}", "Undo that first, then adopt.")
        card = _card(hotfix.release, deployed.old, hotfix.disputes)
        again = f"{run.id} goes on beside it, and its reviewers are asked again."
        what = {
            "verb": "adopt_beside",
            "run": run.id,
            "attempt": run.stage.attempt,
            "shown": shown(stopped),
        }
        return await self.ask(incoming, replace(card, text=f"{again}\n{card.text}"), "yes", what, "Adopt")

    async def _seen(
        self, stored: StoredPipeline, workload: str, old: Release | None
    ) -> tuple[Release, Sequence[Dispute], str]:
        """What runs there that is not the newest version, how it differs, and what else is to be said of it.

        Raises `Refused` when there is nothing.
        """
        system = system_variables(self.acting.clock.now(), 0)
        spec = resolve(stored.text, {**parse(stored.text).variables, **system}).deployment
        if spec is None or not workload:
            raise Refused(f"{stored.name} deploys nothing.")
        target = self.previews.targets[target_of(workload)]
        if old is None or is_found(old):
            return await self._found(stored, target, workload, spec), (), ""
        place = Deployed(workload, straight_spec(old, spec), old, None, pipeline=stored.name).placement()
        hotfix = await target.hotfix(place)
        if hotfix is not None:
            return hotfix.release, hotfix.disputes, ""
        if back := await Versions(self.acting.store).brought_back(target, place):
            return back, (), _PAST_SLUICE
        rest = [str(each) for each in await target.disputes(place)]
        said = "\n".join(f"• {each}" for each in rest[:_MOST_SHOWN])
        if rest:
            hint = (
                f"How many instances there are, and who is routed to, is no version: the next `run {stored.name}` asks."
            )
            raise Refused(f"Of {workload} nothing that it runs was changed.", f"{said}\n{hint}")
        raise Refused(
            f"{workload} runs version {old.number}, {old.image}, as Sluice has written it: there is nothing to adopt.",
            "What others have added beside that stays theirs.",
        )

    async def _found(self, stored: StoredPipeline, target: Target, workload: str, spec: Deployment) -> Release:
        """What others have made before Sluice's first release of it."""
        found = await target.found(workload, await target.fit(workload, spec))
        if found is None:
            raise Refused(f"Nothing of {workload} runs that could be adopted.", f"`run {stored.name}` releases it.")
        if not await self.acting.store.read(lambda book: is_news(book, found)):
            raise Refused(f"{workload} runs {found.image}, which is a version already: there is nothing to adopt.")
        return found


def adopted(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    """Begin the run that adopts what was shown, if nothing else has become of the workload since."""
    release, name = codec.load_release(what["release"]), what["pipeline"]
    holder, old = _holder(book, release.workload), book.releases.deployed(release.workload)
    if holder is not None:
        raise _busy(holder)
    if (old.number if old else None) != what["now"]:
        raise Refused(
            f"{release.workload} has another version since you were asked; nothing was adopted.", f"`versions {name}`"
        )
    order = Order(
        pipeline=name,
        by=incoming.person,
        room=incoming.room,
        changes={},
        redeploys=replace(release, adopted_by=incoming.person) if release.changed_by else release,
        way=Way.ADOPT,
        reason=f"{release.image} runs{_by(release)}.",
    )
    return Card(f"{acting.control.start(book, order).id} is on its way.", Tone.BUSY, "It adopts what runs.")


def adopted_beside(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    """Have the run of an open review adopt what was shown."""
    run = book.runs.load(RunId(what["run"]))
    if run.stage.attempt != what["attempt"]:
        raise Refused(f"{run.id} has gone on since you were asked; nothing was adopted.", f"`status {run.id}`")
    acting.control.apply(book, c.Adopt(run=run.id, by=incoming.person, shown=what["shown"]))
    return Card(f"{run.id} adopts what runs.", Tone.BUSY, "Its reviewers are asked again.")


def _card(release: Release, old: Release | None, disputes: Sequence[Dispute], how: str = "") -> Card:
    more = len(disputes) - _MOST_SHOWN
    said = [f"• {each}" for each in disputes[:_MOST_SHOWN]] + ([f"• and {more} more"] if more > 0 else [])
    text = "It becomes a version: the next release starts from it, and a way back can lead to it. Nothing restarts."
    fields = [Field("Image", release.image)]
    fields += [Field("Instances", "none" if release.idle else str(release.settings["instances"]))]
    fields += [Field("Changed by", release.changed_by)] if release.changed_by else []
    fields += [Field("Before", f"version {old.number}, {old.image}")] if old else []
    title = f"Adopt what runs of {release.workload}, {release.image}?"
    return Card(title, Tone.ASKING, "\n".join([*filter(None, [how]), text, *said]), fields=tuple(fields))


def _by(release: Release) -> str:
    return f", put there by {release.changed_by}" if release.changed_by else ""


def _busy(run: Run) -> Refused:
    does = "adopts what runs" if run.way is Way.ADOPT else "asks by itself about what was changed"
    return Refused(f"{run.id} has {run.workload} now, and {does}.", f"`status {run.id}` shows where it is.")


def _holder(book: SqlBook, workload: str) -> Run | None:
    holder = book.runs.holder(workload) if workload else None
    return None if holder is None else book.runs.load(holder)


def _has_run(book: SqlBook, name: str) -> bool:
    """Whether a run is meant: by its name, or by that of its pipeline while one of those goes on."""
    return book.runs.find(RunId(name)) is not None or bool(book.runs.active(name))


def _deployed(book: SqlBook, stored: StoredPipeline) -> tuple[str, Release | None]:
    workload = workload_of(book, stored)
    return workload, book.releases.deployed(workload) if workload else None

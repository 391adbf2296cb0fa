"""What can be looked at: every `look` command's card, from the store and the targets. Changes nothing."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.applied import applied_cards, run_meant
from bot.cards import Button, Card, Field, Stop, Table, Tone
from bot.deployments import deployment_fields, meanwhile
from bot.fitting import status_buttons
from bot.frozen import frozen_fields, present_freeze, present_standing
from bot.grammar import ALIASES, BY_NAME, TOPICS, Said, help_rows, topic_of
from bot.instances import present_instances, wanted_of
from bot.presenters import (
    clock_time,
    locked_field,
    present_lock,
    present_run,
    unlock_button,
)
from bot.preview import Previews
from bot.rights.grants import pipelines_of
from bot.rights.holders import Sight, holder_of
from bot.rows import PAGE, pipeline_rows, release_row, run_row
from bot.secrecy.masking import effect_card, version_card
from bot.starts import starts_fields
from bot.untold import untold
from bot.ways_back import subject_of_pipeline, workload_of
from bot.wiring import check_circles
from engine.definition import Gray
from engine.deployed import Observed, Standing, observed
from engine.deployment import target_of
from engine.errors import Broken, Interrupted, Refused, StageFailure
from engine.freezes import standing
from engine.locks import Lock
from engine.model import PersonId, Release, Run, RunId, StageState
from engine.pipeline import check, describe, parse, resolve
from engine.ports import Clock, StoredPipeline, Target
from engine.rollout.traffic import rules_as_yaml, rules_of
from engine.transitions import missing_reviewers
from engine.variables import merge, system_variables
from storage.book import SqlBook
from storage.store import SqlStore

LATEST = 20
LOG_PIECES = 200
LOOKED_THROUGH = 500
"""So many runs are looked through for the latest ones that somebody sees, where not everybody sees all."""
_ALL = Sight(PersonId(""))
_VERSION = re.compile(r"v?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Transports:
    """Where pipelines may reach: beside https and ssh this machine's disk, and http without TLS; these clusters.

    `clusters` is None where nobody knows which there are: then their names are not checked.
    """

    local: bool = False
    plain: bool = False
    clusters: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers what people look at. `targets` are the places by name, `chats` the names of those that are set up.

    `standing` tells what there is now of the gray release that a run waits with.
    """

    store: SqlStore
    clock: Clock
    targets: Mapping[str, Target]
    previews: Previews
    transports: Transports
    troubles: Callable[[], tuple[str, ...]]
    chats: frozenset[str] = frozenset()
    standing: Callable[[Run], Standing | None] = lambda _run: None

    async def card_of(self, run: Run) -> Card:
        """Return a run's card: what the proxy counts and what there is now, the lock it has left, who is not told."""
        lock = await self.store.read(lambda book: book.locks.find(run.workload)) if run.state.is_over else None
        asked = missing_reviewers(run) if run.stage.state is StageState.AWAITING_REVIEW else ()
        missed = await self.untold(asked)
        return present_run(run, self.clock.now(), await self.observed(run), lock, self.standing(run), untold=missed)

    async def untold(self, people: Collection[PersonId]) -> tuple[Field, ...]:
        """Return who of these people no chat tells that they are asked."""
        if not people or not self.chats:
            return ()
        return await self.store.read(lambda book: tuple(untold(book, people, self.chats)))

    async def observed(self, run: Run) -> Observed | None:
        """Return requests and failures per track under the run's present split; None when there is none to count."""
        if run.state.is_over or not run.workload:
            return None
        try:
            return observed(run, await self.targets[target_of(run.workload)].traffic(run.workload))
        except (Broken, Interrupted, StageFailure):
            return None

    async def help(self, said: Said) -> Card:
        """Tell what can be said: by topic, about one, or about one command and those beside it."""
        if not said.words:
            rows = tuple((name, ", ".join(verb.name for verb in verbs)) for name, verbs in TOPICS.items())
            text = "`help` and one of these words tells more."
            return Card("What you can say", text=text, table=Table(("About", "Say"), rows))
        word = said.words[0].lower()
        verb, head = BY_NAME.get(ALIASES.get(word, word)), ("Say", "To")
        if verb is None and word not in TOPICS:
            raise Refused(f"There is no command {word}.", "`help` tells what you can say.")
        if verb is None:
            return Card(f"About {word}", table=Table(head, help_rows(TOPICS[word])))
        beside = [each for each in TOPICS[topic_of(verb)] if each != verb]
        fields = (Field("Write", verb.form), Field("For example", verb.example))
        return Card(verb.name, text=verb.does, fields=fields, table=Table(head, help_rows(beside)))

    async def pipelines(self, said: Said, sight: Sight = _ALL) -> Card:
        """List pipelines, a page at a time."""
        after = said.words[0] if said.words else ""
        rows = await self.store.read(lambda book: pipeline_rows(book, after, sight))
        if not rows:
            hint = "`define` makes the first one." if not after else f"Nothing follows {after}."
            return Card("No pipelines", text=hint)
        more = f"`list {rows[-1][0]}` shows more." if len(rows) == PAGE else ""
        table = Table(("Pipeline", "Group", "Last run", "State", "When"), rows)
        buttons = await self.store.read(lambda book: status_buttons(book, sight, [row[0] for row in rows]))
        return Card("Pipelines", text=more, table=table, buttons=buttons)

    async def show(self, said: Said) -> Card:
        """Show a definition as its topology, variables and people."""
        stored = await self.store.read(lambda book: book.pipelines.load(said.words[0]))
        pipeline = parse(stored.text).pipeline
        stops = tuple(Stop(stage.name, stage.kind.value, StageState.PENDING.value) for stage in pipeline.stages)
        fields = [
            Field("Group", pipeline.group),
            Field("Version", f"{stored.version}, {stored.by}, {clock_time(stored.at)}"),
        ]
        fields += [Field(f"{stage.name} asks", stage.review.in_words) for stage in pipeline.stages if stage.review]
        if pipeline.deployment is not None:
            fields += deployment_fields(pipeline.workload, pipeline.deployment)
        fields += starts_fields(pipeline, self.clock.now())
        lock = await self.lock_of(stored)
        fields += locked_field(lock) if lock else ()
        fields += await self._freezes(stored)
        rows = tuple((name, item.value, item.description) for name, item in pipeline.variables.items())
        table = Table(("Variable", "Value", "For"), rows) if rows else None
        return Card(
            stored.name,
            text=pipeline.description,
            topology=stops,
            fields=tuple(fields),
            table=table,
            buttons=_unlock(lock),
        )

    async def check(self, said: Said, sight: Sight = _ALL) -> Card:
        """Show every complaint about a definition."""
        people = await self.store.read(lambda book: book.people.names())
        allowed = self.transports
        found = check(said.text, people, clusters=allowed.clusters, allow_local=allowed.local, allow_http=allowed.plain)
        if not found:
            definition = parse(said.text, allow_local=allowed.local, allow_http=allowed.plain)
            await self.store.read(lambda book: check_circles(book, definition, sight.hidden))
            name = definition.pipeline.pipeline
            spec = definition.pipeline.deployment
            fields = meanwhile(spec) if spec else ()
            return Card(f"{name} can be defined", Tone.GOOD, "Nothing to complain about.", fields=fields)
        return Card(f"{len(found)} to mend", Tone.BAD, code=describe(found, "definition"))

    async def export(self, said: Said) -> Card:
        """Give a definition back as it was written."""
        version = number_of(said.words[1]) if len(said.words) > 1 else None
        stored = await self.store.read(lambda book: book.pipelines.load(said.words[0], version))
        return Card(f"{stored.name}, version {stored.version}", code=stored.text)

    async def status(self, said: Said, sight: Sight = _ALL) -> list[Card]:
        """Show what is going on: everywhere, in one pipeline, or in one run."""
        name = said.words[0] if said.words else None
        if name is not None and (run := await self.store.read(lambda book: book.runs.find(RunId(name)))) is not None:
            return [await self.card_of(run)]
        if name is not None:
            stored = await self.store.read(lambda book: book.pipelines.load(name))
            locks = [lock] if (lock := await self.lock_of(stored)) else []
        else:
            locks = await self.store.read(lambda book: _seen_locks(book, sight))
        active = await self.store.read(lambda book: book.runs.active(name))
        runs = [run for run in active if sight.sees(run)][:LATEST]
        troubles = [Card(sentence, Tone.BAD) for sentence in self.troubles() if sight.may_read(sentence)]
        troubles += [present_lock(lock) for lock in locks]
        troubles += await self.store.read(lambda book: _stills(book, name, self.clock.now(), sight))
        if runs:
            return [*troubles, *[await self.card_of(run) for run in runs]]
        if name is None:
            buttons = await self.store.read(lambda book: status_buttons(book, sight))
            return [*troubles, Card("All quiet", Tone.GOOD, "Nothing is running and nothing waits.", buttons=buttons)]
        latest = await self.store.read(lambda book: book.runs.latest(name, 1))
        return [*troubles, *[await self.card_of(run) for run in latest]] or [Card(name, text="It has never run.")]

    async def runs(self, said: Said, sight: Sight = _ALL) -> Card:
        """List the latest runs."""
        name = said.words[0] if said.words else None
        if name is not None:
            await self.store.read(lambda book: book.pipelines.load(name))
        most = LOOKED_THROUGH if sight.hidden and name is None else LATEST
        latest = await self.store.read(lambda book: book.runs.latest(name, most))
        found = [run for run in latest if sight.sees(run)][:LATEST]
        if not found:
            return Card("No runs yet", text=f"`run {name or 'PIPELINE'}` starts one.")
        rows = tuple(run_row(run, self.clock.now()) for run in found)
        return Card("Latest runs", table=Table(("Run", "State", "By", "Began", "Took", "What"), rows))

    async def logs(self, said: Said) -> Card:
        """Show what a run's stages said last."""
        run = await self.store.read(lambda book: book.runs.load(RunId(said.words[0])))
        number = _stage_number(run, said.words[1]) if len(said.words) > 1 else None
        pieces = await self.store.read(lambda book: book.logs.tail(run.id, number, LOG_PIECES))
        text = "\n".join(
            f"{run.stages[piece.stage].name} │ {line}" for piece in pieces for line in piece.text.splitlines()
        )
        where = f", {run.stages[number].name}" if number is not None else ""
        return Card(f"Log of {run.id}{where}", code=text, text="" if text else "Nothing was said.")

    async def versions(self, said: Said) -> Card:
        """Show what was released, newest first."""
        stored = await self.store.read(lambda book: book.pipelines.load(said.words[0]))
        workload = await self.workload(stored)
        history = await self.store.read(lambda book: book.releases.history(workload, LATEST))
        lock = await self.lock_of(stored)
        about = Field("Definition", f"version {stored.version} by {stored.by}, {clock_time(stored.at)}")
        fields = (about, *(locked_field(lock) if lock else ()))
        if not history:
            return Card(f"{workload or stored.name} was never released", fields=fields, buttons=_unlock(lock))
        now = await self.store.read(lambda book: book.releases.deployed(workload))
        rows = tuple(
            release_row(release, now is not None and release.number == now.number, lock) for release in history
        )
        head = ("Version", "Image", "Digest", "Run", "Deployed", "")
        return Card(f"Versions of {workload}", fields=fields, table=Table(head, rows), buttons=_unlock(lock))

    async def lock_of(self, stored: StoredPipeline) -> Lock | None:
        """Find the lock of the workload that the pipeline releases."""
        return await self.store.read(lambda book: book.locks.find(workload_of(book, stored)))

    async def _freezes(self, stored: StoredPipeline) -> tuple[Field, ...]:
        now = self.clock.now()
        return await self.store.read(
            lambda book: frozen_fields(book.freezes.all(), subject_of_pipeline(book, stored), now)
        )

    async def yaml(self, said: Said) -> list[Card]:
        """Show the configuration that was deployed, and what is in effect; of a run what it has applied."""
        run = await self.store.read(lambda book: run_meant(book, said.words))
        if run is not None:
            return await self.store.read(lambda book: applied_cards(book, run))
        stored = await self.store.read(lambda book: book.pipelines.load(said.words[0]))
        pipeline = parse(stored.text).pipeline
        workload = await self.workload(stored)
        release = await self.release(stored, number_of(said.words[1]) if len(said.words) > 1 else None)
        cards = [version_card(release)] if release else []
        spec = pipeline.deployment
        rules = rules_of(spec.policy) if len(said.words) == 1 and isinstance(spec, Gray) else ()
        if rules:
            cards.append(Card(f"Rules of {stored.name}'s gray stage", code=rules_as_yaml(rules)))
        if len(said.words) == 1 and pipeline.deployment is not None:
            route = await self.targets[pipeline.deployment.target].effective_route(workload)
            if route:
                cards.append(effect_card(workload, route, release))
        return cards or [Card(f"{workload or stored.name} was never released")]

    async def release(self, stored: StoredPipeline, number: int | None) -> Release | None:
        """Return a version of what the pipeline releases, or the newest; refuses a number that never was."""
        workload = await self.workload(stored)
        if number is None:
            return next(iter(await self.store.read(lambda book: book.releases.history(workload, 1))), None)
        found = await self.store.read(lambda book: book.releases.version(workload, number))
        if found is None:
            raise Refused(f"{workload} has no version {number}.", f"`versions {stored.name}` lists them.")
        return found

    async def workload(self, stored: StoredPipeline) -> str:
        """Find the workload that the pipeline's latest run released: its name may come from a variable."""
        return await self.store.read(lambda book: workload_of(book, stored))

    async def instances(self, said: Said) -> Card:
        """Show what runs."""
        wanted = wanted_of(said.words[1:])
        stored = await self.store.read(lambda book: book.pipelines.load(said.words[0]))
        pipeline = parse(stored.text).pipeline
        if pipeline.deployment is None:
            return Card(f"{stored.name} deploys nothing")
        workload = await self.workload(stored)
        found = await self.targets[pipeline.deployment.target].instances(workload)
        names = list({one.release for one in found})
        known = await self.store.read(lambda book: book.releases.all_of(workload, names))
        images = {name: release.image for name, release in known.items()}
        return present_instances(stored.name, workload, found, images=images, wanted=wanted, now=self.clock.now())

    async def plan(self, said: Said) -> Card:
        """Show what would happen next."""
        return await self.previews.plan(said)

    async def whoami(self, person: PersonId) -> Card:
        """Tell the person who they are, and what waits for them."""
        known = await self.store.read(lambda book: book.people.find(person))
        active = await self.store.read(lambda book: book.runs.active())
        waiting = [
            run for run in active if run.stage.state is StageState.AWAITING_REVIEW and person in missing_reviewers(run)
        ]
        accounts = await self.store.read(lambda book: book.accounts.of(person))
        holder = await self.store.read(lambda book: holder_of(book, person))
        fields = [Field("E-mail", known.email)] if known and known.email else []
        fields += [Field("Account", f"{account.id} {account.name}".strip()) for account in accounts]
        fields.append(Field("You may", holder.in_words))
        table = Table(("Run", "Waits at"), tuple((run.id, run.stage.name) for run in waiting)) if waiting else None
        return Card(
            f"You are {person}", text="" if waiting else "Nothing waits for you.", fields=tuple(fields), table=table
        )


def _stills(book: SqlBook, name: str | None, now: datetime, sight: Sight) -> list[Card]:
    """What freezes a pipeline now; without a name, every freeze that holds, as far as the person may see it."""
    freezes = book.freezes.all()
    if name is not None and freezes:
        still = standing(freezes, subject_of_pipeline(book, book.pipelines.load(name)), now)
        return [present_standing(still)] if still else []
    return [present_freeze(one, now) for one in freezes if one.open_at(now) and sight.may_read(f"{one}")]


def number_of(word: str) -> int:
    """Read a version's number."""
    if not _VERSION.fullmatch(word):
        raise Refused(f"{word!r} is no version.", "Versions are numbers; `versions PIPELINE` lists them.")
    return int(word.removeprefix("v"))


def variables_of(stored: StoredPipeline, changes: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return what a run of the pipeline would have as variables; refuses unknown names and values that do not fit."""
    declared = parse(stored.text).variables
    values = merge(declared, changes)
    resolve(stored.text, {**values, **system_variables(now, 0)})
    return values


def _seen_locks(book: SqlBook, sight: Sight) -> list[Lock]:
    locks = book.locks.all()
    return [lock for lock in locks if not sight.hidden or pipelines_of(book, lock.workload) - sight.hidden]


def _unlock(lock: Lock | None) -> tuple[Button, ...]:
    return () if lock is None else unlock_button(lock)


def _stage_number(run: Run, name: str) -> int:
    for number, stage in enumerate(run.stages):
        if name in (stage.name, str(number + 1)):
            return number
    raise Refused(f"Run {run.id} has no stage {name}.", f"It has {', '.join(stage.name for stage in run.stages)}.")

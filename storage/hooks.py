"""What starts and meets: the hooks and channels of every pipeline's newest definition, and every call there was.

Definitions say which hooks and channels there are. Whoever looks for one must not read every definition, so what they
say is kept beside them, and it is known which of them were changed since. A hook's row stays when the definition drops
it: its generation must not begin again, or an address that was taken out of use would be good once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Column, Integer, String, Table, Text, and_, delete, or_, select, update

from engine.model import PersonId, RunId
from engine.ports import StoredPipeline
from storage.part import Transaction, upsert
from storage.tables import Moment, Number, metadata, pipeline_versions, pipelines

Scope = Literal["start", "stage"]
"""What a hook does: it starts the pipeline, or it meets a condition of its stages."""
Role = Literal["starts", "waits", "tells"]
"""What a channel is to a pipeline."""
LONGEST = 500

wirings = Table(
    "wirings",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
)

wires = Table(
    "wires",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("role", String(8), primary_key=True),
    Column("channel", String(64), primary_key=True, index=True),
)

hooks = Table(
    "hooks",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("scope", String(8), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("mark", String(64), nullable=False, index=True),
    Column("called_at", Moment),
    Column("outcome", String(32), nullable=False),
)

hook_calls = Table(
    "hook_calls",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
)

triggers = Table(
    "triggers",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False, index=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("way", String(8), nullable=False),
    Column("name", String(64), nullable=False),
    Column("source", String(200), nullable=False),
    Column("run", String(128), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("said", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredHook:
    """One hook. `mark` is the SHA-256 of its token, in hexadecimal; `outcome` what came of its last call.

    A hook of a pipeline that was deleted has no mark: whoever makes one of that name again gets another token.
    """

    pipeline: str
    scope: Scope
    name: str
    generation: int
    mark: str
    called_at: datetime | None = None
    outcome: str = ""

    @property
    def about(self) -> str:
        """What its token is derived from."""
        return f"{self.pipeline}/{self.scope}/{self.name}/{self.generation}"


@dataclass(frozen=True, slots=True)
class Trigger:
    """One call: of a hook (way ``webhook``) or a channel, by whom, and the run that it was about, if any.

    `outcome`: ``started``, ``met``, ``refused`` or ``cut``; `said` is why.
    """

    at: datetime
    pipeline: str
    way: str
    name: str
    source: str
    run: str
    outcome: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call was answered."""

    status: int
    body: str


class SqlHooks:
    """Hooks, channels and their calls in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def stale(self, limit: int) -> list[StoredPipeline]:
        """Give up to `limit` newest definitions that `wire` has not heard of."""
        newest = and_(pipeline_versions.c.name == pipelines.c.name, pipeline_versions.c.version == pipelines.c.version)
        joined = pipelines.join(pipeline_versions, newest).outerjoin(wirings, wirings.c.pipeline == pipelines.c.name)
        is_stale = or_(wirings.c.version.is_(None), wirings.c.version != pipelines.c.version)
        statement = (
            select(pipeline_versions, pipelines.c.pipeline_group)
            .select_from(joined)
            .where(pipelines.c.deleted_at.is_(None), is_stale)
            .order_by(pipelines.c.name)
            .limit(limit)
        )
        return [
            StoredPipeline(row.name, row.pipeline_group, row.version, row.text, PersonId(row.by), row.at)
            for row in self._in.read(statement).all()
        ]

    def wire(self, pipeline: str, version: int, channels: Sequence[tuple[Role, str]]) -> None:
        """Keep what that version says of channels, in place of what an earlier one said."""
        self._in.write(delete(wires).where(wires.c.pipeline == pipeline))
        for role, channel in dict.fromkeys(channels):
            self._in.write(wires.insert().values(pipeline=pipeline, role=role, channel=channel))
        upsert(self._in, wirings, {"pipeline": pipeline, "version": version}, update=("version",))

    def wired(self, role: Role, channel: str) -> list[str]:
        """Give the pipelines to which the channel is that, in order; deleted ones are not there."""
        statement = (
            select(wires.c.pipeline)
            .join(pipelines, pipelines.c.name == wires.c.pipeline)
            .where(pipelines.c.deleted_at.is_(None), wires.c.role == role, wires.c.channel == channel)
            .order_by(wires.c.pipeline)
        )
        return list(self._in.read(statement).scalars())

    def channels(self) -> list[tuple[str, Role, str]]:
        """Give every pipeline with what each channel is to it."""
        joined = wires.join(pipelines, pipelines.c.name == wires.c.pipeline)
        statement = select(wires).select_from(joined).where(pipelines.c.deleted_at.is_(None))
        return [(row.pipeline, row.role, row.channel) for row in self._in.read(statement).all()]

    def find(self, pipeline: str, scope: Scope, name: str) -> StoredHook | None:
        """Find one hook."""
        is_it = and_(hooks.c.pipeline == pipeline, hooks.c.scope == scope, hooks.c.name == name)
        row = self._in.read(select(hooks).where(is_it)).one_or_none()
        return None if row is None else _hook(row)

    def marked(self, mark: str) -> StoredHook | None:
        """Find the hook whose token has this SHA-256."""
        row = self._in.read(select(hooks).where(hooks.c.mark == mark)).first()
        return None if row is None else _hook(row)

    def all(self) -> list[StoredHook]:
        """Give every hook, those of deleted pipelines too."""
        return [_hook(row) for row in self._in.read(select(hooks)).all()]

    def marks(self) -> list[str]:
        """Give the marks of every hook."""
        return list(self._in.read(select(hooks.c.mark)).scalars())

    def orphans(self) -> list[StoredHook]:
        """Give the hooks that have a token although their pipeline is deleted."""
        joined = hooks.join(pipelines, pipelines.c.name == hooks.c.pipeline)
        statement = select(hooks).select_from(joined).where(pipelines.c.deleted_at.is_not(None), hooks.c.mark != "")
        return [_hook(row) for row in self._in.read(statement).all()]

    def void(self, pipeline: str) -> None:
        """Make the tokens of a pipeline good for nothing: whoever makes one of its name gets others."""
        own = and_(hooks.c.pipeline == pipeline, hooks.c.mark != "")
        self._in.write(update(hooks).where(own).values(generation=hooks.c.generation + 1, mark=""))

    def put(self, hook: StoredHook) -> None:
        """Keep a hook, or its next generation."""
        row = {
            "pipeline": hook.pipeline,
            "scope": hook.scope,
            "name": hook.name,
            "generation": hook.generation,
            "mark": hook.mark,
            "called_at": hook.called_at,
            "outcome": hook.outcome,
        }
        upsert(self._in, hooks, row, update=("generation", "mark", "called_at", "outcome"))

    def called(self, hook: StoredHook, at: datetime, outcome: str) -> None:
        """Remember the last call of a hook."""
        is_it = and_(hooks.c.pipeline == hook.pipeline, hooks.c.scope == hook.scope, hooks.c.name == hook.name)
        self._in.write(update(hooks).where(is_it).values(called_at=at, outcome=outcome))

    def answered(self, key: str) -> Answered | None:
        """Find what the call of this key was answered."""
        row = self._in.read(select(hook_calls).where(hook_calls.c.key == key)).one_or_none()
        return None if row is None else Answered(row.status, row.body)

    def reserve(self, key: str, at: datetime) -> bool:
        """Take the key of a call; False when it was taken before: then its answer is there."""
        return upsert(self._in, hook_calls, {"key": key, "at": at, "status": 0, "body": ""}) == 1

    def answer(self, key: str, answered: Answered) -> None:
        """Remember what the call of a reserved key was answered."""
        row = {"status": answered.status, "body": answered.body}
        self._in.write(update(hook_calls).where(hook_calls.c.key == key).values(row))

    def free(self, key: str) -> None:
        """Nothing has come of the call, so it may be made again."""
        self._in.write(delete(hook_calls).where(hook_calls.c.key == key))

    def record(self, trigger: Trigger) -> None:
        """Write a call down."""
        row = {
            "at": trigger.at,
            "pipeline": trigger.pipeline,
            "way": trigger.way,
            "name": trigger.name,
            "source": trigger.source[:200],
            "run": trigger.run,
            "outcome": trigger.outcome,
            "said": trigger.said[:LONGEST],
        }
        self._in.write(triggers.insert().values(row))

    def latest(self, pipeline: str | None, limit: int) -> list[Trigger]:
        """Give the newest calls, newest first, of one pipeline or of all."""
        statement = select(triggers).order_by(triggers.c.seq.desc()).limit(limit)
        if pipeline is not None:
            statement = statement.where(triggers.c.pipeline == pipeline)
        return [
            Trigger(row.at, row.pipeline, row.way, row.name, row.source, RunId(row.run), row.outcome, row.said)
            for row in self._in.read(statement).all()
        ]

    def forget(self, repeated: datetime, before: datetime) -> None:
        """Forget answers from before `repeated`, and calls from before `before`."""
        self._in.write(delete(hook_calls).where(hook_calls.c.at < repeated))
        self._in.write(delete(triggers).where(triggers.c.at < before))


def _hook(row: Any) -> StoredHook:
    return StoredHook(row.pipeline, row.scope, row.name, row.generation, row.mark, row.called_at, row.outcome)

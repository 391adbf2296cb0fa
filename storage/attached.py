"""Webhooks of repositories: one for each pipeline that pushes start, and what is known of it at the forge.

An address that was given out is known by the hash of its last part. A row whose pipeline is gone, or that its pipeline
needs no more, is kept until the webhook is taken away; so is its generation, or an address that was taken out of use
would be good once more.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Boolean, Column, Integer, String, Table, Text, delete, select

from storage.part import Transaction, upsert
from storage.tables import Moment, metadata, pipelines

State = Literal["wanted", "attached", "manual", "leaving", "gone"]
"""``wanted``: not there yet, `trouble` says why; ``leaving``: to be taken away; ``gone``: kept for its generation."""

attached = Table(
    "attached",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("repository", String(500), primary_key=True),
    Column("forge", String(16), nullable=False),
    Column("account", String(64), nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("mark", String(64), nullable=False, index=True),
    Column("pushes", Boolean, nullable=False),
    Column("tags", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("hook", String(128), nullable=False),
    Column("trouble", Text, nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("checked_at", Moment),
)


@dataclass(frozen=True, slots=True)
class Attached:
    """The webhook of a pipeline at the repository whose address is `repository`.

    `account` attaches it (empty: a person does). `mark` is the hash of the address's last part. `hook` is its id at the
    forge. `shown`: the secret of this generation was shown to a person, which is done once. `checked_at` is when the
    forge was last asked about it.
    """

    pipeline: str
    repository: str
    forge: str
    account: str
    mark: str
    generation: int = 1
    pushes: bool = True
    tags: bool = False
    state: State = "wanted"
    hook: str = ""
    trouble: str = ""
    shown: bool = False
    checked_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether deliveries are taken."""
        return self.state in ("wanted", "attached", "manual")


class SqlAttached:
    """Webhooks in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def put(self, one: Attached) -> None:
        """Keep what is known of a webhook."""
        row = {name: getattr(one, name) for name in _NAMES}
        upsert(self._in, attached, row, update=tuple(name for name in _NAMES if name not in _KEY))

    def all(self) -> list[Attached]:
        """Every webhook that there is, should be, or was."""
        statement = select(attached).order_by(attached.c.pipeline, attached.c.repository)
        return [_attached(row) for row in self._in.read(statement)]

    def of(self, pipeline: str) -> list[Attached]:
        """Those of one pipeline: the present one, and earlier ones of other repositories."""
        return [_attached(row) for row in self._in.read(select(attached).where(attached.c.pipeline == pipeline))]

    def find(self, pipeline: str, repository: str) -> Attached | None:
        """One webhook."""
        return next((one for one in self.of(pipeline) if one.repository == repository), None)

    def marked(self, mark: str) -> Attached | None:
        """The webhook whose address has this hash."""
        row = self._in.read(select(attached).where(attached.c.mark == mark)).first()
        return None if row is None else _attached(row)

    def void(self, pipeline: str) -> None:
        """Take no deliveries for a pipeline any more. Its addresses are not opened again: the next ones are others.

        What an account attached is yet to be taken away at the forge.
        """
        for one in self.of(pipeline):
            if one.is_open:
                left: State = "leaving" if one.account else "gone"
                self.put(replace(one, state=left, shown=False, trouble="", checked_at=None))

    def remove(self, one: Attached) -> None:
        """Forget one."""
        is_it = (attached.c.pipeline == one.pipeline) & (attached.c.repository == one.repository)
        self._in.write(delete(attached).where(is_it))

    def versions(self) -> dict[str, int]:
        """Every pipeline that is not deleted, with its newest version's number."""
        statement = select(pipelines.c.name, pipelines.c.version).where(pipelines.c.deleted_at.is_(None))
        return {row.name: row.version for row in self._in.read(statement)}


_NAMES = tuple(column.name for column in attached.columns)
_KEY = ("pipeline", "repository")


def _attached(row: Any) -> Attached:
    return Attached(**{name: getattr(row, name) for name in _NAMES})

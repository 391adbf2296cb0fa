"""Values of secret variables: sealed, by pipeline and name, with who gave them and when.

The danger is somebody who can write to the database and puts one pipeline's sealed value where another one, of theirs,
would use it. So what is sealed names what it is for, and is opened for nothing else.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Integer, String, Table, Text, delete, select

from engine.errors import Broken
from engine.model import PersonId
from storage.part import Transaction, upsert
from storage.tables import Moment, metadata
from storage.vault import Vault

secrets = Table(
    "secrets",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret variable that has a value. `version` counts how often it was given one."""

    pipeline: str
    name: str
    by: PersonId
    at: datetime
    version: int = 1
    sealed: str = field(default="", repr=False)


def sealed(vault: Vault, pipeline: str, name: str, value: str) -> str:
    """Seal a value for this variable of this pipeline."""
    return vault.seal(json.dumps({"variable": [pipeline, name], "value": value}))


def opened(vault: Vault, secret: Secret) -> str:
    """Open a value. Raises `Broken` when its key is gone, or when it was sealed for something else."""
    try:
        said = json.loads(vault.open(secret.sealed))
        if said["variable"] == [secret.pipeline, secret.name]:
            return str(said["value"])
    except (ValueError, KeyError, TypeError):
        pass
    what = f"What is kept as the secret {secret.name} of {secret.pipeline} was sealed for something else."
    raise Broken(what, "Somebody may have changed the database: look at `audit verify`, then set it anew.")


class SqlSecrets:
    """The secrets in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def put(self, secret: Secret) -> int:
        """Keep a value, in place of an earlier one. Returns how often it was given one."""
        there = self.find(secret.pipeline, secret.name)
        version = there.version + 1 if there else 1
        row = {
            "pipeline": secret.pipeline,
            "name": secret.name,
            "sealed": secret.sealed,
            "version": version,
            "by": secret.by,
            "at": secret.at,
        }
        upsert(self._in, secrets, row, update=("sealed", "version", "by", "at"))
        return version

    def find(self, pipeline: str, name: str) -> Secret | None:
        """Find one secret."""
        return next((one for one in self.of(pipeline) if one.name == name), None)

    def of(self, pipeline: str) -> list[Secret]:
        """All secrets of a pipeline that have a value, by name."""
        found = select(secrets).where(secrets.c.pipeline == pipeline).order_by(secrets.c.name)
        return [_secret(row) for row in self._in.read(found)]

    def all(self) -> list[Secret]:
        """Every secret, by pipeline and name."""
        found = select(secrets).order_by(secrets.c.pipeline, secrets.c.name)
        return [_secret(row) for row in self._in.read(found)]

    def remove(self, pipeline: str, name: str) -> bool:
        """Forget one; False when there was none."""
        gone = delete(secrets).where(secrets.c.pipeline == pipeline, secrets.c.name == name)
        return self._in.write(gone).rowcount == 1

    def forget(self, pipeline: str) -> None:
        """Forget all of a pipeline's: another pipeline of its name may not have them."""
        self._in.write(delete(secrets).where(secrets.c.pipeline == pipeline))


def _secret(row: Any) -> Secret:
    return Secret(row.pipeline, row.name, PersonId(row.by), row.at, row.version, row.sealed)

"""Templates that people have kept: definitions to make pipelines from, each in a group. Those that ship are files."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, String, Table, Text, delete, select, update

from engine.model import PersonId
from storage.part import Transaction, upsert
from storage.tables import Moment, metadata

templates = Table(
    "templates",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("group_name", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class KeptTemplate:
    """A template: the definition that pipelines are made from, who kept it, and in which group."""

    name: str
    group: str
    text: str
    by: PersonId
    at: datetime


class SqlTemplates:
    """Templates in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def keep(self, template: KeptTemplate) -> None:
        """Keep a template, in place of the one of that name."""
        row = {
            "name": template.name,
            "group_name": template.group,
            "text": template.text,
            "by": template.by,
            "at": template.at,
        }
        upsert(self._in, templates, row, update=("group_name", "text", "by", "at"))

    def find(self, name: str) -> KeptTemplate | None:
        """One template, or None."""
        row = self._in.read(select(templates).where(templates.c.name == name)).one_or_none()
        return None if row is None else KeptTemplate(row.name, row.group_name, row.text, PersonId(row.by), row.at)

    def all(self) -> list[KeptTemplate]:
        """Every template, by name."""
        rows = self._in.read(select(templates).order_by(templates.c.name)).all()
        return [KeptTemplate(row.name, row.group_name, row.text, PersonId(row.by), row.at) for row in rows]

    def delete(self, name: str) -> bool:
        """Keep it no more; False when there was none."""
        return self._in.write(delete(templates).where(templates.c.name == name)).rowcount == 1

    def move(self, group: str, to: str) -> None:
        """Put all templates of a group into another."""
        self._in.write(update(templates).where(templates.c.group_name == group).values(group_name=to))

"""Freeze windows, and pleas to overrule them: a row each, written as a document."""

from sqlalchemy import Column, String, Table, Text, bindparam, delete, select, update

from engine.freezes import Freeze, FreezeId, Plea
from storage.codec import dump, load
from storage.part import Transaction, upsert
from storage.tables import Moment, counters, metadata

freezes = Table(
    "freezes",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("document", Text, nullable=False),
)

pleas = Table(
    "pleas",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("document", Text, nullable=False),
)

_ALL = select(freezes.c.document).order_by(freezes.c.at, freezes.c.id)
_FIND = select(freezes.c.document).where(freezes.c.id == bindparam("id_"))
_CHANGE = update(freezes).where(freezes.c.id == bindparam("id_")).values(document=bindparam("document_"))
_REMOVE = delete(freezes).where(freezes.c.id == bindparam("id_"))
_PLEAS = select(pleas.c.document).order_by(pleas.c.at, pleas.c.id)
_DROP = delete(pleas).where(pleas.c.id == bindparam("id_"))
_COUNT = (
    update(counters)
    .where(counters.c.name == bindparam("name_"))
    .values(value=counters.c.value + 1)
    .returning(counters.c.value)
)


class SqlFreezes:
    """`engine.book.Freezes` in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def all(self, *, firmly: bool = False) -> list[Freeze]:
        """Every freeze. Held firmly, whoever would take one away waits, so no run is left to a freeze that is gone."""
        statement = _ALL.with_for_update(read=True) if firmly else _ALL
        return [load(Freeze, text) for text in self._in.read(statement).scalars()]

    def find(self, name: FreezeId) -> Freeze | None:
        """One freeze."""
        text = self._in.read(_FIND, {"id_": name}).scalar_one_or_none()
        return None if text is None else load(Freeze, text)

    def put(self, freeze: Freeze) -> None:
        """Keep it."""
        self._keep(freezes, freeze)

    def change(self, freeze: Freeze) -> bool:
        """Keep it if it is there."""
        return self._in.write(_CHANGE, {"id_": freeze.id, "document_": dump(freeze)}).rowcount == 1

    def remove(self, name: FreezeId) -> None:
        """Forget it."""
        self._in.write(_REMOVE, {"id_": name})

    def next_id(self, letter: str) -> str:
        """Count up."""
        name = f"freeze:{letter}"
        upsert(self._in, counters, {"name": name, "value": 0})
        return f"{letter}{self._in.write(_COUNT, {'name_': name}).scalar_one()}"

    def pleas(self, *, firmly: bool = False) -> list[Plea]:
        """Every plea. Held firmly, whoever would use one up too waits, and finds it gone."""
        statement = _PLEAS.with_for_update() if firmly else _PLEAS
        return [load(Plea, text) for text in self._in.read(statement).scalars()]

    def keep_plea(self, plea: Plea) -> None:
        """Keep it."""
        self._keep(pleas, plea)

    def drop_plea(self, name: str) -> bool:
        """Forget it."""
        return self._in.write(_DROP, {"id_": name}).rowcount == 1

    def _keep(self, table: Table, one: Freeze | Plea) -> None:
        row = {"id": one.id, "at": one.at, "document": dump(one)}
        upsert(self._in, table, row, update=("at", "document"))

"""The audit for others: JSON lines or CSV, in the order in which it happened, as long as it may be.

Each JSON line has `FIELDS` and, after them, the row's hashes. They are what `storage.chain` hashes, so whoever has an
export of whole days can follow the chain without Sluice: `hash` is the SHA-256 of the JSON array (ASCII, no spaces) of
the first eleven values and `before`. Lines of the journal, which `with_journal` adds, have ``"table": "journal"``.
A spreadsheet computes what begins with ``=``; in CSV an apostrophe stands before such a cell.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from engine.errors import Refused
from engine.ports import Entry
from storage.audit import Chained, Sought, fields_of
from storage.chain import FIELDS, moment
from storage.codec import dump
from storage.store import SqlStore

Format = Literal["jsonl", "csv"]
PAGE = 500
COLUMNS = ("table", *FIELDS, "before", "hash", "seal")
_COMPUTED = ("=", "+", "-", "@", "\t", "\r")
_DAY = 10


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported, and how."""

    sought: Sought
    form: Format = "jsonl"
    with_journal: bool = False


async def exported(store: SqlStore, export: Export) -> AsyncIterator[str]:
    """Give the lines, without line ends. Reads a page at a time, beside a running bot."""
    if export.form == "csv":
        yield _csv(dict(zip(COLUMNS, COLUMNS, strict=True)))
    entries = _entries(store, export.sought) if export.with_journal else None
    entry = await anext(entries, None) if entries else None
    async for row in _rows(store, export.sought):
        while entries and entry and entry.event.at < row.deed.at:
            yield _written(_of_entry(entry), export.form)
            entry = await anext(entries, None)
        yield _written(_of_row(row), export.form)
    while entries and entry:
        yield _written(_of_entry(entry), export.form)
        entry = await anext(entries, None)


async def _rows(store: SqlStore, sought: Sought) -> AsyncIterator[Chained]:
    after = 0
    while rows := await store.read(lambda book, after=after: book.audit.page(after, PAGE, sought)):  # type: ignore[misc]
        for row in rows:
            yield row
        after = rows[-1].seq


async def _entries(store: SqlStore, sought: Sought) -> AsyncIterator[Entry]:
    after = 0
    while entries := await store.read(lambda book, after=after: book.journal.since(after, PAGE)):  # type: ignore[misc]
        for entry in entries:
            at = entry.event.at
            if (sought.since is None or at >= sought.since) and (sought.until is None or at < sought.until):
                yield entry
        after = entries[-1].seq


def _of_row(row: Chained) -> dict[str, Any]:
    values = {**fields_of(row), "at": moment(row.deed.at)}
    return {"table": "audit", **values, "before": row.before, "hash": row.hash, "seal": row.seal}


def _of_entry(entry: Entry) -> dict[str, Any]:
    event = entry.event
    about = {"seq": entry.seq, "at": moment(event.at), "person": event.by, "run": entry.run, "n": entry.n}
    document = json.loads(dump(event))
    return {"table": "journal", **about, "kind": type(event).__name__, "document": document}


def _written(values: Mapping[str, Any], form: Format) -> str:
    if form == "jsonl":
        return json.dumps(values, ensure_ascii=False)
    if values["table"] == "journal":
        said = json.dumps(values["document"], ensure_ascii=False)
        line = f"{values['run']} {values['n']} {values['kind']}"
        values = {**{name: values[name] for name in ("table", "seq", "at", "person")}, "line": line, "said": said}
    return _csv({name: _cell(values.get(name, "")) for name in COLUMNS})


def _csv(cells: Mapping[str, str]) -> str:
    out = io.StringIO()
    csv.DictWriter(out, COLUMNS, lineterminator="").writerow(cells)
    return out.getvalue()


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(_COMPUTED) else text


def parse_moment(text: str, *, ends: bool = False) -> datetime:
    """Read a day or a moment (ISO 8601; UTC unless it says otherwise). With `ends`, a day is meant to its end."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no moment.", "Write 2026-01-31 or 2026-01-31T18:00:00Z.") from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found + timedelta(days=1) if ends and len(text) == _DAY else found

"""A store with a long history in it: many pipelines, runs of each, and what happened in them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert

from engine import events as e
from engine.control import replay
from engine.model import Run, RunId, RunState, StageKind, StageRule
from engine.transitions import ENGINE, begin, new_stages
from storage import codec
from storage.store import SqlStore
from storage.tables import journal, pipeline_versions, pipelines, runs
from tests.bench.workshop import ANN, LOBBY, definition

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_CHUNK = 5000
_RULES = tuple(StageRule(f"s{number}", StageKind.SOURCE) for number in range(1, 5))
_OUTPUTS = {
    "url": "https://git.example.com/shop/api.git",
    "ref": "main",
    "sha": "4f1c3a9be2d7705a86c1f0e9b3d2a7745c6e8f10",
    "subject": "Send the receipt before the parcel",
    "author": "Ann Example <ann@example.com>",
    "at": "2026-01-01T00:00:00+00:00",
}


@dataclass(frozen=True, slots=True)
class History:
    """How much is stored. `active` runs, the newest ones, are not over."""

    pipelines: int
    runs: int
    entries_per_run: int = 10
    active: int = 100

    @property
    def entries(self) -> int:
        """Journal entries in all."""
        return self.runs * self.entries_per_run


def fill(store: SqlStore, history: History) -> None:
    """Put the history into an empty store."""
    with store.engine.begin() as connection:
        _put(connection, pipelines, _pipelines(history))
        _put(connection, pipeline_versions, _versions(history))
        _put(connection, runs, (row for row, _ in _runs(history)))
        _put(connection, journal, (row for _, rows in _runs(history) for row in rows))


def name_of(number: int) -> str:
    """The nth pipeline's name."""
    return f"service-{number:05d}"


def _put(connection: Connection, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    for chunk in _chunks(rows):
        connection.execute(insert(table), chunk)


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _pipelines(history: History) -> Iterator[dict[str, Any]]:
    for number in range(history.pipelines):
        yield {"name": name_of(number), "pipeline_group": "default", "version": 1, "deleted_at": None}


def _versions(history: History) -> Iterator[dict[str, Any]]:
    for number in range(history.pipelines):
        name = name_of(number)
        yield {"name": name, "version": 1, "text": definition(name, len(_RULES)), "by": ANN, "at": _BEGAN}


def _runs(history: History) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each run's row, and the rows of its journal."""
    over, open_ = _example(history.entries_per_run, over=True), _example(history.entries_per_run, over=False)
    for position in range(history.runs):
        name, number = name_of(position % history.pipelines), position // history.pipelines + 1
        run_id, at = f"{name}-{number}", _BEGAN + timedelta(seconds=position)
        is_active = position >= history.runs - history.active
        run, documents = open_ if is_active else over
        yield (
            _run_row(run, run_id, name, number, at, is_active=is_active),
            [
                {"run": run_id, "n": n, "at": at, "by": ENGINE, "kind": kind, "document": text.replace("RUN", run_id)}
                for n, (kind, text) in enumerate(documents, 1)
            ],
        )


def _run_row(run: Run, run_id: str, name: str, number: int, at: datetime, *, is_active: bool) -> dict[str, Any]:
    document = codec.dump(replace(run, id=RunId(run_id), pipeline=name, number=number, created_at=at))
    return {
        "id": run_id,
        "pipeline": name,
        "number": number,
        "workload": run.workload,
        "state": run.state.value,
        "active": is_active,
        "created_at": at,
        "seq": run.seq,
        "document": document,
        "due_at": None,
        "token": 1,
    }


def _example(entries: int, *, over: bool) -> tuple[Run, list[tuple[str, str]]]:
    """A run with so many entries, and them as they are kept."""
    at = _BEGAN
    asked = Run(
        id=RunId("RUN"),
        pipeline="PIPELINE",
        number=1,
        version=1,
        workload="",
        variables={"tag": "v1", "replicas": "5"},
        rules=_RULES,
        stages=new_stages(_RULES),
        requested_by=ANN,
        room=LOBBY,
        created_at=at,
    )
    happened: list[e.Event] = [*begin(asked, at), e.RunStarted(at=at, by=ENGINE)]
    for stage in range(len(_RULES)):
        happened.append(e.StageStarted(at=at, by=ENGINE, stage=stage, attempt=1))
        happened.append(e.StageSucceeded(at=at, by=ENGINE, stage=stage, outputs=_OUTPUTS))
    happened = happened[:entries]
    run = replay(happened)
    if over:
        run = replace(run, state=RunState.SUCCEEDED)
    return run, [(type(event).__name__, codec.dump(event)) for event in happened]

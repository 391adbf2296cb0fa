"""Runs, releases and stores for tests that need some."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from engine.model import PersonId, Release, RoomId, Run, RunId, RunState, StageKind, StageRule
from engine.rollout.fleet import ReleaseId
from engine.transitions import new_stages
from storage.store import SqlStore

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANN, BOB, EVE = PersonId("ann"), PersonId("bob"), PersonId("eve")
LOBBY = RoomId("web:lobby")
RULES = (StageRule("code", StageKind.SOURCE), StageRule("image", StageKind.BUILD))


@dataclass
class ManualClock:
    """Time that passes when a test says so."""

    at: datetime = T0

    def now(self) -> datetime:
        return self.at

    def pass_time(self, span: timedelta) -> None:
        self.at += span


def a_run(name: str = "shop-1", *, workload: str = "shop", rules: tuple[StageRule, ...] = RULES) -> Run:
    """A run as `begin` and the first `evolve` leave it."""
    pipeline, _, number = name.rpartition("-")
    return Run(
        id=RunId(name),
        pipeline=pipeline,
        number=int(number),
        version=1,
        workload=workload,
        variables={"tag": "v1"},
        rules=rules,
        stages=new_stages(rules),
        requested_by=ANN,
        room=LOBBY,
        created_at=T0 + timedelta(seconds=int(number)),
        seq=1,
    )


def grown(run: Run, *, state: RunState = RunState.RUNNING) -> Run:
    """The run one journal entry later."""
    return replace(run, seq=run.seq + 1, state=state)


def a_release(name: str = "shop@1", *, workload: str = "shop") -> Release:
    return Release(
        id=ReleaseId(name),
        workload=workload,
        image="shop/api:v1",
        digest="sha256:" + "0" * 64,
        settings={"service": {"port": 18080}},
        manifest="workload: shop\n",
        run=RunId("shop-1"),
        variables={"tag": "v1"},
        created_at=T0,
    )


@cache
def _with_tables() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "sluice.db"
        SqlStore.open(f"sqlite:///{path}").engine.dispose()
        return path.read_bytes()


def lay_tables(path: Path) -> None:
    """Put an empty SQLite database with this version's tables at `path`, unless there is one.

    They are made once: that takes longer than most tests.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(_with_tables())


@asynccontextmanager
async def opened(url: str, *, patience: float = 5.0) -> AsyncIterator[SqlStore]:
    """A store that writes until the block ends."""
    if url.startswith("sqlite:///"):
        lay_tables(Path(url.removeprefix("sqlite:///")))
    store = SqlStore.open(url, patience=patience)
    store.start()
    try:
        yield store
    finally:
        store.close()


def sqlite_at(directory: Path) -> str:
    return f"sqlite:///{directory / 'sluice.db'}"

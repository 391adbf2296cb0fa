"""A home of Sluice on disk: a git repository, a pipeline, and ledgers that the builds and instances themselves keep.

Whoever asks how often something was built or started asks the ledgers, not Sluice: every build script and every
instance writes one line when it begins. The database is looked at with plain SQL for the same reason.
"""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.settings import Settings
from tests.support.process_target import free_port, runs
from tests.support.repository import Repository

SERVER = Path(__file__).parents[2] / "deploy/demo/server.py"
REVIEWERS = ("ann", "bob")
PIPELINE = """\
pipeline: hello
variables: {{tag: v1}}
stages:
  - name: code
    source: {{git: "{repository}", tag: "${{tag}}"}}
  - name: image
    build:
      image: demo/hello:${{tag}}
      script: |
        echo "$tag" >> "{built}"
  - name: gray
    gray:
      instances: 2
      gray_instances: 1
      service: {{name: hello, port: {port}}}
      readiness: {{http: /healthz, every: 100ms, within: 30s}}
      drain: 200ms
      environment: {{SERVICE_VERSION: "${{tag}}"}}
      policy: {{ratio: 50}}
  - name: review
    review: {{mode: all, reviewers: [ann, bob]}}
  - name: official
    official: {{}}
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What the database says of a run: its state, its journal by kind of entry, its deployments and its cards."""

    run: str
    state: str
    kinds: Counter[str]
    deployments: int
    card: str | None
    shown: list[tuple[str, str]]
    """Each message of the room that is the run's card: its number and the badge it shows."""


class House:
    """Everything of one Sluice under `root`, unless its `home` or its `database` (an SQLAlchemy URL) is elsewhere."""

    def __init__(self, root: Path, *, home: Path | None = None, database: str = "") -> None:
        self.root = root
        self.port = free_port()
        self.settings = Settings(home=home or root / "home", database=database, local_git=True, port=0, hooks_port=0)
        self.built, self.started = root / "built", root / "started"
        self.repository = Repository(root / "hello")
        shutil.copy(SERVER, self.repository.path / "server.py")
        start = f'web: echo "$SERVICE_VERSION $$" >> "{self.started}"; exec python3 server.py\n'
        self.repository.write({"Procfile": start})
        self.pipeline = PIPELINE.format(repository=self.repository.url, port=self.port, built=self.built)
        self._tags = 0

    def new_tag(self) -> str:
        """Commit another version; returns its tag: v1, v2 and so on."""
        self._tags += 1
        tag = f"v{self._tags}"
        self.repository.commit({"README": f"hello {tag}\n"}, f"Say hello {tag}")
        self.repository.git("tag", tag)
        return tag

    def builds(self, tag: str) -> int:
        """How often the build script ran for `tag`."""
        return _lines(self.built).count(tag)

    def starts(self, tag: str) -> int:
        """How many instances of `tag` were ever started."""
        return sum(line.split()[0] == tag for line in _lines(self.started))

    def alive(self) -> Counter[str]:
        """How many instances of each tag live now."""
        words = [line.split() for line in _lines(self.started)]
        return Counter(tag for tag, pid in words if runs(int(pid)) and _is_instance(int(pid)))

    def told(self, tag: str) -> Told | None:
        """What the database says of the run of `tag`, or None when there is none."""
        place = self.settings.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=10)) as book:
            return _told(book, tag)


def _told(book: sqlite3.Connection, tag: str) -> Told | None:
    runs_ = [(name, json.loads(text)) for name, text in book.execute("SELECT id, document FROM runs")]
    found = next(((name, run) for name, run in runs_ if run["variables"]["tag"] == tag), None)
    if found is None:
        return None
    name, run = found
    kinds = Counter(kind for (kind,) in book.execute("SELECT kind FROM journal WHERE run = ?", (name,)))
    (deployments,) = book.execute("SELECT count(*) FROM deployments WHERE run = ?", (name,)).fetchone()
    card = book.execute("SELECT message FROM cards WHERE room = 'web:lobby' AND run = ?", (name,)).fetchone()
    messages = book.execute("SELECT seq, document FROM messages WHERE room = 'web:lobby' ORDER BY seq").fetchall()
    shown = [(str(seq), badge) for seq, text in messages if (badge := _badge(json.loads(text), name)) is not None]
    return Told(name, run["state"], kinds, deployments, card[0] if card else None, shown)


def _badge(document: dict[str, Any], run: str) -> str | None:
    card = document["card"] if document["kind"] == "card" else document
    if document["kind"] == "line" or card.get("key") != run:
        return None
    return str(card.get("badge", "moved"))


def _is_instance(pid: int) -> bool:
    try:
        return b"server.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []

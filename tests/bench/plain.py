"""The floor: plain `sqlite3`, one row, one commit."""

import sqlite3
import tempfile
import time
from pathlib import Path

from storage.store import Durability

ROW = "x" * 100


def rows_per_second(count: int, synchronous: Durability = "NORMAL") -> float:
    """Commit `count` rows one after another."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        connection = sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, text TEXT)")
        begun = time.perf_counter()
        for _ in range(count):
            connection.execute("INSERT INTO kept (text) VALUES (?)", (ROW,))
        took = time.perf_counter() - begun
        connection.close()
    return count / took

"""Files that others follow: replaced by one rename, so that a reader sees the old one or the new one, never half."""

import os
from pathlib import Path

from engine.disk import disk_errors, sync_directory


def write(path: Path, text: str, *, lasting: bool = False) -> None:
    """Replace the file at `path`, readable for its owner only. `lasting`: it survives a power cut, more slowly."""
    fresh = path.with_name(f".{path.name}.new")
    with disk_errors(path):
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - the mode is given when it is made
            file.write(text)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        fresh.replace(path)
        if lasting:
            sync_directory(path.parent)


def read(path: Path) -> str | None:
    """The text at `path`, or None when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None

"""The files of this checkout, for tests that look at the house itself."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "engine", "storage")


@cache
def files() -> tuple[Path, ...]:
    """Every file that is or could be committed."""
    words = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def python_files(*places: str) -> list[Path]:
    """Return the Python files under the named folders."""
    folders = [ROOT / place for place in places]
    return [path for path in files() if path.suffix == ".py" and any(path.is_relative_to(one) for one in folders)]

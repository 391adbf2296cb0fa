"""Makes small git repositories. Every commit has the same author and time, so the same content has the same name."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PROCFILE = {"Procfile": "web: python3 server.py\n"}


class Repository:
    """A git repository at `path`, with a branch called main."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._home = path.with_name(f"{path.name}-home")
        self._home.mkdir(parents=True, exist_ok=True)
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        """What a pipeline would name."""
        return str(self.path)

    def git(self, *arguments: str) -> str:
        """Call git in the repository; returns what it prints."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "ann@example.com",
            "GIT_AUTHOR_DATE": "2026-01-02T03:04:05+00:00",
            "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@example.com",
            "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+00:00",
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    def write(self, files: Mapping[str, str], *, executable: bool = False) -> None:
        """Write files into the work tree."""
        for name, text in files.items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o755 if executable else 0o644)

    def commit(self, files: Mapping[str, str] = PROCFILE, subject: str = "Change") -> str:
        """Write `files` and commit everything in the work tree; returns the commit's name."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

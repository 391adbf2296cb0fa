"""What the demo plays with: a git repository with a small web service in two versions, and a pipeline for it."""

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "deploy" / "demo" / "server.py"
PROCFILE = "web: exec python3 server.py\n"
PIPELINE = """\
# A gray release of a small web service. `export hello` gives this text back.
pipeline: hello
group: demo
description: Fetches hello, builds it, shows it to a fifth of the visitors, asks ann, and releases it.

variables:
  tag:
    value: v1
    description: The version to release

stages:
  - name: code
    source:
      git: {repository}
      tag: ${{tag}}

  - name: image
    build:
      image: demo/hello:${{tag}}

  - name: gray
    gray:
      strategy: canary
      instances: 3
      gray_instances: 1
      service: {{name: hello, port: {port}, preview_port: {preview}}}
      readiness: {{http: /healthz, every: 200ms, within: 30s}}
      drain: 1s
      environment:
        SERVICE_VERSION: ${{tag}}
      policy: {{ratio: 20}}

  - name: review
    review: {{mode: one, reviewers: [ann]}}

  - name: official
    official: {{}}
"""


@dataclass(frozen=True, slots=True)
class Scenery:
    """The repository, the pipeline's text and the port that visitors use."""

    repository: Path
    pipeline: str
    port: int


def set_up(home: Path) -> Scenery:
    """Make everything under `home`."""
    repository = home / "hello"
    repository.mkdir()
    _git(repository, "init", "--quiet", "--initial-branch=main")
    shutil.copy(SERVICE, repository / "server.py")
    (repository / "Procfile").write_text(PROCFILE)
    for tag, words in (("v1", "Say hello"), ("v2", "Say hello in green")):
        (repository / "README").write_text(f"hello {tag}\n")
        _git(repository, "add", ".")
        _git(repository, "commit", "--quiet", "-m", words)
        _git(repository, "tag", tag)
    port, preview = free_ports(2)
    return Scenery(repository, PIPELINE.format(repository=repository, port=port, preview=preview), port)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on now."""
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


def _git(directory: Path, *words: str) -> None:
    who = {"NAME": "Ann", "EMAIL": "ann@example.com"}
    names = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in who.items()}
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    # In a session of its own: Ctrl-C is for the demo, which takes everything down itself.
    environment = {**os.environ, **names, **nothing}
    subprocess.run(["git", *words], cwd=directory, check=True, env=environment, start_new_session=True)

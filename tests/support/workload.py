"""A workload for the whole bot: the demo's service in a repository, its pipeline, and the port of its visitors."""

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bot.app import App
from engine.model import RunId
from tests.support.bot import Bot, a_repository
from tests.support.process_target import free_port
from tests.support.traffic import ask_many

_SERVER = Path(__file__).parents[2] / "deploy/demo/server.py"
_START = f"""\
while [ -e "$SICK_IF" ]; do sleep 0.2; done
exec {shlex.quote(sys.executable)} server.py
"""
"""Instances that are started while the file $SICK_IF is there do not get ready; those that run already stay well."""
_PIPELINE = """\
pipeline: {name}
concurrency: {concurrency}
variables:
  tag: v1
  health: "200"
  patience: 30s
stages:
  - name: code
    source: {{git: "{repository}", tag: "${{tag}}"}}
  - name: image
    build: {{image: "shop/{name}:${{tag}}"}}
"""
_SETTINGS = """\
      strategy: {strategy}
      instances: {instances}
      service: {{port: {port}, preview_port: {preview}}}
      readiness: {{http: /healthz, every: 50ms, within: "${{patience}}"}}
      drain: {rest}
      hold: {rest}
      workload: {workload}
      environment:
        SERVICE_VERSION: "${{tag}}"
        SERVICE_HEALTH: "${{health}}"
        SICK_IF: "{sick}-${{tag}}"
"""
_REVIEW = """\
  - name: review
    review: {reviewers: [ann], on_refusal: take_back}
  - name: official
    official: {}
"""


@dataclass
class Shop:
    """Where the service lives, and how its pipeline is written."""

    root: Path
    strategy: str = "canary"
    policy: str = "{ratio: 20}"
    instances: int = 3
    name: str = "hello"
    workload: str = "hello"
    concurrency: str = "queue"
    rest: str = "300ms"
    port: int = field(default_factory=free_port)
    preview: int = field(default_factory=free_port)
    repository: str = ""

    def __post_init__(self) -> None:
        if not self.repository:
            files = {"server.py": _SERVER.read_text(), "start.sh": _START, "Procfile": "web: exec bash start.sh\n"}
            self.repository = a_repository(self.root / "hello", "v1", "v2", "v3", files=files).url

    def gray(self) -> str:
        """The pipeline with a gray stage, a review and the official release."""
        extra = "      gray_instances: 1\n" if self.strategy != "blue_green" else ""
        policy = f"      policy: {self.policy}\n"
        return f"{self._head()}  - name: gray\n    gray:\n{self._settings()}{extra}{policy}{_REVIEW}"

    def official(self) -> str:
        """The pipeline that releases to everybody at once."""
        return f"{self._head()}  - name: official\n    official:\n{self._settings()}"

    def make_sick(self, tag: str) -> Path:
        """From now on instances of this version do not get ready. Returns the file to remove when they may again."""
        flag = Path(f"{self._sick}-{tag}")
        flag.touch()
        return flag

    @property
    def _sick(self) -> Path:
        return self.root / "sick"

    def _head(self) -> str:
        return _PIPELINE.format(name=self.name, concurrency=self.concurrency, repository=self.repository)

    def _settings(self) -> str:
        return _SETTINGS.format(
            strategy=self.strategy,
            instances=self.instances,
            port=self.port,
            preview=self.preview,
            sick=self._sick,
            workload=self.workload,
            rest=self.rest,
        )


async def in_gray(bot: Bot) -> RunId:
    """Release hello at v1, then v2 until its reviewers are asked."""
    await bot.release("run hello")
    run = await bot.start("run hello tag=v2")
    await bot.asks(run)
    return run


async def versions_served(shop: Shop, count: int = 60) -> set[str]:
    """The versions that plain requests get now. Fails when one of the requests does."""
    tally = await ask_many(shop.port, count, key="version")
    assert tally.failures == []
    return set(tally.answers)


async def versions_running(bot: Bot, workload: str = "hello") -> dict[str, int]:
    """How many instances of each version are there, those that drain included."""
    return await _count(bot.app, workload)


async def _count(app: App, workload: str) -> dict[str, int]:
    found = await app.process.instances(workload)
    names = [one.release for one in found]
    known = await app.store.read(lambda book: book.releases.all_of(workload, names))
    counted: dict[str, int] = {}
    for one in found:
        tag = known[one.release].image.rpartition(":")[2]
        counted[tag] = counted.get(tag, 0) + 1
    return counted

"""The whole bot with clusters in its settings, and a pipeline that releases there; its targets are models."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app import running
from bot.settings import Settings
from engine.model import Person, PersonId
from engine.ports import Target
from tests.support.bot import PEOPLE, Bot

_WEB = """\
pipeline: web
variables: {{tag: {tag}}}
stages:
  - name: gray
    gray:
      target: kubernetes
      {where}
      namespace: shop
      image: "shop/web:${{tag}}"
      instances: 4
      policy: {{ratio: 25}}
      drain: 0s
      hold: 0s
      service: {{port: 80, name: web}}
  - name: review
    review: {{reviewers: [ann]}}
  - name: official
    official: {{}}
"""


def web(where: str = "cluster: prod", strategy: str = "", tag: str = "v1") -> str:
    """The pipeline web, of the workload prod/shop/web."""
    return _WEB.format(where=f"{where}\n      strategy: {strategy}" if strategy else where, tag=tag)


@asynccontextmanager
async def a_bot_with(home: Path, clusters: Mapping[str, object], **targets: Target) -> AsyncIterator[Bot]:
    """Run a bot in `home` that has these clusters and deploys to `targets`, by their kind."""
    given = {"home": home, "database": "", "port": 0, "hooks_port": 0, "clusters": clusters}
    async with running(Settings.model_validate(given), targets=targets) as app:
        for name in PEOPLE:
            await app.store.transact(lambda book, name=name: book.people.add(Person(PersonId(name))))  # type: ignore[misc]
        yield Bot(app, home)

"""A whole Sluice that builds images with an engine of the tests' own, here or in a process that may be killed.

    python -m tests.support.image_bot HOME ENGINE REGISTRY PIPELINE-FILE

runs a bot in HOME, defines the pipeline and starts it unless that was done before, and ends when the run is over. It
prints the run's state, the digest, and the number of commits that it made to the journal.
"""

import asyncio
import json
import sys
from pathlib import Path

from bot.app import running
from bot.settings import Settings
from engine.model import Run, StageKind
from tests.support.bot import Bot
from tests.support.eventually import eventually

PIPELINE = """\
pipeline: shop
variables: {{tag: v1}}
stages:
  - name: code
    source: {{git: "{repository}"}}
  - name: image
    build:
      builder: docker
      image: shop/api:${{tag}}
      inline: |
        FROM {base}
        RUN {step}
        COPY server.py /srv/
"""


def settings_of(home: Path, engine: str, registry: str) -> Settings:
    """The settings of a Sluice that builds with `engine` and pushes to `registry`."""
    given = {"home": home, "local_git": True, "port": 0, "hooks_port": 0, "docker_host": engine}
    return Settings.model_validate(given | {"registries": {"main": {"address": registry}} if registry else {}})


def digest_of(run: Run) -> str:
    """What the run has built."""
    return next(str(stage.outputs["digest"]) for stage in run.stages if stage.kind is StageKind.BUILD)


async def _main(home: str, engine: str, registry: str, file: str) -> None:
    text = await asyncio.to_thread(Path(file).read_text)
    async with running(settings_of(Path(home), engine, registry)) as app:
        bot = Bot(app, Path(home))
        if not await app.store.read(lambda book: book.pipelines.page("", 1)):
            await bot.say(f"define\n{text}")
        if not await bot.runs("shop"):
            await bot.start("run shop")

        async def is_over() -> bool:
            return (await bot.runs("shop"))[0].state.is_over

        await eventually(is_over, "the run ends", 60.0)
        run = (await bot.runs("shop"))[0]
        said = {"state": run.state, "digest": digest_of(run), "commits": app.store.writer.faults.count}
    print(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))

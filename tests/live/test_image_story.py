"""From a run to an image in the registry, as people see it: progress, stopping, an engine or a bot that dies."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.model import RunState
from tests.support.bot import Bot, a_bot
from tests.support.docker_engine import DockerEngine, running_engine
from tests.support.eventually import eventually
from tests.support.image_bot import PIPELINE, digest_of, settings_of
from tests.support.image_house import BASE
from tests.support.registry_server import registry_server
from tests.support.repository import Repository

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
REPORT = 3
"""The commit to the journal with which a run of two stages ends, its image being built."""


def pipeline(place: Path, step: str) -> str:
    repository = Repository(place / "source")
    repository.commit({"server.py": "one\n", "Procfile": "web: python3 server.py\n", "Dockerfile": f"FROM {BASE}\n"})
    return PIPELINE.format(repository=repository.url, base=BASE, step=step)


@asynccontextmanager
async def a_shop(place: Path, engine: str, registry: str, text: str) -> AsyncIterator[Bot]:
    settings = settings_of(place / "home", engine, registry).model_dump(exclude={"home", "database"})
    async with a_bot(place / "home", settings=settings) as bot:
        answer = await bot.say(f"define\n{text}")
        assert "is defined" in answer, answer
        yield bot


def is_building(engine: DockerEngine) -> bool:
    return bool(engine.client().containers.list())


async def test_a_run_that_is_stopped_ends_the_build_in_the_engine(docker_engine: DockerEngine, tmp_path: Path) -> None:
    docker_engine.busybox_image(BASE)
    async with a_shop(tmp_path, docker_engine.address, "", pipeline(tmp_path, "exec sleep 1000")) as bot:
        name = await bot.start("run shop tag=v1")
        await eventually(lambda: is_building(docker_engine))
        await bot.say(f"stop {name}")
        await bot.say("yes")
        await bot.ends(name, RunState.CANCELLED)
        await eventually(lambda: not is_building(docker_engine))


async def test_an_engine_that_dies_is_told_in_the_room_and_waited_for(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    with running_engine() as engine, registry_server(tmp_path) as server:
        engine.busybox_image(BASE)
        async with a_shop(tmp_path, engine.address, server.address, pipeline(tmp_path, "sleep 2")) as bot:
            name = await bot.start("run shop")
            await eventually(lambda: is_building(engine))
            engine.kill()
            await bot.until(name, lambda run: "Docker Engine" in run.stage.note, "tells that the engine is away")
            await bot.shows(name, lambda card: "Docker Engine" in str(card), "says so")
            engine.start()
            run = await bot.ends(name, RunState.SUCCEEDED)
            assert digest_of(run).startswith("sha256:")
            log = await bot.say(f"logs {name} image")
            assert "COPY server.py /srv/" in log


async def test_without_an_engine_a_bundle_is_built_and_the_log_says_why(tmp_path: Path) -> None:
    text = pipeline(tmp_path, "true").partition("      builder: docker")[0] + "      image: shop/api:v1\n"
    async with a_shop(tmp_path, f"unix://{tmp_path}/none.sock", "", text) as bot:
        run = await bot.ends(await bot.start("run shop"), RunState.SUCCEEDED)
        assert run.stages[1].outputs["builder"] == "bundle"
        said = await bot.say(f"logs {run.id} image")
        assert "does not answer" in said
        assert "A bundle is built" in said


def test_a_bot_that_is_killed_before_it_has_written_down_what_it_pushed_pushes_nothing_else(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    docker_engine.busybox_image(BASE)
    file = tmp_path / "pipeline.yaml"
    file.write_text(pipeline(tmp_path, "cat /proc/sys/kernel/random/uuid > /once"))
    with registry_server(tmp_path) as server:
        words = [str(tmp_path / "home"), docker_engine.address, server.address, str(file)]
        command = [sys.executable, "-m", "tests.support.image_bot", *words]
        environment = {**os.environ, "SLUICE_DIE_AT": str(-REPORT), "SLUICE_AS": "ann"}
        killed = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, timeout=60)
        assert killed.returncode == -9, killed.stderr.decode()
        kept = tmp_path / "images/docker/registry/v2/repositories/shop/api/_manifests/revisions/sha256"
        assert len([*kept.iterdir()]) == 1, "REPORT is the commit after the push"
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
        said = json.loads(done.stdout)
        assert said["state"] == "succeeded"
        assert [f"sha256:{one.name}" for one in kept.iterdir()] == [said["digest"]]

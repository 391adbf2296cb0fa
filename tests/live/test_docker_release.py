"""The whole bot over a Docker Engine: from a definition to a new version for everybody, and back."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.model import RunState
from tests.support.bot import Bot, a_bot
from tests.support.docker_engine import DockerEngine
from tests.support.docker_place import SERVE
from tests.support.process_target import free_port
from tests.support.traffic import ask_many, steady

pytestmark = pytest.mark.live

PIPELINE = """\
pipeline: hello
variables: {{tag: v1}}
stages:
  - name: gray
    gray:
      target: docker
      image: shop/hello:${{tag}}
      instances: 2
      service: {{port: {port}, container_port: 8080}}
      readiness: {{http: /healthz, every: 50ms, within: 20s}}
      drain: 300ms
      resources: {{memory: {{request: 16Mi, limit: 64Mi}}}}
      policy: {{ratio: 50}}
  - name: review
    review: {{reviewers: [ann]}}
  - name: official
    official: {{}}
"""


@asynccontextmanager
async def a_bot_with_docker(engine: DockerEngine, port: int) -> AsyncIterator[Bot]:
    """A bot that knows the engine, which has the images v1 and v2; nothing runs afterwards."""
    for tag in ("v1", "v2"):
        engine.busybox_image(f"shop/hello:{tag}", files={"serve": SERVE, "tag": tag}, command=["sh", "/serve"])
    folder = Path(tempfile.mkdtemp(prefix="sluice-"))
    try:
        async with a_bot(folder / "home", settings={"docker_host": engine.address}) as bot:
            try:
                answer = await bot.say("define\n" + PIPELINE.format(port=port))
                assert "is defined, version 1" in answer, answer
                yield bot
            finally:
                await bot.app.containers.forget("docker/hello")
                await bot.app.containers.shutdown()
    finally:
        engine.clear()
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_release_of_containers_goes_through_gray_review_and_official_and_back_without_a_lost_request(
    docker_engine: DockerEngine,
) -> None:
    port = free_port()
    async with a_bot_with_docker(docker_engine, port) as bot:
        await bot.release("run hello")
        async with steady(port, rate=100, key="version") as visitors:
            run = await bot.start("run hello tag=v2")
            await bot.asks(run)
            assert (await ask_many(port, 300, key="version")).share("v2") == pytest.approx(0.5, abs=0.12)
            told = await bot.say("instances hello")
            assert "hello.gray." in told
            assert "16Mi" in told
            await bot.say(f"approve {run}")
            await bot.ends(run, RunState.SUCCEEDED)
            assert set((await ask_many(port, 60, key="version")).answers) == {"v2"}
            await bot.ends(await bot.start("rollback hello"), RunState.SUCCEEDED)
            assert set((await ask_many(port, 60, key="version")).answers) == {"v1"}
        assert visitors.failures == []
        assert {*visitors.answers} == {"v1", "v2"}


async def test_without_a_docker_engine_a_release_of_containers_is_held_with_what_to_do(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    nowhere = DockerEngine(tmp_path)
    async with a_bot(tmp_path / "home", settings={"docker_host": nowhere.address}) as bot:
        await bot.say("define\n" + PIPELINE.format(port=free_port()))
        run = await bot.start("run hello")
        held = await bot.is_held(run)
        assert "does not answer: there is no such socket" in held.stage.reason
        await bot.app.containers.shutdown()

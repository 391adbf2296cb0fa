"""`sluice doctor` says whether images can be built and pushed, and what to do when they cannot."""

from pathlib import Path

import pytest

from bot.doctor.docker import docker
from bot.doctor.finding import Finding, Health
from bot.settings import Settings
from engine.builders.docker_engine import Engine
from tests.support.docker_engine import DockerEngine
from tests.support.registry_server import PASSWORD, USER, registry_server

pytestmark = pytest.mark.live
BUILDS = """\
pipeline: p
stages:
- {name: s, source: {git: 'https://a.b/c'}}
- {name: i, build: {builder: docker, image: o/r:t}}
"""


async def found(settings: Settings, *definitions: str) -> dict[str, Finding]:
    return {one.what: one for one in await docker(settings, definitions, 5.0)}


async def test_an_engine_that_answers_is_told_with_its_version(docker_engine: DockerEngine, tmp_path: Path) -> None:
    seen = (await found(Settings(home=tmp_path, docker_host=docker_engine.address)))["docker"]
    assert seen.health is Health.WELL
    assert "Docker Engine 2" in seen.sentence
    assert "GiB free" in seen.sentence


async def test_an_engine_that_is_away_matters_only_to_those_who_need_it(tmp_path: Path) -> None:
    away = f"unix://{tmp_path}/none.sock"
    assert (await found(Settings(home=tmp_path, docker_host=away)))["docker"].health is Health.ILL
    (unneeded,) = await docker(Settings(home=tmp_path), [], 5.0, Engine(away))
    (needed,) = await docker(Settings(home=tmp_path), [BUILDS], 5.0, Engine(away))
    assert (unneeded.health, needed.health) == (Health.WELL, Health.ILL)
    assert "there is no such socket" in unneeded.sentence
    assert "SLUICE_DOCKER_HOST" in needed.cure


async def test_registries_are_asked_with_the_account_that_pushes(tmp_path: Path) -> None:
    with registry_server(tmp_path, guarded=True) as server:
        at = {"address": server.address}
        given = {
            "main": at | {"user": USER, "password": PASSWORD, "organizations": ["shop"]},
            "wrong": at | {"user": USER, "password": "no", "organizations": ["other"]},
            "away": {"address": "http://127.0.0.1:1"},
        }
        settings = Settings.model_validate({"home": tmp_path, "registries": given})
        seen = await found(settings)
    assert {name: one.health for name, one in seen.items() if name != "docker"} == {
        "registry main": Health.WELL,
        "registry wrong": Health.ILL,
        "registry away": Health.ILL,
    }
    assert "user and password in SLUICE_REGISTRIES" in seen["registry wrong"].cure
    assert PASSWORD not in str(seen)

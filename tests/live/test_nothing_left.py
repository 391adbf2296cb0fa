"""A full run with every kind of secret leaves none of them behind: in no table, file, log, card, export or error.

The parts are real: git over HTTP that wants the token, a build script or a Docker Engine that is handed the secret
variable and prints it, a registry that wants its password, and somebody outside who is sent it. What they were given
they were given; everything that Sluice has kept is looked through.
"""

import base64
import io
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from bot.audit.export import Export, exported
from engine.model import RoomId, Run, RunState
from storage.audit import Sought
from tests.support.bot import Bot, a_bot
from tests.support.docker_engine import DockerEngine
from tests.support.eventually import eventually
from tests.support.forge_flavours import GITLAB_TOKEN, gitlab
from tests.support.forge_server import ForgeServer
from tests.support.messaging import Talk
from tests.support.model_messenger import ModelMessenger
from tests.support.receiver import Receiver, receiving
from tests.support.registry_server import PASSWORD, USER, registry_server
from tests.support.repository import Repository

pytestmark = pytest.mark.live
VALUE = 'Tr0ub4dor "&3"/correct-horse'
SMTP = "m4il-p@ssw0rd/mail"
BASE = "base/busybox:1"
DIRECT = RoomId("model:direct-ann")
PIPELINE = """\
pipeline: shop
variables:
  tag: v1
  fails: "no"
  KEY: {{secret: true}}
stages:
  - name: code
    source: {{git: {git}, branch: main, account: forge}}
    tell:
      - webhook: {outside}/done
        headers: {{Authorization: "Bearer ${{KEY}}"}}
        body: '{{"key": "${{KEY}}"}}'
  - name: image
    build:
      image: shop/api:${{tag}}
{build}
"""
BUNDLE = """\
      script: |
        echo "plain $KEY"
        printf %s "user:$KEY" | base64 | tr -d '\\n'; echo
        printf %s "$KEY" > given; test -s given; rm given
        until test -e {held}; do sleep 0.05; done
        test "$fails" = no || {{ echo "bad $KEY"; exit 3; }}
"""
DOCKER = f"""\
      builder: docker
      arguments: {{KEY: "${{KEY}}", fails: "${{fails}}"}}
      inline: |
        FROM {BASE}
        ARG KEY
        ARG fails
        RUN echo "plain $KEY"; test "$fails" = no || {{ echo "bad $KEY"; exit 3; }}
"""


@dataclass
class World:
    """A bot in a model chat, and those outside. `logged` is all that was logged."""

    talk: Talk
    server: ForgeServer
    outside: Receiver
    logged: io.StringIO
    held: Path
    given: list[bytes] = field(default_factory=list)

    @property
    def bot(self) -> Bot:
        return self.talk.bot

    async def ready(self, build: str) -> None:
        """Bind the account, define the pipeline and set the secret, each as a person would."""
        bound = await self.talk.say(
            "ann", f"account bind gitlab as forge at {self.server.origin} {GITLAB_TOKEN}", DIRECT
        )
        assert bound.title == "forge is bound."
        text = PIPELINE.format(git=self.server.url("shop/api"), outside=self.outside.url, build=build)
        await self.talk.say("ann", f"define\n{text}", DIRECT)
        assert (await self.talk.say("ann", f"secret set shop KEY {VALUE}", DIRECT)).title.endswith("is set.")

    async def run(self, line: str, state: RunState | None) -> Run:
        """Start a run; it ends as `state`, or is held (None) and stopped."""
        run = await self.bot.start(line)
        if state is not None:
            return await self.bot.ends(run, state)
        held = await self.bot.is_held(run)
        await self.bot.say(f"stop {run}")
        await self.bot.ends(run, RunState.CANCELLED)
        return held


@asynccontextmanager
async def a_world(home: Path, root: Path, **settings: object) -> AsyncIterator[World]:
    Repository(root / "forge" / "shop" / "api").commit({"Procfile": "web: ./server\n"}, "Begin")
    chat = ModelMessenger()
    given = {"plain_git": True, "private_forges": ["127.0.0.0/8"], "private_hooks": ["127.0.0.0/8"], **settings}
    with gitlab(root / "forge") as server, all_that_is_logged() as logged:
        async with receiving() as outside, a_bot(home, None, {"model": chat}, given) as bot:
            chat.pressing = bot.app.intake.pressing
            talk = Talk(bot, chat)
            await talk.link("ann")
            yield World(talk, server, outside, logged, root / "go-on")


@contextmanager
def all_that_is_logged() -> Iterator[io.StringIO]:
    """What the program logs, and every library with it, at the finest."""
    out = io.StringIO()
    handler, root = logging.StreamHandler(out), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield out
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def spelled(secret: str) -> set[bytes]:
    """A secret as it may have been written: as it is, in an address, in base64 as such and behind a user's name."""
    plain = {secret, quote(secret, safe=""), quote_plus(secret), secret.replace('"', '\\"')}
    coded = {base64.b64encode(f"{before}{secret}".encode()).decode()[len(before) + 4 : -4] for before in ("", "user:")}
    return {one.encode() for one in (*plain, *coded) if len(one) > 5}


def found_in(secrets: tuple[str, ...], places: dict[str, bytes]) -> list[tuple[str, str]]:
    """Which secret is in which place."""
    return [
        (secret[:4], place)
        for secret in secrets
        for place, content in places.items()
        if any(one in content for one in spelled(secret))
    ]


def database(home: Path) -> dict[str, bytes]:
    """Every table, and the file as it is after VACUUM."""
    path = home / "sluice.db"
    with sqlite3.connect(path) as kept:
        names = [row[0] for row in kept.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {f"table {name}": str(kept.execute(f'SELECT * FROM "{name}"').fetchall()).encode() for name in names}  # noqa: S608 - our own tables' names
        kept.execute("VACUUM")
    return {**tables, "the database's file": path.read_bytes()}


def files(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file() and not path.is_symlink()}


def processes() -> dict[str, bytes]:
    """What everybody on this machine can see of every process: how it was called."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found[f"process {process.name}"] = (process / "cmdline").read_bytes()
            except OSError:
                continue
    return found


async def told(world: World, *runs: Run) -> dict[str, bytes]:
    """All that people are shown, and all that they can ask for."""
    bot = world.bot
    lines = ["status", "runs", "show shop", "export shop", "secret list shop", "accounts", "audit", "audit shop"]
    lines += [f"{verb} {run.id}" for run in runs for verb in ("status", "logs", "timeline")]
    said = {line: (await bot.say(line)).encode() for line in lines}
    said["cards"] = str(await bot.cards()).encode() + str(world.talk.chat.answers).encode()
    every = [line async for line in exported(bot.app.store, Export(Sought(), "jsonl", with_journal=True))]
    return {**said, "the audit's export": "\n".join(every).encode(), "the log": world.logged.getvalue().encode()}


async def test_a_bundles_run_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with a_world(home, tmp_path, smtp_host="127.0.0.1", smtp_user="sluice", smtp_password=SMTP) as world:
        await world.ready(BUNDLE.format(held=world.held))
        name = await world.bot.start("run shop")
        await world.bot.until(name, lambda run: run.position == 1, "builds")
        await eventually(lambda: any(b"until test -e" in one or b"bash" in one for one in processes().values()))
        assert found_in((VALUE, GITLAB_TOKEN, SMTP), processes()) == []
        world.held.touch()
        done = await world.bot.ends(name, RunState.SUCCEEDED)
        failed = await world.run("run shop tag=v2 fails=yes", None)
        await eventually(lambda: len(world.outside.requests) == 2)
        assert [one.headers["authorization"] for one in world.outside.requests] == [f"Bearer {VALUE}"] * 2
        assert "bad •••" in failed.stage.reason
        kept = {**await told(world, done, failed), **database(home), **files(home)}
        assert f"plain {'•••'}" in kept[f"logs {done.id}"].decode()
    secrets = (VALUE, GITLAB_TOKEN, SMTP)
    assert found_in(secrets, {**kept, **files(home), "the log": world.logged.getvalue().encode()}) == []


async def test_a_run_with_a_docker_engine_and_a_registry_leaves_nothing_behind(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    docker_engine.busybox_image(BASE)
    (tmp_path / "registry").mkdir()
    with registry_server(tmp_path / "registry", guarded=True) as registry:
        registries = {"ours": {"address": registry.address, "user": USER, "password": PASSWORD}}
        async with a_world(home, tmp_path, docker_host=docker_engine.address, registries=registries) as world:
            await world.ready(DOCKER)
            done = await world.run("run shop", RunState.SUCCEEDED)
            failed = await world.run("run shop tag=v2 fails=yes", None)
            kept = {**await told(world, done, failed), **database(home), **files(home), **processes()}
            assert "plain •••" in kept[f"logs {done.id}"].decode()
    assert found_in((VALUE, GITLAB_TOKEN, PASSWORD), {**kept, "the log": world.logged.getvalue().encode()}) == []

"""A push becomes a release: built with Docker, kept in a registry, shared by Envoy, passed in two chats, told by mail.

Git, the Docker Engine, the registry, Envoy and the mail server are real; the forge's API and the two chats are
stand-ins that follow their documents.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
import pytest

from bot.slack.chat import SlackChat
from bot.slack.ears import SlackEars
from bot.telegram.inbound import TelegramEars
from bot.telegram.outbound import TelegramChat
from engine.forges.hosting import ForgeName
from engine.model import RunState, StageKind
from tests.support.bot import a_bot
from tests.support.docker_engine import DockerEngine
from tests.support.docker_place import SERVE
from tests.support.eventually import eventually
from tests.support.forge_flavours import GITLAB_TOKEN, gitlab
from tests.support.forge_server import ForgeServer
from tests.support.mailbox import Mailbox, mailbox
from tests.support.process_target import free_port
from tests.support.push_payloads import Told, payload_of, posted
from tests.support.registry_server import RegistryServer, registry_server
from tests.support.repository import Repository
from tests.support.slack_talk import ROOM, SlackTalk, a_slack, settings_of
from tests.support.telegram_house import BOB, OnTelegram
from tests.support.telegram_wire import TOKEN, telegram_wire
from tests.support.traffic import ask_many, steady

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

HOOKS = "https://sluice.example.com"
BASE = "shop/base:v1"
DOCKERFILE = f"FROM {BASE}\nCOPY serve /serve\n"
PIPELINE = """\
pipeline: shop
variables: {{commit: none}}
notify:
  on_success: [{{email: shop-team@example.com}}]
stages:
  - name: code
    source:
      git: {git}
      branch: main
      account: forge
      auto_build: {{branches: [main], parameters: {{commit: commit}}}}
  - name: image
    build: {{builder: docker, image: "shop/api:${{commit}}"}}
  - name: gray
    gray:
      target: docker
      workload: api
      instances: 2
      service: {{port: {port}, container_port: 8080}}
      readiness: {{http: /healthz, every: 50ms, within: 30s}}
      drain: 300ms
      environment: {{SLUICE_VERSION: "${{commit}}"}}
      policy: {{ratio: 50}}
  - name: review
    review: {{mode: all, reviewers: [ann, bob]}}
  - name: official
    official: {{}}
"""


@dataclass
class World:
    """A bot in two chats, and the machines around it."""

    slack: SlackTalk
    telegram: OnTelegram
    forge: ForgeServer
    repository: Repository
    registry: RegistryServer
    mails: Mailbox
    port: int

    async def push(self, subject: str) -> str:
        """Commit, and let the forge say so; returns the commit."""
        before = self.repository.git("rev-parse", "HEAD")
        after = self.repository.commit({"Dockerfile": DOCKERFILE, "serve": SERVE, "subject": subject}, subject)
        [hook] = self.forge.hooks["shop/api"]
        told = Told("refs/heads/main", before, after, message=subject)
        delivery = posted(ForgeName.GITLAB, payload_of(ForgeName.GITLAB, told), str(hook["token"]))
        address = str(hook["url"]).replace(HOOKS, f"http://127.0.0.1:{self.slack.bot.app.switchboard.hooks}")
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(address, content=delivery.body, headers=delivery.headers)
        assert answer.status_code == 202, answer.text
        return after

    async def is_started(self, number: int) -> str:
        """Wait for the run that a push has started."""
        name = f"shop-{number}"

        async def look() -> bool:
            return name in {run.id for run in await self.slack.bot.runs("shop")}

        await eventually(look, f"{name} is started", 20.0)
        return name

    async def mailed(self, count: int) -> str:
        """Wait for a mail; returns its subject."""

        async def look() -> bool:
            return len(self.mails.mails) == count

        await eventually(look, f"{count} mails are there", 20.0)
        return str(self.mails.mails[-1]["Subject"])


@asynccontextmanager
async def a_world(engine: DockerEngine, root: Path) -> AsyncIterator[World]:
    """Everything, connected as the settings say."""
    engine.busybox_image(BASE, files={}, command=["sh", "/serve"])
    repository = Repository(root / "forge" / "shop" / "api")
    repository.commit({"Dockerfile": DOCKERFILE, "serve": SERVE}, "Begin")
    (root / "registry").mkdir()
    with gitlab(root / "forge") as forge, registry_server(root / "registry") as registry:
        async with a_slack() as slack, telegram_wire() as telegram, mailbox() as mails:
            settings = settings_of(slack).model_dump(include={"slack_bot_token", "slack_app_token", "slack_api"})
            settings |= {"telegram_token": TOKEN, "telegram_api": f"http://127.0.0.1:{telegram.port}"}
            settings |= {"hooks_url": HOOKS, "plain_git": True, "private_forges": ["127.0.0.0/8"]}
            settings |= {"docker_host": engine.address, "registries": {"main": {"address": registry.address}}}
            settings |= {"smtp_host": "127.0.0.1", "smtp_port": mails.port, "smtp_security": "none"}
            async with a_bot(root / "home", settings=settings) as bot:
                chats, ears = bot.app.feed.chats, bot.app.switchboard.ears
                at_slack = SlackTalk(bot, slack, cast("SlackChat", chats["slack"]), cast("SlackEars", ears["slack"]))
                on_telegram = OnTelegram(
                    bot, telegram, cast("TelegramChat", chats["telegram"]), cast("TelegramEars", ears["telegram"])
                )
                await at_slack.link("ann")
                await on_telegram.links("bob")
                try:
                    yield World(at_slack, on_telegram, forge, repository, registry, mails, free_port())
                finally:
                    await bot.app.containers.forget("docker/api")
                    await bot.app.containers.shutdown()


async def test_a_push_is_built_kept_shared_passed_in_two_chats_and_told_by_mail(docker_engine: DockerEngine) -> None:
    root = Path(tempfile.mkdtemp(prefix="sluice-"))
    try:
        async with a_world(docker_engine, root) as world:
            await _first(world)
            await _second(world)
    finally:
        docker_engine.clear()
        await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)


async def _first(world: World) -> None:
    """The first push of all goes to everybody."""
    bot = world.slack.bot
    assert "forge is bound" in await bot.say(f"account bind gitlab as forge at {world.forge.origin} {GITLAB_TOKEN}")
    said = await bot.say("define\n" + PIPELINE.format(git=world.forge.url("shop/api"), port=world.port))
    assert "the webhook is attached" in said
    await world.slack.deliver(world.slack.people.mention("U00ANN", ROOM, "subscribe shop on everything"))
    await world.push("Sell")
    run = await world.is_started(1)
    await bot.asks(run, 60.0)
    for person in ("ann", "bob"):
        await bot.say(f"approve {run}", person)
    await bot.ends(run, RunState.SUCCEEDED)
    assert "shop" in await world.mailed(1)


async def _second(world: World) -> None:
    """The next one is shared first; Ann passes it in Slack, Bob on his phone; nobody is turned away."""
    bot, bobs = world.slack.bot, world.telegram.alone(BOB)
    async with steady(world.port, rate=100, key="version") as visitors:
        commit = await world.push("Sell more")
        run = await world.is_started(2)
        asked = await bot.asks(run, 60.0)
        assert (asked.requested_by, asked.variables["commit"]) == ("ann", commit)
        digest = next(str(stage.outputs["digest"]) for stage in asked.stages if stage.kind is StageKind.BUILD)
        async with httpx.AsyncClient(trust_env=False) as client:
            accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
            kept = await client.head(f"{world.registry.address}/v2/shop/api/manifests/{commit}", headers=accept)
        assert kept.headers["Docker-Content-Digest"] == digest
        assert (await ask_many(world.port, 300, key="version")).share(commit) == pytest.approx(0.5, abs=0.12)
        card = await world.slack.card(run, "waits for review")
        before = len(world.slack.whispers("ann"))
        await world.slack.press("ann", card, "Approve")
        await world.slack.whisper("ann", before)
        await world.telegram.shows(bobs, run, "waits for review")
        await world.telegram.is_told(world.telegram.presses(BOB, bobs, "Approve"))
        await bot.ends(run, RunState.SUCCEEDED)
        await world.slack.card(run, "succeeded")
        await world.telegram.shows(bobs, run, "succeeded")
        assert set((await ask_many(world.port, 60, key="version")).answers) == {commit}
    assert visitors.failures == []
    assert "shop" in await world.mailed(2)

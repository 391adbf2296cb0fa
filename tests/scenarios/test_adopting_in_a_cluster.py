"""The whole bot over the stand-in of a cluster: what kubectl puts right in the night stays, whatever comes after it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from bot.app import running
from bot.settings import Settings
from engine.model import Person, PersonId, RunState
from engine.ports import Target
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, Kind
from tests.contract.test_kubernetes_hotfixes import undone
from tests.support import kube_foreign as foreign
from tests.support.bot import PEOPLE, Bot
from tests.support.eventually import eventually
from tests.support.kube_place import Place
from tests.support.kube_places import StandIn, on_stand_in
from tests.support.kube_surroundings import NAME
from tests.support.model_target import ModelTarget

WEB = """\
pipeline: web
variables: {tag: v1}
stages:
  - name: gray
    gray:
      target: kubernetes
      cluster: here
      namespace: shop
      workload: hello
      strategy: istio
      image: "shop/hello:${tag}"
      instances: 3
      gray_instances: 1
      policy: {ratio: 25}
      environment: {GREETING: "${tag}"}
      drain: 1s
      hold: 0s
      service: {port: 80, name: hello, container_port: 8080}
      readiness: {http: /healthz}
  - name: review
    review: {reviewers: [ann]}
  - name: official
    official: {}
"""
WORKLOAD = "here/shop/hello"
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")


@asynccontextmanager
async def a_cluster() -> AsyncIterator[Place]:
    """A cluster whose clock is behind the bot's: it goes faster, and what has drained there must have drained here."""
    async with on_stand_in(istio=True) as place:
        assert isinstance(place.ground, StandIn)
        place.ground.kube.pass_time(-timedelta(days=1))
        yield place


@asynccontextmanager
async def a_bot_at(place: Place, home: Path) -> AsyncIterator[Bot]:
    """A bot that releases there; time goes on by itself."""
    target = place.another_target()
    given = {"home": home, "database": "", "port": 0, "hooks_port": 0, "clusters": {"here": {}}}
    targets: dict[str, Target] = {"process": ModelTarget(), "kubernetes": target}
    async with running(Settings.model_validate(given), targets=targets) as app:
        for name in PEOPLE:
            await app.store.transact(lambda book, name=name: book.people.add(Person(PersonId(name))))  # type: ignore[misc]
        going = asyncio.create_task(_go_on(place))
        try:
            yield Bot(app, home)
        finally:
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)


async def _go_on(place: Place) -> None:
    async def look() -> bool:
        await place.ground.go_on()
        return False

    await eventually(look, "never", within=3600, between=0.01)


async def hotfix(place: Place, tag: str, greeting: str) -> None:
    """Put another image and variable there with kubectl, and wait until all of stable runs it."""
    containers = (await place.hands.get(DEPLOYMENT, NAME))["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = f"shop/hello:{tag}"
    next(each for each in containers[0]["env"] if each["name"] == "GREETING")["value"] = greeting
    change = {"spec": {"template": {"spec": {"containers": containers}}}}
    await place.hands.edit(DEPLOYMENT, NAME, change, "kubectl-set")

    async def is_done() -> bool:
        status = (await place.hands.get(DEPLOYMENT, NAME))["status"]
        running = {tag for (group, tag), count in (await place.running()).items() if group == "stable" and count}
        return running == {tag} and status.get("updatedReplicas") == 3 == status.get("readyReplicas")

    await eventually(is_done, "it runs everywhere", within=20)


async def stable(place: Place) -> set[str]:
    return {pod["metadata"]["uid"] for pod in await place.pods() if names.label(pod, names.GROUP) != "gray"}


async def image_of(bot: Bot) -> str:
    found = await bot.app.store.read(lambda book: book.releases.deployed(WORKLOAD))
    assert found is not None
    return found.image.rpartition(":")[2]


async def history(bot: Bot) -> list[str]:
    found = await bot.app.store.read(lambda book: book.releases.history(WORKLOAD, 9))
    return [release.image.rpartition(":")[2] for release in found]


async def said_until(bot: Bot, line: str, words: str) -> str:
    heard: list[str] = []

    async def look() -> bool:
        heard.append(await bot.say(line))
        return words in heard[-1]

    await eventually(look, f"{line}: {words}", within=20)
    return heard[-1]


async def adopt(bot: Bot) -> Any:
    await said_until(bot, "adopt web", "Adopt what runs")
    run = await bot.start("adopt web")
    return await bot.ends(run, RunState.SUCCEEDED)


async def test_between_two_releases(tmp_path: Path) -> None:
    async with a_cluster() as place, a_bot_at(place, tmp_path) as bot:
        assert "is defined" in await bot.say(f"define\n{WEB}")
        await bot.release("run web")
        await hotfix(place, "v1-hot", "hot")
        assert "changed by kubectl-set" in await said_until(bot, "instances web", "changed by")
        planned = await said_until(bot, "plan web", "by kubectl-set")
        assert "shop/hello:v1-hot" in planned
        before = await stable(place)
        await adopt(bot)
        assert await history(bot) == ["v1-hot", "v1"]
        shown = await said_until(bot, "instances web", "3 of shop/hello:v1-hot, all ready")
        assert "changed by" not in shown
        assert "adopted by ann" in await bot.say("versions web")
        kept = await bot.say("yaml web 2")
        assert "shop/hello:v1-hot" in kept
        run = await bot.start("run web tag=v2")
        await bot.asks(run)
        assert await stable(place) == before
        await bot.say(f"rollback {run}")
        assert "back to shop/hello:v1-hot?" in bot.heard[0].title
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert await stable(place) == before
        await bot.say("unlock web")
        await bot.say("yes")
        await bot.release("run web tag=v3")
        await bot.ends(await bot.start("redeploy web 2 fast"), RunState.SUCCEEDED)
        assert {tag for _, tag in await place.running()} == {"v1-hot"}
        container = (await place.hands.get(DEPLOYMENT, NAME))["spec"]["template"]["spec"]["containers"][0]
        assert {"name": "GREETING", "value": "hot"} in container["env"]
        await bot.ends(await bot.start("redeploy web 1 fast"), RunState.SUCCEEDED)
        assert {tag for _, tag in await place.running()} == {"v1"}


async def test_what_rollout_undo_has_brought_back(tmp_path: Path) -> None:
    async with a_cluster() as place, a_bot_at(place, tmp_path) as bot:
        assert "is defined" in await bot.say(f"define\n{WEB}")
        await bot.release("run web")
        was = await place.hands.get(DEPLOYMENT, NAME)
        await bot.release("run web tag=v2")
        await undone(place, was)
        await said_until(bot, "adopt web", "kubectl rollout undo")
        before = await stable(place)
        await bot.ends(await bot.start("adopt web"), RunState.SUCCEEDED)
        assert await history(bot) == ["v1", "v2", "v1"]
        run = await bot.start("run web tag=v3")
        await bot.asks(run)
        await bot.say(f"rollback {run}")
        assert "back to shop/hello:v1?" in bot.heard[0].title
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert await stable(place) == before
        assert {tag for _, tag in await place.running()} == {"v1"}


async def test_beside_gray_and_after_a_restart(tmp_path: Path) -> None:
    async with a_cluster() as place:
        async with a_bot_at(place, tmp_path) as bot:
            assert "is defined" in await bot.say(f"define\n{WEB}")
            await bot.release("run web")
            run = await bot.start("run web tag=v2")
            await bot.asks(run)
            await hotfix(place, "v1-hot", "hot")
            await bot.say(f"approve {run}")
            held = await bot.is_held(run)
            assert held.stage.outputs["ways"] == ["restore", "adopt"]
        async with a_bot_at(place, tmp_path) as bot:
            before = await stable(place)
            await said_until(bot, f"adopt {run}", "What runs becomes a version")
            await bot.say("yes")
            await bot.asks(run)
            assert await history(bot) == ["v1-hot", "v1"]
            assert await stable(place) == before
            await bot.say(f"approve {run}")
            await bot.ends(run, RunState.SUCCEEDED)
            assert {tag for _, tag in await place.running()} == {"v2"}
            assert await history(bot) == ["v2", "v1-hot", "v1"]


async def test_while_people_are_asked_and_the_bot_ends_at_that_moment(tmp_path: Path) -> None:
    async with a_cluster() as place:
        async with a_bot_at(place, tmp_path) as bot:
            assert "is defined" in await bot.say(f"define\n{WEB}")
            await bot.release("run web")
            run = await bot.start("run web tag=v2")
            await bot.asks(run)
            await hotfix(place, "v1-hot", "hot")
            await said_until(bot, "adopt web", "Adopt what runs")
            before = await stable(place)
            await bot.say("yes")
        async with a_bot_at(place, tmp_path) as bot:

            async def is_adopted() -> bool:
                return await history(bot) == ["v1-hot", "v1"]

            await eventually(is_adopted, "it is a version", within=20)
            await bot.asks(run)
            await bot.say(f"rollback {run}")
            assert "back to shop/hello:v1-hot?" in bot.heard[0].title
            await bot.say("yes")
            await bot.ends(run, RunState.ROLLED_BACK)
            assert await stable(place) == before
            assert {tag for _, tag in await place.running()} == {"v1-hot"}


async def test_what_its_makers_put_there_beside_the_first_gray_release_is_not_lost(tmp_path: Path) -> None:
    async with a_cluster() as place:
        await place.has_workload("v0", lifecycle={"preStop": {"sleep": {"seconds": 1}}})
        async with a_bot_at(place, tmp_path) as bot:
            text = WEB.replace("strategy: istio", "strategy: canary").replace(
                "policy: {ratio: 25}", "policy: {ratio: 33}"
            )
            assert "is defined" in await bot.say(f"define\n{text}")
            run = await bot.start("run web")
            await bot.is_held(run)
            await bot.say(f"adopt {run}")
            await bot.say("yes")
            await bot.asks(run)
            await patched_by_its_makers(place)
            await bot.app.keeper.keep()

            async def is_known() -> bool:
                return await history(bot) == ["v0-hot", "v0"]

            await eventually(is_known, "it is a version", within=20)
            await bot.say(f"rollback {run}")
            await bot.say("yes")
            await bot.ends(run, RunState.ROLLED_BACK)
            assert {tag for _, tag in await place.running()} == {"v0-hot"}


async def patched_by_its_makers(place: Place) -> None:
    containers = (await place.hands.get(DEPLOYMENT, NAME))["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = "shop/hello:v0-hot"
    change = {"spec": {"template": {"spec": {"containers": containers}}}}
    await place.hands.edit(DEPLOYMENT, NAME, change, "kubectl-set")

    async def is_done() -> bool:
        return {tag for (group, tag) in await place.running() if group == "stable"} == {"v0-hot"}

    await eventually(is_done, "it runs", within=20)


def with_a_manifest(place: Place, colour: str) -> str:
    """The definition with a manifest, which brings a ConfigMap and a label of its Service along."""
    workload = foreign.deployment(NAME, place.ground.images.pulled("v1"))
    del workload["spec"]["replicas"]
    workload["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "GREETING", "value": "plain"}]
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": colour}}
    every = [json.loads(json.dumps(one)) for one in (settings, workload, foreign.service(NAME))]
    lines = yaml.safe_dump_all(every).splitlines()
    text = WEB.replace('      environment: {GREETING: "${tag}"}\n', "").replace(", container_port: 8080", "")
    text = text.replace("      readiness: {http: /healthz}\n", "      creation: yaml\n      manifest: |\n")
    where = text.index("  - name: review")
    return "".join([text[:where], *(f"        {line}\n" for line in lines), text[where:]])


async def test_with_a_manifest_everything_beside_the_pods_comes_back_too(tmp_path: Path) -> None:
    async with a_cluster() as place, a_bot_at(place, tmp_path) as bot:
        place.foreign.add((CONFIG_MAP.kind, "settings"))

        async def beside() -> tuple[str, str]:
            service = await place.hands.get(SERVICE, NAME)
            settings = await place.hands.get(CONFIG_MAP, "settings")
            return settings["data"]["colour"], service["metadata"]["labels"].get("team", "")

        assert "is defined" in await bot.say(f"define\n{with_a_manifest(place, 'red')}")
        await bot.release("run web")
        await hotfix(place, "v1-hot", "hot")
        await adopt(bot)
        assert await beside() == ("red", "shop")
        shown = await bot.say("yaml web 2")
        assert "shop/hello:v1-hot" in shown
        assert "value: hot" not in shown
        assert "is defined" in await bot.say(f"define\n{with_a_manifest(place, 'blue')}")
        run = await bot.start("run web tag=v2")
        await bot.asks(run)
        assert await beside() == ("blue", "shop")
        await bot.say(f"rollback {run}")
        await bot.say("yes")
        await bot.ends(run, RunState.ROLLED_BACK)
        assert await beside() == ("red", "shop")
        await bot.say("unlock web")
        await bot.say("yes")
        await bot.release("run web tag=v3")
        assert await beside() == ("blue", "shop")
        run = await bot.start("redeploy web 2")
        await bot.asks(run)
        await bot.say(f"approve {run}")
        await bot.ends(run, RunState.SUCCEEDED)
        assert {tag for _, tag in await place.running()} == {"v1-hot"}
        assert await beside() == ("red", "shop")

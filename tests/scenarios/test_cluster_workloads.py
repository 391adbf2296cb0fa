"""The whole bot with a cluster in its settings: names are checked, tags are looked up, each place has its own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.app import running
from bot.cards import Card
from bot.settings import Settings
from bot.tidying import Tidying
from engine.model import RunState
from engine.ports import Instance, Traffic
from tests.support.bot import a_bot
from tests.support.cluster_bot import a_bot_with, web
from tests.support.eventually import eventually
from tests.support.model_target import ModelTarget
from tests.support.registry_wire import registry_wire
from tests.support.store import ManualClock

HERE = """\
pipeline: hello
stages:
  - name: official
    official: {image: "shop/hello:v1", service: {port: 18080}}
"""


WITH_A_MANIFEST = """\
pipeline: web
stages:
  - name: official
    official:
      target: kubernetes
      cluster: prod
      namespace: shop
      creation: yaml
      image: shop/web:v1
      drain: 0s
      hold: 0s
      service: {name: web, port: 80}
      manifest: |
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web}
        spec:
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec: {containers: [{name: web, image: anything}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec: {selector: {app: web}, ports: [{port: 80}]}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: settings}
        data: {colour: red}
"""


class Place(ModelTarget):
    """A target that remembers which workloads it was asked about, but for their releases."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    async def instances(self, workload: str) -> tuple[Instance, ...]:
        self.asked.add(workload)
        return await super().instances(workload)

    async def traffic(self, workload: str) -> Traffic:
        self.asked.add(workload)
        return Traffic({"stable": 30, "gray": 10, "blue": 0, "green": 0}, {"gray": 1})

    async def forget(self, workload: str) -> None:
        self.asked.add(workload)
        await super().forget(workload)


async def test_a_release_in_a_cluster_is_of_the_content_that_its_registry_has(tmp_path: Path) -> None:
    here, there = Place(), Place()
    async with (
        registry_wire(v1=b"one", v2=b"two") as registry,
        a_bot_with(tmp_path, {"prod": {"registry": registry.address}}, process=here, kubernetes=there) as bot,
    ):
        assert "is defined" in await bot.say(f"define\n{web()}")
        await bot.release("run web tag=v1")
        deployed = await bot.app.store.read(lambda book: book.releases.deployed("prod/shop/web"))
        assert deployed is not None
        assert deployed.digest == registry.digest("shop/web", "v1")
        held = await bot.start("run web tag=v9")
        run = await bot.is_held(held)
        assert "has no image shop/web:v9" in run.stage.reason
        assert "shop/web:v1" in await bot.say("versions web")


def _has_one_gray_of_four(card: Card) -> bool:
    split = card.split
    return split is not None and (split.wanted, split.instances) == (25, "3 stable, 1 gray (25 %)")


async def test_the_card_has_the_counts_of_the_runs_own_place(tmp_path: Path) -> None:
    here, there = Place(), Place()
    async with a_bot_with(tmp_path, {"prod": {}}, process=here, kubernetes=there) as bot:
        await bot.say(f"define\n{web()}")
        await bot.release("run web tag=v1")
        run = await bot.start("run web tag=v2")
        await bot.asks(run)
        await bot.shows(run, _has_one_gray_of_four, "says how many instances each version has")
        assert here.asked == set()
        assert "by its tag" in await bot.say("versions web")


async def test_retiring_asks_the_place_where_the_workload_runs_and_no_other(tmp_path: Path) -> None:
    here, there = Place(), Place()
    async with a_bot_with(tmp_path, {"prod": {}}, process=here, kubernetes=there) as bot:
        await bot.say(f"define\n{web()}")
        await bot.release("run web tag=v1")
        assert "Retire prod/shop/web?" in await bot.say("retire web")
        await bot.say("DELETE")

        async def ended() -> bool:
            return any("Nothing of prod/shop/web runs" in card.title for card in await bot.cards())

        await eventually(ended, "it is said to be ended")
        assert there.fleets == {}
        assert here.asked == set()


async def test_retiring_names_what_a_manifest_has_brought_along_and_stays(tmp_path: Path) -> None:
    async with a_bot_with(tmp_path, {"prod": {}}, process=Place(), kubernetes=Place()) as bot:
        assert "is defined" in await bot.say(f"define\n{WITH_A_MANIFEST}")
        await bot.ends(await bot.start("run web"), RunState.SUCCEEDED)
        assert "ConfigMap settings. Remove it by hand." in await bot.say("retire web")


async def test_tidying_needs_no_cluster(tmp_path: Path) -> None:
    here, there = Place(), Place()
    async with a_bot_with(tmp_path, {"prod": {}}, process=here, kubernetes=there) as bot:
        await bot.say(f"define\n{web()}")
        await bot.release("run web tag=v1")
        there.asked.clear()
        clock = ManualClock(datetime.now(UTC) + timedelta(days=1))
        await Tidying(bot.app.store, clock, bot.app.builder, {"process": here}, timedelta(days=90)).tidy()
        assert there.asked == set()


async def test_a_cluster_that_is_not_in_the_settings_is_refused_when_it_is_written_down(tmp_path: Path) -> None:
    async with a_bot_with(tmp_path, {"production": {}, "test": {}}, process=Place(), kubernetes=Place()) as bot:
        answer = await bot.say(f"define\n{web('cluster: prodution')}")
        assert "there is no cluster 'prodution'" in answer
        assert "write production" in answer
        assert "write production" in await bot.say(f"check\n{web('cluster: prodution')}")
        assert "names no cluster" in await bot.say(f"define\n{web('')}")


async def test_a_strategy_that_is_left_to_the_cluster_is_not_guessed(tmp_path: Path) -> None:
    async with a_bot_with(tmp_path, {"prod": {}}, process=Place(), kubernetes=Place()) as bot:
        text = web().replace("      policy: {ratio: 25}\n", "")
        said = await bot.say(f"define\n{text}")
        assert "prod/shop/web on kubernetes, istio where the cluster has it, else canary, 4 instances" in said
        assert "its instances' part of the plain requests" in said
        named = text.replace("      instances", "      strategy: canary\n      instances")
        assert "on kubernetes, canary, 4 instances" in await bot.say(f"define\n{named}")
        assert "or strategy: istio, where" in await bot.say(f"check\n{text.replace('instances: 4', 'instances: 1')}")


async def test_a_bot_without_clusters_says_how_to_have_one(tmp_path: Path) -> None:
    async with a_bot(tmp_path / "home", ModelTarget()) as bot:
        answer = await bot.say(f"define\n{web()}")
        assert "this Sluice knows no cluster" in answer
        assert "SLUICE_CLUSTERS" in answer
        assert "is defined" in await bot.say(f"define\n{HERE}")


async def test_a_run_whose_cluster_was_taken_out_of_the_settings_is_held_and_says_why(tmp_path: Path) -> None:
    async with a_bot_with(tmp_path, {"prod": {}}, process=Place(), kubernetes=Place()) as bot:
        await bot.say(f"define\n{web()}")
    async with a_bot_with(tmp_path, {}, process=Place()) as bot:
        run = await bot.start("run web")
        held = await bot.is_held(run)
        assert "This Sluice knows no cluster." in held.stage.reason
        assert held.state is RunState.WAITING


async def test_a_bot_that_is_started_anew_is_the_same_to_its_clusters(tmp_path: Path) -> None:
    """Its database is, whatever it is called; another one's bot is somebody else."""
    config = tmp_path / "config"
    config.write_text(
        "{current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}],"
        " clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]}"
    )
    home, other = tmp_path / "home", tmp_path / "other"
    where = (home, f"sqlite:///{home}/sluice.db"), (home, f"sqlite:///{home}/../home/sluice.db"), (other, "")
    managers: list[str] = []
    for folder, database in where:
        given = {"home": folder, "database": database, "port": 0, "hooks_port": 0}
        given["clusters"] = {"prod": {"kubeconfig": str(config)}}
        async with running(Settings.model_validate(given)) as app:
            managers.append(app.sites["prod"].cluster.manager)
    assert managers[0] == managers[1] != managers[2]
    assert all(manager.startswith("sluice-") for manager in managers)

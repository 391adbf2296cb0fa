"""What is known of a cluster stays true while everything between goes wrong."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from engine.errors import Broken, Interrupted
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.kinds import DEPLOYMENT, POD, Kind
from engine.targets.kubernetes.watching import Watching
from tests.support.eventually import eventually
from tests.support.kube_faults import KubeFaults, Watch, kube_faults, refused

WEB = {"app": "web"}
NEVER, AT_ONCE = timedelta(hours=1), timedelta(0)


@pytest.fixture
async def server() -> AsyncIterator[KubeFaults]:
    async with kube_faults() as running:
        yield running


@asynccontextmanager
async def watched(
    server: KubeFaults, *, idle: timedelta = NEVER, stale: timedelta = NEVER, patience: timedelta | None = None
) -> AsyncIterator[Watching]:
    cluster = Cluster("prod", server.configuration(), "sluice", patience=patience or timedelta(seconds=10))
    watching = Watching(cluster, idle=idle, stale=stale)
    try:
        yield watching
    finally:
        await watching.close()
        await cluster.close()


async def seen(watching: Watching, labels: str = "", kind: Kind = POD) -> set[str]:
    return set(await watching.seen(kind, "shop", labels))


async def becomes(watching: Watching, names: set[str], labels: str = "") -> None:
    """Wait until exactly these are seen."""

    async def has_become() -> bool:
        return await seen(watching, labels) == names

    await eventually(has_become)


def lists(server: KubeFaults) -> int:
    return len(server.requests("GET"))


def watches(server: KubeFaults) -> int:
    return len(server.requests("GET", watch=True))


async def open_watch(server: KubeFaults) -> Watch:
    await eventually(lambda: len(server.watches) == 1)
    return server.watches[0]


async def test_the_first_look_lists_and_later_ones_cost_nothing(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server) as watching:
        for _ in range(50):
            assert await seen(watching, "app=web") == {"web-1"}
        assert (lists(server), watches(server)) == (1, 1)


async def test_what_happens_is_seen_without_asking(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server) as watching:
        assert await seen(watching) == {"web-1"}
        server.put(POD, "shop", "web-2", WEB)
        server.remove(POD, "shop", "web-1")
        await becomes(watching, {"web-2"})
        assert (lists(server), watches(server)) == (1, 1)


async def test_what_happens_between_list_and_watch_is_not_missed(server: KubeFaults) -> None:
    server.play("GET", refused(503, "starting"), watch=True)
    async with watched(server) as watching:
        assert await seen(watching) == set()
        server.put(POD, "shop", "web-1", WEB)
        await becomes(watching, {"web-1"})
        assert lists(server) == 1


async def test_foreign_objects_are_neither_listed_nor_watched(server: KubeFaults) -> None:
    for number in range(5000):
        server.put(POD, "shop", f"other-{number}", {"app": "other"})
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server) as watching:
        assert await seen(watching, "app=web") == {"web-1"}
        assert lists(server) == 1
        assert {one.query["labelSelector"] for one in server.asked} == {"app=web"}


async def test_many_who_look_at_once_have_it_listed_once(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server) as watching:
        assert await asyncio.gather(*(seen(watching) for _ in range(20))) == [{"web-1"}] * 20
        assert (lists(server), watches(server)) == (1, 1)


async def test_each_list_has_a_watch_of_its_own(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    server.put(DEPLOYMENT, "shop", "web", WEB)
    async with watched(server) as watching:
        assert await seen(watching, kind=DEPLOYMENT) == {"web"}
        assert await seen(watching, "app=api") == set()
        assert await seen(watching) == {"web-1"}
        assert (lists(server), watches(server)) == (3, 3)


@pytest.mark.parametrize(
    "trouble",
    [
        Watch.end,
        Watch.break_off,
        lambda watch: watch.say(b"garbage\n"),
        lambda watch: watch.say(b'{"type": "ADD'),
        lambda watch: watch.tell("ERROR", {"code": 500, "message": "etcd is away", "metadata": {}}),
    ],
    ids=["over", "cut", "garbage", "half", "error"],
)
async def test_a_broken_watch_is_taken_up_where_it_stopped(
    server: KubeFaults, trouble: Callable[[Watch], None]
) -> None:
    async with watched(server) as watching:
        assert await seen(watching) == set()
        server.put(POD, "shop", "web-1", WEB)
        await becomes(watching, {"web-1"})
        watch = await open_watch(server)
        trouble(watch)
        watch.end()
        await eventually(lambda: watches(server) == 2)
        server.put(POD, "shop", "web-2", WEB)
        await becomes(watching, {"web-1", "web-2"})
        begun_from = [one.query["resourceVersion"] for one in server.requests("GET", watch=True)]
        assert begun_from == ["100", "101"]
        assert lists(server) == 1


async def test_a_bookmark_is_where_the_next_watch_begins(server: KubeFaults) -> None:
    async with watched(server) as watching:
        await seen(watching)
        server.put(DEPLOYMENT, "shop", "other")
        watch = await open_watch(server)
        server.bookmark(watch)
        watch.break_off()
        await eventually(lambda: watches(server) == 2)
        assert server.requests("GET", watch=True)[1].query["resourceVersion"] == "101"


async def test_a_forgotten_version_leads_to_a_new_list(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server) as watching:
        assert await seen(watching) == {"web-1"}
        await open_watch(server)
        await server.go_away()
        server.remove(POD, "shop", "web-1")
        server.put(POD, "shop", "web-2", WEB)
        server.forget_history()
        await server.come_back()
        await becomes(watching, {"web-2"})
        assert lists(server) == 2
        server.put(POD, "shop", "web-3", WEB)
        await becomes(watching, {"web-2", "web-3"})


async def test_a_cluster_that_is_away_for_a_moment_disturbs_nobody(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server) as watching:
        await seen(watching)
        await open_watch(server)
        await server.go_away()
        assert await seen(watching) == {"web-1"}
        await server.come_back()
        server.put(POD, "shop", "web-2", WEB)
        await becomes(watching, {"web-1", "web-2"})
        assert lists(server) == 1


async def test_nobody_is_shown_what_may_be_old(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server, stale=AT_ONCE) as watching:
        await seen(watching)
        await open_watch(server)
        await server.go_away()

        async def refuses() -> bool:
            try:
                await seen(watching)
            except Interrupted as error:
                return "Cluster prod does not answer" in str(error)
            return False

        await eventually(refuses)
        server.remove(POD, "shop", "web-1")
        await server.come_back()
        assert await seen(watching) == set()


async def test_all_who_wait_hear_why_it_cannot_be_known(server: KubeFaults) -> None:
    server.play("GET", refused(500, "etcd is away"))
    async with watched(server) as watching:
        heard = await asyncio.gather(*(seen(watching) for _ in range(5)), return_exceptions=True)
        assert [type(one) for one in heard] == [Interrupted] * 5
        assert lists(server) == 1
        assert await seen(watching) == set()


async def test_who_may_list_and_not_watch_is_told_so_each_time(server: KubeFaults) -> None:
    async with watched(server) as watching:
        for _ in range(2):
            message = 'pods is forbidden: User "sluice" cannot watch resource "pods"'
            server.play("GET", refused(403, message, "Forbidden"), watch=True)
            with pytest.raises(Broken, match="does not let Sluice watch pods in namespace shop"):
                await seen(watching)
        assert await seen(watching) == set()


async def test_a_right_that_is_taken_away_is_noticed_at_the_next_look(server: KubeFaults) -> None:
    async with watched(server) as watching:
        await seen(watching)
        watch = await open_watch(server)
        refusal = refused(403, 'User "sluice" cannot watch resource "pods"', "Forbidden")
        server.play("GET", refusal, watch=True)
        server.play("GET", refused(403, 'User "sluice" cannot list resource "pods"', "Forbidden"), watch=False)
        watch.end()
        await eventually(lambda: watches(server) == 2)

        async def is_told() -> bool:
            try:
                await seen(watching)
            except Broken as error:
                return "does not let Sluice list pods" in str(error)
            return False

        await eventually(is_told)


async def test_a_watch_that_is_not_agreed_to_holds_nobody_up(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    server.play("GET", server.held, watch=True)
    async with watched(server) as watching:
        async with asyncio.timeout(10):
            assert await seen(watching) == {"web-1"}
        server.release()


async def test_own_writes_are_read_at_once_and_stay_read(server: KubeFaults) -> None:
    before = server.put(DEPLOYMENT, "shop", "web", WEB, spec={"replicas": 1})
    async with watched(server) as watching:
        assert await seen(watching, "app=web", DEPLOYMENT) == {"web"}
        watch = await open_watch(server)
        version = str(server.version + 10)
        after = {**before, "spec": {"replicas": 5}, "metadata": {**before["metadata"], "resourceVersion": version}}
        watching.note(DEPLOYMENT, after)
        watch.tell("MODIFIED", before)
        server.put(DEPLOYMENT, "shop", "api", WEB)

        async def has_both() -> bool:
            return await seen(watching, "app=web", DEPLOYMENT) == {"web", "api"}

        await eventually(has_both)
        assert (await watching.seen(DEPLOYMENT, "shop", "app=web"))["web"]["spec"] == {"replicas": 5}
        watching.forget(DEPLOYMENT, "shop", "web")
        assert await seen(watching, "app=web", DEPLOYMENT) == {"api"}


async def test_own_writes_go_to_the_caches_that_they_belong_to(server: KubeFaults) -> None:
    async with watched(server) as watching:
        await seen(watching, kind=DEPLOYMENT)
        await seen(watching, "app=api", DEPLOYMENT)
        await seen(watching)
        await watching.seen(DEPLOYMENT, "other")
        noted = {"metadata": {"name": "web", "namespace": "shop", "labels": WEB, "resourceVersion": "999"}}
        watching.note(DEPLOYMENT, noted)
        assert await seen(watching, kind=DEPLOYMENT) == {"web"}
        assert await seen(watching, "app=api", DEPLOYMENT) == set()
        assert await seen(watching) == set()
        assert await watching.seen(DEPLOYMENT, "other") == {}


async def test_managers_are_kept_only_where_they_matter(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    server.put(DEPLOYMENT, "shop", "web", WEB)
    async with watched(server) as watching:
        assert "managedFields" not in (await watching.seen(POD, "shop"))["web-1"]["metadata"]
        assert "managedFields" in (await watching.seen(DEPLOYMENT, "shop"))["web"]["metadata"]


async def test_what_is_seen_does_not_change_in_the_readers_hand(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server) as watching:
        before = await watching.seen(POD, "shop")
        server.remove(POD, "shop", "web-1")
        await becomes(watching, set())
        assert set(before) == {"web-1"}


async def test_a_cache_that_nobody_reads_ends_its_watch_and_can_be_read_again(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server, idle=timedelta(milliseconds=50)) as watching:
        assert await seen(watching) == {"web-1"}
        await eventually(lambda: not server.watches and watches(server) == 1)
        assert await seen(watching) == {"web-1"}
        assert lists(server) == 2


async def test_a_cache_that_is_read_now_and_then_goes_on(server: KubeFaults) -> None:
    loop = asyncio.get_running_loop()
    enough = loop.time() + 1.5
    async with watched(server, idle=timedelta(seconds=1)) as watching:

        async def is_read_long_enough() -> bool:
            await seen(watching)
            return loop.time() > enough

        await eventually(is_read_long_enough)
        assert (lists(server), watches(server)) == (1, 1)


async def test_closing_ends_every_thread_promptly(server: KubeFaults) -> None:
    async with watched(server) as watching:
        for number in range(10):
            await seen(watching, f"app=web-{number}")
        assert len(following()) == 10
        began = asyncio.get_running_loop().time()
        await watching.close()
        assert following() == []
        assert asyncio.get_running_loop().time() - began < 2
        with pytest.raises(Interrupted):
            await seen(watching)
    await eventually(lambda: not server.watches)


async def test_closing_tells_those_who_wait(server: KubeFaults) -> None:
    server.play("GET", server.held)
    async with watched(server) as watching:
        waiting = asyncio.create_task(seen(watching))
        await eventually(lambda: len(server.asked) == 1)
        await watching.close()
        with pytest.raises(Interrupted):
            await waiting
        server.release()


async def test_who_stops_waiting_does_not_stop_others(server: KubeFaults) -> None:
    server.put(POD, "shop", "web-1", WEB)
    async with watched(server) as watching:
        server.play("GET", server.held)
        first = asyncio.create_task(seen(watching))
        await eventually(lambda: len(server.asked) == 1)
        second = asyncio.create_task(seen(watching))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.release()
        assert await second == set()


def following() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sluice-watch-")]

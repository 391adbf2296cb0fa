"""What Sluice says to a cluster at the wire, and what it makes of what comes back."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from kubernetes.client import Configuration

from engine.errors import Broken, Interrupted, StageFailure
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.faults import Gone, Held
from engine.targets.kubernetes.kinds import ACCESS_REVIEW, DEPLOYMENT, HTTP_ROUTE, POD, SERVICE, VIRTUAL_SERVICE
from engine.targets.kubernetes.streams import Stream
from tests.support.eventually import eventually
from tests.support.kube_faults import KubeFaults, answered, cut, kube_faults, refused

SECRET = "the-token-nobody-may-see"
WEB: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"replicas": 3},
}
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
SOON = timedelta(milliseconds=200)


@pytest.fixture
async def server() -> AsyncIterator[KubeFaults]:
    async with kube_faults() as running:
        yield running


@pytest.fixture
async def cluster(server: KubeFaults) -> AsyncIterator[Cluster]:
    configuration = server.configuration(api_key={"authorization": f"Bearer {SECRET}"})
    made = Cluster("prod", configuration, "sluice", remembers=timedelta(0))
    yield made
    await made.close()


async def opened(cluster: Cluster, version: str = "100", labels: str = "") -> Stream:
    return await asyncio.to_thread(cluster.stream, POD, "shop", labels, version, threading.Event())


async def test_an_object_is_got_as_it_is(server: KubeFaults, cluster: Cluster) -> None:
    there = server.put(DEPLOYMENT, "shop", "web", spec={"replicas": 3})
    assert await cluster.get(DEPLOYMENT, "shop", "web") == there
    assert await cluster.get(DEPLOYMENT, "shop", "api") is None


async def test_a_kind_that_is_not_served_is_not_an_object_that_is_not_there(
    cluster: Cluster, server: KubeFaults
) -> None:
    server.play("GET", answered(404, "404 page not found\n"))
    with pytest.raises(Broken, match="knows no VirtualService"):
        await cluster.get(VIRTUAL_SERVICE, "shop", "web")


async def test_a_long_list_comes_in_pages_and_only_what_is_selected(server: KubeFaults, cluster: Cluster) -> None:
    for number in range(1203):
        server.put(POD, "shop", f"web-{number}", {"app": "web"})
    for number in range(40):
        server.put(POD, "shop", f"other-{number}", {"app": "other"})
    listed = await cluster.list(POD, "shop", labels="app=web")
    assert len({one["metadata"]["name"] for one in listed.items}) == 1203
    assert {(one["apiVersion"], one["kind"]) for one in listed.items} == {("v1", "Pod")}
    assert listed.version == str(server.version)
    assert [one.query.get("continue") for one in server.requests("GET")] == [None, "500", "1000"]
    assert {one.query["labelSelector"] for one in server.requests("GET")} == {"app=web"}
    assert cluster.calls == {("list", "pods"): 3}


async def test_a_list_that_is_forgotten_between_two_pages_is_begun_again(server: KubeFaults, cluster: Cluster) -> None:
    for number in range(600):
        server.put(POD, "shop", f"web-{number}")
    server.play("GET", refused(410, "The provided continue parameter is too old", "Expired"), "continue=500")
    assert len((await cluster.list(POD, "shop")).items) == 600
    assert [one.query.get("continue") for one in server.asked] == [None, "500", None, "500"]


async def test_a_list_that_is_forgotten_again_and_again_is_given_up_for_now(
    server: KubeFaults, cluster: Cluster
) -> None:
    for _ in range(3):
        server.play("GET", refused(410, "too old", "Expired"))
    with pytest.raises(Gone):
        await cluster.list(POD, "shop")
    assert len(server.asked) == 3


async def test_fields_are_selected_by_the_cluster(server: KubeFaults, cluster: Cluster) -> None:
    await cluster.list(POD, "shop", fields="metadata.name=web")
    assert server.asked[0].query["fieldSelector"] == "metadata.name=web"
    assert "labelSelector" not in server.asked[0].query


async def test_applying_says_who_and_is_strict(server: KubeFaults, cluster: Cluster) -> None:
    assert await cluster.apply(DEPLOYMENT, WEB) == WEB
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("PATCH", PATH)
    assert asked.query == {"fieldManager": "sluice", "fieldValidation": "Strict"}
    assert asked.headers["content-type"] == "application/apply-patch+yaml"
    assert json.loads(asked.body) == WEB


async def test_force_and_dry_are_asked_for_only_when_they_are_meant(server: KubeFaults, cluster: Cluster) -> None:
    await cluster.apply(DEPLOYMENT, WEB, force=True, dry=True)
    assert server.asked[0].query["force"] == "true"
    assert server.asked[0].query["dryRun"] == "All"


async def test_applying_what_was_not_there_needs_the_right_to_create(server: KubeFaults, cluster: Cluster) -> None:
    server.play("PATCH", answered(200, json.dumps(WEB), "application/json"))
    await cluster.apply(DEPLOYMENT, WEB)
    assert cluster.rights == {("patch", "deployments")}
    await cluster.apply(DEPLOYMENT, WEB)
    assert cluster.rights == {("patch", "deployments"), ("create", "deployments")}
    assert cluster.calls == {("patch", "deployments"): 2}


async def test_a_field_of_somebody_else_is_told_with_its_holder(server: KubeFaults, cluster: Cluster) -> None:
    cause = {
        "reason": "FieldManagerConflict",
        "field": ".spec.replicas",
        "message": 'conflict with "hpa" using apps/v1',
    }
    server.play("PATCH", refused(409, "Apply failed with 1 conflict", "Conflict", {"causes": [cause]}))
    with pytest.raises(Held) as held:
        await cluster.apply(DEPLOYMENT, WEB)
    assert held.value.fields == (("spec.replicas", "hpa"),)


async def test_a_review_is_asked_for_without_a_namespace(server: KubeFaults, cluster: Cluster) -> None:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {}}
    assert await cluster.create(ACCESS_REVIEW, review) == review
    assert (server.asked[0].method, server.asked[0].path) == (
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    )


async def test_deleting_names_the_one_that_is_meant(server: KubeFaults, cluster: Cluster) -> None:
    await cluster.delete(DEPLOYMENT, "shop", "web", uid="uid-1")
    said = json.loads(server.asked[0].body)
    assert said["propagationPolicy"] == "Background"
    assert said["preconditions"] == {"uid": "uid-1"}


async def test_what_is_gone_already_is_as_good_as_deleted(server: KubeFaults, cluster: Cluster) -> None:
    details = {"name": "web", "kind": "deployments"}
    server.play("DELETE", refused(404, 'deployments.apps "web" not found', "NotFound", details))
    await cluster.delete(DEPLOYMENT, "shop", "web")
    server.put(DEPLOYMENT, "shop", "web")  # another one of that name
    server.play("DELETE", refused(409, "Precondition failed: UID in precondition", "Conflict"))
    await cluster.delete(DEPLOYMENT, "shop", "web", uid="uid-of-the-former")


async def test_what_is_still_there_is_not_called_deleted(server: KubeFaults, cluster: Cluster) -> None:
    there = server.put(DEPLOYMENT, "shop", "web")
    server.play("DELETE", refused(409, "the object is busy", "Conflict"))
    with pytest.raises(Interrupted, match="the object is busy"):
        await cluster.delete(DEPLOYMENT, "shop", "web", uid=there["metadata"]["uid"])


def discovery(server: KubeFaults, *groups: str, **versions: tuple[str, ...]) -> None:
    """What the API says next of itself: its groups, and the resources of Istio's or the Gateway API's v1, if any."""
    named = json.dumps({"groups": [{"name": name} for name in groups]})
    server.play("GET", answered(200, named, "application/json"), "/apis")
    for kind in (VIRTUAL_SERVICE, HTTP_ROUTE):
        if kind.plural in versions:
            listed = json.dumps({"resources": [{"name": name} for name in versions[kind.plural]]})
            server.play("GET", answered(200, listed, "application/json"), f"/apis/{kind.api_version}")


async def test_which_apis_are_served_is_remembered_for_a_while(server: KubeFaults) -> None:
    cluster = Cluster("prod", server.configuration(), "sluice")
    discovery(server, "apps", VIRTUAL_SERVICE.group, virtualservices=("gateways", "virtualservices"))
    for _ in range(2):
        assert await cluster.serves(VIRTUAL_SERVICE)
        assert not await cluster.serves(HTTP_ROUTE)
    assert cluster.calls == {("get", "/apis"): 1, ("get", "/apis/networking.istio.io/v1"): 1}
    assert cluster.rights == set()
    await cluster.close()


async def test_an_api_that_is_installed_later_is_noticed(server: KubeFaults, cluster: Cluster) -> None:
    discovery(server, "apps")
    discovery(server, "apps", VIRTUAL_SERVICE.group, virtualservices=("virtualservices",))
    assert not await cluster.serves(VIRTUAL_SERVICE)
    assert await cluster.serves(VIRTUAL_SERVICE)


@pytest.mark.parametrize("resources", [(), ("grpcroutes",)])
async def test_an_api_that_has_a_kind_in_an_older_version_only_is_as_if_it_had_none(
    server: KubeFaults, cluster: Cluster, resources: tuple[str, ...]
) -> None:
    discovery(server, HTTP_ROUTE.group, httproutes=resources)
    assert not await cluster.serves(HTTP_ROUTE)


async def test_an_api_whose_version_is_not_there_at_all_is_as_if_it_were_not(
    server: KubeFaults, cluster: Cluster
) -> None:
    discovery(server, HTTP_ROUTE.group)
    server.play("GET", answered(404, "404 page not found", "text/plain"), f"/apis/{HTTP_ROUTE.api_version}")
    assert not await cluster.serves(HTTP_ROUTE)


async def test_the_version_is_the_clusters_own_word(server: KubeFaults, cluster: Cluster) -> None:
    server.play("GET", answered(200, '{"gitVersion": "v1.36.2"}', "application/json"), "/version")
    assert await cluster.version() == "v1.36.2"


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_what_may_pass_is_not_repeated_here_but_by_who_asked(
    server: KubeFaults, cluster: Cluster, code: int
) -> None:
    server.play("GET", refused(code, "later", headers={"Retry-After": "1"}))
    with pytest.raises(Interrupted, match="Cluster prod does not answer"):
        await cluster.get(DEPLOYMENT, "shop", "web")
    assert len(server.asked) == 1


async def test_a_connection_that_is_cut_is_a_passing_failure(server: KubeFaults, cluster: Cluster) -> None:
    server.play("PATCH", cut)
    with pytest.raises(Interrupted, match=r"\(patch Deployment shop/web\)"):
        await cluster.apply(DEPLOYMENT, WEB)
    assert len(server.asked) == 1
    assert await cluster.apply(DEPLOYMENT, WEB) == WEB


async def test_a_cluster_that_is_away_is_a_passing_failure(server: KubeFaults, cluster: Cluster) -> None:
    await server.go_away()
    with pytest.raises(Interrupted, match="connection refused"):
        await cluster.list(POD, "shop")
    await server.come_back()
    assert (await cluster.list(POD, "shop")).items == ()


async def test_a_cluster_that_says_nothing_is_not_waited_for_for_ever(server: KubeFaults) -> None:
    cluster = Cluster("prod", server.configuration(), "sluice", patience=SOON)
    server.play("GET", server.held)
    with pytest.raises(Interrupted, match="nothing came in time"):
        await cluster.get(DEPLOYMENT, "shop", "web")
    await cluster.close()


async def test_an_answer_in_drops_is_not_waited_for_for_ever(server: KubeFaults) -> None:
    cluster = Cluster("prod", server.configuration(), "sluice", patience=SOON)
    released = asyncio.Event()

    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not released.is_set():
            await response.write(b" ")
            await asyncio.wait([asyncio.ensure_future(released.wait())], timeout=SOON.total_seconds() / 4)
        return response

    server.play("GET", dripping)
    with pytest.raises(Interrupted, match="nothing came in time"):
        await cluster.get(DEPLOYMENT, "shop", "web")
    released.set()
    await cluster.close()


async def test_one_that_does_not_answer_holds_up_nobody_else(server: KubeFaults, cluster: Cluster) -> None:
    server.play("GET", server.held, "deployments")
    slow = asyncio.create_task(cluster.get(DEPLOYMENT, "shop", "web"))
    await eventually(lambda: len(server.asked) == 1)
    assert await cluster.get(SERVICE, "shop", "web") is None
    assert not slow.done()
    server.release()
    assert await slow == {}


async def test_many_ask_at_once_over_few_connections(server: KubeFaults, cluster: Cluster) -> None:
    for number in range(100):
        server.put(DEPLOYMENT, "shop", f"web-{number}")
    found = await asyncio.gather(*(cluster.get(DEPLOYMENT, "shop", f"web-{number}") for number in range(100)))
    assert [one["metadata"]["name"] for one in found if one] == [f"web-{number}" for number in range(100)]
    assert cluster.calls == {("get", "deployments"): 100}


async def test_nothing_is_asked_once_it_is_closed(server: KubeFaults, cluster: Cluster) -> None:
    await cluster.close()
    with pytest.raises(Interrupted):
        await cluster.version()
    assert server.asked == []


async def test_a_redirection_is_not_followed_with_the_token(server: KubeFaults, cluster: Cluster) -> None:
    server.play("GET", refused(302, "", headers={"Location": f"{server.url}/elsewhere"}))
    with pytest.raises(Broken, match="answered 302"):
        await cluster.version()
    assert [one.path for one in server.asked] == ["/version"]


async def test_the_token_is_sent_and_told_nobody(
    server: KubeFaults, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[BaseException] = []
    for playing in (
        refused(400, "bad"),
        refused(401, "Unauthorized"),
        refused(403, "no"),
        refused(500, "oh"),
        cut,
        answered(200, "no json"),
    ):
        server.play("GET", playing)
        with pytest.raises((Interrupted, Broken, StageFailure)) as caught:
            await cluster.get(DEPLOYMENT, "shop", "web")
        told.append(caught.value)
    assert {one.headers["authorization"] for one in server.asked} == {f"Bearer {SECRET}"}
    chain = [one for error in told for one in (error, error.__cause__, error.__context__)]
    assert SECRET not in " ".join([caplog.text, *(f"{one!r} {one}" for one in chain)])


async def test_a_token_that_cannot_be_sent_is_not_quoted(server: KubeFaults) -> None:
    configuration = server.configuration(api_key={"authorization": f"Bearer {SECRET}\nX-Other: 1"})
    cluster = Cluster("prod", configuration, "sluice")
    with pytest.raises(Broken, match="cannot be sent") as caught:
        await cluster.version()
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert server.asked == []
    await cluster.close()


async def test_a_line_end_after_the_token_does_no_harm(server: KubeFaults) -> None:
    cluster = Cluster("prod", server.configuration(api_key={"authorization": "Bearer abc\n"}), "sluice")
    server.play("GET", answered(200, '{"gitVersion": "v1"}'))
    assert await cluster.version() == "v1"
    assert server.asked[0].headers["authorization"] == "Bearer abc"
    await cluster.close()


def renewed_by(given: Callable[[], str]) -> Callable[[Configuration], None]:
    def renew(configuration: Configuration) -> None:
        configuration.api_key["authorization"] = f"Bearer {given()}"

    return renew


async def test_the_hook_that_renews_tokens_is_asked_before_each_request(server: KubeFaults) -> None:
    tokens = iter(f"token-{number}" for number in range(9))
    configuration = server.configuration(api_key={"authorization": "Bearer old"})
    configuration.refresh_api_key_hook = renewed_by(lambda: next(tokens))
    cluster = Cluster("prod", configuration, "sluice")
    for _ in range(2):
        await cluster.get(DEPLOYMENT, "shop", "web")
    with closing(await opened(cluster)):
        pass
    assert [one.headers["authorization"] for one in server.asked] == [f"Bearer token-{number}" for number in range(3)]
    await cluster.close()


async def test_a_hook_that_fails_is_a_matter_of_credentials(server: KubeFaults) -> None:
    configuration = server.configuration(api_key={"authorization": "Bearer old"})

    def broken(_: Configuration) -> None:
        raise FileNotFoundError(SECRET)

    configuration.refresh_api_key_hook = broken
    cluster = Cluster("prod", configuration, "sluice")
    with pytest.raises(Broken, match="credentials for cluster prod cannot be read") as caught:
        await cluster.version()
    assert SECRET not in str(caught.value)
    await cluster.close()


@pytest.mark.parametrize("playing", [refused(401, "Unauthorized"), refused(403, 'User "system:anonymous" cannot get')])
async def test_credentials_the_cluster_does_not_know_are_read_anew_once(server: KubeFaults, playing: Any) -> None:
    def load() -> Configuration:
        return server.configuration(api_key={"authorization": "Bearer new"})

    old = server.configuration(api_key={"authorization": "Bearer old"})
    cluster = Cluster("prod", old, "sluice", load=load)
    server.play("GET", playing)
    server.play("GET", answered(200, '{"gitVersion": "v1"}'))
    assert await cluster.version() == "v1"
    assert [one.headers["authorization"] for one in server.asked] == ["Bearer old", "Bearer new"]
    server.play("GET", playing)
    with pytest.raises(Broken, match="does not know Sluice's credentials"):
        await cluster.version()
    assert len(server.asked) == 3
    await cluster.close()


async def test_a_certificate_file_that_was_tidied_away_is_written_anew(server: KubeFaults, tmp_path: Any) -> None:
    lost = server.configuration()
    lost.cert_file, lost.key_file = str(tmp_path / "gone.crt"), str(tmp_path / "gone.key")
    lost.host = server.url.replace("http:", "https:")
    cluster = Cluster("prod", lost, "sluice", load=server.configuration)
    server.play("GET", answered(200, '{"gitVersion": "v1"}'))
    assert await cluster.version() == "v1"
    await cluster.close()


async def test_a_watch_tells_events_from_its_version_on(server: KubeFaults, cluster: Cluster) -> None:
    server.put(POD, "shop", "web-1", {"app": "web"})
    server.put(POD, "shop", "other", {"app": "other"})
    with closing(await opened(cluster, labels="app=web")) as stream:
        assert (await asyncio.to_thread(next, stream))[1]["metadata"]["name"] == "web-1"
        server.put(POD, "shop", "web-2", {"app": "web"})
        word, thing = await asyncio.to_thread(next, stream)
        assert (word, thing["metadata"]["name"]) == ("ADDED", "web-2")
    query = server.asked[0].query
    assert query["resourceVersion"] == "100"
    assert query["allowWatchBookmarks"] == "true"
    assert int(query["timeoutSeconds"]) < 300
    assert cluster.calls == {("watch", "pods"): 1}


async def test_a_watch_that_its_time_is_over_for_just_ends(server: KubeFaults, cluster: Cluster) -> None:
    with closing(await opened(cluster)) as stream:
        server.watches[0].end()
        assert await asyncio.to_thread(list, stream) == []


async def test_events_come_whole_however_they_are_cut(server: KubeFaults, cluster: Cluster) -> None:
    thing = {"metadata": {"resourceVersion": "7", "name": "ä" * 100_000}}
    line = json.dumps({"type": "ADDED", "object": thing}, ensure_ascii=False).encode()
    with closing(await opened(cluster)) as stream:
        for start in range(0, len(line), 70_001):
            server.watches[0].say(line[start : start + 70_001])
        server.watches[0].say(b"\n\n" + line + b"\n" + line + b"\n")
        server.watches[0].end()
        assert await asyncio.to_thread(list, stream) == [("ADDED", thing)] * 3


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "ADDED", "object": {"metadata": {}}}\n',
        b'{"type": "ADDED", "object": []}\n',
        b"[]\n",
        b"\xff\xfe\n",
    ],
)
async def test_what_is_no_event_breaks_the_watch(server: KubeFaults, cluster: Cluster, line: bytes) -> None:
    with closing(await opened(cluster)) as stream:
        server.watches[0].say(line)
        with pytest.raises(Interrupted, match="no event"):
            await asyncio.to_thread(next, stream)


async def test_a_watch_that_ends_within_an_event_is_broken(server: KubeFaults, cluster: Cluster) -> None:
    with closing(await opened(cluster)) as stream:
        server.watches[0].say(b'{"type": "ADDED", "obj')
        server.watches[0].end()
        with pytest.raises(Interrupted, match="broke off"):
            await asyncio.to_thread(next, stream)


async def test_a_watch_that_is_cut_is_broken(server: KubeFaults, cluster: Cluster) -> None:
    with closing(await opened(cluster)) as stream:
        server.watches[0].break_off()
        with pytest.raises(Interrupted, match="does not answer"):
            await asyncio.to_thread(next, stream)


@pytest.mark.parametrize(
    ("code", "kind"), [(410, Gone), (429, Interrupted), (500, Interrupted), (403, StageFailure), ("?", Interrupted)]
)
async def test_an_error_within_a_watch_is_told_like_any_other(
    server: KubeFaults, cluster: Cluster, code: int, kind: type[Exception]
) -> None:
    with closing(await opened(cluster)) as stream:
        server.watches[0].tell("ERROR", {"kind": "Status", "code": code, "message": "too old", "metadata": {}})
        with pytest.raises(kind):
            await asyncio.to_thread(next, stream)


@pytest.mark.parametrize(("code", "kind"), [(410, Gone), (503, Interrupted), (400, StageFailure)])
async def test_a_watch_that_is_refused_is_told_at_once(
    server: KubeFaults, cluster: Cluster, code: int, kind: type[Exception]
) -> None:
    server.play("GET", refused(code, "no"), watch=True)
    with pytest.raises(kind):
        await opened(cluster)


async def test_a_watch_that_waits_is_ended_by_hanging_up(server: KubeFaults, cluster: Cluster) -> None:
    stream = await opened(cluster)
    waiting = asyncio.create_task(asyncio.to_thread(list, stream))
    await eventually(lambda: len(server.watches) == 1)
    stream.hang_up()
    async with asyncio.timeout(5):
        assert await waiting == []
    stream.close()
    await eventually(lambda: not server.watches)

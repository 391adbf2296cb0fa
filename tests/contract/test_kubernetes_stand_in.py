"""What the Kubernetes API stand-in promises beside being like a real one: troubles, rights, and a record of it all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import yaml
from kubernetes import client, watch

from tests.support.eventually import eventually
from tests.support.kube_client import Client, connected
from tests.support.kube_facts import deployment, settings
from tests.support.kube_kinds import ISTIO, Json
from tests.support.kube_server import Kube, kube
from tests.support.kube_trouble import Fault

IMAGE = "shop/hello:v1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.fixture
async def server() -> AsyncIterator[Kube]:
    async with kube() as server:
        server.have_namespace("shop")
        yield server


@pytest.fixture
async def api(server: Kube) -> AsyncIterator[Client]:
    async with connected(server.configuration()) as http:
        yield Client(http, "shop", (IMAGE, "shop/hello:v2", "shop/hello:missing"))


def web(count: int = 1, image: str = IMAGE) -> Json:
    thing = deployment(image, count)
    thing["metadata"]["namespace"] = "shop"
    return thing


def pods(server: Kube) -> list[Json]:
    return server.of("pods", "shop", "app=web")


async def test_the_client_that_sluice_uses_reads_writes_and_watches(server: Kube) -> None:
    server.put(web(2))
    await server.settle()

    def ask() -> tuple[list[str], str, list[str]]:
        with client.ApiClient(server.configuration()) as connection:
            core, apps = client.CoreV1Api(connection), client.AppsV1Api(connection)
            listed = [one.metadata.name for one in core.list_namespaced_pod("shop", label_selector="app=web").items]
            changed = apps.patch_namespaced_deployment("web", "shop", {"metadata": {"labels": {"a": "b"}}})
            stream = watch.Watch().stream(core.list_namespaced_pod, "shop", label_selector="app=web", timeout_seconds=1)
            return listed, changed.metadata.labels["a"], [one["object"].metadata.name for one in stream]

    listed, label, watched = await asyncio.to_thread(ask)
    assert (len(listed), label, watched) == (2, "b", listed)


async def test_a_kubeconfig_leads_to_it(server: Kube, tmp_path: Path) -> None:
    known = yaml.safe_load(server.kubeconfig(tmp_path, "here").read_text())
    assert known["current-context"] == "here"
    assert known["clusters"][0]["cluster"]["server"] == server.url
    assert known["users"][0]["user"]["token"] == server.token


async def test_every_request_is_written_down_and_counted(server: Kube, api: Client) -> None:
    await api.apply(settings("one"))
    await api.all("configmaps", "a=b")
    await api.ask("GET", "/apis")
    first = server.calls[0]
    assert (first.verb, first.group, first.plural, first.namespace, first.name) == (
        "patch",
        "",
        "configmaps",
        "shop",
        "one",
    )
    assert server.calls[1].query == {"labelSelector": "a=b"}
    assert server.count == {("patch", "configmaps"): 1, ("list", "configmaps"): 1, ("get", "/apis"): 1}


async def test_a_group_can_come_and_go(server: Kube, api: Client) -> None:
    path = f"/apis/{ISTIO}/v1/namespaces/shop/virtualservices"
    assert (await api.ask("GET", path)).status == 404
    server.serve(ISTIO)
    assert (await api.ask("GET", path)).status == 200
    server.serve(ISTIO, on=False)
    assert (await api.ask("GET", path)).body == "404 page not found\n"
    assert ISTIO not in {one["name"] for one in (await api.ask("GET", "/apis")).thing["groups"]}


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (Fault.TOO_MANY, 429, "TooManyRequests"),
        (Fault.BROKEN, 500, "InternalError"),
        (Fault.UNAVAILABLE, 503, "ServiceUnavailable"),
        (Fault.UNAUTHORIZED, 401, "Unauthorized"),
        (Fault.CONFLICT, 409, "Conflict"),
        (Fault.GONE, 410, "Expired"),
    ],
)
async def test_the_next_requests_that_match_are_refused(
    server: Kube, api: Client, fault: Fault, status: int, reason: str
) -> None:
    trouble = server.fail(fault, 2, verb="list", plural="pods")
    assert (await api.ask("GET", api.at("services"))).status == 200
    said = [await api.ask("GET", api.at("pods")) for _ in range(3)]
    assert [one.status for one in said] == [status, status, 200]
    assert (said[0].body["kind"], said[0].body["reason"], trouble.met) == ("Status", reason, 2)


async def test_whoever_asks_too_much_is_told_how_long_to_wait(server: Kube, api: Client) -> None:
    server.fail(Fault.TOO_MANY, retry_after=7)
    assert (await api.http.get(api.at("pods"))).headers["retry-after"] == "7"


async def test_a_request_can_be_cut_before_it_is_done_or_after(server: Kube, api: Client) -> None:
    server.fail(Fault.RESET, verb="create")
    with pytest.raises(httpx.TransportError):
        await api.create(settings("one"))
    server.fail(Fault.LOST, verb="create")
    with pytest.raises(httpx.TransportError):
        await api.create(settings("two"))
    assert [one["metadata"]["name"] for one in server.of("configmaps", "shop")] == ["two"]


async def test_a_held_answer_waits_for_the_test(server: Kube, api: Client) -> None:
    trouble = server.fail(Fault.SLOW)
    task = asyncio.create_task(api.create(settings("one")))
    await trouble.reached()
    assert server.of("configmaps", "shop") == []
    trouble.release()
    assert (await task).status == 201


async def test_a_server_that_is_away_refuses_and_comes_back_at_its_port(server: Kube, api: Client) -> None:
    port = server.port
    await server.go_away()
    with pytest.raises(httpx.ConnectError):
        await api.ask("GET", "/version")
    await server.come_back()
    assert ((await api.ask("GET", "/version")).status, server.port) == (200, port)


async def test_a_watch_breaks_after_its_next_event(server: Kube, api: Client) -> None:
    server.fail(Fault.CUT)
    async with api.watch("configmaps", await api.version("configmaps")) as told:
        server.put(_placed("one"))
        with pytest.raises(httpx.TransportError):
            await told.broken()
    assert told.words == [("ADDED", "one")]


def _placed(name: str) -> Json:
    thing = settings(name)
    thing["metadata"]["namespace"] = "shop"
    return thing


async def test_a_watch_can_fall_silent(server: Kube, api: Client) -> None:
    server.fail(Fault.SILENT)
    version = await api.version("configmaps")
    async with api.watch("configmaps", version) as silent, api.watch("configmaps", version) as other:
        server.put(_placed("one"))
        await other.count(1)
        server.end_watches()
        await silent.over()
    assert silent.words == []


async def test_a_watch_can_say_what_is_no_json(server: Kube, api: Client) -> None:
    server.fail(Fault.GARBAGE)
    async with api.watch("configmaps", "0") as told:
        with pytest.raises(ValueError, match="Unterminated"):
            await told.broken()


async def test_open_watches_are_bookmarked_ended_and_cut_when_the_test_says_so(server: Kube, api: Client) -> None:
    version = await api.version("configmaps")
    async with api.watch("configmaps", version, allowWatchBookmarks="true") as told:
        server.bookmark()
        await told.count(1)
        server.end_watches()
        await told.over()
    assert [word for word, _name in told.words] == ["BOOKMARK", "BOOKMARK"]
    assert told.events[0]["object"]["metadata"]["resourceVersion"] == version
    async with api.watch("configmaps", version) as cut:
        server.cut_watches()
        with pytest.raises(httpx.TransportError):
            await cut.broken()


async def test_a_watch_ends_no_later_than_the_test_wants(server: Kube, api: Client) -> None:
    server.longest_watch = 0.05
    async with api.watch("configmaps", "0", timeoutSeconds="290") as told:
        await told.over()


async def test_what_is_compacted_cannot_be_resumed_and_open_watches_go_on(server: Kube, api: Client) -> None:
    for name in ("one", "two", "three"):
        server.put(_placed(name))
    page = (await api.ask("GET", api.at("configmaps"), limit="1")).thing
    old = server.get("configmaps", "shop", "one")["metadata"]["resourceVersion"]
    async with api.watch("configmaps", await api.version("configmaps")) as told:
        server.compact()
        server.put(_placed("four"))
        await told.count(1)
    assert told.words == [("ADDED", "four")]
    goes_on = {"limit": "1", "continue": page["metadata"]["continue"]}
    said = await api.ask("GET", api.at("configmaps"), **goes_on)
    assert (said.status, said.body["reason"]) == (410, "Expired")
    async with api.watch("configmaps", old) as late:
        await late.over()
    assert late.events[0]["object"]["code"] == 410


ROLE = {"rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}]}


async def test_a_role_lets_the_caller_do_what_it_says_and_nothing_else(server: Kube, api: Client) -> None:
    server.put(web(0))
    server.role(ROLE, "shop")
    assert (await api.ask("GET", api.at("deployments", "web"))).status == 200
    said = await api.ask("GET", api.at("deployments"))
    user = "system:serviceaccount:sluice:sluice"
    words = f'User "{user}" cannot list resource "deployments" in API group "apps" in the namespace "shop"'
    assert (said.status, said.body["message"]) == (403, f"deployments.apps is forbidden: {words}")
    assert said.body["details"] == {"group": "apps", "kind": "deployments"}
    nodes = await api.ask("GET", "/api/v1/nodes/node-1")
    words = f'User "{user}" cannot get resource "nodes" in API group "" at the cluster scope'
    assert nodes.body["message"] == f'nodes "node-1" is forbidden: {words}'


async def test_to_apply_what_is_not_there_one_has_to_be_allowed_to_create(server: Kube, api: Client) -> None:
    server.put(web(0))
    server.role(ROLE, "shop")
    assert (await api.apply(deployment(IMAGE))).status == 200
    new = deployment(IMAGE)
    new["metadata"]["name"] = "other"
    said = await api.apply(new)
    assert (said.status, "cannot create resource" in said.body["message"]) == (403, True)


async def test_whoever_has_no_right_is_not_told_that_there_is_no_such_api(server: Kube, api: Client) -> None:
    server.role(ROLE)
    said = await api.ask("GET", f"/apis/{ISTIO}/v1/namespaces/shop/virtualservices")
    assert said.body["message"].startswith(f"virtualservices.{ISTIO} is forbidden: User ")


@pytest.mark.parametrize(("verb", "allowed"), [("patch", True), ("delete", False)])
async def test_a_review_answers_by_the_role(server: Kube, api: Client, verb: str, *, allowed: bool) -> None:
    server.role(ROLE, "shop")
    asked = {"namespace": "shop", "verb": verb, "group": "apps", "resource": "deployments"}
    answer = await api.ask("POST", REVIEWS, {"spec": {"resourceAttributes": asked}})
    assert answer.thing["status"] == {"allowed": allowed}


async def test_a_wrong_token_is_refused_and_none_is_nobody(server: Kube, api: Client) -> None:
    wrong = await api.http.get(api.at("pods"), headers={"authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Unauthorized")
    async with httpx.AsyncClient(base_url=server.url) as nobody:
        answer = await nobody.get(api.at("pods"))
    assert answer.status_code == 403
    assert 'User "system:anonymous" cannot list' in answer.json()["message"]


async def test_foreign_pods_are_read_in_pages_and_left_out_by_labels(server: Kube, api: Client) -> None:
    server.crowd("shop", 5000)
    page = (await api.ask("GET", api.at("pods"), limit="500")).thing
    assert (len(page["items"]), page["metadata"]["remainingItemCount"]) == (500, 4500)
    assert await api.all("pods", "app=web") == []


async def test_everything_moves_by_itself_while_it_is_alive(server: Kube, api: Client) -> None:
    async with server.living():
        await api.create(deployment(IMAGE, 2))
        await eventually(lambda: len([one for one in pods(server) if one["status"].get("podIP")]) == 2)
    await api.create(settings("one"))
    server.scale("shop", "web", 3)
    assert len(pods(server)) == 2


async def test_what_a_person_does_is_owned_by_his_program(server: Kube, api: Client) -> None:
    await api.apply(deployment(IMAGE, 1))
    server.scale("shop", "web", 2)
    server.edit("deployments", "shop", "web", {"spec": {"template": {"spec": {"containers": [_other("web")]}}}})
    said = await api.apply(deployment(IMAGE, 1))
    assert [one["message"] for one in said.body["details"]["causes"]] == [
        'conflict with "kubectl" with subresource "scale" using apps/v1',
        'conflict with "kubectl-edit" using apps/v1',
    ]


def _other(name: str) -> Json:
    return {"name": name, "image": "shop/hello:mine"}

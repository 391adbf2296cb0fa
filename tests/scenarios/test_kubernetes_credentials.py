"""How Sluice finds a cluster and what it shows to it, from files as people have them."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.errors import Broken, Interrupted
from engine.targets.kubernetes.cluster import Cluster, connect
from engine.targets.kubernetes.credentials import Where, load
from engine.targets.kubernetes.faults import CredentialsUnread
from tests.support.eventually import eventually
from tests.support.kube_faults import KubeFaults, answered, kube_faults, refused

SECRET = "the-token-nobody-may-see"
VERSION = answered(200, '{"gitVersion": "v1"}')


@pytest.fixture
async def server() -> AsyncIterator[KubeFaults]:
    async with kube_faults() as running:
        yield running


def kubeconfig(path: Path, url: str = "http://127.0.0.1:1", **changes: Any) -> Path:
    written = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [{"name": "prod", "cluster": {"server": url}}],
        "users": [{"name": "sluice", "user": {"token": SECRET}}],
        "contexts": [
            {"name": name, "context": {"cluster": "prod", "user": "sluice", "namespace": "shop"}}
            for name in ("prod", "staging")
        ],
    }
    path.write_text(yaml.safe_dump({**written, **changes}))
    return path


def program(directory: Path, **status: Any) -> dict[str, Any]:
    """A user whose credentials a program gives: a new token with each run."""
    runs = directory / "runs"
    runs.write_text("")
    said = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    script = directory / "give-token"
    script.write_text(
        "import json, pathlib\n"
        f"runs = pathlib.Path({str(runs)!r})\n"
        "runs.write_text(runs.read_text() + 'x')\n"
        f"said = json.loads({json.dumps(said)!r})\n"
        "said['status']['token'] = f'token-{len(runs.read_text())}'\n"
        "print(json.dumps(said))\n"
    )
    ran = {"apiVersion": said["apiVersion"], "command": sys.executable, "args": [str(script)]}
    return {"name": "sluice", "user": {"exec": {**ran, "interactiveMode": "Never"}}}


async def asked_version(server: KubeFaults, cluster: Cluster) -> str:
    """Ask once; return what was shown to the cluster."""
    server.play("GET", VERSION)
    assert await cluster.version() == "v1"
    return server.asked[-1].headers["authorization"]


async def test_the_current_context_counts_when_none_is_named(server: KubeFaults, tmp_path: Path) -> None:
    cluster = connect("prod", manager="sluice", kubeconfig=str(kubeconfig(tmp_path / "config", server.url)))
    assert await asked_version(server, cluster) == f"Bearer {SECRET}"
    await cluster.close()


async def test_a_context_can_be_named(server: KubeFaults, tmp_path: Path) -> None:
    users = [{"name": "sluice", "user": {"token": "mine"}}, {"name": "other", "user": {"token": "not-mine"}}]
    contexts = [
        {"name": "prod", "context": {"cluster": "prod", "user": "other"}},
        {"name": "mine", "context": {"cluster": "prod", "user": "sluice"}},
    ]
    path = kubeconfig(tmp_path / "config", server.url, users=users, contexts=contexts)
    cluster = connect("prod", manager="sluice", kubeconfig=str(path), context="mine")
    assert await asked_version(server, cluster) == "Bearer mine"
    await cluster.close()


async def test_the_environment_counts_when_no_file_is_named(
    server: KubeFaults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kubeconfig(tmp_path / "config", server.url)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{path}")
    cluster = connect("prod", manager="sluice", context="staging")
    assert await asked_version(server, cluster) == f"Bearer {SECRET}"
    await cluster.close()


def test_a_kubeconfig_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Broken, match=f"there is no kubeconfig {tmp_path}/none") as told:
        connect("prod", manager="sluice", kubeconfig=str(tmp_path / "none"))
    assert "SLUICE_CLUSTERS" in told.value.hint


def test_a_context_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config")
    with pytest.raises(Broken, match=r"has no context prd\. Contexts there are: prod, staging"):
        connect("prod", manager="sluice", kubeconfig=str(path), context="prd")
    path = kubeconfig(tmp_path / "config", **{"current-context": ""})
    with pytest.raises(Broken, match="has no current-context"):
        connect("prod", manager="sluice", kubeconfig=str(path))


@pytest.mark.parametrize("text", ["", "- a list", "{", "\x00", "just words", "a: [", b"\xff\xfe".decode("latin-1")])
def test_what_is_no_kubeconfig_is_called_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text, encoding="latin-1")
    with pytest.raises(Broken, match=r"is no kubeconfig|has no current-context"):
        connect("prod", manager="sluice", kubeconfig=str(tmp_path / "config"))


def test_a_directory_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="cannot be read"):
        connect("prod", manager="sluice", kubeconfig=str(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"clusters": []},
        {"clusters": [{"name": "prod", "cluster": None}]},
        {"clusters": [SECRET]},
        {"clusters": None},
        {"users": [{"user": {"token": SECRET}}]},
        {"users": [{"name": "sluice", "user": {"tokenFile": f"/none/{SECRET}"}}]},
        {"contexts": [{"name": "prod", "token": SECRET}]},
        {"contexts": [{"name": "prod"}, {"name": "prod", "context": {"cluster": SECRET}}]},
        {
            "clusters": [
                {"name": "prod", "cluster": {"server": "https://x", "certificate-authority": f"/none/{SECRET}"}}
            ]
        },
    ],
)
def test_a_broken_kubeconfig_is_told_without_quoting_it(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = kubeconfig(tmp_path / "config", **changes)
    with pytest.raises(Broken, match="cannot be read") as told:
        load("prod", Where(str(path)))
    error: BaseException | None = told.value
    assert error is not None
    assert SECRET not in f"{error} {error.__cause__!r}"
    assert error.__suppress_context__ or error.__context__ is None


def test_outside_of_a_pod_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Broken, match="Sluice is in no pod that has one"):
        connect("prod", manager="sluice", in_cluster=True)


async def test_a_program_is_asked_again_before_its_token_ends(server: KubeFaults, tmp_path: Path) -> None:
    users = [program(tmp_path, expirationTimestamp="2020-01-01T00:00:00Z")]
    path = kubeconfig(tmp_path / "config", server.url, users=users)
    cluster = connect("prod", manager="sluice", kubeconfig=str(path))
    assert [await asked_version(server, cluster) for _ in range(2)] == ["Bearer token-2", "Bearer token-3"]
    await cluster.close()


async def test_a_program_is_asked_once_for_a_token_that_lasts(server: KubeFaults, tmp_path: Path) -> None:
    users = [program(tmp_path, expirationTimestamp="2999-01-01T00:00:00Z")]
    path = kubeconfig(tmp_path / "config", server.url, users=users)
    cluster = connect("prod", manager="sluice", kubeconfig=str(path))
    assert [await asked_version(server, cluster) for _ in range(2)] == ["Bearer token-1"] * 2
    await cluster.close()


async def test_a_token_without_an_end_is_asked_for_again_when_it_is_taken_no_more(
    server: KubeFaults, tmp_path: Path
) -> None:
    path = kubeconfig(tmp_path / "config", server.url, users=[program(tmp_path)])
    cluster = connect("prod", manager="sluice", kubeconfig=str(path))
    server.play("GET", refused(401, "Unauthorized"))
    assert await asked_version(server, cluster) == "Bearer token-2"
    await cluster.close()


async def test_a_token_file_that_was_replaced_is_read_again(server: KubeFaults, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    users = [{"name": "sluice", "user": {"tokenFile": "token"}}]
    path = kubeconfig(tmp_path / "config", server.url, users=users)
    cluster = connect("prod", manager="sluice", kubeconfig=str(path))
    assert await asked_version(server, cluster) == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    server.play("GET", refused(401, "Unauthorized"))
    assert await asked_version(server, cluster) == "Bearer second"
    await cluster.close()


async def test_certificates_that_are_none_are_for_the_operator(server: KubeFaults, tmp_path: Path) -> None:
    data = base64.b64encode(SECRET.encode()).decode()
    url = server.url.replace("http:", "https:")
    clusters = [{"name": "prod", "cluster": {"server": url, "certificate-authority-data": data}}]
    path = kubeconfig(tmp_path / "config", clusters=clusters)
    cluster = connect("prod", manager="sluice", kubeconfig=str(path))
    with pytest.raises(Broken, match="what should be certificates is none") as told:
        await cluster.version()
    assert SECRET not in str(told.value)
    await cluster.close()


async def test_a_server_without_tls_is_told_from_one_that_is_away(server: KubeFaults, tmp_path: Path) -> None:
    url = server.url.replace("http:", "https:")
    clusters = [{"name": "prod", "cluster": {"server": url}}]
    path = kubeconfig(tmp_path / "config", clusters=clusters)
    cluster = connect("prod", manager="sluice", kubeconfig=str(path))
    with pytest.raises(Interrupted, match="TLS does not come about"):
        await cluster.version()
    await cluster.close()


async def test_the_kubeconfig_is_left_as_it_is(server: KubeFaults, tmp_path: Path) -> None:
    users = [program(tmp_path, expirationTimestamp="2020-01-01T00:00:00Z")]
    path = kubeconfig(tmp_path / "config", server.url, users=users)
    before = path.read_bytes()
    cluster = connect("prod", manager="sluice", kubeconfig=str(path))
    await asked_version(server, cluster)
    assert path.read_bytes() == before
    await cluster.close()


def hanging(directory: Path) -> dict[str, Any]:
    """A user whose program starts another one, writes both process numbers down, and never ends."""
    pids = str(directory / "pids")
    child = "import signal; signal.pause()"
    script = directory / "hang"
    script.write_text(
        "import os, pathlib, signal, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"pathlib.Path({pids + '.new'!r}).write_text(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.replace({pids + '.new'!r}, {pids!r})\n"
        "signal.pause()\n"
    )
    ran = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(script)]}
    return {"name": "sluice", "user": {"exec": {**ran, "interactiveMode": "Never"}}}


async def test_a_program_that_hangs_holds_up_nobody_and_is_ended_with_what_it_started(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", users=[hanging(tmp_path)])
    cluster = connect("prod", manager="sluice", kubeconfig=str(path), patience=timedelta(seconds=1))
    asking = asyncio.create_task(cluster.version())
    started = tmp_path / "pids"
    await eventually(started.exists)  # the loop goes on meanwhile
    assert not asking.done()
    with pytest.raises(CredentialsUnread, match="gave none, or not within 1 s"):
        await asking
    await eventually(lambda: not any(_is_running(int(pid)) for pid in started.read_text().split()))
    await cluster.close()


def test_a_program_that_hangs_keeps_no_process_from_its_end(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", users=[hanging(tmp_path)])
    script = (
        "import asyncio, datetime, os\n"
        "from engine.targets.kubernetes.cluster import connect\n"
        "async def main():\n"
        f"    cluster = connect('prod', manager='sluice', kubeconfig={str(path)!r},\n"
        "                      patience=datetime.timedelta(seconds=20))\n"
        "    asking = asyncio.create_task(cluster.version())\n"
        f"    while not os.path.exists({str(tmp_path / 'pids')!r}):\n"
        "        await asyncio.sleep(0.01)\n"
        "    await cluster.close()\n"
        "    asking.cancel()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=15)
    for pid in (tmp_path / "pids").read_text().split():
        os.kill(int(pid), signal.SIGKILL)


async def test_a_program_that_is_not_there_is_said_to_give_none(tmp_path: Path) -> None:
    user = {"apiVersion": "client.authentication.k8s.io/v1", "command": "give-me-none", "interactiveMode": "Never"}
    path = kubeconfig(tmp_path / "config", users=[{"name": "sluice", "user": {"exec": user}}])
    cluster = connect("prod", manager="sluice", kubeconfig=str(path))
    with pytest.raises(CredentialsUnread, match="give-me-none gave none"):
        await cluster.version()
    await cluster.close()


def _is_running(pid: int) -> bool:
    """Whether there is such a process that has not ended: a dead one may wait for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

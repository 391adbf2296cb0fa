"""A Docker Engine of the tests' own: dockerd with its own data, sockets and networks, in a directory that goes with it.

Tests that need one take the fixture `docker_engine` of `tests/conftest.py`: one engine for each worker of a test run,
started when the first test asks for it (a second at most). Tests that kill it start their own with `running_engine`,
so that nobody else's containers die, and take `docker_engine` all the same, which has tried it. Both skip, with the
reason, where there is no dockerd, no root, or where containers cannot run.

    async def test_something(docker_engine: DockerEngine) -> None:
        image = docker_engine.busybox_image("shop/web:v1", files={"www/index.html": "one"}, command=["httpd", "-f"])
        client = docker_engine.client()     # a docker.DockerClient; closed with the engine
        ... docker_engine.address           # unix:///..., what DOCKER_HOST would hold

There is no default bridge: a container that wants a network joins one that the test (or Sluice) makes, whose subnets
are this engine's own, so that several engines live beside each other. The host reaches containers by their addresses
and by published ports (docker-proxy: no rule of the machine's firewall is touched). Containers reach nothing outside.

`kill` is kill -9 of dockerd, `start` brings it back with the images it had and ends the containers that it had: at once
those whose `stop_signal` is SIGKILL, after ten seconds those whose first process does not care for SIGTERM. At the end
every container, network, process and mount is gone, also when the test run is killed: dockerd dies with its parent.
"""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import docker.errors
import pytest

BUSYBOX = Path("/bin/busybox")
_PATIENCE = 40.0
_BETWEEN = 0.03
_ROOM = 4 << 30
_SEARCHED = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
_NEEDED = {
    "dockerd": "There is no Docker Engine: .ci/run names the package",
    "setpriv": "There is no setpriv: apt-get install util-linux",
}
_NO_BUSYBOX = "There is nothing to make images of: apt-get install busybox-static"
_DOCKERFILE = """\
FROM scratch
COPY . /
ENV PATH=/bin
RUN ["/bin/busybox", "--install", "-s", "/bin"]
CMD {command}
"""


@dataclass
class DockerEngine:
    """A dockerd with everything it has below `home`; `settings` are more of daemon.json's."""

    home: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    _process: "subprocess.Popen[bytes] | None" = None
    _clients: list[docker.DockerClient] = field(default_factory=list)
    _made: dict[Hashable, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it listens, as DOCKER_HOST writes it."""
        return f"unix://{self.home / 'docker.sock'}"

    def client(self) -> docker.DockerClient:
        """A client that is closed with the engine."""
        client = docker.DockerClient(base_url=self.address, timeout=int(_PATIENCE))
        self._clients.append(client)
        return client

    def busybox_image(
        self, tag: str, *, files: Mapping[str, str] | None = None, command: Sequence[str] = ("sleep", "1000000")
    ) -> str:
        """Build an image of busybox with its commands in /bin, and `files`, once; returns its id, ``sha256:...``."""
        made = (tag, tuple(sorted((files or {}).items())), tuple(command))
        if made in self._made:
            return self._made[made]
        content = {"Dockerfile": _DOCKERFILE.format(command=json.dumps([*command])), **(files or {})}
        packed = pack({name: text.encode() for name, text in content.items()} | {"bin/busybox": BUSYBOX})
        image, _ = self.client().images.build(fileobj=packed, custom_context=True, tag=tag, rm=True)
        self._made[made] = str(image.id)
        return self._made[made]

    def start(self) -> None:
        """Start it, or start it again where it was. Skips when it does not come up."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Begin to start it. It ends with the thread that did that."""
        (self.home / "daemon.json").write_text(json.dumps({**_settings_of(self.home), **self.settings}))
        words = ["setpriv", "--pdeathsig", "TERM", "dockerd", "--config-file", str(self.home / "daemon.json")]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "PATH": _SEARCHED}
            )

    def wait(self) -> None:
        """Wait until it answers."""
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while not self.answers():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_BETWEEN)
                pytest.skip(f"dockerd does not run here: {self.last_words()}")
            assert time.monotonic() < deadline, f"dockerd does not answer: {self.last_words()}"

    def answers(self) -> bool:
        """Whether it listens and answers."""
        # Asked without docker's client: that one leaves sockets open which did not get through.
        with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(OSError):
            line.settimeout(_PATIENCE)
            line.connect(str(self.home / "docker.sock"))
            line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in line.recv(1024)
        return False

    def last_words(self) -> str:
        """The end of its log."""
        return (self.home / "log").read_text()[-600:]

    def kill(self) -> None:
        """Kill -9. Its containerd dies with it; containers live on until it is back."""
        self._end(signal.SIGKILL)
        # Where nobody buries orphans at once, the next dockerd would take the dead containerd for a living one.
        (self.home / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Tell it to end, which ends every container, and wait for it."""
        self._end(signal.SIGTERM)

    def clear(self) -> None:
        """End everything that it started, and forget its networks. The engine has to run."""
        client = self.client()
        for container in client.containers.list(all=True, ignore_removed=True):
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True, v=True)
        client.networks.prune()

    def _end(self, number: signal.Signals) -> None:
        while self._clients:
            self._clients.pop().close()
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def finish(self) -> None:
        """Leave nothing behind, even after `kill`."""
        try:
            if self._process is None:
                self.start()
            self.clear()
        finally:
            self.stop()
            _end_those_of(self.home)
            _unmount(self.home)
            shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def running_engine(**settings: object) -> Iterator[DockerEngine]:
    """Run one, and end it with everything that it started. Skips where that cannot be.

    `settings` are more of daemon.json's, with _ for -.
    """
    _require()
    engine = DockerEngine(Path(tempfile.mkdtemp(prefix="sluice-docker-", dir=_fast_place())), _spelled(settings))
    try:
        engine.start()
        yield engine
    finally:
        engine.finish()


def pack(files: Mapping[str, bytes | Path]) -> io.BytesIO:
    """Pack files by path, contents or the files that hold them, as the tar that a build is given."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    packed.seek(0)
    return packed


def _require() -> None:
    for program, words in _NEEDED.items():
        if shutil.which(program, path=_SEARCHED) is None:
            pytest.skip(words)
    if not BUSYBOX.exists():
        pytest.skip(_NO_BUSYBOX)
    if os.getuid() != 0:
        pytest.skip("Only root can start a Docker Engine: run the tests as root")


def try_a_container(engine: DockerEngine) -> None:
    """Skip where images can be built and kept, but nothing of them can be run."""
    try:
        engine.busybox_image("sluice-tests/try:1")
    except docker.errors.DockerException as error:
        pytest.skip(f"Containers cannot run on this machine: {error}")


def _settings_of(home: Path) -> Mapping[str, object]:
    """The engine's own places and networks; what is not said here (the storage driver) it finds out itself."""
    return {
        "hosts": [f"unix://{home / 'docker.sock'}"],
        "data-root": str(home / "data"),
        "exec-root": str(home / "exec"),
        "pidfile": str(home / "docker.pid"),
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "ip-masq": False,
        "default-address-pools": [{"base": f"10.{_third(home)}.0.0/16", "size": 28}],
        "shutdown-timeout": 2,
    }


def _spelled(settings: Mapping[str, object]) -> dict[str, object]:
    return {name.replace("_", "-"): value for name, value in settings.items()}


def _third(home: Path) -> int:
    """A number that engines beside this one do not have, and that this one keeps when it is started again."""
    return random.Random(str(home)).randint(130, 249)


def _fast_place() -> str | None:
    """Memory, where there is plenty: layers are many small files, each synced."""
    memory = Path("/dev/shm")  # noqa: S108 - the directory in it is made by mkdtemp
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM
    return str(memory) if roomy else None


def _end_those_of(home: Path) -> None:
    """End what a killed dockerd left: containerd and the shims, which name its directory in their command lines."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and os.fsencode(home) in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def _unmount(home: Path) -> None:
    """Take away the mounts below `home`, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [place for place in (line.split()[4] for line in lines) if place.startswith(f"{home}/")]
    for place in sorted(places, reverse=True):
        subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)

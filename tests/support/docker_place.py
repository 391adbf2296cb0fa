"""A docker target with a small service on it, for tests: a real Docker Engine and Envoy, nothing left afterwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.builders.docker_engine import Engine
from engine.builders.registries import Registries
from engine.rollout.fleet import ReleaseId
from engine.targets.docker import DockerTarget
from engine.targets.docker.network import is_ours
from tests.support.docker_engine import DockerEngine
from tests.support.process_target import Place, WallClock

SERVE = """\
trap 'kill $!; exit 0' TERM
mkdir -p /www
printf '{"version": "%s", "group": "%s", "instance": "%s"}' \
    "$SLUICE_VERSION" "$SLUICE_GROUP" "$SLUICE_INSTANCE" > /www/index.html
[ "$SERVICE_HEALTH" = 404 ] || echo well > /www/healthz
httpd -f -p "$PORT" -h /www &
wait
"""
"""What the service's containers run: a web server that says which version it is."""
IMAGE = "shop/hello:base"
INSIDE = 8080


@dataclass
class DockerPlace(Place):
    """A `Place` on a Docker Engine. Every version is one image, told which version it is by its environment."""

    engine: DockerEngine = field(kw_only=True)
    registries: Registries = field(default_factory=Registries)
    bridge_is_here: Callable[[str], bool] = is_ours
    between: float = 0.1
    image: str = ""

    def another_target(self) -> DockerTarget:  # type: ignore[override]
        """A target that knows nothing but what is on disk and what the engine lists."""
        if not self.image:
            self.image = self.engine.busybox_image(IMAGE, files={"serve": SERVE}, command=["sh", "/serve"])
        engine = Engine(self.engine.address)
        self.target = DockerTarget(  # type: ignore[assignment]
            self.root / "place", engine, self.registries, WallClock(), bridge_is_here=self.bridge_is_here
        )
        return self.docker

    @property
    def docker(self) -> DockerTarget:
        """The target, as what it is."""
        assert isinstance(self.target, DockerTarget)
        return self.target

    def release(
        self,
        version: str,
        environment: Mapping[str, str] | None = None,
        command: str = "",
        http: str | None = "/healthz",
        digest: str = "",
        **settings: Any,
    ) -> ReleaseId:
        """A release of the service; `command` runs something else in its place."""
        name = super().release(version, environment, command, http)
        more = {"lifecycle": {"command": f"sh -c {command!r}"}} if command else {}
        service = {"port": self.port, "container_port": INSIDE}
        told = {**self.releases[name].settings, "service": service, "target": "docker", **more, **settings}
        self.releases[name] = replace(
            self.releases[name], settings=told, image=f"shop/hello:{version}", digest=digest or self.image
        )
        return name

    async def containers(self, *, state: str = "running") -> Sequence[Any]:
        """The containers of this place that are in a state."""
        found = await self.docker._containers.listed({"sluice.dev/place": self.docker._mark.place})
        return [each for each in found if each.state == state]

    async def end(self) -> None:
        """End everything."""
        await self.docker.close()
        await self.target.shutdown()
        self.engine.clear()


def docker_place(root: Path, engine: DockerEngine, **others: Any) -> DockerPlace:
    """A place on `engine`. Its workload is called as those of the docker target are."""
    return DockerPlace(root, engine=engine, **{"workload": "docker/hello", **others})

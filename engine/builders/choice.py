"""Which builder makes what, said in the first line of the stage's log with the reason.

Nothing is chosen silently: where the definition leaves it open, the source and the machine decide, and an author who
wanted the other can read in one line which key to write. Where that may surprise the result says so, too.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from engine.builders.bundle import BundleBuilder
from engine.builders.docker import DockerBuilder
from engine.errors import Broken, Interrupted
from engine.image_build import BUNDLE, DOCKER
from engine.ports import BuildOrder, Built, LogSink

WITHOUT_ENGINE = "though there is a Dockerfile: no Docker Engine answered, and builder: docker would wait for it"


@dataclass(frozen=True, slots=True)
class Choice:
    """`engine.ports.Builder` that hands each order to the builder that it means."""

    bundles: BundleBuilder
    images: DockerBuilder

    async def build(self, order: BuildOrder, log: LogSink) -> Built:
        """Build, or find the result of an equal order again. Cancelling the task ends everything that was started."""
        builder, why = (order.builder, "") if order.builder else await self._open(order, log)
        chosen = self.images if builder == DOCKER else self.bundles
        built = await chosen.build(order, log)
        return replace(built, why=why) if why else built

    async def find(self, image: str) -> str:
        """Return the digest of the bundle that organization/repository:tag points to: processes run bundles."""
        return await self.bundles.find(image)

    async def sweep(self) -> int:
        """Clear away what killed builds left. To be called when the bot starts."""
        return await self.bundles.sweep() + await self.images.sweep()

    async def prune(self, keep: Collection[str], made_before: datetime) -> tuple[str, ...]:
        """Remove bundles, and images in the Docker Engine, that nobody needs; an engine that is away is left alone."""
        gone = await self.bundles.prune(keep, made_before)
        try:
            return gone + await self.images.prune(keep, made_before)
        except (Broken, Interrupted):
            return gone

    async def _open(self, order: BuildOrder, log: LogSink) -> tuple[str, str]:
        """Decide where the definition says nothing, and the pipeline deploys nothing; why, where it may surprise."""
        if not await self.images.has_dockerfile(order, log):
            log("The source has no Dockerfile: a bundle is built. Write builder: to be sure of one")
            return BUNDLE, ""
        try:
            await self.images.engine.greet()
        except (Broken, Interrupted) as away:
            log(f"A bundle is built, though there is a Dockerfile: {away} Write builder: docker to wait for the engine")
            return BUNDLE, WITHOUT_ENGINE
        log("The source has a Dockerfile: an image is built with it. Write builder: bundle for a bundle")
        return DOCKER, ""

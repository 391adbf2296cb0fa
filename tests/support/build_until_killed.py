"""A separate process that builds and never gets to the end: it is there to be killed.

Arguments: the shelf's directory, the forge's directory, the repository, the build script.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from engine.builders.bundle import BundleBuilder
from engine.forges.git import GitForge
from engine.ports import BuildOrder


def _say(text: str) -> None:
    print(text, flush=True)


async def _build(shelf: str, mirrors: str, url: str, script: str) -> None:
    forge = GitForge(Path(mirrors), allow_local=True)
    commit = await forge.resolve(url, branch="main", tag=None, log=_say)
    order = BuildOrder(commit, "shop/api:v1", script, "", {}, timedelta(minutes=5))
    await BundleBuilder(Path(shelf), forge).build(order, _say)


if __name__ == "__main__":
    asyncio.run(_build(*sys.argv[1:]))

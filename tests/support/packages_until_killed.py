"""A program that serves a package store until it is killed: python -m tests.support.packages_until_killed HOME [keep].

With ``keep`` it kills itself where a content is on the disk and the index does not name it yet.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from storage.package_files import PackageFiles
from tests.support.package_house import a_house


class MortalFiles(PackageFiles):
    """Files that live until the first content is kept."""

    def keep(self, name: str, sha256: str, now: datetime) -> None:
        super().keep(name, sha256, now)
        os.kill(os.getpid(), signal.SIGKILL)


async def serve(home: Path, made: Callable[[Path], PackageFiles]) -> None:
    async with a_house(home, files=made) as house:
        print(house.port, await house.token(), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), MortalFiles if "keep" in sys.argv[2:] else PackageFiles))

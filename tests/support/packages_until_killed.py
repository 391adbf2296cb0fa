"""A program that serves a package store until it is killed: python -m tests.support.packages_until_killed HOME."""

import asyncio
import sys
from pathlib import Path

from tests.support.package_house import a_house


async def serve(home: Path) -> None:
    async with a_house(home) as house:
        print(house.port, await house.token(), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))

"""Uvicorn inside a program of its own: no signal handlers, and asleep until it is asked to end.

Uvicorn by itself wakes up ten times a second to look whether it should end and to keep the Date header; two servers
that do so cost an idle bot more than everything else together.
"""

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette


class Serving(uvicorn.Server):
    """A server that somebody else starts, as a task of `serve`, and ends with `end`."""

    def __init__(self, app: Starlette, grace: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=grace,
            )
        )
        self._ended = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program."""
        yield

    async def main_loop(self) -> None:
        """Sleep until `end`."""
        await self.on_tick(0)
        await self._ended.wait()

    def end(self) -> None:
        """Answer what is under way, then end."""
        self.should_exit = True
        self._ended.set()

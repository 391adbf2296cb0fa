"""Files in Telegram: what is too long for a message goes below it as one, and definitions come as one."""

import asyncio
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from bot.cards import Card
from bot.chat import Enclosure, Slower
from bot.enclosed import must_be_of
from bot.telegram.api import Api
from engine.errors import Interrupted, Refused, SluiceError
from engine.model import RoomId

MOST = 256 * 1024
"""The longest definition, in bytes."""
_TRIES = 4
_PAUSE = 0.5
_SECONDS = 10.0
_LONGEST_NAME = 60
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attached:
    """A definition that came as a file, and what is said with it: ``define`` or ``check``, and a pipeline perhaps."""

    verb: str
    pipeline: str
    file: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Files:
    """Sends files and fetches them."""

    api: Api

    async def attach(self, room: RoomId, below: str, name: str, text: str) -> None:
        """Show a text as a file below a message that is there already.

        Who called would post the message again if this failed, so it waits and tries by itself, and gives up with a
        word in the log.
        """
        await self._send(room, below, name, text.encode())

    async def enclose(self, room: RoomId, below: str, enclosure: Enclosure) -> None:
        """Show a file that goes with an answer, as `attach` does."""
        try:
            content = await asyncio.to_thread(Path(enclosure.place).read_bytes)
        except OSError as error:
            _LOG.error("%s cannot be read: %s", enclosure.name, error)
            return
        await self._send(room, below, enclosure.name, content)

    async def fetch(self, file: str, most: int) -> bytes:
        """Return what is in a file that somebody sent. Refused when it is larger than `most` bytes."""
        content = await self.api.file(file)
        if len(content) > most:
            raise Refused(f"It is larger than {most // 1024 // 1024} MiB.", "Send a smaller one.")
        return content

    async def _send(self, room: RoomId, below: str, name: str, content: bytes) -> None:
        for _ in range(_TRIES):
            try:
                return await self.api.attach(room, name, content, below=below)
            except Slower as error:
                await asyncio.sleep(error.after.total_seconds())
            except Interrupted:
                await asyncio.sleep(_PAUSE)
            except SluiceError as error:
                _LOG.error("%s was not attached: %s", name, error)
                return None
        _LOG.error("%s was not attached in %d tries.", name, _TRIES)
        return None

    async def line(self, attached: Attached) -> str:
        """Return what a file says as a line. Refused when it cannot be a definition, or cannot be fetched now.

        Other deliveries wait meanwhile, so it is not tried for long.
        """
        if attached.size > MOST:
            raise _TooLarge(attached.name)
        content = await self._content(attached)
        if len(content) > MOST:
            raise _TooLarge(attached.name)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refused(f"{attached.name} is no text in UTF-8.", "Save it as UTF-8 and send it again.") from error
        must_be_of(attached.pipeline, attached.name, text)
        return f"{attached.verb}\n{text}"

    async def _content(self, attached: Attached) -> bytes:
        failed: SluiceError | None = None
        try:
            async with asyncio.timeout(_SECONDS):
                for _ in range(_TRIES):
                    try:
                        return await self.api.file(attached.file)
                    except Interrupted as error:
                        failed = error
                        await asyncio.sleep(_PAUSE)
        except (TimeoutError, SluiceError) as error:
            failed = failed or (error if isinstance(error, SluiceError) else None)
        raise Refused(f"{attached.name} could not be fetched from Telegram.", "Send it again.") from failed


class _TooLarge(Refused):
    """A file is no definition: none is so large."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is larger than {MOST // 1024} KiB.", "Send a smaller definition.")


def file_name(card: Card) -> str:
    """Return how the file is called that holds what a message cannot: after the run, or after what the card says."""
    is_definition = card.code.startswith("pipeline:") or "\nstages:" in card.code
    about = _UNFIT.sub("-", card.key or card.title)[:_LONGEST_NAME].strip("-.") or "sluice"
    return f"{about}{'.yaml' if is_definition else '.txt'}"

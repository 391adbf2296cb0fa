"""Files in Slack: what is too long for a message goes below it as one, and definitions come as one."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from bot.chat import Slower
from bot.slack.api import Api
from engine.errors import Interrupted, Refused, SluiceError

MOST = 256 * 1024
"""The longest definition, in bytes."""
ENDINGS = (".yaml", ".yml")
_TRIES = 4
_PAUSE = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Files:
    """Uploads and downloads files."""

    api: Api

    async def attach(self, channel: str, thread: str, name: str, text: str) -> None:
        """Show a text as a file below a message that is there already.

        Who called would post the message again if this failed, so it waits and tries by itself, and gives up with a
        word in the log.
        """
        for _ in range(_TRIES):
            try:
                return await self._attach(channel, thread, name, text.encode())
            except Slower as error:
                await asyncio.sleep(error.after.total_seconds())
            except Interrupted:
                await asyncio.sleep(_PAUSE)
            except SluiceError as error:
                _LOG.error("%s was not attached: %s", name, error)
                return None
        _LOG.error("%s was not attached in %d tries.", name, _TRIES)
        return None

    async def text(self, file: str) -> str:
        """Return the text of a file that somebody shared. Refused when it cannot be a definition."""
        about: dict[str, Any] = (await self.api.call("files.info", file=file))["file"]
        name = str(about.get("name", "The file"))
        if int(about.get("size") or 0) > MOST:
            raise Refused(f"{name} is larger than {MOST // 1024} KiB.", "Send a smaller definition.")
        url = str(about.get("url_private_download") or about.get("url_private") or "")
        content = await self.api.download(url, MOST)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refused(f"{name} is no text in UTF-8.", "Save it as UTF-8 and send it again.") from error

    async def _attach(self, channel: str, thread: str, name: str, content: bytes) -> None:
        place = await self.api.call("files.getUploadURLExternal", filename=name, length=len(content))
        await self.api.upload(place["upload_url"], content)
        where = {"channel_id": channel, **({"thread_ts": thread} if thread else {})}
        await self.api.call("files.completeUploadExternal", files=[{"id": place["file_id"], "title": name}], **where)

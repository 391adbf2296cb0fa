"""Files in Slack: what is too long for a message goes below it as one, and definitions come as one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.chat import Enclosure
from bot.enclosed import must_be_of
from bot.slack.api import Api
from bot.slack.beside import Beside
from engine.errors import Broken, Refused

FETCH_SECONDS = 100.0
"""How long a file for a package may take; others are small."""
MOST = 256 * 1024
"""The longest definition, in bytes."""
_VERB, _FILE, _NAME, _PIPELINE = "file_verb", "file", "file_name", "file_pipeline"


@dataclass(frozen=True, slots=True)
class Shared:
    """A definition that somebody shared as a file; beside it ``define`` or ``check``, and a pipeline perhaps."""

    verb: str
    file: str
    name: str
    pipeline: str = ""

    @property
    def context(self) -> dict[str, str]:
        """The file, to be kept with an update."""
        return {_VERB: self.verb, _FILE: self.file, _NAME: self.name, _PIPELINE: self.pipeline}

    @classmethod
    def of(cls, context: Mapping[str, str]) -> "Shared | None":
        """Return the file that was kept with an update; None when there is none."""
        if _FILE not in context:
            return None
        return cls(context[_VERB], context[_FILE], context[_NAME], context.get(_PIPELINE, ""))


@dataclass(frozen=True, slots=True)
class Files:
    """Uploads and downloads files."""

    api: Api
    beside: Beside

    def attach(self, channel: str, thread: str, name: str, text: str) -> None:
        """Show a text as a file below a message that is there already, soon.

        Nobody waits for it: what else the room is to be told goes on, and the message is not posted again because its
        file could not be.
        """
        self.beside.do(lambda: self._attach(channel, thread, name, text.encode()), f"{name} is not attached")

    def enclose(self, channel: str, thread: str, enclosure: Enclosure) -> None:
        """Show a file that goes with an answer, soon, as `attach` does."""

        async def send() -> None:
            try:
                content = await asyncio.to_thread(Path(enclosure.place).read_bytes)
            except OSError as error:
                raise Broken(f"{enclosure.name} cannot be read: {error}") from error
            await self._attach(channel, thread, enclosure.name, content)

        self.beside.do(send, f"{enclosure.name} is not sent")

    async def fetch(self, file: str, most: int) -> bytes:
        """Return what is in a file that somebody shared. Refused when it is larger than `most` bytes."""
        about: dict[str, Any] = (await self.api.call("files.info", file=file)).get("file") or {}
        if int(about.get("size") or 0) > most:
            raise Refused(f"It is larger than {most // 1024 // 1024} MiB.", "Upload it over HTTP: `package` says how.")
        url = str(about.get("url_private_download") or about.get("url_private") or "")
        return await self.api.download(url, most, seconds=FETCH_SECONDS)

    async def text(self, shared: Shared) -> str:
        """Return the text of a file that somebody shared. Refused when it cannot be a definition."""
        about: dict[str, Any] = (await self.api.call("files.info", file=shared.file)).get("file") or {}
        name = str(about.get("name") or shared.name)
        if int(about.get("size") or 0) > MOST:
            raise Refused(f"{name} is larger than {MOST // 1024} KiB.", "Send a smaller definition.")
        url = str(about.get("url_private_download") or about.get("url_private") or "")
        content = await self.api.download(url, MOST)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refused(f"{name} is no text in UTF-8.", "Save it as UTF-8 and send it again.") from error
        must_be_of(shared.pipeline, name, text)
        return text

    async def _attach(self, channel: str, thread: str, name: str, content: bytes) -> None:
        place = await self.api.call("files.getUploadURLExternal", filename=name, length=len(content))
        await self.api.upload(place["upload_url"], content, seconds=FETCH_SECONDS)
        where = {"channel_id": channel, **({"thread_ts": thread} if thread else {})}
        await self.api.call("files.completeUploadExternal", files=[{"id": place["file_id"], "title": name}], **where)

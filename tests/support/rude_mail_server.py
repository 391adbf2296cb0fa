"""A mail server on loopback that keeps to the letter of SMTP and to nothing else: slow, silent, and rude at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class RudeMailServer:
    """Takes mails. `bye` answers QUIT, empty: nothing does; `says` has other answers, by SMTP's words.

    From `silent_from` on (a word of SMTP, or HELLO for the greeting) nothing is answered.
    """

    bye: bytes = b"221 bye"
    silent_from: bytes = b""
    port: int = 0
    says: dict[bytes, bytes] = field(default_factory=dict)
    taken: int = 0
    connected: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it is closed."""
        self.connected += 1
        try:
            await self._say(writer, b"HELLO", b"220 here")
            while line := await reader.readline():
                await self._answer(reader, writer, line.split()[0].upper())
        except ConnectionError:
            pass
        finally:
            self.gone.set()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, word: bytes) -> None:
        if word == b"DATA" and word != self.silent_from:
            await self._say(writer, word, b"354 go on")
            while await reader.readline() not in (b".\r\n", b""):
                pass
            self.taken += 1
        said = {b"QUIT": self.bye, **self.says}.get(word, b"250 well")
        await self._say(writer, word, said)

    async def _say(self, writer: asyncio.StreamWriter, word: bytes, said: bytes) -> None:
        if said and word != self.silent_from:
            writer.write(said + b"\r\n")
            await writer.drain()


@asynccontextmanager
async def rude_mail_server(bye: bytes = b"221 bye", silent_from: bytes = b"") -> AsyncIterator[RudeMailServer]:
    """One on a free port."""
    rude = RudeMailServer(bye, silent_from)
    server = await asyncio.start_server(rude.speak, "127.0.0.1", 0)
    rude.port = server.sockets[0].getsockname()[1]
    try:
        yield rude
    finally:
        server.close()

"""Secret variables in use: from a marker to its value, at the moment in which the value is handed to somebody.

Here is the only place where one is opened. Whatever is opened is made known to the redaction first, so that whoever
writes it down by mistake writes something else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from engine.errors import Broken
from engine.redaction import Redaction
from engine.secret_variables import SecretUnset, in_form, in_json, revealed, secrets_in
from engine.web_call import WebCall
from storage.book import SqlBook
from storage.secrets import Secret, opened
from storage.store import SqlStore
from storage.vault import Vault


@dataclass(frozen=True, slots=True)
class KeptSecrets:
    """`engine.ports.Secrets` on the store."""

    store: SqlStore
    vault: Vault
    redaction: Redaction

    async def values(self, pipeline: str, names: Iterable[str]) -> Mapping[str, str]:
        """The values of these secrets, by name. Raises `SecretUnset`, or `Broken` when their key is gone."""
        wanted = tuple(names)
        if not wanted:
            return {}
        kept = {one.name: one for one in await self.store.read(lambda book: book.secrets.of(pipeline))}
        missing = [name for name in wanted if name not in kept]
        if missing:
            raise SecretUnset(pipeline, missing[0])
        return {name: self._open(kept[name]) for name in wanted}

    async def call(self, pipeline: str, call: WebCall) -> WebCall:
        """A request with the values of a pipeline's secrets in its headers and its body, written as they are there."""
        texts = (call.body, *call.headers.values())
        values = await self.values(
            pipeline, dict.fromkeys(name for text in texts for name in secrets_in(text, call.tag))
        )
        if not values:
            return call
        kind = next((value for name, value in call.headers.items() if name.lower() == "content-type"), "").lower()
        write = in_json if "json" in kind else in_form if "x-www-form-urlencoded" in kind else str
        headers = {name: revealed(value, call.tag, values) for name, value in call.headers.items()}
        return replace(call, headers=headers, body=revealed(call.body, call.tag, values, write))

    async def recall(self) -> None:
        """Make every secret known to the redaction: when the bot starts."""
        for one in await self.store.read(_all):
            try:
                self._open(one)
            except Broken:
                continue  # its key is gone, so nothing can write it down; whoever needs it is told

    def _open(self, secret: Secret) -> str:
        value = opened(self.vault, secret)
        self.redaction.add(value)
        return value


def _all(book: SqlBook) -> list[Secret]:
    return book.secrets.all()

"""How git gets a password or token without anybody else getting it.

The danger: addresses, arguments and environments of processes can be read by others on the machine, files outlive a
crash, and git's own messages end up in logs that a whole room reads.

The promise: the secret is in no argument, no environment, no file and no log. It waits in a pipe that only git's
children inherit, for one question about one origin: a redirect to another host does not get it. What git says is
scrubbed of it, in the forms in which it could appear.
"""

import base64
import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from engine.errors import Refused
from engine.outlets import Scrub, keep_text

_LONGEST = 16 * 1024
_HIDDEN = "***"


class UnusableCredential(Refused):
    """A user name or secret that git cannot be told."""

    def __init__(self) -> None:
        super().__init__(
            "The code account's user name or token is empty, far too long, or has a line break in it.",
            "Bind it again.",
        )


@dataclass(frozen=True, slots=True)
class Credential:
    """What an https repository asks for. For a token, `username` is what the forge wants there, often anything."""

    username: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        for part in (self.username, self.secret):
            if not part or len(part) > _LONGEST or any(letter in part for letter in "\n\r\0"):
                raise UnusableCredential

    def scrub(self, text: str) -> str:
        """`text` without the secret in any form that git or a server could repeat it in."""
        pair = base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
        for form in sorted({self.secret, quote(self.secret, safe=""), quote(self.secret), pair}, key=len, reverse=True):
            text = text.replace(form, _HIDDEN)
        return text


def scrub_for(credential: Credential | None) -> Scrub:
    """Return what to send git's words through before anybody sees them."""
    return credential.scrub if credential else keep_text


@contextlib.contextmanager
def offered(credential: Credential | None, origin: str) -> Iterator[tuple[Mapping[str, str], tuple[int, ...]]]:
    """Yield the environment and the descriptors that let git ask for `credential`, once, for `origin`."""
    if credential is None:
        yield {}, ()
        return
    reading, writing = os.pipe()
    try:
        os.write(writing, f"username={credential.username}\npassword={credential.secret}\n".encode())
    finally:
        os.close(writing)
    try:
        yield _helper(origin, reading), (reading,)
    finally:
        os.close(reading)


def _helper(origin: str, descriptor: int) -> dict[str, str]:
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"credential.{origin}.helper",
        "GIT_CONFIG_VALUE_0": f'!f() {{ if test "$1" = get; then cat /dev/fd/{descriptor}; fi; }}; f',
    }

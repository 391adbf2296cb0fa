"""What a Docker Engine's complaints mean: whom they concern, and what to do. Pure.

The engine has one kind of error for everything that happens while it builds, fetches and pushes, so its words decide.
What nobody has heard of before is a failure of the stage, with the engine's own words.
"""

import re
from collections.abc import Sequence

from engine.errors import Broken, Interrupted, SluiceError, StageFailure

_LONGEST = 600
_OUT_OF_MEMORY = 137
_NO_ROOM = ("no space left on device", "disk quota exceeded")
_NOT_LET_IN = ("unauthorized", "authentication required", "denied", "no basic auth credentials", "403 forbidden")
_PASSING = (
    *("connection refused", "connection reset", "i/o timeout", "tls handshake timeout", "no such host", ": eof"),
    *("temporary failure in name resolution", "network is unreachable", "no route to host", "toomanyrequests"),
    *("context canceled", "context deadline exceeded", "client.timeout exceeded", "broken pipe", "blob upload unknown"),
    *("received unexpected http status: 5", "error response from daemon: 5", "internal server error"),
)
_ESCAPES = re.compile(r"forbidden path outside the build context: (\S+)", re.IGNORECASE)
_CODE = re.compile(r"returned a non-zero code: (\d+)")
_NOT_TLS = "server gave http response to https client"


class EngineAway(Interrupted):
    """The Docker Engine cannot be reached, or has gone while it was at work."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(f"The Docker Engine at {address} does not answer: {why}.", "It goes on when that is back.")


class EngineClosed(Broken):
    """The Docker Engine is there and does not let us in, or is none."""

    def __init__(self, address: str, why: str, cure: str) -> None:
        super().__init__(f"The Docker Engine at {address} cannot be used: {why}.", cure)


class EngineFull(Broken):
    """There is no room left where the Docker Engine keeps its images."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"The disk of the Docker Engine at {address} is full.",
            "Make room there (docker system prune); it goes on by itself.",
        )


class EngineRefused(StageFailure):
    """The Docker Engine does not do what it was asked for; `words` are its own."""

    def __init__(self, address: str, words: str) -> None:
        self.words = words
        self.words = shortened(words)
        super().__init__(f"The Docker Engine at {address} refuses: {self.words}.", "Mend what it names.")


class BuildFailed(StageFailure):
    """A step of the Dockerfile ended with an error."""

    def __init__(self, words: str, last_lines: Sequence[str], hint: str = "") -> None:
        said = f" Its last lines: {' | '.join(last_lines)}" if last_lines else ""
        super().__init__(
            f"The image cannot be built: {shortened(words)}.{said}", hint or "The whole output is in the stage's log."
        )


class BuildTooSlow(StageFailure):
    """The build did not end in time."""

    def __init__(self, limit: object, last_lines: Sequence[str]) -> None:
        said = f" Its last lines: {' | '.join(last_lines)}" if last_lines else ""
        super().__init__(
            f"The image was still being built after {limit}, and the build was ended.{said}",
            "Make it faster, or raise the stage's timeout.",
        )


class CopiesFromOutside(StageFailure):
    """The Dockerfile wants a file from outside of the build directory."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The Dockerfile copies {path}, which is outside of the build directory.",
            "Copy what is in the source, or place it there with packages: or images: in the build stage.",
        )


class RegistryRefusesPush(Broken):
    """The registry does not take our image."""

    def __init__(self, image: str, host: str, words: str) -> None:
        super().__init__(
            f"The registry {host} does not take {image}: {shortened(words)}.",
            "Set user and password of an account that may push there in SLUICE_REGISTRIES.",
        )


class RegistryInTrouble(Interrupted):
    """The registry cannot take the image now: it is away, full or broken."""

    def __init__(self, image: str, host: str, words: str) -> None:
        super().__init__(
            f"{image} cannot be pushed to the registry {host}: {shortened(words)}.",
            "The image is kept and is pushed when the registry takes it.",
        )


def shortened(words: str) -> str:
    """Put what another program says on one line of some length, without a full stop."""
    text = " ".join("".join(one if one.isprintable() else " " for one in words).split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def explain(address: str, words: str) -> SluiceError | None:
    """What a complaint means whatever was asked for; None when it is about what was asked for."""
    low = words.lower()
    if any(sign in low for sign in _NO_ROOM):
        return EngineFull(address)
    return None


def explain_build(address: str, words: str, last_lines: Sequence[str], *, memory: int) -> SluiceError:
    """Say why a build did not come to its end."""
    if known := explain(address, words):
        return known
    if escapes := _ESCAPES.search(words):
        return CopiesFromOutside(escapes[1])
    code = _CODE.search(words)
    if code is None:
        return explain_pull(address, words) or BuildFailed(words, last_lines)
    if memory and int(code[1]) == _OUT_OF_MEMORY:
        return BuildFailed(words, last_lines, "Perhaps it needed more than memory: gives it; raise that.")
    return BuildFailed(words, last_lines)


def explain_pull(address: str, words: str) -> SluiceError | None:
    """Say why an image cannot be fetched; None when the words are not about that."""
    low = words.lower()
    if _NOT_TLS in low:
        return _speaks_no_tls(address)
    if any(sign in low for sign in _PASSING):
        return Interrupted(f"The Docker Engine at {address} cannot fetch an image: {shortened(words)}.")
    return None


def explain_push(address: str, words: str, image: str, host: str) -> SluiceError:
    """Say why a push did not come to its end. What is not known is tried again: the image is there."""
    low = words.lower()
    if _NOT_TLS in low:
        return _speaks_no_tls(address)
    if any(sign in low for sign in _NOT_LET_IN):
        return RegistryRefusesPush(image, host, words)
    return RegistryInTrouble(image, host, words)


def _speaks_no_tls(address: str) -> SluiceError:
    return EngineClosed(
        address,
        "it wants TLS of a registry that has none",
        "Name the registry under insecure-registries in its daemon.json, or give the registry a certificate.",
    )

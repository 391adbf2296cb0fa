"""What git's complaints mean: whom they concern, and what to do. Pure.

Git has one exit code for everything, so its words decide. They are asked for in the C locale; a table holds what git,
curl, ssh and the large forges say. What nobody has heard of before is a failure of the stage, with git's own words.
"""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass

from engine.errors import Broken, Interrupted, SluiceError, StageFailure
from engine.forges.address import Address, Transport

_SHOWN = 4
_COMPARED = 20_000
_PREFIX = re.compile(r"^(fatal|error|remote|warning): *", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call of git came to. `complaint` are the last lines that it wrote to its error output, scrubbed."""

    code: int
    text: str
    complaint: str
    timed_out: bool = False

    @property
    def failed(self) -> bool:
        """Whether git did not do it."""
        return self.code != 0 or self.timed_out


class Unreachable(Interrupted):
    """The repository cannot be reached now."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url} cannot be reached: {why}.", "It is tried again.")


class AccessRefused(StageFailure):
    """The repository wants to know who asks, or does not let this one in."""

    def __init__(self, address: Address, why: str) -> None:
        hint = "Bind a code account that may read it, name it under source: account, and retry."
        if address.transport is Transport.SSH:
            hint = "Add the machine's public ssh key to the repository as a deploy key, and retry."
        super().__init__(f"{address.url} refuses access: {why}.", hint)


class RepositoryMissing(StageFailure):
    """There is no repository at the address, or none that this account can see."""

    def __init__(self, address: Address) -> None:
        hint = "Check the address; a private repository also looks like this to an account that may not read it."
        super().__init__(f"There is no repository at {address.url}.", hint)


class RefMissing(StageFailure):
    """The branch or tag does not exist. `branches` and `tags` are the names that do."""

    def __init__(self, kind: str, name: str, url: str, branches: Collection[str], tags: Collection[str]) -> None:
        super().__init__(f"There is no {kind} {name} in {url}.", _suggest(kind, name, branches, tags))


class PushedOver(StageFailure):
    """A commit that was pushed is not there any more: what it was pushed to leads elsewhere now."""

    def __init__(self, kind: str, name: str, sha: str) -> None:
        super().__init__(
            f"{sha[:12]} was pushed to {kind} {name}, and is not in it any more: somebody has pushed over it.",
            "Start a run by hand; it takes what is there now.",
        )


class RepositoryEmpty(StageFailure):
    """There is no commit yet."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url} has no default branch with a commit.", "Push a commit, or name a branch or a tag.")


class HostUnknown(Broken):
    """Ssh does not know the host's key."""

    def __init__(self, address: Address) -> None:
        super().__init__(
            f"The ssh key of {address.origin.removeprefix('ssh://')} is not known to this machine, or it has changed.",
            "Compare the key with what the host publishes, then add it to ~/.ssh/known_hosts of the bot's user.",
        )


class CertificateRefused(Broken):
    """The host's TLS certificate does not hold."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"The certificate of {url} is not trusted: {why}.", "Let SSL_CERT_FILE name the CA that signs it."
        )


class NoRoom(Broken):
    """The disk is full."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"There is no room for the source of {url}: {why}.", "Make room; it goes on by itself.")


class GitFailed(StageFailure):
    """Git failed for a reason of its own."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"Git could not read {url}: {why}.")


_CORRUPT = re.compile(
    r"bad object|bad tree object|corrupt|loose object|inflate:|missing blob|unable to read tree|unable to read sha1|"
    r"not a git repository: '[^']*mirrors|invalid sha1 pointer|bad ref|"
    r"did not send all necessary objects|index file smaller",
    re.IGNORECASE,
)
_TABLE = (
    (re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE), "full"),
    (re.compile(r"host key verification failed|remote host identification has changed", re.IGNORECASE), "host key"),
    (re.compile(r"certificate|ssl peer|CAfile", re.IGNORECASE), "certificate"),
    (
        re.compile(
            r"could not resolve|failed to connect|couldn't connect|connection (refused|reset|timed out|closed)|"
            r"timed out|timeout|network is unreachable|no route to host|temporary failure|name or service not known|"
            r"early eof|empty reply|unexpected disconnect|hung up|error: (429|5\d\d)|rpc failed|operation too slow|"
            r"transfer closed|ssl_error_syscall|gnutls|connection was non-properly",
            re.IGNORECASE,
        ),
        "unreachable",
    ),
    (
        re.compile(
            r"authentication failed|could not read (username|password)|error: 40[13]|permission denied|access denied|"
            r"invalid (username|credentials)|terminal prompts disabled|unauthorized|forbidden",
            re.IGNORECASE,
        ),
        "access",
    ),
    (
        re.compile(
            r"repository .*not found|error: 404|does not appear to be a git repository|no such file or directory|"
            r"does not exist|project you were looking for",
            re.IGNORECASE,
        ),
        "missing",
    ),
)


def is_missing_ref(answer: Answer) -> bool:
    """Whether git was asked for a ref or a commit that the repository does not have."""
    words = r"couldn't find remote ref|not our ref|remote error: upload-pack: not our ref|unadvertised object"
    return bool(re.search(words, answer.complaint, re.IGNORECASE))


def is_too_simple_for_depth(answer: Answer) -> bool:
    """Whether the other side is a plain file server that can only send everything."""
    return "shallow" in answer.complaint and "dumb http" in answer.complaint


def is_redirect(answer: Answer) -> bool:
    """Whether the server leads on to another address, which git does not follow."""
    return bool(re.search(r"error: 30[12378]\b|unable to update url base from redirection", answer.complaint))


def is_corrupt(answer: Answer) -> bool:
    """Whether the local mirror is damaged."""
    return bool(_CORRUPT.search(answer.complaint))


def explain(address: Address, answer: Answer) -> SluiceError:
    """Say what `answer` means, as an error for the one it concerns."""
    why = reason_of(answer)
    if answer.timed_out or answer.code < 0:
        return Unreachable(address.url, why)
    said = answer.complaint.replace(address.url, "")
    kind = next((kind for words, kind in _TABLE if words.search(said)), "")
    errors: dict[str, SluiceError] = {
        "unreachable": Unreachable(address.url, why),
        "access": AccessRefused(address, why),
        "missing": RepositoryMissing(address),
        "host key": HostUnknown(address),
        "certificate": CertificateRefused(address.url, why),
        "full": NoRoom(address.url, why),
    }
    return errors.get(kind) or GitFailed(address.url, why)


def reason_of(answer: Answer) -> str:
    """Git's own reason, in one line, without the full stop."""
    if answer.timed_out:
        return "it took too long"
    if answer.code < 0:
        return f"git was ended by signal {-answer.code}"
    lines = [_PREFIX.sub("", line).strip() for line in answer.complaint.splitlines()]
    told = [line for line in lines if line and not line.startswith(("Please make sure", "and the repository exists"))]
    return "; ".join(told[-_SHOWN:]).rstrip(".") or f"git ended with {answer.code}"


def _suggest(kind: str, name: str, branches: Collection[str], tags: Collection[str]) -> str:
    others, other_kind = (tags, "tag") if kind == "branch" else (branches, "branch")
    if name in others:
        return f"There is a {other_kind} {name}: write {other_kind}: {name}."
    names = sorted(branches if kind == "branch" else tags)[:_COMPARED]
    near = difflib.get_close_matches(name, names, n=_SHOWN, cutoff=0.5)
    if near:
        return f"The nearest names are {', '.join(near)}."
    if names:
        return f"It has {len(names)}, for example {', '.join(names[-_SHOWN:])}."
    return f"It has no {kind} at all."

"""Plain git: any repository that an address leads to, at the commit that a branch or tag points to now, or led to.

A commit once resolved is kept in the mirror, so that a later stage gets exactly it, even when the branch has moved on
or is gone. The tree is written by git itself from the objects, never through anything that the repository could
configure, and then brought into one form: a symbolic link that leads out of it is refused.
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine.disk import DiskFull, disk_errors, free_bytes
from engine.errors import Broken, InvariantViolation, Refused, SluiceError, StageFailure
from engine.forges.address import Address, Transport, check_ref, parse_address
from engine.forges.complaints import (
    Answer,
    PushedOver,
    RefMissing,
    RepositoryEmpty,
    explain,
    is_corrupt,
    is_missing_ref,
    is_redirect,
    is_too_simple_for_depth,
    reason_of,
)
from engine.forges.credential import Credential
from engine.forges.mirror import Mirror
from engine.forges.reaching import EVERYWHERE, Reach, pinned
from engine.ports import Commit, LogSink
from engine.trees import settle

_FETCHED = "refs/sluice/fetched"
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FORMAT = "--format=%H%x00%s%x00%an <%ae>%x00%cI"
_LISTED = re.compile(r"[0-9a-f]+\trefs/(heads|tags)/(.+)")
_LONGEST_TEXT = 200
_DEPTHS = (20, 200, 1000)
"""Generations of a branch that are fetched, as far as it takes to find a commit that was pushed to it."""
_ALMOST_NOTHING = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to fetch: `kind` and `name` are people's words, `ref` is git's."""

    kind: str
    name: str
    ref: str


Credentials = Callable[[str, str], Awaitable[Credential | None]]
"""From a code account's name and an address to what that address asks for; raises an error of the house."""


async def _no_credential(_account: str, _url: str) -> Credential | None:
    return None


class GitForge:
    """The forge for any git address. Mirrors are kept under `root`.

    `credentials` gives what an https address asks for; ssh works with the machine's own keys. `reach` judges where an
    address leads; without it, it may lead anywhere. `surroundings` is the environment of the bot: PATH, proxies,
    certificates and the ssh agent are passed on from it, nothing else.
    """

    def __init__(
        self,
        root: Path,
        *,
        allow_local: bool = False,
        allow_http: bool = False,
        credentials: Credentials = _no_credential,
        reach: Reach | None = None,
        timeout: timedelta = timedelta(minutes=15),
        surroundings: Mapping[str, str] = os.environ,
    ) -> None:
        self._root = root.absolute()
        self._allow_local = allow_local
        self._allow_http = allow_http
        self._credentials = credentials
        self._reach = reach
        self._timeout = timeout
        self._surroundings = surroundings

    async def resolve(
        self, url: str, *, branch: str | None, tag: str | None, log: LogSink, account: str = "", at: str = ""
    ) -> Commit:
        """Fetch the commit that the branch or tag (neither: the default branch) points to now, or led to: `at`."""
        mirror = self._mirror(url, account)
        wanted = _read_wanted(branch, tag)
        async with mirror.opened():
            if wanted is None:
                wanted = await self._find_default(mirror, log)
            log(f"Fetching {wanted.kind} {wanted.name} of {mirror.address.url}")
            await self._fetch(mirror, wanted, log)
            commit = await self._describe(mirror, wanted, _FETCHED, log)
            if at not in ("", commit.sha):
                await self._find_in(mirror, wanted, at, log)
                commit = await self._describe(mirror, wanted, at, log)
        log(f"{wanted.kind.capitalize()} {wanted.name} is at {commit.sha[:12]}: {commit.subject} ({commit.author})")
        return commit

    async def export(self, commit: Commit, directory: str, log: LogSink) -> None:
        """Put the tree at `commit` into the empty `directory`. Submodules and LFS content are not fetched."""
        mirror, tree = self._mirror(commit.url, commit.account), Path(directory)
        if not _SHA.fullmatch(commit.sha):
            raise InvariantViolation(f"{commit.sha!r} is not the full name of a commit.")
        _check_empty(tree)
        async with mirror.opened():
            await self._ensure_commit(mirror, commit, log)
            for arguments in (("read-tree", commit.sha), ("checkout-index", "--all", "--force", "--quiet")):
                answer = await mirror.git(*arguments, log=log, tree=tree)
                if answer.failed:
                    raise _explain_export(mirror.address, answer, tree)
        with disk_errors(tree):
            await asyncio.to_thread(settle, tree, commit.at)
            _say_what_is_missing(tree, log)

    def _mirror(self, url: str, account: str) -> Mirror:
        address = parse_address(url, allow_local=self._allow_local, allow_http=self._allow_http)
        return Mirror(self._root, address, self._surroundings, self._timeout, account)

    async def _ask(self, mirror: Mirror, *arguments: str, log: LogSink) -> Answer:
        """Call git on the network; an answer about a damaged mirror never gets out."""
        if self._reach is not None:
            mirror.pin(pinned(mirror.address, await self._reach.judged(mirror.address)))
        answer = await self._call(mirror, arguments, log)
        if answer.failed and is_redirect(answer):
            to = await (self._reach or Reach(EVERYWHERE)).moved(mirror.address)
            log(f"{mirror.address.url} is found at {to}")
            mirror.lead(to)
            answer = await self._call(mirror, arguments, log)
        if answer.failed and is_corrupt(answer):
            log("The mirror is damaged; starting it anew")
            await mirror.start_anew()
            answer = await self._call(mirror, arguments, log)
        return answer

    async def _call(self, mirror: Mirror, arguments: tuple[str, ...], log: LogSink) -> Answer:
        """Call git with the credential for the address. Without an account there is none: nobody's token is tried."""
        address = mirror.address
        asks = mirror.account and address.transport in (Transport.HTTPS, Transport.HTTP)
        credential = await self._credentials(mirror.account, address.url) if asks else None
        return await mirror.git(*arguments, log=log, credential=credential)

    async def _find_default(self, mirror: Mirror, log: LogSink) -> _Wanted:
        answer = await self._ask(mirror, "ls-remote", "--quiet", "--symref", "--", mirror.address.url, "HEAD", log=log)
        if answer.failed:
            raise explain(mirror.address, answer)
        lines = [line.split("\t") for line in answer.text.splitlines()]
        pointers = [value for value, *name in lines if name == ["HEAD"]]
        branches = [
            value.removeprefix("ref: refs/heads/") for value in pointers if value.startswith("ref: refs/heads/")
        ]
        if not any(_SHA.fullmatch(value) for value in pointers):
            raise RepositoryEmpty(mirror.address.url)
        if branches:
            return _Wanted("branch", branches[0], f"refs/heads/{branches[0]}")
        return _Wanted("revision", "HEAD", "HEAD")

    async def _find_in(self, mirror: Mirror, wanted: _Wanted, at: str, log: LogSink) -> None:
        """See that a branch has moved on from `at`, and not away from it. A tag may do neither."""
        for depth in _DEPTHS if wanted.kind == "branch" else ():
            await self._fetch(mirror, wanted, log, depth)
            if not (await mirror.git("merge-base", "--is-ancestor", at, _FETCHED, log=_say_nothing)).failed:
                return
        if wanted.kind == "tag" and (await mirror.git("rev-parse", _FETCHED, log=log)).text.strip() == at:
            return  # some forges name the tag itself in place of its commit
        raise PushedOver(wanted.kind, wanted.name, at)

    async def _fetch(self, mirror: Mirror, wanted: _Wanted, log: LogSink, depth: int = 1) -> None:
        answer = await self._fetch_ref(mirror, wanted.ref, log, depth)
        if answer.failed and is_missing_ref(answer):
            raise await self._missing(mirror, wanted, log)
        if answer.failed:
            raise explain(mirror.address, answer)

    async def _fetch_ref(self, mirror: Mirror, ref: str, log: LogSink, depth: int = 1) -> Answer:
        options = (
            "--quiet",
            "--no-progress",
            "--no-tags",
            "--force",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
        )
        order = (*options, "--", mirror.address.url, f"+{ref}:{_FETCHED}")
        answer = await self._ask(mirror, "fetch", f"--depth={depth}", *order, log=log)
        if answer.failed and is_too_simple_for_depth(answer):
            answer = await self._ask(mirror, "fetch", *order, log=log)
        return answer

    async def _missing(self, mirror: Mirror, wanted: _Wanted, log: LogSink) -> StageFailure:
        listing = await self._ask(
            mirror, "ls-remote", "--quiet", "--refs", "--heads", "--tags", "--", mirror.address.url, log=log
        )
        found = [_LISTED.fullmatch(line) for line in listing.text.splitlines()]
        branches = [match[2] for match in found if match and match[1] == "heads"]
        tags = [match[2] for match in found if match and match[1] == "tags"]
        return RefMissing(wanted.kind, wanted.name, mirror.address.url, branches, tags)

    async def _describe(self, mirror: Mirror, wanted: _Wanted, revision: str, log: LogSink) -> Commit:
        peeled = await mirror.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", log=log)
        sha = peeled.text.strip()
        if peeled.failed:
            raise StageFailure(f"The {wanted.kind} {wanted.name} of {mirror.address.url} does not point to a commit.")
        kept = await mirror.git("update-ref", f"refs/sluice/commits/{sha}", sha, log=log)
        shown = await mirror.git("log", "-1", "--no-color", _FORMAT, "--end-of-options", sha, log=log)
        if kept.failed or shown.failed:
            raise explain(mirror.address, kept if kept.failed else shown)
        name, subject, author, moment = shown.text.removesuffix("\n").split("\0")
        at = datetime.fromisoformat(moment)
        account = mirror.account
        return Commit(mirror.address.url, wanted.name, name, _make_plain(subject), _make_plain(author), at, account)

    async def _ensure_commit(self, mirror: Mirror, commit: Commit, log: LogSink) -> None:
        """Fetch the commit again if the mirror was lost since it was resolved."""
        here = await mirror.git("cat-file", "-e", f"{commit.sha}^{{tree}}", log=_say_nothing)
        if not here.failed:
            return
        log(f"Fetching commit {commit.sha[:12]} of {commit.url} again")
        answer = await self._fetch_ref(mirror, commit.sha, log)
        if answer.failed and is_missing_ref(answer):
            raise StageFailure(
                f"Commit {commit.sha} is no longer in {commit.url}.",
                "Start the run again; it takes the present commit.",
            )
        if answer.failed:
            raise explain(mirror.address, answer)
        await mirror.git("update-ref", f"refs/sluice/commits/{commit.sha}", commit.sha, log=log)


def _read_wanted(branch: str | None, tag: str | None) -> _Wanted | None:
    if branch and tag:
        raise Refused(f"The source names a branch ({branch}) and a tag ({tag}).", "Keep one of them.")
    if branch is not None:
        return _Wanted("branch", check_ref("branch", branch), f"refs/heads/{branch}")
    if tag is not None:
        return _Wanted("tag", check_ref("tag", tag), f"refs/tags/{tag}")
    return None


def _make_plain(text: str) -> str:
    """Cut what a stranger wrote to one short line without control and direction marks."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_TEXT]


def _check_empty(tree: Path) -> None:
    if any(tree.iterdir()):
        raise InvariantViolation(f"{tree} is not empty; a tree is only put into an empty directory.")


def _explain_export(address: Address, answer: Answer, tree: Path) -> SluiceError:
    """Git says that it cannot write, and not why."""
    if free_bytes(tree) < _ALMOST_NOTHING:
        return DiskFull(tree)
    if "unable to write" in answer.complaint or "unable to create" in answer.complaint:
        return Broken(
            f"The tree cannot be written to {tree}: {reason_of(answer)}.", "Mend the disk; it goes on by itself."
        )
    return explain(address, answer)


def _say_nothing(_text: str) -> None:
    """Be a log that nobody reads: the question may fail."""


def _say_what_is_missing(tree: Path, log: LogSink) -> None:
    if (tree / ".gitmodules").is_file():
        log("The repository has submodules; they are not fetched")
    attributes = tree / ".gitattributes"
    if attributes.is_file() and b"filter=lfs" in attributes.read_bytes():
        log("The repository keeps files in Git LFS; they stay pointers")

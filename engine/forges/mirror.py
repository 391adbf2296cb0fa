"""A bare copy of one repository on this machine, and the only place that calls git.

The danger: two runs, in two processes perhaps, write to one copy; a killed fetch leaves lock files and a child that
still writes; and git follows configuration, hooks, filters and helpers from places that strangers fill.

The promise: whoever has the mirror open is alone with it. Git gets its configuration from one file that is written
here and nowhere else, runs no hooks, no filters and no helpers, talks over exactly one transport and asks nobody
anything.

Why it holds: a lock file that the kernel frees with its holder. Since the holder is alone, every git process with the
mirror's mark is left over from a dead one, and every lock inside the mirror too: they are removed before anything
else.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

from engine.disk import disk_errors, locked, remove_tree, write_whole
from engine.errors import Broken
from engine.forges.address import Address, Transport
from engine.forges.complaints import Answer
from engine.forges.credential import Credential, offered, scrub_for
from engine.outlets import Collected, LogOutlet
from engine.ports import LogSink
from engine.subprocesses import Command, kill_marked, run

_PASSED_ON = (
    "PATH",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
)
_SETTINGS = """\
[core]
\thooksPath = /dev/null
\tfsmonitor = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[submodule]
\trecurse = false
[fetch]
\trecurseSubmodules = false
\twriteCommitGraph = false
[protocol]
\tallow = never
[protocol "ext"]
\tallow = never
[protocol "{transport}"]
\tallow = always
[http]
\tfollowRedirects = false
\tlowSpeedLimit = 1000
\tlowSpeedTime = 60
[uploadpack]
\tallowAnySHA1InWant = true
[filter "lfs"]
\tsmudge = cat
\tclean = cat
\trequired = false
"""


class Mirror:
    """The local copy of the repository at `address`, under `root`, fetched with the code account `account`.

    `surroundings` is the bot's own environment.
    """

    def __init__(
        self, root: Path, address: Address, surroundings: Mapping[str, str], timeout: timedelta, account: str = ""
    ) -> None:
        name = hashlib.sha256(address.url.encode("utf-8", "surrogateescape")).hexdigest()[:40]
        self.address = address
        self._place = root / "mirrors" / f"{name}.git"
        self._lock = root / "mirrors" / f"{name}.lock"
        self._settings = root / "mirrors" / f"{name}.config"
        self._home = root / "home"
        self._mark = f"mirror-{hashlib.sha256(os.fsencode(self._place.resolve())).hexdigest()[:40]}"
        self._surroundings = surroundings
        self._timeout = timeout
        self.account = account
        self._pin = ""
        self._leads_to = ""

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Be alone with the mirror; what a dead holder left behind is cleared away first."""
        with disk_errors(self._place.parent):
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._place.parent.mkdir(exist_ok=True)
            async with locked(self._lock):
                await asyncio.to_thread(self._clear)
                await self._ensure()
                yield

    def pin(self, to: str) -> None:
        """Have git connect to these addresses of the host and to no others, in the words of `pinned`."""
        if self._pin != to:
            self._pin = to
            self._write_settings()

    @property
    def _is_ssh(self) -> bool:
        return self.address.transport is Transport.SSH

    def lead(self, to: str) -> None:
        """Have git ask for the repository at another address, of the same host."""
        self._leads_to = to
        self._write_settings()

    async def start_anew(self) -> None:
        """Throw the copy away and begin with an empty one."""
        await asyncio.to_thread(remove_tree, self._place)
        await self._ensure()

    async def git(
        self,
        *arguments: str,
        log: LogSink,
        credential: Credential | None = None,
        tree: Path | None = None,
    ) -> Answer:
        """Call git on the mirror. With `tree`, that is the work tree. Git's complaints go to `log`, scrubbed."""
        output = Collected()
        errors = LogOutlet(log, scrub=scrub_for(credential))
        with offered(credential, self.address.origin) as (asking, descriptors):
            command = Command(
                argv=("git", f"--git-dir={self._place}", *arguments),
                environment={**self._environment(tree), **asking},
                directory=tree or self._home,
                timeout=self._timeout,
                mark=self._mark,
                inherit=descriptors,
            )
            try:
                ended = await run(command, output, errors)
            except FileNotFoundError:
                raise Broken("The program git is not installed on this machine.", "Install git.") from None
        errors.close()
        return Answer(ended.code, output.text(), "\n".join(errors.last_lines()), ended.timed_out)

    def _environment(self, tree: Path | None) -> dict[str, str]:
        passed = {name: self._surroundings[name] for name in _PASSED_ON if self._surroundings.get(name)}
        placed = {"GIT_WORK_TREE": str(tree)} if tree else {}
        return {
            "PATH": os.defpath,
            **passed,
            **placed,
            "HOME": str(self._home),
            "LC_ALL": "C",
            "GIT_INDEX_FILE": str(self._place / "sluice-index"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._settings),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": self.address.transport.value,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_SSH_VARIANT": "ssh",
            "GIT_SSH_COMMAND": f"ssh -o BatchMode=yes -o ConnectTimeout=20 {self._pin if self._is_ssh else ''}".strip(),
        }

    def _clear(self) -> None:
        kill_marked(self._mark)
        for stale in self._place.glob("**/*.lock"):
            stale.unlink(missing_ok=True)
        for stale in self._place.glob("objects/**/tmp_*"):
            stale.unlink(missing_ok=True)
        for stale in self._place.parent.glob(f"{self._place.name}.*"):
            remove_tree(stale)
        self._write_settings()

    def _write_settings(self) -> None:
        settings = _SETTINGS.format(transport=self.address.transport.value)
        if self._pin and not self._is_ssh:
            settings += f"[http]\n\tcurloptResolve = {_quoted(self._pin)}\n"
        if self._leads_to:
            settings += f"[url {_quoted(self._leads_to)}]\n\tinsteadOf = {_quoted(self.address.url)}\n"
        write_whole(self._settings, settings + self._trusted())

    def _trusted(self) -> str:
        """Git distrusts a local repository of another owner unless it is named."""
        if self.address.transport is not Transport.LOCAL:
            return ""
        place = os.path.realpath(self.address.url)
        names = {self.address.url, place, f"{place}/.git", f"{place}.git"}
        return "[safe]\n" + "".join(f"\tdirectory = {_quoted(name)}\n" for name in sorted(names))

    async def _ensure(self) -> None:
        if (self._place / "HEAD").is_file() and (self._place / "config").is_file():
            return
        await asyncio.to_thread(remove_tree, self._place)
        draft = self._place.with_name(f"{self._place.name}.{secrets.token_hex(6)}")
        command = Command(
            argv=("git", "init", "--quiet", "--bare", "--template=", "--", str(draft)),
            environment={**self._environment(None), "GIT_INDEX_FILE": str(draft / "sluice-index")},
            directory=self._home,
            timeout=self._timeout,
            mark=self._mark,
        )
        said = LogOutlet(lambda _: None)
        if (await run(command, said)).code != 0:
            words = "; ".join(said.last_lines())
            raise Broken(f"No mirror can be made at {self._place}: {words}.", "Mend the place; it goes on by itself.")
        draft.rename(self._place)


def _quoted(text: str) -> str:
    """Write a value as git's configuration wants it. It has no line break: addresses have none."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

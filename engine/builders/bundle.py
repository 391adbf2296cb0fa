"""The bundle builder: a tree at a commit, worked over by a script, kept by its content.

The danger: a build leaves processes behind, hangs, floods the log, finds the bot's secrets, is killed half-way, is
done twice after a crash; and the same source gives another digest on another day.

The promise: a build that is cancelled, out of time or killed leaves nothing that can be found and, once swept,
nothing that runs. The script sees its variables and a clean environment. An order that was carried out once is found
again, not built again. The digest is that of the content alone.

Why it holds: the script runs under `engine.subprocesses` with the workspace's name as its mark; the result is looked
at only after every process of the script is gone; `Shelf` publishes whole bundles only. What a script writes on its
own (a date, say) it can take from SOURCE_DATE_EPOCH, which is the commit's time.

The script runs as the bot's own user: it is kept from the bot's environment, not from the bot's files.
"""

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from engine.builders import procfile
from engine.builders.placing import place_packages
from engine.builders.shelf import KeptImage, Shelf, parse_image
from engine.disk import DiskFull, disk_errors, free_bytes
from engine.errors import Broken, SluiceError, StageFailure
from engine.outlets import LogOutlet
from engine.ports import BuildOrder, Built, Forge, LogSink, Packages
from engine.subprocesses import Command, Ended, run
from engine.trees import digest_of, settle

_FORM = "sluice bundle 1"
_LONGEST_PROCFILE = 64 * 1024
_ALMOST_NOTHING = 1024 * 1024
_SHOWN = 5


class ScriptFailed(StageFailure):
    """The build script ended with an error."""

    def __init__(self, code: int, last_lines: list[str]) -> None:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        said = f" Its last lines: {' | '.join(last_lines)}" if last_lines else " It said nothing."
        super().__init__(f"The build script {how}.{said}", "The whole output is in the stage's log.")


class ScriptTooSlow(StageFailure):
    """The build script did not end in time."""

    def __init__(self, order: BuildOrder, last_lines: list[str]) -> None:
        said = f" Its last lines: {' | '.join(last_lines)}" if last_lines else ""
        super().__init__(
            f"The build script was still running after {order.timeout} and was ended.{said}",
            "Make it faster, or raise the stage's timeout.",
        )


class BundleBuilder:
    """Builds bundles from what `forge` exports, kept under `root`. `search_path` is the PATH of build scripts."""

    def __init__(self, root: Path, forge: Forge, *, search_path: str = "", packages: Packages | None = None) -> None:
        self._root = root.absolute()
        self._forge = forge
        self._packages = packages
        self._shelf = Shelf(self._root)
        self._search_path = search_path or os.environ.get("PATH", os.defpath)

    async def build(self, order: BuildOrder, log: LogSink) -> Built:
        """Build, or find the result of an equal order again. Cancelling the task ends every process it started."""
        parse_image(order.image)
        log(f"Building {order.image} as a bundle")
        key = key_of(order)
        digest = await asyncio.to_thread(self._shelf.find_order, key)
        reused = digest is not None
        if digest is None:
            digest = await self._make(order, log)
            await asyncio.to_thread(self._shelf.remember_order, key, digest)
        else:
            log("An equal order was built before; nothing is built again")
        before = await asyncio.to_thread(self._shelf.point, order.image, digest)
        if before not in (None, digest):
            log(f"{order.image} pointed to {before} until now")
        log(f"{order.image} is {digest}")
        return Built(order.image, digest, reused)

    async def find(self, image: str) -> str:
        """Return the digest that organization/repository:tag points to now. Raises `StageFailure` if none."""
        return await asyncio.to_thread(self._shelf.find, image)

    def directory(self, digest: str) -> Path:
        """Return where the content of `digest` is. Raises `StageFailure` when it is not kept."""
        return self._shelf.directory(digest)

    def web_command(self, digest: str) -> str:
        """Return the command that starts the content of `digest`: its Procfile's ``web:`` line."""
        return _read_web_command(self._shelf.directory(digest), digest)

    def images(self) -> list[KeptImage]:
        """List every name with the digest it points to, newest first."""
        return self._shelf.images()

    async def sweep(self) -> int:
        """Clear away what killed builds left: processes, workspaces. To be called when the bot starts."""
        return await asyncio.to_thread(self._shelf.sweep)

    async def prune(self, keep: Collection[str], made_before: datetime) -> tuple[str, ...]:
        """Remove content made before that moment whose digest is not in `keep`; returns the digests removed."""
        return await asyncio.to_thread(self._shelf.prune, frozenset(keep), made_before)

    async def _make(self, order: BuildOrder, log: LogSink) -> str:
        async with self._shelf.workspace() as place:
            tree = _lay_out(place)
            await self._forge.export(order.commit, str(tree), log)
            await place_packages(self._packages, order.recipe.packages, tree, place, log)
            if order.script.strip():
                await self._run_script(order, place, log)
            return await asyncio.to_thread(self._finish, order, tree)

    def _finish(self, order: BuildOrder, tree: Path) -> str:
        if tree.is_symlink() or not tree.is_dir():
            raise StageFailure(
                "The build script removed the directory that it runs in.", "Remove only what is inside it."
            )
        with disk_errors(self._root):
            _ensure_procfile(tree, order)
            settle(tree, order.commit.at, writable=False)
            digest = digest_of(tree)
        self._shelf.keep(tree, digest)
        return digest

    async def _run_script(self, order: BuildOrder, place: Path, log: LogSink) -> None:
        with disk_errors(self._root):
            (place / "script").write_text(order.script, encoding="utf-8")
        outlet = LogOutlet(log)
        log("Running the build script")
        command = Command(
            argv=("bash", "-euo", "pipefail", str(place / "script")),
            environment=self._environment(order, place),
            directory=place / "tree",
            timeout=order.timeout,
            mark=place.name,
        )
        try:
            ended = await run(command, outlet)
        except (OSError, ValueError) as error:
            raise _explain_start(error) from error
        finally:
            outlet.close()
        self._judge(order, ended, outlet.last_lines(_SHOWN))

    def _judge(self, order: BuildOrder, ended: Ended, last_lines: list[str]) -> None:
        if ended.timed_out:
            raise ScriptTooSlow(order, last_lines)
        if ended.code == 0:
            return
        if free_bytes(self._root) < _ALMOST_NOTHING:
            raise DiskFull(self._root)
        raise ScriptFailed(ended.code, last_lines)

    def _environment(self, order: BuildOrder, place: Path) -> Mapping[str, str]:
        return {
            **order.environment(),
            "PATH": self._search_path,
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": str(int(order.commit.at.timestamp())),
        }


def _explain_start(error: OSError | ValueError) -> SluiceError:
    if isinstance(error, ValueError) or error.errno == errno.E2BIG:
        return StageFailure(
            f"The variables cannot be an environment: {error}.", "Make their values shorter and plainer."
        )
    if isinstance(error, FileNotFoundError):
        return Broken("The program bash is not installed on this machine.", "Install bash.")
    return Broken(f"The build script cannot be started: {error.strerror}.", "Mend the machine; it goes on by itself.")


def key_of(order: BuildOrder) -> str:
    """Name everything that the content depends on: 64 hex digits. The image's own name is not part of it."""
    parts = [_FORM, order.commit.sha, order.script, order.procfile, sorted(order.variables.items())]
    if order.recipe.packages:
        parts.append(order.recipe.packages)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _lay_out(place: Path) -> Path:
    with disk_errors(place):
        for name in ("tree", "home", "tmp"):
            (place / name).mkdir()
    return place / "tree"


def _ensure_procfile(tree: Path, order: BuildOrder) -> None:
    place, name = tree / procfile.NAME, f"{order.commit.url} at {order.commit.sha[:12]}"
    if not os.path.lexists(place):
        if not order.procfile.strip():
            raise procfile.NoProcfile(name)
        place.write_text(order.procfile, encoding="utf-8")
    _read_web_command(tree, name)


def _read_web_command(tree: Path, name: str) -> str:
    place = tree / procfile.NAME
    if not place.is_file() or not place.resolve().is_relative_to(tree.resolve()):
        raise procfile.NoProcfile(name)
    with place.open("rb") as file:
        text = file.read(_LONGEST_PROCFILE).decode("utf-8", "replace")
    command = procfile.find_web_command(text)
    if command is None:
        raise procfile.NoWebLine(name)
    return command

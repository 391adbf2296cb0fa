"""Forges on loopback that people bind accounts at, with git's own http backend beside them: one server plays any.

Repositories are real ones below `root`, so branches and tags are what git says. What is listed comes in pages of
`page_size`. `trouble` answers the next requests in place of the forge.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.git_server import GitAnswer, GitServer, at_work

Json = dict[str, Any]
Answer = tuple[int, Any, Mapping[str, str]] | None
"""Status, JSON and headers. None: nothing is known there."""
LOGIN = "ann-dev"


@dataclass
class Asked:
    """One request of the API."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json


@dataclass
class Trouble:
    """What is answered in place of the forge."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = "{}"


@dataclass
class Flavour:
    """How one forge answers."""

    signs: Callable[["ForgeServer", Asked], bool]
    answer: Callable[["ForgeServer", Asked], Answer]


class ForgeServer(GitServer):
    """Serves the API of `flavour` and the repositories under `root`; whoever fetches gives `account`."""

    def __init__(self, root: Path, flavour: Flavour, prefix: str, account: tuple[str, str] | None) -> None:
        super().__init__(root, account)
        self.RequestHandlerClass = _ForgeAnswer
        self.flavour, self.prefix = flavour, prefix
        self.hooks: dict[str, list[Json]] = {}
        self.asked: list[Asked] = []
        self.trouble: list[Trouble] = []
        self.denied: set[str] = set()
        """Words of `METHOD /path` that are forbidden."""
        self.page_size = 2
        self.keeps_prefix = False
        self._hooks_made = 0

    @property
    def origin(self) -> str:
        """Where the forge is."""
        return f"http://127.0.0.1:{self.server_port}"

    def refs(self, repository: str, kind: str) -> list[tuple[str, str]]:
        """Branches (heads) or tags, by name, with their commits."""
        ask = ["git", "for-each-ref", "--format=%(refname:strip=2) %(objectname)", f"refs/{kind}"]
        done = subprocess.run(ask, cwd=self.root / repository, check=True, capture_output=True, text=True, timeout=30)
        return [(name, sha) for name, sha in (line.split() for line in done.stdout.splitlines())]

    def repositories(self) -> list[str]:
        """Paths of all repositories."""
        return sorted(str(path.parent.relative_to(self.root)) for path in self.root.glob("*/*/.git"))

    def attach(self, repository: str, hook: Json) -> Json:
        """Keep a hook."""
        self._hooks_made += 1
        made = {**hook, "id": self._hooks_made}
        self.hooks.setdefault(repository, []).append(made)
        return made

    def hook(self, repository: str, number: str) -> Json | None:
        """One hook."""
        return next((one for one in self.hooks.get(repository, []) if str(one["id"]) == number), None)


class _ForgeAnswer(GitAnswer):
    server: ForgeServer

    def do_GET(self) -> None:  # noqa: N802 - the library calls it so
        if not self.path.startswith(self.server.prefix):
            super().do_GET()
            return
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path if self.server.keeps_prefix else parts.path.removeprefix(self.server.prefix)
        asked = Asked(self.command, path, query, dict(self.headers.items()), json.loads(raw) if raw else {})
        self.server.asked.append(asked)
        self._say(*self._answered(asked))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the library calls them so

    def _answered(self, asked: Asked) -> tuple[int, Any, Mapping[str, str]]:
        if self.server.trouble:
            trouble = self.server.trouble.pop(0)
            return trouble.status, trouble.body, trouble.headers
        if not self.server.flavour.signs(self.server, asked):
            return 401, {"message": "401 Unauthorized"}, {}
        if any(denied in f"{asked.method} {asked.path}" for denied in self.server.denied):
            return 403, {"message": "403 Forbidden"}, {}
        return self.server.flavour.answer(self.server, asked) or (404, {"message": "404 Not Found"}, {})

    def _say(self, status: int, data: Any, headers: Mapping[str, str]) -> None:
        content = data.encode() if isinstance(data, str) else b"" if data is None else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def paged(server: ForgeServer, asked: Asked, items: list[Any]) -> tuple[list[Any], int, int]:
    """Return the items of the page that is asked for, its number, and how many pages there are."""
    number = int(asked.query.get("page", "1"))
    start = (number - 1) * server.page_size
    return items[start : start + server.page_size], number, -(-len(items) // server.page_size)


def hooks(server: ForgeServer, asked: Asked, path: str, rest: list[str], page: Callable[[list[Any]], Answer]) -> Answer:
    """Answer about the webhooks of a repository; `page` answers a list of them."""
    if not rest:
        if asked.method == "POST":
            return 201, _told(server.attach(path, asked.body)), {}
        return page([_told(one) for one in server.hooks.get(path, [])])
    hook = server.hook(path, rest[0])
    if hook is None:
        return None
    if asked.method == "DELETE":
        server.hooks[path].remove(hook)
        return 204, None, {}
    hook.update(asked.body)
    return 200, _told(hook), {}


def _told(hook: Json) -> Json:
    """A hook as it is told: without its secrets."""
    return {name: value for name, value in hook.items() if name not in ("token", "password", "signing_token")}


@contextmanager
def forge(root: Path, flavour: Flavour, prefix: str, account: tuple[str, str] | None = None) -> Iterator[ForgeServer]:
    """Serve until the block ends."""
    with at_work(ForgeServer(root, flavour, prefix, account)) as server:
        yield server

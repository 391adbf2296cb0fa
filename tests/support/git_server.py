"""A git server on loopback: git's own http backend behind HTTP with basic authentication, which can be made to wait."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

Server = TypeVar("Server", bound="GitServer")


class GitServer(ThreadingHTTPServer):
    """Serves the repositories under `root`. With `held`, a request that is let in waits until `go_on` is set."""

    daemon_threads = True

    def __init__(self, root: Path, account: tuple[str, str] | None, *, held: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), GitAnswer)
        self.root = root
        pair = ":".join(account or ()).encode()
        self.expected = f"Basic {base64.b64encode(pair).decode()}" if account else None
        self.let_in = threading.Event()
        self.go_on = threading.Event()
        self.redirect_to = ""
        self.moved: dict[str, str] = {}
        """Paths that lead on to another path of this server."""
        self.seen: list[str | None] = []
        if not held:
            self.go_on.set()

    def url(self, name: str) -> str:
        """Return the address of the repository `name`."""
        return f"http://127.0.0.1:{self.server_port}/{name}"


@contextmanager
def serving(root: Path, account: tuple[str, str] | None = None, *, held: bool = False) -> Iterator[GitServer]:
    """Serve until the block ends."""
    with at_work(GitServer(root, account, held=held)) as server:
        yield server


@contextmanager
def at_work(server: Server) -> Iterator[Server]:
    """Let a server answer until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


class GitAnswer(BaseHTTPRequestHandler):
    """What a git server says to one request."""

    server: GitServer

    def do_GET(self) -> None:
        given = self.headers.get("Authorization")
        self.server.seen.append(given)
        old = next((one for one in self.server.moved if self.path.startswith(one)), "")
        if old:
            self._refuse(301, "Location", self.path.replace(old, self.server.moved[old], 1))
        elif self.server.redirect_to:
            self._refuse(302, "Location", self.server.redirect_to + self.path)
        elif self.server.expected and given != self.server.expected:
            self._refuse(401, "WWW-Authenticate", 'Basic realm="git"')
        else:
            self.server.let_in.set()
            self.server.go_on.wait(30)
            self._pass_on()

    def do_POST(self) -> None:
        self.do_GET()

    def _refuse(self, status: int, header: str, value: str) -> None:
        self.send_response(status)
        self.send_header(header, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _pass_on(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.server.root),
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True, timeout=30
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

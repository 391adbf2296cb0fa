"""Where the files of a process target lie."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from engine.errors import Broken

_LONGEST_SOCKET = 90
"""A unix socket's path may have 107 bytes, and supervisord adds its process id to the one it is given."""


class Layout:
    """The places under `root`. Sockets move to the temporary directory when `root` is too deep for them."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.programs = self.root / "programs"
        self.run = self.root / "run"
        self.logs = self.root / "logs"
        self.workloads = self.root / "workloads"
        self.envoy = self.root / "envoy"
        self.supervisor_conf = self.root / "supervisord.conf"
        self.supervisor_log = self.logs / "supervisord.log"
        self.sockets = self._socket_home()

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord answers."""
        return self.sockets / "supervisor.sock"

    @property
    def envoy_socket(self) -> Path:
        """Where Envoy's administration answers."""
        return self.sockets / "envoy.sock"

    def make(self) -> None:
        """Make every folder, but for the one of the sockets."""
        for folder in (self.programs, self.run, self.logs, self.workloads, self.envoy):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def make_sockets(self) -> None:
        """Make the folder of the sockets, for whoever is about to listen: `drop_sockets` is called when that ends."""
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sockets.stat().st_uid != os.getuid():
            raise Broken(f"{self.sockets} belongs to somebody else; remove it.")

    def drop_sockets(self) -> None:
        """Remove the sockets, once nobody listens to them, and their folder if it is outside of `root`."""
        self.supervisor_socket.unlink(missing_ok=True)
        self.envoy_socket.unlink(missing_ok=True)
        if self.sockets != self.run:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def _socket_home(self) -> Path:
        if len(os.fsencode(self.run / "supervisor.sock")) <= _LONGEST_SOCKET:
            return self.run
        mark = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"sluice-{os.getuid()}-{mark}"

"""HTTP over a unix socket, for supervisord's XML-RPC and Envoy's administration. Blocking: call it in a thread."""

import http.client
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any


class UnixConnection(http.client.HTTPConnection):
    """One connection to the socket at `path`; every wait on it ends after `timeout` seconds."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of to a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


class UnixTransport(xmlrpc.client.Transport):
    """XML-RPC through a `UnixConnection`."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self._path = path
        self._timeout = timeout

    def make_connection(self, host: Any) -> UnixConnection:
        """Open the connection; `close` ends it."""
        connection = UnixConnection(self._path, self._timeout)
        self._connection = (host, connection)
        return connection


def get(path: Path, target: str, timeout: float) -> bytes:
    """The body that the server at the socket `path` answers ``GET target`` with. Raises OSError when it does not."""
    connection = UnixConnection(path, timeout)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{path} broke off: {error!r}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise ConnectionError(f"{path} answered {answer.status} to {target}")
    return body

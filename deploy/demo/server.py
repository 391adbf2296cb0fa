"""The demo's web service: says which version it is, on the port it is given. Standard library only.

``/`` answers JSON from the environment, ``/healthz`` answers ``ok``. SIGTERM: no new connections, those that are open
get their answer and are closed. SERVICE_DELAY (seconds) makes it start late, SERVICE_HEALTH another status at /healthz.
"""

import asyncio
import json
import os
import signal
import sys

_CLOSING = asyncio.Event()
_PAUSE = 0.05


def _about() -> bytes:
    environment = os.environ
    about = {
        "version": environment.get("SERVICE_VERSION") or environment.get("SLUICE_VERSION", "unknown"),
        "release": environment.get("SLUICE_RELEASE", ""),
        "instance": environment.get("SLUICE_INSTANCE", ""),
        "group": environment.get("SLUICE_GROUP", ""),
        "colour": environment.get("SERVICE_COLOUR", "blue"),
        "greeting": environment.get("GREETING", "hello"),
        "pid": os.getpid(),
    }
    return json.dumps(about).encode() + b"\n"


def _answer(path: str, about: bytes) -> tuple[int, str, bytes]:
    if path.split("?", maxsplit=1)[0] == "/healthz":
        return int(os.environ.get("SERVICE_HEALTH", "200")), "text/plain", b"ok\n"
    if path.split("?", maxsplit=1)[0] == "/":
        return 200, "application/json", about
    return 404, "text/plain", b"there is nothing here\n"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    about = _about()
    try:
        while await _serve_one(reader, writer, about):
            pass
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass
    finally:
        writer.close()


async def _serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, about: bytes) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _ = head[0].split(" ", 2)
    status, kind, body = _answer(path, about)
    last = _CLOSING.is_set() or headers.get("connection", "").lower() == "close"
    lines = [f"HTTP/1.1 {status} -", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines.append("connection: close" if last else "connection: keep-alive")
    writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body))
    await writer.drain()
    return not last


async def _main() -> None:
    await asyncio.sleep(float(os.environ.get("SERVICE_DELAY", "0")))
    server = await asyncio.start_server(_serve, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _CLOSING.set)
    sys.stdout.write(f"listening on {os.environ['PORT']}\n")
    sys.stdout.flush()
    await _CLOSING.wait()
    server.close()
    await asyncio.sleep(_PAUSE)


if __name__ == "__main__":
    asyncio.run(_main())

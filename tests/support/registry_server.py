"""Debian's docker-registry on a port of its own, with a user and password if wanted; images are pushed by hand."""

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = """\
version: 0.1
log: {{level: info}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
_GUARDED = "auth: {{htpasswd: {{realm: tests, path: {file}}}}}\n"
USER, PASSWORD = "sluice", "open sesame hunter2"
_HASH = "$2y$04$abcdefghijklmnopqrstuunXuSmY68uBSNtbnEkhXZfc6fvT4G6tq"
_LISTENS = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
_PATIENCE = 20.0
_NEEDED = "There is no image registry: apt-get install docker-registry"


@dataclass(frozen=True, slots=True)
class RegistryServer:
    """A running registry."""

    address: str

    def push(self, repository: str, tag: str, content: str) -> str:
        """Push an image of one empty layer whose configuration holds `content`; returns its digest."""
        with httpx.Client(base_url=f"{self.address}/v2/{repository}/") as http:
            manifest = _manifest(_blob(http, json.dumps({"said": content}).encode()), _blob(http, b""))
            return _put(http, tag, manifest, MANIFEST)

    def push_index(self, repository: str, tag: str, *digests: tuple[str, int]) -> str:
        """Push an index, as images for several machines have it, over manifests by digest and size."""
        listed = [{"mediaType": MANIFEST, "digest": digest, "size": size} for digest, size in digests]
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
        with httpx.Client(base_url=f"{self.address}/v2/{repository}/") as http:
            return _put(http, tag, body, INDEX)


def _blob(http: httpx.Client, content: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    begun = http.post("blobs/uploads/").raise_for_status()
    place = httpx.URL(begun.headers["location"]).copy_add_param("digest", digest)
    http.put(place, content=content).raise_for_status()
    return {"mediaType": "application/octet-stream", "size": len(content), "digest": digest}


def _manifest(config: dict[str, object], layer: dict[str, object]) -> bytes:
    said = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    return json.dumps(said).encode()


def _put(http: httpx.Client, tag: str, body: bytes, kind: str) -> str:
    said = http.put(f"manifests/{tag}", content=body, headers={"Content-Type": kind}).raise_for_status()
    return str(said.headers["docker-content-digest"])


@contextmanager
def registry_server(folder: Path, *, guarded: bool = False, port: int = 0) -> Iterator[RegistryServer]:
    """Run one that keeps its images in `folder`. Skips when it is not installed.

    One that is `guarded` lets in nobody but `USER` with `PASSWORD`. `port` is that of one that ran before (0: a free
    one).
    """
    binary = shutil.which("docker-registry")
    if binary is None:
        pytest.skip(_NEEDED)
    config, log = folder / "registry.yml", folder / "registry.log"
    text = _CONFIG.format(root=folder / "images", port=port)
    if guarded:
        (folder / "htpasswd").write_text(f"{USER}:{_HASH}\n")
        text += _GUARDED.format(file=folder / "htpasswd")
    config.write_text(text)
    with log.open("wb") as out, subprocess.Popen([binary, "serve", config], stdout=out, stderr=out) as server:
        try:
            yield RegistryServer(f"http://127.0.0.1:{_port(server, log)}")
        finally:
            server.terminate()


def _port(server: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = _LISTENS.search(log.read_text())
        if found:
            return int(found.group(1))
        try:
            pytest.fail(f"docker-registry ended with {server.wait(timeout=0.05)}: {log.read_text()[-500:]}")
        except subprocess.TimeoutExpired:
            continue
    pytest.fail(f"docker-registry did not listen within {_PATIENCE} s: {log.read_text()[-500:]}")

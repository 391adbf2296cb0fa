"""What became of build orders: the image that came of one, and what a run was about to publish.

The danger: a bot is killed between any two steps. What it had built must be found again, and nothing else may be taken
for it: labels in an engine can be written by any Dockerfile, so they do not decide there.

    orders/KEY        the id of the image that came of an order, written when the build is over
    orders/run-HEX    the key of what a run publishes under a tag, written before it does

The second one is for inputs that change: when the tag of a base image was moved in between, the same run makes another
order of the same words. What is under its tag by then came of the first one, and is its own all the same.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.builders.docker_labels import Pinned, key_of
from engine.disk import disk_errors, write_whole
from engine.ports import BuildOrder

_KEY = re.compile(r"[0-9a-f]{64}")
_IMAGE = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Orders:
    """The directory `orders/` in `root`. Every call blocks."""

    root: Path

    def finish(self, key: str, image: str) -> None:
        """Write down that this image of the engine came of the order."""
        self._write(key, image)

    def image(self, key: str) -> str:
        """The id of what came of the order; empty when nothing did, or nobody knows."""
        return self._read(key, _IMAGE)

    def announce(self, order: BuildOrder, key: str) -> None:
        """Write down that the order's run publishes what came of `key`."""
        self._write(_name_of(order), key)

    def announced(self, order: BuildOrder) -> str:
        """The key of what the order's run was about to publish; empty when it was not."""
        return self._read(_name_of(order), _KEY)

    def forget(self, images: Collection[str], before: datetime) -> None:
        """Forget what is older than `before` and about no image of `images`."""
        with disk_errors(self.root):
            for file in (self.root / "orders").glob("[!.]*"):
                with contextlib.suppress(FileNotFoundError):
                    is_old = file.stat().st_mtime < before.timestamp()
                    if is_old and file.read_text(encoding="utf-8") not in images:
                        file.unlink()

    def _write(self, name: str, text: str) -> None:
        with disk_errors(self.root):
            write_whole(self.root / "orders" / name, text)

    def _read(self, name: str, form: re.Pattern[str]) -> str:
        text = ""
        with disk_errors(self.root), contextlib.suppress(FileNotFoundError):
            text = (self.root / "orders" / name).read_text(encoding="utf-8")
        return text if form.fullmatch(text) else ""


def _name_of(order: BuildOrder) -> str:
    """Name an order by its words, its run and its tag: not by the content of its inputs, which is looked up later."""
    recipe = order.recipe
    worded = key_of(order, Pinned(recipe.base_image, [(name, name, to) for name, to in recipe.images]))
    return f"run-{hashlib.sha256(json.dumps([worded, order.run, order.image]).encode()).hexdigest()}"

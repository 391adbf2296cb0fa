"""What Sluice writes on the images that it builds, and what it reads there. Pure.

An image carries the name of the order that it came of. So whoever finds one under a tag, after a crash or on another
machine, can tell whether it is what is wanted.

The danger: labels are inherited. Whatever is built FROM an image of ours, and whatever is left of such a build that
failed, has every label of it. So a label counts only where the image's own last steps wrote it, as its history says.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.ports import BuildOrder
from engine.secret_variables import untagged

ORDER = "dev.sluice.order"
OWNER = "dev.sluice.owner"
PIPELINE = "dev.sluice.pipeline"
RUN = "dev.sluice.run"
REPOSITORY = "dev.sluice.repository"
_REVISION = "org.opencontainers.image.revision"
_SOURCE = "org.opencontainers.image.source"
_WRITTEN = sorted((ORDER, OWNER, PIPELINE, RUN, REPOSITORY, _REVISION, _SOURCE))
"""Our labels as an engine writes them: a step for each, in the order of their names, after all other steps."""
_STEP = "#(nop)"
"""Stands in the history before a step that runs nothing."""
_FORM = "sluice image 1"


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a build is made with beside its source, by content: the base image as FROM takes it, and placed images.

    `images` are the name, the full name that fetches it, and the place it goes to.
    """

    base: str = ""
    images: Sequence[tuple[str, str, str]] = ()


def key_of(order: BuildOrder, pinned: Pinned) -> str:
    """Name everything that the image depends on: 64 hex digits. The image's own name is no part of it.

    Without the cache an author wants everything made anew, so the run is a part of it: only the same run finds it.
    """
    recipe = order.recipe
    dockerfile = recipe.inline or f"file {recipe.dockerfile}"
    anew = "" if recipe.cache else order.run
    parts = [_FORM, order.commit.sha, dockerfile, pinned.base, list(pinned.images), list(recipe.packages), anew]
    arguments = {name: untagged(value, order.tag) for name, value in recipe.arguments.items()}
    return hashlib.sha256(json.dumps([*parts, sorted(arguments.items())]).encode()).hexdigest()


def labels_of(order: BuildOrder, key: str, owner: str) -> dict[str, str]:
    """What is written on the image that comes of `order`, built by the Sluice that is called `owner`."""
    return {
        ORDER: key,
        OWNER: owner,
        PIPELINE: order.pipeline,
        RUN: order.run,
        REPOSITORY: order.image.partition(":")[0],
        _SOURCE: order.commit.url,
        _REVISION: order.commit.sha,
    }


def written_on(labels: Mapping[str, str], steps: Sequence[str]) -> dict[str, str]:
    """Those of an image's labels that are ours and its own; none where they were inherited.

    `steps` made it, the oldest first, as its history words them.
    """
    ours = {name: labels[name] for name in _WRITTEN if name in labels}
    wanted = [f"LABEL {name}={value}".strip() for name, value in ours.items()]
    last = [step.partition(_STEP)[2].strip() for step in steps[-len(wanted) :]]
    return ours if ORDER in ours and last == wanted else {}


def made_by(labels: Mapping[str, str]) -> str:
    """Say who built an image with these labels of its own, for people."""
    if labels.get(RUN):
        return f"built by {labels[RUN]}"
    return "built by Sluice" if ORDER in labels else "not built by Sluice"

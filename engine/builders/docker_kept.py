"""Which images of an engine go when nobody needs them any more: only those that this Sluice built, and named itself.

The engine is shared with people and programs. So nothing is removed by force: an image that a container was made of,
that somebody has given another name, or that other images stand on, stays, and so does everything without our label
as its own: what stands on an image of ours has inherited it.
"""

import contextlib
import re
from datetime import UTC, datetime
from typing import Any

import docker
import docker.errors

from engine.builders.docker_labels import OWNER, REPOSITORY, written_on
from engine.builders.docker_publishing import steps_of

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def prune(api: docker.APIClient, owner: str, keep: frozenset[str], made_before: datetime) -> tuple[str, ...]:
    """Remove the images of `owner` made before that moment that are not in `keep`; returns the digests removed."""
    gone: list[str] = []
    for image in api.images(filters={"label": f"{OWNER}={owner}"}):
        made = datetime.fromtimestamp(int(image["Created"]), UTC)
        if made < made_before and not _digests(image) & keep and _is_named_by_us(image):
            with contextlib.suppress(docker.errors.APIError):
                if _is_built_by(api, image, owner):
                    _remove(api, image)
                    gone.append(str(image["Id"]))
    return tuple(gone)


def _is_built_by(api: docker.APIClient, image: dict[str, Any], owner: str) -> bool:
    return written_on(image.get("Labels") or {}, steps_of(api, str(image["Id"]))).get(OWNER) == owner


def _digests(image: dict[str, Any]) -> set[str]:
    """Every digest that a release may know it by: its id, and what registries call it."""
    return {str(image["Id"]), *(found[0] for name in _known(image, "RepoDigests") if (found := _DIGEST.search(name)))}


def _is_named_by_us(image: dict[str, Any]) -> bool:
    """Whether every name that it has is one of the repository it was built for; it may have none."""
    own = (image.get("Labels") or {}).get(REPOSITORY, "")
    repositories = [name.rpartition(":")[0] for name in _known(image, "RepoTags")]
    return bool(own) and all(name == own or name.endswith(f"/{own}") for name in repositories)


def _known(image: dict[str, Any], key: str) -> list[str]:
    return [str(name) for name in image.get(key) or () if "<none>" not in str(name)]


def _remove(api: docker.APIClient, image: dict[str, Any]) -> None:
    """Take its names away, the last of which takes the image with it; without force, so not while it is in use."""
    names = _known(image, "RepoTags")
    for name in names or [str(image["Id"])]:
        api.remove_image(name)

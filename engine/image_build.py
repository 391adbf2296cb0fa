"""The section of a definition that says how source becomes an image, and which of the two builders it means. Pure.

`docker` makes an image of a Dockerfile with a Docker Engine and pushes it to the registry; `bundle` makes a tree that
this machine starts by its Procfile. An author who names neither must not be surprised: what is written decides, then
what the result is for, and only where both leave it open, what the source holds. `meant` is that rule.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from engine.fields import ImageName, VariableName, shown, spelled
from engine.instance import Bytes, bytes_of
from engine.section import Conflict, Mistake, Section

DOCKER, BUNDLE, OPEN = "docker", "bundle", ""
BASE_IMAGE = "BASE_IMAGE"
"""The build argument that holds the base image."""
IMAGES_PLACE = "images"
PACKAGES_PLACE = "packages"
_OF_DOCKER = (
    *("dockerfile", "inline", "base_image", "arguments", "images", "cache"),
    *("memory", "context_limit", "image_limit"),
)
_OF_BUNDLE = ("script", "procfile")
_LONGEST_PATH = 300
_LONGEST_ARGUMENT = 8192
_LONGEST_DOCKERFILE = 64 * 1024


def _inside(value: str) -> str:
    """Refuse what does not stay below the build directory, or what no Dockerfile can name."""
    parts = value.split("/")
    if value.startswith("/") or ".." in parts or "\\" in value:
        raise Mistake(f"{shown(value)} leads out of the build directory", "a relative path without .., such as ./app")
    if not value.isprintable() or len(value) > _LONGEST_PATH or value != value.strip():
        raise Mistake(f"{shown(value)} is no path", "one line of at most 300 printable characters")
    return "/".join(part for part in parts if part not in ("", ".")) or "."


def _inside_file(value: str) -> str:
    path = _inside(value)
    if path == "." or value.endswith("/"):
        raise Mistake(f"{shown(value)} names no file", "a relative path with a file at its end")
    return path


def _argument(value: str) -> str:
    if "\0" in value or len(value) > _LONGEST_ARGUMENT:
        raise Mistake("is too long, or holds a zero byte", "a text of at most 8192 characters")
    return value


def _dockerfile(value: str) -> str:
    if len(value) > _LONGEST_DOCKERFILE:
        raise Mistake(f"has {len(value)} characters", "at most 65536, or a file in the source with dockerfile:")
    return value


BuildPath = Annotated[str, AfterValidator(_inside)]
BuildFile = Annotated[str, AfterValidator(_inside_file)]
ImageReference = Annotated[
    str,
    AfterValidator(
        spelled(
            r"[a-z0-9][A-Za-z0-9._:/-]{0,400}(@sha256:[0-9a-f]{64})?",
            "is no image",
            "organization/repository:tag for one of the registry, or a name as FROM takes it, such as alpine:3.20",
        )
    ),
]
PackageName = Annotated[
    str,
    AfterValidator(
        spelled(
            r"[a-z0-9][^/\s]*/[a-z0-9][^/\s]*/[a-z0-9][^/\s]*/[A-Za-z0-9][^/\s]*(/[A-Za-z0-9][^/\s]*)?",
            "is no package",
            "organization/repository/package/version, or with /file behind it, for example tools/lint/checker/1.4",
        )
    ),
]


class PlacedImage(Section):
    """An image that is placed in the build directory, as an archive. Its name alone will do."""

    image: ImageName
    to: BuildFile | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_name_alone(cls, value: object) -> object:
        return {"image": value} if isinstance(value, str) else value


class PlacedPackage(Section):
    """A software package that is placed in the build directory, as its files. Its path alone will do."""

    package: PackageName
    to: BuildPath = PACKAGES_PLACE

    @model_validator(mode="before")
    @classmethod
    def _read_path_alone(cls, value: object) -> object:
        return {"package": value} if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a Docker Engine is to build: the part of a build that only it needs. Sizes are bytes, 0 means no limit.

    `images` and `packages` are names with the places they go to, in the build directory.
    """

    dockerfile: str = "Dockerfile"
    inline: str = ""
    base_image: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    images: tuple[tuple[str, str], ...] = ()
    packages: tuple[tuple[str, str], ...] = ()
    cache: bool = True
    memory: int = 0
    context_limit: int = 1024**3
    image_limit: int = 0


class Build(Section):
    """How source becomes an image, and what the image is called."""

    image: ImageName
    builder: Literal["docker", "bundle"] | None = None
    script: str = ""
    procfile: str = ""
    dockerfile: BuildFile | None = None
    inline: Annotated[str, AfterValidator(_dockerfile)] = ""
    base_image: ImageReference | None = None
    arguments: Annotated[dict[VariableName, Annotated[str, AfterValidator(_argument)]], Field(max_length=100)] = Field(
        default_factory=dict
    )
    images: Annotated[tuple[PlacedImage, ...], Field(max_length=20)] = ()
    packages: Annotated[tuple[PlacedPackage, ...], Field(max_length=50)] = ()
    cache: bool = True
    memory: Bytes | None = None
    context_limit: Bytes = "1Gi"
    image_limit: Bytes | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """One Dockerfile, and no keys that the builder has no use for."""
        if given.get("dockerfile") and given.get("inline"):
            yield Conflict("inline", "stands beside dockerfile", "one of the two")
        arguments = given.get("arguments")
        if isinstance(arguments, dict) and BASE_IMAGE in arguments and given.get("base_image"):
            yield Conflict("base_image", f"stands beside the argument {BASE_IMAGE}", "one of the two")
        yield from _of_the_other(given)

    @property
    def recipe(self) -> Recipe:
        """What only the Docker Engine needs of it."""
        return Recipe(
            dockerfile=self.dockerfile or "Dockerfile",
            inline=self.inline,
            base_image=self.base_image or "",
            arguments=self.arguments,
            images=tuple((one.image, one.to or place_of(one.image)) for one in self.images),
            packages=tuple((one.package, one.to) for one in self.packages),
            cache=self.cache,
            memory=_size(self.memory),
            context_limit=_size(self.context_limit),
            image_limit=_size(self.image_limit),
        )


def place_of(image: str) -> str:
    """Where an image goes whose place is not said: ``images/ORGANIZATION-REPOSITORY-TAG.tar``."""
    return f"{IMAGES_PLACE}/{image.replace('/', '-').replace(':', '-')}.tar"


def meant(build: Mapping[str, Any], target: str) -> str:
    """Which builder the text of a build means: `DOCKER`, `BUNDLE`, or `OPEN` when the source decides.

    `target` is where the pipeline deploys to, empty when it deploys nothing. A process is started from a bundle;
    everything else runs images.
    """
    said = build.get("builder")
    if said in (DOCKER, BUNDLE):
        return str(said)
    if any(_is_set(build, key) for key in _OF_BUNDLE):
        return BUNDLE
    if any(_is_set(build, key) for key in _OF_DOCKER):
        return DOCKER
    if target:
        return BUNDLE if target == "process" else DOCKER
    return OPEN


def _of_the_other(given: Mapping[str, Any]) -> Iterator[Conflict]:
    builder = given.get("builder")
    of_docker = [key for key in _OF_DOCKER if _is_set(given, key)]
    of_bundle = [key for key in _OF_BUNDLE if _is_set(given, key)]
    if builder == BUNDLE:
        for key in of_docker:
            yield Conflict(key, "means nothing to the bundle builder", "builder: docker, or leave it out")
    elif builder == DOCKER:
        for key in of_bundle:
            yield Conflict(key, "means nothing to Docker", "RUN and CMD lines into the Dockerfile, or builder: bundle")
    elif of_docker and of_bundle:
        problem = f"is for bundles, and {of_docker[0]} beside it for Docker"
        yield Conflict(of_bundle[0], problem, "the keys of one of the two builders")


def _is_set(given: Mapping[str, Any], key: str) -> bool:
    """Whether a key says something: not its default, which a checked section holds for keys that were left out."""
    value = given.get(key)
    return value not in (None, "", (), {}, [], True, "true") and not (key == "context_limit" and value == "1Gi")


def _size(written: str | None) -> int:
    return bytes_of(written) if written else 0

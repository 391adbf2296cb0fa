"""The build section: which builder it means, what may stand in it, and what is said of the rest."""

import pytest

from engine.image_build import BUNDLE, DOCKER, OPEN, Build, meant
from engine.pipeline import Complaint, check, parse

HEAD = "pipeline: p\nvariables: {tag: v1}\nstages:\n- {name: s, source: {git: 'https://a.b/c'}}\n"
GRAY = "- name: g\n  gray:\n    target: %s\n    service: {port: 1}\n"


def complaints(build: str, rest: str = "") -> tuple[Complaint, ...]:
    lines = "".join(f"    {line}\n" for line in build.splitlines())
    return check(f"{HEAD}- name: i\n  build:\n    image: o/r:t\n{lines}{rest}")


def the_build(build: str) -> Build:
    lines = "".join(f"    {line}\n" for line in build.splitlines())
    found = parse(f"{HEAD}- name: i\n  build:\n    image: o/r:t\n{lines}").pipeline.stages[1].build
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("build", "target", "builder"),
    [
        ({"builder": "docker"}, "process", DOCKER),
        ({"builder": "bundle"}, "docker", BUNDLE),
        ({"script": "make"}, "docker", BUNDLE),
        ({"procfile": "web: a"}, "", BUNDLE),
        ({"dockerfile": "a/Dockerfile"}, "process", DOCKER),
        ({"inline": "FROM scratch"}, "", DOCKER),
        ({"cache": "false"}, "", DOCKER),
        ({"arguments": {"A": "1"}}, "", DOCKER),
        ({}, "process", BUNDLE),
        ({}, "docker", DOCKER),
        ({}, "kubernetes", DOCKER),
        ({}, "", OPEN),
        ({"packages": ["a/b/c/1"]}, "", OPEN),
    ],
)
def test_what_is_written_decides_then_what_it_is_for_and_only_then_the_source(
    build: dict[str, object], target: str, builder: str
) -> None:
    assert meant(build, target) == builder


@pytest.mark.parametrize(("written", "target"), [("", ""), ("builder: bundle", "process"), ("cache: false", "docker")])
def test_the_text_and_the_section_made_of_it_mean_the_same_builder(written: str, target: str) -> None:
    key, _, value = written.partition(": ")
    assert meant({key: value} if key else {}, target) == meant(dict(the_build(written)), target)


@pytest.mark.parametrize(
    ("build", "path", "problem", "instead"),
    [
        ("builder: podman", "builder", "'podman' is none of docker, bundle", "one of docker, bundle"),
        ("dockerfile: /etc/passwd", "dockerfile", "leads out of the build directory", "a relative path"),
        ("dockerfile: a/../../b", "dockerfile", "leads out of the build directory", "a relative path"),
        ("dockerfile: ./", "dockerfile", "names no file", "with a file at its end"),
        ('dockerfile: "a\\tb"', "dockerfile", "is no path", "printable"),
        ("dockerfile: a\ninline: FROM scratch", "inline", "stands beside dockerfile", "one of the two"),
        ("cache: perhaps", "cache", "is neither true nor false", "true or false"),
        ("memory: lots", "memory", "is not an amount of memory", "256Mi"),
        ("context_limit: 5", "context_limit", "is not an amount of memory", "256Mi"),
        ("arguments: {my-arg: a}", "arguments.my-arg", "is not the name of a variable", "letters"),
        ("base_image: '-v /:/host'", "base_image", "is no image", "organization/repository:tag"),
        ("base_image: a/b:1\narguments: {BASE_IMAGE: c}", "base_image", "stands beside the argument", "one of the"),
        ("images: [api:v1]", "images[0].image", "is not an image name", "shop/api:v1"),
        ("images: [{image: a/b:1, to: ../x}]", "images[0].to", "leads out of the build directory", "relative"),
        ("packages: [a/b]", "packages[0].package", "is no package", "organization/repository/package/version"),
        ("packages: [a/b/c/../d]", "packages[0].package", "is no package", "organization/repository"),
        ("packages: [{package: a/b/c/1, to: /etc}]", "packages[0].to", "leads out of the build", "relative"),
        ("packages: [{to: a}]", "packages[0].package", "package is missing", "package: organization"),
        ("builder: bundle\ncache: false", "cache", "means nothing to the bundle builder", "builder: docker"),
        ("builder: docker\nscript: make", "script", "means nothing to Docker", "RUN and CMD"),
        ("script: make\ninline: FROM scratch", "script", "is for bundles, and inline beside it", "one of the two"),
    ],
)
def test_what_cannot_stand_is_told_with_what_to_write(build: str, path: str, problem: str, instead: str) -> None:
    (only,) = complaints(build)
    assert only.path == f"stages[1].build.{path}"
    assert problem in only.problem
    assert instead in only.instead


@pytest.mark.parametrize(
    ("build", "target", "problem"),
    [
        ("script: make", "docker", "the bundle that is built before it runs as a process"),
        ("builder: bundle", "kubernetes", "the bundle that is built before it runs as a process"),
        ("builder: docker", "process", "starts processes from a bundle"),
        ("inline: FROM scratch", "process", "starts processes from a bundle"),
    ],
)
def test_what_is_built_must_be_what_the_target_starts(build: str, target: str, problem: str) -> None:
    (only,) = complaints(build, GRAY % target)
    assert only.path == "stages[2].gray"
    assert problem in only.problem


@pytest.mark.parametrize(
    ("build", "target"), [("", "process"), ("", "docker"), ("", "kubernetes"), ("builder: docker", "docker")]
)
def test_what_goes_together_is_accepted(build: str, target: str) -> None:
    assert complaints(build, GRAY % target) == ()


def test_the_recipe_holds_everything_in_plain_values() -> None:
    recipe = the_build(
        "dockerfile: ./docker/api\nbase_image: alpine:3\narguments: {V: '${tag}'}\nimages: [shop/m:v7]\n"
        "packages: [a/b/c/1.0/f]\ncache: no\nmemory: 1Gi\ncontext_limit: 2k\nimage_limit: 1M"
    ).recipe
    assert recipe.dockerfile == "docker/api"
    assert recipe.arguments == {"V": "v1"}
    assert recipe.images == (("shop/m:v7", "images/shop-m-v7.tar"),)
    assert recipe.packages == (("a/b/c/1.0/f", "packages"),)
    assert (recipe.cache, recipe.memory, recipe.context_limit, recipe.image_limit) == (False, 1024**3, 2000, 10**6)

"""What is asked to make a pipeline from a template: only what the template has a place for. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.definition import Pipeline, Stage
from engine.pipeline import parse
from engine.rewriting import Path, value_at

HERE = "this machine"
NOBODY = "nobody"
NONE = "none"
EVERY = "all"
ON_PUSH, ON_TAG, ON_BOTH, NEVER = "on a push", "on a new tag", "on both", "not by itself"
NAME, GROUP, WHERE, ACCOUNT, REPOSITORY, REVIEWERS = "name", "group", "where", "account", "repository", "reviewers"
NAMESPACE, BRANCH, TAG, AUTO_BUILD = "namespace", "branch", "tag", "auto_build"
AT_FORGE = (ACCOUNT, NAMESPACE, REPOSITORY, BRANCH, TAG, AUTO_BUILD)
"""What is answered from what a forge has, as soon as there is an account to ask it with."""
LISTED = (NAMESPACE, REPOSITORY, BRANCH, TAG)
"""What the forge lists as answers."""
WITH_ACCOUNT = (NAMESPACE, AUTO_BUILD)
"""What is asked only where a code account was chosen."""
_TAGGED = re.compile(r".*:\$\{(\w+)\}")
_EXAMPLE = "example.com"
"""An address there is nobody's, so it is no default."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `places` are where its answer goes: a definition's number, and the path in it.

    `key` names it. Where a question `is_closed`, nothing but one of `choices` is an answer.
    `variable` is the one that tags the image that a push makes.
    """

    key: str
    title: str
    hint: str
    places: tuple[tuple[int, Path], ...] = ()
    default: str = ""
    choices: tuple[str, ...] = ()
    is_closed: bool = False
    variable: str = ""


def questions_of(
    documents: Sequence[str], *, clusters: Sequence[str] = (), accounts: Sequence[str] = ()
) -> tuple[Question, ...]:
    """Everything that is asked for these definitions. `clusters` may be released to, `accounts` fetched with."""
    pipelines = [parse(text).pipeline for text in documents]
    return (
        Question(NAME, "What shall it be called?", "Small letters, digits and dashes."),
        Question(
            GROUP, "Which group does it belong to?", "Its group decides who may do what with it.", default="default"
        ),
        *_where(pipelines, clusters),
        *_source(documents, pipelines, accounts),
        *_release(documents, pipelines),
        *_review(pipelines),
    )


def _stages(pipelines: Sequence[Pipeline]) -> Iterator[tuple[int, int, Stage]]:
    for document, pipeline in enumerate(pipelines):
        for number, stage in enumerate(pipeline.stages):
            yield document, number, stage


def _where(pipelines: Sequence[Pipeline], clusters: Sequence[str]) -> Iterator[Question]:
    places = tuple((document, path) for document, path, _ in deployments(pipelines))
    if places and clusters:
        choices = (HERE, *clusters)
        yield Question(WHERE, "Where is it released?", "On this machine, or in a cluster.", places, HERE, choices, True)


def _source(documents: Sequence[str], pipelines: Sequence[Pipeline], accounts: Sequence[str]) -> Iterator[Question]:
    sources = [(document, ("stages", number, "source")) for document, number, one in _stages(pipelines) if one.source]
    if not sources:
        return
    (document, path), *_ = sources
    if accounts:
        choices = (*accounts, NONE)
        places = _below(sources, "account")
        yield Question(ACCOUNT, "With which code account?", "None: it is public.", places, NONE, choices, True)
        hint = "Only its repositories are shown then; all: those of every one."
        yield Question(NAMESPACE, "In which namespace is its code?", hint, default=EVERY, choices=(EVERY,))
    address = value_at(documents[document], (*path, "git"))
    default = address if isinstance(address, str) and _EXAMPLE not in address else ""
    yield Question(REPOSITORY, "Where is its code?", "A git URL over https or ssh.", _below(sources, "git"), default)
    for ref in (BRANCH, TAG):
        now = value_at(documents[document], (*path, ref))
        if isinstance(now, str):
            yield Question(ref, f"Which {ref}?", "", _below(sources, ref), now, (now,))
    if accounts and not any(one.source and one.source.auto_build for _, _, one in _stages(pipelines)):
        yield _auto_build(documents[document], pipelines[document], (document, path))


def _auto_build(text: str, pipeline: Pipeline, source: tuple[int, Path]) -> Question:
    has_branch = isinstance(value_at(text, (*source[1], BRANCH)), str)
    choices = (ON_PUSH, ON_TAG, ON_BOTH, NEVER) if has_branch else (ON_TAG, NEVER)
    hint = "A push to the branch, a new tag, or both start it; the account attaches a webhook for that."
    places = _below([source], AUTO_BUILD)
    variable = _tag_variable(text, pipeline)
    return Question(AUTO_BUILD, "Does it start by itself?", hint, places, NEVER, choices, True, variable)


def _tag_variable(text: str, pipeline: Pipeline) -> str:
    """The variable that an image to be built has as its tag: each push must give it another value."""
    built = [number for number, stage in enumerate(pipeline.stages) if stage.build]
    tags = [_TAGGED.fullmatch(str(value_at(text, ("stages", number, "build", "image")))) for number in built]
    return next((tag[1] for tag in tags if tag and tag[1] in pipeline.variables), "")


def _below(places: Sequence[tuple[int, Path]], *keys: str) -> tuple[tuple[int, Path], ...]:
    return tuple((document, (*path, *keys)) for document, path in places)


def deployments(pipelines: Sequence[Pipeline]) -> Iterator[tuple[int, Path, str]]:
    """The stages that deploy by settings of their own: definition, path, and the pipeline's name."""
    for document, number, stage in _stages(pipelines):
        if stage.gray is not None:
            yield document, ("stages", number, "gray"), pipelines[document].pipeline
        elif stage.official is not None and hasattr(stage.official, "service"):
            yield document, ("stages", number, "official"), pipelines[document].pipeline


def _release(documents: Sequence[str], pipelines: Sequence[Pipeline]) -> Iterator[Question]:
    places = list(deployments(pipelines))
    builds = any(stage.build for _, _, stage in _stages(pipelines))
    for document, path, name in places:
        suffix, of = ("", "") if len(documents) == 1 else (f":{document + 1}", f" of {name.rpartition('-')[2]}")
        here = ((document, path),)
        image = value_at(documents[document], (*path, "image"))
        if not builds and isinstance(image, str):
            hint = "organization/repository:tag; ${tag} is chosen when a run is started."
            yield Question(f"image{suffix}", f"Which image{of}?", hint, _below(here, "image"), image)
        port = str(value_at(documents[document], (*path, "service", "port")) or "")
        yield Question(f"port{suffix}", f"Which port do visitors{of} use?", "", _below(here, "service", "port"), port)
        if path[-1] == "gray":
            yield from _gray(documents[document], here, suffix)


def _gray(text: str, here: Sequence[tuple[int, Path]], suffix: str) -> Iterator[Question]:
    (_, path), *_ = here
    count = str(value_at(text, (*path, "instances")) or "2")
    hint = "All together, the gray ones too."
    yield Question(f"instances{suffix}", "How many instances?", hint, _below(here, "instances"), count, ("2", "3", "5"))
    how = str(value_at(text, (*path, "strategy")) or "canary")
    hint = "canary: some of the instances; blue_green: a second set, switched to at once; istio: beside all the others."
    choices = ("canary", "blue_green", "istio")
    yield Question(f"strategy{suffix}", "How is it tried?", hint, _below(here, "strategy"), how, choices, True)


def _review(pipelines: Sequence[Pipeline]) -> Iterator[Question]:
    places = tuple((document, ("stages", n, "review")) for document, n, stage in _stages(pipelines) if stage.review)
    if places:
        hint = "Names with commas between them, any of whom is enough; nobody: it is released without asking."
        yield Question(REVIEWERS, "Who is asked before everybody gets it?", hint, places, "me")

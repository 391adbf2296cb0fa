"""Which pipelines name a package in their definitions, so that whoever deletes it is warned."""

import re
from collections.abc import Iterable

from engine.packages import PackagePath
from storage.book import SqlBook

PAGE = 200
_VARIABLE = re.compile(r"[${}]")


def names(text: str, path: PackagePath) -> bool:
    """Whether a definition names what is at a path, or may: a part that is made of variables can be anything."""
    form = rf"(?<![\w./-]){re.escape(str(path.of_package))}/([^/\s\"',\]]+)(?:/([^/\s\"',\]]+))?"
    return any(_is(path.version, found[1]) and _is(path.file, found[2] or "") for found in re.finditer(form, text))


def users(book: SqlBook, path: PackagePath) -> list[str]:
    """Return the pipelines that name it now, and the runs under way whose definition does."""
    return [*_pipelines(book, path), *_runs(book, path)]


def _pipelines(book: SqlBook, path: PackagePath) -> Iterable[str]:
    after = ""
    while page := book.pipelines.page(after, PAGE):
        yield from (one.name for one in page if names(one.text, path))
        after = page[-1].name


def _runs(book: SqlBook, path: PackagePath) -> Iterable[str]:
    for run in book.runs.active():
        if names(book.pipelines.load(run.pipeline, run.version).text, path):
            yield run.id


def _is(wanted: str, named: str) -> bool:
    """Whether a part is meant. Nothing stands for all of them, on either side."""
    return not wanted or not named or wanted == named or _VARIABLE.search(named) is not None

"""Templates: those that ship with Sluice, and those that people have kept. Each is a definition, or several in a row.

A template is itself a definition that `check` has nothing against. The words my-service and my-group in it stand for
the pipeline's name and group.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.rights.holders import Holder, no_template
from engine.complaints import Complaints
from engine.pipeline import parse
from engine.rewriting import value_at, with_value
from storage.book import SqlBook
from storage.grants import Right

FOLDER = Path(__file__).parents[1] / "templates"
SERVICE, GROUP = "my-service", "my-group"
_ORDER = ("build", "build-and-gray", "gray-image", "environments")
_APART = re.compile(r"^---[ \t]*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Template:
    """What pipelines are made from. `group` is empty for those that ship: they are everybody's."""

    name: str
    text: str
    group: str = ""
    by: str = ""

    @property
    def documents(self) -> tuple[str, ...]:
        """The definitions, one for each pipeline."""
        return tuple(part for part in _APART.split(self.text) if part.strip())

    @property
    def about(self) -> str:
        """What it is for, in a sentence: its first comment, or the description of its pipeline."""
        comment = [line.removeprefix("#").strip() for line in self.text.splitlines() if line.startswith("#")]
        if self.text.startswith("#") and comment:
            return comment[0].split(": ")[0].rstrip(".")
        said = value_at(self.documents[0], ("description",))
        return said if isinstance(said, str) else ""


@cache
def shipped() -> tuple[Template, ...]:
    """The templates that came with Sluice, the simplest first."""
    return tuple(Template(name, (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")) for name in _ORDER)


def seen_templates(book: SqlBook, holder: Holder) -> tuple[Template, ...]:
    """Every template that a person sees."""
    kept = [one for one in book.templates.all() if holder.on(one.group) >= Right.READ]
    return (*shipped(), *(Template(one.name, one.text, one.group, one.by) for one in kept))


def template_of(book: SqlBook, holder: Holder, name: str) -> Template:
    """The template of this name; refused when the person sees none."""
    found = next((one for one in seen_templates(book, holder) if one.name == name), None)
    if found is None:
        raise no_template(name)
    return found


def generalized(text: str) -> str:
    """Turn a pipeline's definition into a template: what is called after it or its group is called so no more."""
    pipeline = parse(text).pipeline
    text = with_value(with_value(text, ("pipeline",), SERVICE), ("group",), GROUP)
    for number in range(len(pipeline.stages)):
        for kind, keys in _NAMED.items():
            for key in keys:
                text = _renamed(text, ("stages", number, kind, *key), pipeline.pipeline, pipeline.group)
    return text


_OF_A_DEPLOYMENT = (("image",), ("workload",), ("service", "name"))
_NAMED = {"build": (("image",),), "gray": _OF_A_DEPLOYMENT, "official": _OF_A_DEPLOYMENT}


def _renamed(text: str, path: tuple[str | int, ...], name: str, group: str) -> str:
    said = value_at(text, path)
    if not isinstance(said, str):
        return text
    image = re.fullmatch(r"([^/]+)/([^/:]+)(:.*)", said)
    if image:
        organization = GROUP if image[1] == group else image[1]
        new = f"{organization}/{SERVICE if image[2] == name else image[2]}{image[3]}"
    else:
        new = SERVICE if said == name else said
    return text if new == said else with_value(text, path, new)


def is_definition(text: str) -> bool:
    """Whether every part of a text is a definition."""
    try:
        for part in Template("", text).documents:
            parse(part)
    except Complaints:
        return False
    return True

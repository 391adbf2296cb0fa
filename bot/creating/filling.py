"""Answers put into a template's definitions, and what is wrong with one: the complaints that a definition would have.

Pure.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.creating import questions as q
from bot.creating.questions import ACCOUNT, GROUP, HERE, NAME, NOBODY, NONE, REVIEWERS, WHERE, Question
from bot.creating.shelf import GROUP as GROUP_WORD
from bot.creating.shelf import SERVICE
from bot.naming import a_name
from engine.complaints import Complaint, write_path
from engine.errors import Refused
from engine.model import PersonId
from engine.pipeline import check
from engine.rewriting import Path, value_at, with_value, without_item

Answers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """What answers are held against: who there is, where pipelines may reach, and names and groups that will not do.

    `groups` are those in which the person may make pipelines, among those that there are (`closed`: to others).
    """

    me: PersonId
    people: Collection[str]
    clusters: Collection[str] | None
    groups: Collection[str]
    closed: Collection[str]
    taken: Collection[str]
    allow_local: bool = False
    allow_http: bool = False

    def complaints(self, text: str) -> tuple[Complaint, ...]:
        """Everything that is wrong with a definition."""
        return check(
            text, self.people, clusters=self.clusters, allow_local=self.allow_local, allow_http=self.allow_http
        )


@dataclass(frozen=True, slots=True)
class Sheet:
    """A template's definitions, what is asked about them, and the answers so far."""

    documents: tuple[str, ...]
    questions: tuple[Question, ...]
    answers: Answers = field(default_factory=dict)

    @property
    def asked(self) -> tuple[Question, ...]:
        """The questions that are asked with these answers. One that has an empty answer has nothing to choose."""
        with_account = self.answers.get(ACCOUNT, NONE) != NONE
        return tuple(
            one
            for one in self.questions
            if one.key not in q.WITH_ACCOUNT or (with_account and self.answers.get(one.key) != "")
        )

    def answered(self, key: str, value: str) -> "Sheet":
        """The sheet with one more answer."""
        return replace(self, answers={**self.answers, key: value})

    def default_of(self, question: Question, me: PersonId) -> str:
        """What is answered when nothing is: with the name, the group and the person that are known by then."""
        if question.key == REVIEWERS and question.default == "me":
            return str(me)
        return self._named(question.default)

    def filled(self) -> tuple[str, ...]:
        """The definitions with the answers so far in them. Refuses a place that cannot be changed."""
        texts = [self._named(text) for text in self.documents]
        dropped: list[tuple[int, Path]] = []
        for question in self.asked:
            value = self.answers.get(question.key)
            if value is None or question.key in (NAME, GROUP):
                continue
            if question.key == REVIEWERS and value == NOBODY:
                dropped += [(document, path[:-1]) for document, path in question.places]
                continue
            for document, path in question.places:
                texts[document] = _put(texts[document], question, path, value)
        for document, path in reversed(dropped):
            texts[document] = without_item(texts[document], path)
        return tuple(texts)

    def _named(self, text: str) -> str:
        text = text.replace(SERVICE, self.answers.get(NAME, SERVICE))
        return text.replace(GROUP_WORD, self.answers.get(GROUP, GROUP_WORD))


def names_of(documents: Sequence[str], name: str) -> tuple[str, ...]:
    """How the pipelines are called when the service is called `name`."""
    lines = [line for text in documents for line in text.splitlines() if line.startswith("pipeline:")]
    return tuple(line.removeprefix("pipeline:").strip().replace(SERVICE, name) for line in lines)


def checked(sheet: Sheet, question: Question, said: str, known: Known) -> str:
    """Return an answer as it is kept. Refused, with what to write, if it will not do."""
    value = " ".join(said.split())
    if not value:
        raise Refused("Nothing was said.", question.hint or "Say it in words.")
    if question.is_closed and value not in question.choices:
        raise Refused(f"{value!r} is none of these.", f"Say {' or '.join(question.choices)}.")
    if question.key == NAME:
        _check_name(value, sheet.documents, known)
    elif question.key == GROUP:
        _check_group(value, known)
    elif question.key == REVIEWERS:
        value = ", ".join(value.replace(",", " ").split())
    wrong = complaints_at(question, sheet.answered(question.key, value).filled(), known)
    if wrong:
        problem = wrong[0].problem
        is_said = f" {value} " in f" {problem} " or repr(value) in problem
        raise Refused(f"{problem}." if is_said else f"{value}: {problem}.", f"Write {wrong[0].instead}.")
    return value


def complaints_at(question: Question, texts: Sequence[str], known: Known) -> list[Complaint]:
    """What is wrong where the question's answer stands."""
    found = []
    for document, path in question.places:
        where = write_path(path)
        found += [one for one in known.complaints(texts[document]) if one.path.startswith(where)]
    return found


def _check_name(value: str, documents: Sequence[str], known: Known) -> None:
    for name in names_of(documents, a_name(value)):
        if a_name(name) in known.taken:
            raise Refused(f"The name {name} is taken.", "Choose another one.")


def _check_group(value: str, known: Known) -> None:
    if a_name(value) in known.closed and value not in known.groups:
        raise Refused(f"You may not make a pipeline in {value}.", "Choose a group of yours; `groups` lists them.")


def _put(text: str, question: Question, path: Path, value: str) -> str:
    key = question.key
    if key == q.AUTO_BUILD:
        return _with_auto_build(text, path, value, question.variable)
    if key == WHERE:
        if value == HERE:
            return text
        return with_value(with_value(text, (*path, "target"), "kubernetes"), (*path, "cluster"), value)
    if key == ACCOUNT:
        return text if value == NONE else with_value(text, path, value)
    if key == REVIEWERS:
        return with_value(text, (*path, "reviewers"), value.split(", "))
    return with_value(text, path, value)


def _with_auto_build(text: str, path: Path, value: str, variable: str) -> str:
    if value in (q.ON_TAG, q.ON_BOTH):
        text = with_value(text, (*path, "tags"), ["*"])
    if value in (q.ON_PUSH, q.ON_BOTH):
        text = with_value(text, (*path, "branches"), [str(value_at(text, (*path[:-1], q.BRANCH)))])
    if variable and value != q.NEVER:
        named = "tag" if value == q.ON_TAG else "commit"
        text = with_value(text, (*path, "parameters", named), variable)
    return text

"""Who may do what: for every verb the right that it needs, and which of its words names what it is about. Pure.

The danger is a verb that nobody thought of when rights were granted. So the table is whole (a test holds it to the
grammar), and a verb that is not in it needs the right to manage everything. `bot.rights.grants` asks the table about
each line before anything is looked at, and again in the transaction that changes something.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from bot.grammar import DELETE, PRESS, Said, parse, words_of
from engine.errors import Refused
from storage.grants import Right


class About(StrEnum):
    """What a line is about, so whose group decides.

    A `RUN` may be named by its pipeline, a `WORKLOAD` by a pipeline that releases it; a `FREEZE` is about any of these,
    about a group or all of them, and may be named itself. `EVERYTHING` lists, and leaves out what the person may not
    see. An `ORGANIZATION` is a package's, and its group the one of that name. `SLUICE` is what no group is about:
    whoever may do that in all that are closed.
    """

    NOTHING = "nothing"
    EVERYTHING = "everything"
    PIPELINE = "pipeline"
    START = "start"
    RUN = "run"
    WORKLOAD = "workload"
    DEFINITION = "definition"
    GROUP = "group"
    FREEZE = "freeze"
    TEMPLATE = "template"
    ORGANIZATION = "organization"
    SLUICE = "sluice"


@dataclass(frozen=True, slots=True)
class Need:
    """What a line needs: a right, on what its word number `word` names."""

    about: About
    right: Right = Right.SEE
    word: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody wants: a verb and its words, whether it was said or pressed. `text` is all after the verb."""

    verb: str
    words: tuple[str, ...]
    text: str = ""

    def __str__(self) -> str:
        """The line as it may be repeated."""
        return " ".join((self.verb, *self.words))


_SEE, _READ, _EDIT, _MANAGE = Right.SEE, Right.READ, Right.EDIT, Right.MANAGE
_FREE = Need(About.NOTHING)
_ALL = Need(About.EVERYTHING)
UNKNOWN = Need(About.SLUICE, _MANAGE)

NEEDS: Mapping[str, Need] = MappingProxyType(
    {
        "list": _ALL,
        "show": Need(About.PIPELINE),
        "define": Need(About.DEFINITION, _EDIT),
        "edit": Need(About.PIPELINE, _MANAGE),
        "check": _FREE,
        "export": Need(About.PIPELINE),
        "delete": Need(About.PIPELINE, _MANAGE),
        "run": Need(About.START, _READ),
        "stop": Need(About.RUN, _READ),
        "giveup": Need(About.RUN, _EDIT),
        "retry": Need(About.RUN, _READ),
        "restore": Need(About.RUN, _EDIT),
        "adopt": Need(About.RUN, _EDIT),
        "status": Need(About.RUN),
        "runs": Need(About.PIPELINE),
        "logs": Need(About.RUN),
        "approve": Need(About.RUN),
        "reject": Need(About.RUN),
        "split": Need(About.RUN, _EDIT),
        "promote": Need(About.RUN),
        "trigger": Need(About.RUN, _READ),
        "rollback": Need(About.RUN, _READ),
        "redeploy": Need(About.PIPELINE, _READ),
        "lock": Need(About.WORKLOAD, _READ),
        "unlock": Need(About.WORKLOAD, _EDIT),
        "freeze": Need(About.FREEZE, _EDIT),
        "unfreeze": Need(About.FREEZE, _EDIT),
        "freezes": _ALL,
        "override": Need(About.RUN, _READ),
        "confirm": Need(About.FREEZE, _EDIT),
        "versions": Need(About.PIPELINE),
        "yaml": Need(About.RUN),
        "plan": Need(About.RUN),
        "instances": Need(About.PIPELINE),
        "retire": Need(About.WORKLOAD, _MANAGE),
        "hooks": Need(About.PIPELINE),
        "hook": Need(About.PIPELINE, _MANAGE, 1),
        "triggers": Need(About.PIPELINE),
        "notifications": Need(About.RUN),
        "packages": _ALL,
        "package": Need(About.ORGANIZATION, _READ),
        "help": _FREE,
        "subscribe": Need(About.PIPELINE),
        "unsubscribe": _FREE,
        "subscriptions": _ALL,
        "whoami": _FREE,
        "link": _FREE,
        "unlink": _FREE,
        "yes": _FREE,
        "no": _FREE,
        "audit": _ALL,
        "secret": Need(About.PIPELINE, _MANAGE, 1),
        "timeline": Need(About.RUN),
        "groups": _ALL,
        "group": Need(About.GROUP, _READ),
        "grant": Need(About.GROUP, _MANAGE, 3),
        "revoke": Need(About.GROUP, _MANAGE, 2),
        "templates": _ALL,
        "template": Need(About.TEMPLATE, _READ),
        "create": Need(About.TEMPLATE, _READ),
        "answer": _FREE,
        "account": _FREE,
        "accounts": _FREE,
        "repositories": _FREE,
        "branches": _FREE,
        "tags": _FREE,
        "webhook": Need(About.PIPELINE, _EDIT),
        "pushes": Need(About.PIPELINE),
    }
)
"""By the verb. `yes` needs nothing itself: what it confirms is checked again as it was said.

What freezes are about is only known for sure when they are looked up: `bot.freezes.feature` asks again then.
"""
_PARTS: Mapping[tuple[str, str], Need] = MappingProxyType(
    {
        ("secret", "list"): Need(About.PIPELINE, _READ, 1),
        ("group", "create"): _FREE,
        ("group", "delete"): Need(About.GROUP, _MANAGE, 1),
        ("template", "export"): Need(About.PIPELINE, _EDIT, 1),
        ("template", "delete"): Need(About.TEMPLATE, _EDIT, 1),
        ("package", "create"): Need(About.ORGANIZATION, _EDIT, 1),
        ("package", "upload"): Need(About.ORGANIZATION, _EDIT, 1),
        ("package", "get"): Need(About.ORGANIZATION, _READ, 1),
        ("package", "delete"): Need(About.ORGANIZATION, _MANAGE, 1),
        ("package", "token"): Need(About.ORGANIZATION, _READ, 2),
        ("package", "tokens"): _FREE,
        ("package", "revoke"): _FREE,
        ("press", "leave"): _FREE,
        ("press", "answer"): _FREE,
    }
)
"""By the verb and its first word, where that says which of several things is done."""
_LISTS = ("status", "runs", "create", "triggers", "notifications")
"""Verbs that are about everything when nothing is named."""


def wanted(line: str) -> Line | None:
    """Read what a line wants; None when it is nothing that can be done."""
    if line.strip() == DELETE:
        return Line("yes", ())
    if line.startswith(PRESS):
        verb, *words = line.removeprefix(PRESS).split() or ("leave",)
        if verb == "run":
            words = list(words_of(line.removeprefix(PRESS)))[1:]
        return Line("press", (verb,)) if ("press", verb) in _PARTS else Line(verb, tuple(words))
    try:
        said: Said = parse(line)
    except Refused:
        return None
    return Line(said.verb.name, said.words, said.text)


def need_of(line: Line) -> Need:
    """Tell what a line needs."""
    first = line.words[0] if line.words else ""
    if (line.verb, first) in _PARTS:
        return _PARTS[line.verb, first]
    if not line.words and line.verb in _LISTS:
        return _ALL
    if line.verb == "redeploy" and line.words[2:3] == ("fast",):
        return Need(About.PIPELINE, _EDIT)  # it goes past the reviews
    return NEEDS.get(line.verb, UNKNOWN)

"""What people can say: one table. It parses lines, prints the help and tells chats which commands there are."""

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.verbs.audit import AUDIT
from bot.verbs.code import CODE
from bot.verbs.freezes import FREEZES
from bot.verbs.groups import GROUPS
from bot.verbs.packages import PACKAGES
from bot.verbs.pipelines import PIPELINES
from bot.verbs.releases import RELEASES
from bot.verbs.rooms import ROOMS
from bot.verbs.runs import RUNS
from bot.verbs.secrets import SECRETS
from bot.verbs.telling import TELLING
from bot.verbs.templates import TEMPLATES
from bot.verbs.verb import Verb
from engine.errors import Refused

TOPICS: Mapping[str, tuple[Verb, ...]] = {
    "pipelines": PIPELINES,
    "runs": RUNS,
    "releases": RELEASES,
    "freezes": FREEZES,
    "hooks": TELLING,
    "code": CODE,
    "packages": PACKAGES,
    "rooms": ROOMS,
    "groups": GROUPS,
    "templates": TEMPLATES,
    "audit": AUDIT,
    "secrets": SECRETS,
}
VERBS: tuple[Verb, ...] = tuple(verb for verbs in TOPICS.values() for verb in verbs)
BY_NAME = {verb.name: verb for verb in VERBS}
ALIASES = {
    "start": "run",
    "abort": "stop",
    "cancel": "no",
    "ok": "yes",
    "pass": "approve",
    "refuse": "reject",
    "ls": "list",
    "?": "help",
}
PRESS = "press "
"""How the line of a button begins that carries what it was made for."""
ANSWERS = f"{PRESS}answer "
"""How buttons begin that answer a question of a conversation: nothing is changed before it is at its end."""
DELETE = "DELETE"
"""What is typed to delete something; it stands for yes."""
ASKING = ("run", "rollback", "delete", "restore", "adopt", "redeploy", "unlock", "giveup", "retire")
"""Commands that are answered with what they will do, and a question, however they are said."""
_LINE = re.compile(r"\s*(?:/?sluice\s+)?/?(\S+)\s*(.*)\Z", re.DOTALL)
_YAML = re.compile(r"-|#|[a-z_]+:")
"""How a line of a definition begins."""
WRAPPING = "*_~`\"'\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b"
"""Markup and quotes, plain and typographic: what may stand round a command, and what a phone makes of quotes."""
_LANGUAGE = r"(?:(?<=```)(?i:ya?ml|te?xt|console|shell|bash|sh)(?=[ \t\r]*\n\s*(?!```)\S))?"
"""What a fence says of the text below it, if there is any."""
_MARKED = re.compile(rf"((?:/?sluice\s+)?)(\*{{1,2}}|_{{1,2}}|~{{1,2}}|`{{1,3}}){_LANGUAGE}(.+)\2", re.DOTALL)
_DEEP = 3
"""How often one in another is taken away."""
_QUOTED = re.compile(
    r"\"(?:\\.|[^\"\\])*\"|'[^']*'"
    r"|(?<![^\s=])(?:[\u201c-\u201f]([^\u201c-\u201f]*)[\u201c-\u201f]"
    r"|[\u2018\u201a\u201b]([^\u2018\u201a\u201b]*?)[\u2018\u2019])(?!\S)",
    re.DOTALL,
)
"""What stands in quotes. In plain ones it is left to the shell's rules; typographic ones hold a whole word or value."""


@dataclass(frozen=True, slots=True)
class Said:
    """A line that the grammar understood. `text` is everything after the verb, untouched."""

    verb: Verb
    words: tuple[str, ...]
    text: str

    def settings(self) -> dict[str, str]:
        """The NAME=VALUE words after the first."""
        pairs = {}
        for word in self.words[1:]:
            name, sign, value = word.partition("=")
            if not sign or not name:
                raise Refused(f"{word!r} is no NAME=VALUE.", f"For example `{self.verb.example}`.")
            pairs[name] = value
        return pairs


def parse(line: str) -> Said:
    """Read one line. Raises `Refused`, saying what was meant perhaps; a half-typed command touches nothing."""
    match = _LINE.match(unmarked(line))
    if match is None:
        raise Refused("Nothing was said.", "`help` tells what you can say.")
    name, text = match.group(1).lower(), match.group(2)
    verb = _verb(name)
    if verb is None and _YAML.fullmatch(name) and name.rstrip(":") not in (*BY_NAME, *ALIASES):
        raise Refused(
            "That looks like a definition, or a part of one. Nothing was done with it.",
            "Say `define`, and the YAML on the lines below it. What is long is sent as a .yaml file: chats split it.",
        )
    if verb is None:
        near = difflib.get_close_matches(name, [*BY_NAME, *ALIASES], n=1)
        raise Refused(
            f"There is no command {name}.", f"Did you mean `{near[0]}`?" if near else "`help` tells what you can say."
        )
    if verb.text:
        return Said(verb, (), text)
    words = typed_words(text, reason="REASON" in verb.form)
    if not verb.least <= len(words) <= verb.most:
        raise Refused(f"That is not how {verb.name} is said.", f"Write `{verb.form}`, for example `{verb.example}`.")
    return Said(verb, words, text.strip())


def unmarked(line: str) -> str:
    """Return the line without the markup round all of it, as whoever pastes a command brings it along."""
    for _ in range(_DEEP):
        found = _MARKED.fullmatch(line.strip())
        if found is None:
            break
        line = f"{found[1]}{found[3].strip()}"
    return line


def plain(line: str) -> str:
    """Return a command, or what is typed to delete, without the markup round it; everything else as it was typed."""
    said = unmarked(line)
    return said if said == DELETE or (said and not begins_with_no_command(said)) else line


def begins_with_no_command(line: str) -> bool:
    """Whether the line is something else than a command, a wrong one too: an answer perhaps."""
    match = _LINE.match(unmarked(line))
    return match is not None and _verb(match.group(1).lower()) is None


def bare(line: str) -> Verb | None:
    """The command of a line that says nothing else, though it should."""
    match = _LINE.match(unmarked(line))
    verb = _verb(match.group(1).lower()) if match and not match.group(2).strip() else None
    return verb if verb is not None and verb.least else None


def asks_by_itself(line: str) -> bool:
    """Whether the answer to a line shows what it will do and asks, however it is said."""
    name = line.split(maxsplit=1)[0].lower() if line.strip() else ""
    return ALIASES.get(name, name) in ASKING


def may_change(line: str) -> bool:
    """Whether the line is a command that may change something."""
    if line.startswith(PRESS) or unmarked(line).strip() == DELETE:
        return not line.startswith(ANSWERS)
    try:
        return parse(line).verb.kind == "act"
    except Refused:
        return False


def takes_text(line: str) -> bool:
    """Whether the line is a command that takes a text of many lines, as a definition is."""
    try:
        return parse(line).verb.text
    except Refused:
        return False


def gives_reason(line: str) -> bool:
    """Whether the line may end in a reason: words that are kept for good, and do nothing else."""
    if line.startswith(PRESS):
        return line.split()[1:2] in (["reject"], ["stop"])
    try:
        return "REASON" in parse(line).verb.form
    except Refused:
        return False


def _verb(name: str) -> Verb | None:
    return BY_NAME.get(ALIASES.get(name, name))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, as a shell would take it apart; with half a quote in it, at its blanks."""
    return _words(text, text)


def _words(quoted: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(quoted))
    except ValueError:
        return tuple(text.split())


def typed_words(text: str, *, reason: bool = False) -> tuple[str, ...]:
    """The words of what a person types, whose phone makes typographic quotes of plain ones.

    With a `reason`, only the first word may stand in those: the rest is kept as it was typed.
    """
    if not reason:
        return _words(_QUOTED.sub(_plainly, text), text)
    first = _QUOTED.match(text)
    return _words(f"{_plainly(first)}{text[first.end() :]}", text) if first else words_of(text)


def _plainly(quoted: re.Match[str]) -> str:
    """What stands in quotes, as a shell reads it."""
    inside = next((one for one in quoted.groups() if one is not None), None)
    return quoted[0] if inside is None else shlex.quote(inside)


def topic_of(verb: Verb) -> str:
    """Name what a command is about."""
    return next(name for name, verbs in TOPICS.items() if verb in verbs)


def help_rows(verbs: Sequence[Verb] = VERBS) -> tuple[tuple[str, str], ...]:
    """How each command is written, and what it does."""
    return tuple((verb.form, verb.does) for verb in verbs)

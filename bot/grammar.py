"""What people can say: one table. It parses lines, prints the help and tells chats which commands there are."""

import difflib
import re
import shlex
from dataclasses import dataclass
from typing import Literal

from engine.errors import Refused

Kind = Literal["look", "act"]


@dataclass(frozen=True, slots=True)
class Verb:
    """One command: how it is written, what it does, an example, and whether it changes anything."""

    name: str
    form: str
    does: str
    example: str
    kind: Kind = "look"
    least: int = 0
    most: int = 0
    text: bool = False


VERBS: tuple[Verb, ...] = (
    Verb("help", "help [COMMAND]", "what you can say", "help run", most=1),
    Verb("list", "list", "every pipeline, and how its last run went", "list", most=2),
    Verb("show", "show PIPELINE", "a pipeline: its stages, variables and people", "show hello", least=1, most=1),
    Verb(
        "define",
        "define YAML",
        "make or change a pipeline from its definition",
        "define (then the YAML)",
        "act",
        text=True,
    ),
    Verb(
        "edit", "edit PIPELINE", "change a pipeline: a form, or its definition to send back", "edit hello", "look", 1, 1
    ),
    Verb(
        "check",
        "check YAML",
        "every complaint about a definition, without keeping it",
        "check (then the YAML)",
        text=True,
    ),
    Verb(
        "export",
        "export PIPELINE [VERSION]",
        "a pipeline's definition as it was written",
        "export hello",
        least=1,
        most=2,
    ),
    Verb(
        "run",
        "run PIPELINE [NAME=VALUE ...]",
        "start a run, after showing its variables",
        "run hello tag=v2",
        "act",
        1,
        99,
    ),
    Verb("stop", "stop RUN [REASON]", "end a run and take back what it placed", "stop hello-2", "act", 1, 99),
    Verb(
        "retry",
        "retry RUN",
        "try a held stage again, or begin anew after a return to the start",
        "retry hello-2",
        "act",
        1,
        1,
    ),
    Verb(
        "restore",
        "restore PIPELINE|RUN",
        "put back what somebody else changed in a release, and go on",
        "restore hello-2",
        "act",
        1,
        1,
    ),
    Verb(
        "adopt",
        "adopt PIPELINE|RUN",
        "go on with what somebody else manages or changed",
        "adopt hello-2",
        "act",
        1,
        1,
    ),
    Verb("status", "status [PIPELINE|RUN]", "what is going on", "status", most=1),
    Verb("runs", "runs [PIPELINE]", "the latest 20 runs", "runs hello", most=1),
    Verb("logs", "logs RUN [STAGE]", "what a run's stages said", "logs hello-2 image", least=1, most=2),
    Verb("approve", "approve RUN", "pass the review that is open", "approve hello-2", "act", 1, 1),
    Verb(
        "reject",
        "reject RUN [REASON]",
        "refuse the review that is open",
        "reject hello-2 too many errors",
        "act",
        1,
        99,
    ),
    Verb("split", "split RUN PERCENT", "give gray another share of the traffic", "split hello-2 40", "act", 1, 2),
    Verb(
        "promote",
        "promote RUN",
        "go on to everybody: pass the review, or retry a failed promotion",
        "promote hello-2",
        "act",
        1,
        1,
    ),
    Verb(
        "rollback",
        "rollback PIPELINE|RUN [VERSION] [REASON]",
        "go back, after showing what will happen; the workload is locked then",
        "rollback hello too many errors",
        "act",
        1,
        99,
    ),
    Verb(
        "redeploy",
        "redeploy PIPELINE VERSION [fast] [REASON]",
        "bring any version back: through gray and review, or at once with fast",
        "redeploy hello 3",
        "act",
        2,
        99,
    ),
    Verb(
        "lock",
        "lock PIPELINE|WORKLOAD REASON",
        "let nothing of it be released until it is unlocked",
        "lock hello the audit on Friday",
        "act",
        2,
        99,
    ),
    Verb(
        "unlock",
        "unlock PIPELINE|WORKLOAD [REASON]",
        "let it be released again, after showing who locked it and why",
        "unlock hello",
        "act",
        1,
        99,
    ),
    Verb(
        "versions",
        "versions PIPELINE",
        "what was released, and the definition's versions",
        "versions hello",
        least=1,
        most=1,
    ),
    Verb(
        "yaml",
        "yaml PIPELINE [VERSION]",
        "the configuration deployed, and the routes in effect",
        "yaml hello",
        least=1,
        most=2,
    ),
    Verb("plan", "plan PIPELINE|RUN", "what would happen next, step by step", "plan hello-2", least=1, most=99),
    Verb(
        "instances",
        "instances PIPELINE [TRACK] [PAGE]",
        "what runs: status, latest event, version, age, node",
        "instances hello",
        least=1,
        most=3,
    ),
    Verb(
        "trigger",
        "trigger RUN CONDITION [NAME=VALUE ...]",
        "meet a condition a stage waits for",
        "trigger hello-2 webhook:gate",
        "act",
        2,
        99,
    ),
    Verb(
        "retire",
        "retire PIPELINE|WORKLOAD",
        "end everything it has deployed, after DELETE is typed",
        "retire hello",
        "act",
        1,
        1,
    ),
    Verb("delete", "delete PIPELINE", "take a pipeline away, after DELETE is typed", "delete hello", "act", 1, 1),
    Verb(
        "subscribe",
        "subscribe PIPELINE [on success|failure|both|everything]",
        "tell this room how the pipeline's runs end, or show it every run",
        "subscribe hello on failure",
        "act",
        1,
        3,
    ),
    Verb(
        "unsubscribe", "unsubscribe PIPELINE", "tell this room nothing of it any more", "unsubscribe hello", "act", 1, 1
    ),
    Verb("subscriptions", "subscriptions", "what this room is told about", "subscriptions"),
    Verb("whoami", "whoami", "who you are here, your accounts, and what waits for you", "whoami"),
    Verb(
        "link",
        "link [CODE]",
        "get a code that makes another chat's account yours; or type it there",
        "link",
        "act",
        most=1,
    ),
    Verb("unlink", "unlink [ACCOUNT]", "make an account of yours nobody's", "unlink", "act", most=1),
    Verb("yes", "yes", "do what was just asked about", "yes", "act", most=1),
    Verb("no", "no", "leave it", "no", "act", most=1),
)
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
DELETE = "DELETE"
"""What is typed to delete something; it stands for yes."""
_LINE = re.compile(r"\s*(?:/?sluice\s+)?/?(\S+)\s*(.*)\Z", re.DOTALL)


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
    match = _LINE.match(line)
    if match is None:
        raise Refused("Nothing was said.", "`help` tells what you can say.")
    name, text = match.group(1).lower(), match.group(2)
    verb = BY_NAME.get(ALIASES.get(name, name))
    if verb is None:
        near = difflib.get_close_matches(name, [*BY_NAME, *ALIASES], n=1)
        raise Refused(
            f"There is no command {name}.", f"Did you mean `{near[0]}`?" if near else "`help` tells what you can say."
        )
    if verb.text:
        return Said(verb, (), text)
    words = _words(text)
    if not verb.least <= len(words) <= verb.most:
        raise Refused(f"That is not how {verb.name} is said.", f"Write `{verb.form}`, for example `{verb.example}`.")
    return Said(verb, words, text.strip())


def may_change(line: str) -> bool:
    """Whether the line is a command that may change something."""
    if line.startswith(PRESS) or line.strip() == DELETE:
        return True
    try:
        return parse(line).verb.kind == "act"
    except Refused:
        return False


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def help_rows() -> tuple[tuple[str, str], ...]:
    """How each command is written, and what it does."""
    return tuple((verb.form, verb.does) for verb in VERBS)

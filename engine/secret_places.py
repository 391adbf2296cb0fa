"""Where a definition may name a secret variable: where its value is used at once and not kept. Pure.

Everywhere else it would come to stand in a release, a run, a card, or another pipeline. Each such place gets a
complaint that says what people do there instead.
"""

import re
from collections.abc import Iterator, Mapping

from engine.complaints import Finding, Path
from engine.secret_variables import is_marker
from engine.yaml_text import Node

_NAMES = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_HOST = re.compile(r"[^/]*//[^/?#]*")
_ELSEWHERE = "a variable that is not secret"
_INSTEAD = {
    "environment": "a Secret's reference (secretKeyRef) in a manifest, or a file that the service reads itself",
    "manifest": "a Secret's reference (secretKeyRef) there",
    "webhook": "it in headers: or in body:",
    "procfile": "a file that the service reads itself",
    "inline": "ARG and its name there, and it in arguments:",
}


def secret_findings(tree: Node, values: Mapping[str, str]) -> Iterator[Finding]:
    """Say where a secret stands that may not stand there. `values` holds every variable that exists."""
    secret = {name for name, value in values.items() if is_marker(value)}
    if not secret:
        return
    for path, node in tree.scalars():
        if node.text and path[:1] != ("variables",):
            yield from _misplaced(path, node.text, secret)
    yield from _loose(tree, secret)


def _misplaced(path: Path, text: str, secret: set[str]) -> Iterator[Finding]:
    if path[-2:-1] == ("parameters",) and text in secret:
        how = "sent where it would be kept" if "tell" in path else "set by a call"
        yield Finding(path, f"{text} is secret and is not {how}", _ELSEWHERE)
    if _takes_secrets(path):
        return
    for name in sorted(_named(text) & secret):
        row = text[: text.find(f"${{{name}}}")].count("\n")
        where = next((str(part) for part in reversed(path) if part in _INSTEAD), "")
        problem = f"{name} is secret, and what stands here is kept with runs and releases"
        yield Finding(path, problem, _INSTEAD.get(where, _ELSEWHERE), row=row)


def _takes_secrets(path: Path) -> bool:
    """Whether the value is handed to somebody at once: a script, build arguments, a message's headers and body."""
    return (
        path[2:] == ("build", "script")
        or (path[2:4] == ("build", "arguments") and len(path) == len(("stages", 0, "build", "arguments", "NAME")))
        or (path[2:3] == ("tell",) and path[4:5] in (("headers",), ("body",)))
    )


def _loose(tree: Node, secret: set[str]) -> Iterator[Finding]:
    """A message that holds a secret goes to a host that is written out: nobody who starts a run may choose it."""
    for path, address in tree.scalars():
        if path[2:3] != ("tell",) or path[4:] != ("webhook",) or not address.text:
            continue
        telling = tree.find(path[:-1])
        texts = [node.text for _, node in telling.scalars() if node.text] if telling else []
        host = _HOST.match(address.text)
        chosen = _named(host.group() if host else address.text)
        if chosen and any(_named(text) & secret for text in texts):
            problem = f"holds ${{{min(chosen)}}}, so whoever starts a run could have the secret sent elsewhere"
            yield Finding(path, problem, "the host itself")


def _named(text: str) -> set[str]:
    return {name for name in _NAMES.findall(text) if name} if "${" in text else set()

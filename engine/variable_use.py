"""How a definition uses its variables: which it declares, where it names others, and where none may stand."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.complaints import Finding, Path, listed, nearest
from engine.fields import shown
from engine.secret_places import secret_findings
from engine.secret_variables import is_secret, marker
from engine.variables import (
    SYSTEM_NAMES,
    SYSTEM_PREFIX,
    acts_in_a_shell,
    expand,
    expand_script,
    misspelled_in,
    names_in,
)
from engine.yaml_text import Node

_FIXED = ("pipeline", "group", "concurrency", "starts")
_IN_NO_SHELL = "values of letters, digits and . _ : / @ % + = , - only, or hand it over in environment"


def declared_in(data: Any) -> dict[str, str]:
    """Read the variables that `data` declares, with their values; what is malformed there counts as empty."""
    section = data.get("variables") if isinstance(data, dict) else None
    found = {}
    for name, entry in section.items() if isinstance(section, dict) else ():
        value = entry.get("value") if isinstance(entry, dict) else entry
        found[name] = marker(name) if is_secret(entry) else value if isinstance(value, str) else ""
    return found


def expanded(data: Any, values: Mapping[str, str]) -> Any:
    """Replace the variables in `data` wherever they may stand. Scripts keep theirs for the shell."""
    if not isinstance(data, dict):
        return data
    result = {key: item if key in (*_FIXED, "variables") else expand(item, values) for key, item in data.items()}
    for position, stage in enumerate(data["stages"] if isinstance(data.get("stages"), list) else ()):
        build = stage.get("build") if isinstance(stage, dict) else None
        if isinstance(build, dict) and isinstance(build.get("script"), str):
            result["stages"][position]["build"]["script"] = expand_script(build["script"], values)
    return result


def variable_findings(tree: Node, values: Mapping[str, str]) -> Iterator[Finding]:
    """Say what is wrong with the variables that `tree` declares and uses. `values` holds every one that exists."""
    if "variables" in tree.entries:
        for name in tree.entries["variables"].entries:
            if name.startswith(SYSTEM_PREFIX):
                problem = f"{shown(name)} is kept for Sluice: names that begin with {SYSTEM_PREFIX} are its own"
                yield Finding(("variables", name), problem, f"for example {name[4:] or 'tag'}", at_key=True)
    for path, node in tree.scalars():
        if node.text and path[:1] != ("variables",):
            yield from _in_text(path, node.text, values)
            if path[-2:-1] == ("parameters",):
                yield from _parameter(path, node.text, values)
            if path[2:] in (("source", "account"), ("source", "git")):
                yield from _with_account(tree, path, node.text)
    yield from secret_findings(tree, values)


def _in_text(path: Path, text: str, values: Mapping[str, str]) -> Iterator[Finding]:
    names = names_in(text)
    if names and _is_fixed(path):
        yield Finding(path, f"holds ${{{names[0]}}}, but it is read before there is a run", "the text itself")
        return
    script = path[2:] == ("build", "script")
    for name in names:
        if name not in values:
            row = text[: text.find(f"${{{name}}}")].count("\n")
            instead = _instead_of(name, values, script=script)
            yield Finding(path, f"${{{name}}} is not a declared variable", instead, row=row)
        elif path[2:] == ("build", "procfile"):
            yield from _in_procfile(path, name, values[name])
    if not script:
        for rest in misspelled_in(text)[:1]:
            yield Finding(path, f"{shown('${' + rest)} names no variable", f"$${{{rest} if that text is meant")


def _instead_of(name: str, values: Mapping[str, str], *, script: bool) -> str:
    near = nearest(name, tuple(values))
    literal = f"$${{{name}}} for {'the variable of the shell' if script else 'that text itself'}"
    return f"${{{near}}}, or {literal}" if near else f"{name}: under variables, or {literal}"


def _in_procfile(path: Path, name: str, value: str) -> Iterator[Finding]:
    acting = "".join(acts_in_a_shell(value))
    if acting:
        yield Finding(path, f"the value of {name} holds {shown(acting)}, which a shell acts on", _IN_NO_SHELL)


def _with_account(tree: Node, path: Path, text: str) -> Iterator[Finding]:
    """Say that an account, and what is fetched with it, are written out: it is asked once whose account that is.

    A value would be chosen by whoever starts a run, and by that somebody's account and every repository it sees.
    """
    account = tree.find((*path[:-1], "account"))
    names = names_in(text)
    if not names or account is None or not account.text:
        return
    if path[-1] == "account":
        problem = f"holds ${{{names[0]}}}, so whoever starts a run could choose somebody's account"
        yield Finding(path, problem, "the account's name, or leave it out")
    else:
        problem = f"holds ${{{names[0]}}}, so whoever starts a run could fetch anything that the account sees"
        yield Finding(path, problem, "the repository's whole address, or no account beside it")


def _parameter(path: Path, name: str, values: Mapping[str, str]) -> Iterator[Finding]:
    sent = "tell" in path
    if name in values and (sent or name not in SYSTEM_NAMES):
        return
    known = tuple(one for one in values if sent or one not in SYSTEM_NAMES)
    near = nearest(name, known)
    instead = near or (f"one of {listed(known)}" if known else f"{name}: under variables")
    yield Finding(path, f"{shown(name)} is not a variable that can be {'sent' if sent else 'set'}", instead)


def _is_fixed(path: Path) -> bool:
    return path[0] in _FIXED or path[2:3] == ("conditions",) or path[2:4] == ("source", "auto_build")

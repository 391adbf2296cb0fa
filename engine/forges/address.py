"""What may be given to git as an address or as the name of a branch or tag. Pure: text in, a value or a refusal out.

The danger: git takes more for an address than people think. ``ext::sh -c ...`` runs a command, an address or a name
that begins with a dash is read as an option (``--upload-pack=...`` runs a command too), a line break can add lines to
what git tells a credential helper, and a password in an address ends up in logs, in process lists and on cards.

The promise: only https, ssh, and (when the settings allow them) http and local paths get through, with hosts, users
and paths that mean one thing only. A refusal never repeats what may be a secret.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from engine.errors import Refused

_LONGEST = 2048
_LONGEST_REF = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ENCODED_CONTROL = re.compile(r"%(0[0-9a-f]|1[0-9a-f]|7f)", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9+.-]*::")
_AUTHORITY = re.compile(r"(?:(?P<user>[^@/]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^@/:\[\]]*)(?::(?P<port>[0-9]*))?")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_SHORT_SSH = re.compile(r"(?:(?P<user>[^@/:]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^@/:\[\]]+):(?P<path>.*)")
_HIDDEN_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?[^/]*@")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_SCHEMES = frozenset({"data", "ext", "fd", "file", "ftp", "ftps", "git", "http", "https", "javascript", "ssh"})
_HIGHEST_PORT = 65535
_USABLE = "Write for example https://git.example.com/team/service.git or git@git.example.com:team/service.git."


class Transport(StrEnum):
    """How git gets to a repository; the values are git's own words."""

    HTTPS = "https"
    HTTP = "http"
    SSH = "ssh"
    LOCAL = "file"


@dataclass(frozen=True, slots=True)
class Address:
    """A repository's address that is safe to give to git. `origin` is scheme, host and port, empty for a local path."""

    url: str
    transport: Transport
    origin: str = ""


class UnusableAddress(Refused):
    """An address that is not given to git."""

    def __init__(self, url: str, why: str, hint: str = _USABLE) -> None:
        super().__init__(f"The repository address {display(url)} cannot be used: {why}.", hint)


class UnusableRef(Refused):
    """A name that no branch or tag can have."""

    def __init__(self, kind: str, name: str, why: str) -> None:
        super().__init__(
            f"{display(name)!r} cannot be the name of a {kind}: {why}.", f"Write the plain name of a {kind}."
        )


def display(text: str) -> str:
    """`text` for people: short, on one line, without what may be a user's name and password or a token."""
    plain = _CONTROL.sub("?", text[:_LONGEST])
    cut = re.split(r"[?#]", plain, maxsplit=1)[0] if "://" in plain else plain
    hidden = _HIDDEN_USER.sub(lambda found: f"{found[1] or ''}***@", cut)
    return hidden if len(hidden) <= _LONGEST_REF else hidden[:_LONGEST_REF] + "…"


def parse_address(text: str, *, allow_local: bool = False, allow_http: bool = False) -> Address:
    """Read a repository's address. Raises `UnusableAddress`."""
    _check_text(text)
    if found := _SCHEME.fullmatch(text):
        scheme, rest = found[1].lower(), found[2]
        if scheme in ("https", "http"):
            return _parse_web(text, scheme, rest, allow_http=allow_http)
        if scheme == "ssh":
            return _parse_ssh(text, rest)
        if scheme == "file":
            return _parse_file(text, rest, allow_local=allow_local)
        raise UnusableAddress(text, f"{scheme}:// is not a transport that is used here")
    if text.startswith("/"):
        return _parse_path(text, text, allow_local=allow_local)
    if found := _SHORT_SSH.fullmatch(text):
        return _parse_short_ssh(text, found)
    raise UnusableAddress(text, "it is neither an https nor an ssh address")


def _check_text(text: str) -> None:
    if not text:
        raise UnusableAddress(text, "it is empty")
    if len(text) > _LONGEST:
        raise UnusableAddress(text, f"it is longer than {_LONGEST} characters")
    if _CONTROL.search(text):
        raise UnusableAddress(text, "it has a line break or another control character in it")
    if text.startswith("-"):
        raise UnusableAddress(text, "it begins with a dash")
    if _HELPER.match(text):
        raise UnusableAddress(text, "addresses of the form helper::address run programs")


def _parse_web(text: str, scheme: str, rest: str, *, allow_http: bool) -> Address:
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise UnusableAddress(
            text, "it has a user name, password or token in it", "Take that out, bind a code account, and name it."
        )
    if scheme == "http" and not allow_http:
        raise UnusableAddress(text, "http is not encrypted", "Write https:// instead of http://.")
    host, port = _split_host(text, authority)
    if "?" in path or "#" in path:
        raise UnusableAddress(text, "it has a query or a fragment")
    _check_path(text, path if slash else "")
    clean = f"{scheme}://{host.lower()}{port}"
    return Address(f"{clean}/{path}", Transport(scheme), clean)


def _parse_ssh(text: str, rest: str) -> Address:
    authority, slash, path = rest.partition("/")
    user, at, place = authority.rpartition("@")
    _check_user(text, user if at else "git")
    host, port = _split_host(text, place)
    _check_path(text, path if slash else "")
    origin = f"ssh://{user}{at}{host.lower()}{port}"
    return Address(f"{origin}/{path}", Transport.SSH, origin)


def _parse_short_ssh(text: str, found: re.Match[str]) -> Address:
    user, host, path = found["user"], found["host"], found["path"]
    if user is None and host.lower() in _SCHEMES:
        raise UnusableAddress(text, f"{host}: without // is not an address that is used here")
    if user is None and "@" in path.partition("/")[0]:
        raise UnusableAddress(
            text, "it has a password in it", "Take the password out; ssh works with the machine's key."
        )
    _check_user(text, "git" if user is None else user)
    _split_host(text, host)
    _check_path(text, path)
    return Address(text, Transport.SSH, f"ssh://{host.lower()}")


def _parse_file(text: str, rest: str, *, allow_local: bool) -> Address:
    host, _, path = rest.partition("/")
    if host not in ("", "localhost"):
        raise UnusableAddress(text, "a file:// address has no host", "Write file:///path/to/repository.")
    return _parse_path(text, "/" + unquote(path), allow_local=allow_local)


def _parse_path(text: str, path: str, *, allow_local: bool) -> Address:
    if not allow_local:
        raise UnusableAddress(text, "local paths are switched off here", "Use an https or ssh address. " + _USABLE)
    if _CONTROL.search(path):
        raise UnusableAddress(text, "it has a control character in it")
    if ".." in path.split("/"):
        raise UnusableAddress(text, "it has .. in it", "Write the path without .. in it.")
    return Address(path, Transport.LOCAL)


def _split_host(text: str, authority: str) -> tuple[str, str]:
    """Return the host, and ``:port`` or nothing."""
    found = _AUTHORITY.fullmatch(authority)
    if not found or found["user"] is not None or not _HOST.fullmatch(found["host"]):
        raise UnusableAddress(text, "its host is not a host's name")
    port = found["port"]
    if port is None:
        return found["host"], ""
    if not port or len(port) > len(str(_HIGHEST_PORT)) or not 0 < int(port) <= _HIGHEST_PORT:
        raise UnusableAddress(text, f"its port is not a number from 1 to {_HIGHEST_PORT}")
    return found["host"], f":{int(port)}"


def _check_user(text: str, user: str) -> None:
    if ":" in user:
        raise UnusableAddress(
            text, "it has a password in it", "Take the password out; ssh works with the machine's key."
        )
    if not _USER.fullmatch(user):
        raise UnusableAddress(text, "its user name is not usable")


def _check_path(text: str, path: str) -> None:
    if not path.strip("/"):
        raise UnusableAddress(text, "it names no repository")
    if path.startswith("-"):
        raise UnusableAddress(text, "its path begins with a dash")
    if re.search(r"\s", path) or _ENCODED_CONTROL.search(path):
        raise UnusableAddress(text, "it has a space, a line break or another control character in it")


def check_ref(kind: str, name: str) -> str:
    """`name` if git allows it as the name of a `kind` (branch or tag). Raises `UnusableRef`."""
    why = _find_ref_fault(name)
    if why:
        raise UnusableRef(kind, name, why)
    return name


def _find_ref_fault(name: str) -> str:
    faults = (
        (not name, "it is empty"),
        (len(name.encode("utf-8", "surrogatepass")) > _LONGEST_REF, f"it is longer than {_LONGEST_REF} bytes"),
        (name.startswith("-"), "it begins with a dash"),
        (_REF_FORBIDDEN.search(name), "it has a space, a control character or one of ~ ^ : ? * [ \\ .. @{ // in it"),
        (name.startswith("/") or name.endswith(("/", ".")), "it begins or ends with a slash, or ends with a dot"),
        (name in {"@", "HEAD"}, "git uses it for something else"),
        (any(part.startswith(".") for part in name.split("/")), "a part of it begins with a dot"),
        (any(part.endswith(".lock") for part in name.split("/")), "a part of it ends with .lock"),
        (any("\ud800" <= letter <= "\udfff" for letter in name), "it is not text"),
    )
    return next((why for fault, why in faults if fault), "")

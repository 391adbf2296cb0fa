"""A stage's message to a web address, put together from the definition and a run's values. Pure.

The danger is a value (a branch's name, a tag, whatever a hook was called with) that is more than a value where it is
put in: that moves the address to another host, adds a parameter to a query, a header to a request, a key to a JSON
object. The promise: a value is one value wherever it stands. It holds because nothing is put in as it is but in plain
text: in an address it is percent-encoded and kept out of where the address leads, in a form it is encoded, in JSON it
is written as JSON.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlencode

from engine.definition import Tell
from engine.errors import Refused
from engine.model import Json
from engine.secret_variables import tag_of, tagged
from engine.variables import replace_marks, substitute

LARGEST = 1024 * 1024
"""Bytes of a body."""
_LEADS = re.compile(r"(https?://[^/?#]*)(.*)\Z", re.DOTALL)
_HOST_PART = re.compile(r"[A-Za-z0-9.-]*", re.ASCII)
_BARE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null", re.ASCII)
_UNSENT = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_JSON_KIND = re.compile(r"application/(?:[a-z0-9.+-]*\+)?json", re.ASCII)
_FORM_KIND = "application/x-www-form-urlencoded"


class BadMessage(Refused):
    """A value does not fit where the definition puts it, so nothing is sent."""


@dataclass(frozen=True, slots=True)
class WebCall:
    """One request. All of it may hold secrets; those that are put in when it is sent have markers with this `tag`."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    tag: str = ""


def web_call(raw: Json, tell: Tell, values: Mapping[str, str]) -> WebCall:
    """Make the request of `tell`, which stands in the definition as `raw`. Raises `BadMessage`."""
    tag, values = tag_of(values), tagged(values)
    written = _headers(raw.get("headers"), tell, values)
    kind = next((value for name, value in written.items() if name.lower() == "content-type"), "")
    body, guessed = _body(str(raw.get("body") or ""), kind, values)
    headers = {name: _sent(name, value) for name, value in written.items()}
    if body and not kind:
        headers["Content-Type"] = guessed
    parameters = {name: values.get(variable, "") for name, variable in tell.parameters.items()}
    url = _with_query(_address(str(raw.get("webhook") or ""), tell, values), parameters)
    return WebCall(tell.method, url, headers, body, tag)


def host_of(url: str) -> str:
    """Give the host and port of an address, without a user or anything else that may be secret."""
    leads = _LEADS.match(url)
    return leads[1].partition("://")[2].rpartition("@")[2] if leads else "a web address"


def _headers(raw: object, tell: Tell, values: Mapping[str, str]) -> dict[str, str]:
    """Put values into the headers, with the markers of this very request."""
    templates = raw if isinstance(raw, Mapping) else {}
    return {
        name: substitute(templates[name], values) if isinstance(templates.get(name), str) else value
        for name, value in tell.headers.items()
    }


def _address(raw: str, tell: Tell, values: Mapping[str, str]) -> str:
    """Put values into an address. One that is a variable as a whole is taken as that variable says."""
    leads = _LEADS.match(raw)
    if leads is None:
        return tell.webhook or ""
    return replace_marks(leads[1], values, _part_of_host) + replace_marks(
        leads[2], values, lambda _, value: _quoted(value)
    )


def _quoted(value: str) -> str:
    """Write a value so that it is one piece of a path or of a query; dots alone would climb."""
    return "%2E" * len(value) if value in (".", "..") else quote(value, safe="")


def _part_of_host(name: str, value: str) -> str:
    if not _HOST_PART.fullmatch(value):
        raise BadMessage(f"The value of {name} would change where the address leads; nothing was sent.")
    return value


def _with_query(url: str, parameters: Mapping[str, str]) -> str:
    address, _, _ = url.partition("#")
    if not parameters:
        return address
    joint = "&" if "?" in address else "?"
    return address + joint + urlencode(parameters)


def _sent(name: str, value: str) -> str:
    if _UNSENT.search(value):
        raise BadMessage(f"The header {name} would hold a character that no header can have; nothing was sent.")
    return value


def _body(raw: str, kind: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Give the body, and what it is when the definition does not say."""
    low = kind.partition(";")[0].strip().lower()
    if _JSON_KIND.fullmatch(low) or (not low and _is_json(raw)):
        body, guessed = _json_body(raw, values), "application/json"
    elif low == _FORM_KIND:
        body, guessed = replace_marks(raw, values, lambda _, value: quote_plus(value)), low
    else:
        body, guessed = substitute(raw, values), "text/plain; charset=utf-8"
    if len(body.encode("utf-8", "replace")) > LARGEST:
        raise BadMessage("The body would be larger than 1 MiB; nothing was sent.")
    return body, guessed


def _is_json(raw: str) -> bool:
    """Tell whether a template is JSON: with any number in place of its variables."""
    try:
        return isinstance(json.loads(_zeroed(raw)), dict | list)
    except (ValueError, RecursionError):
        return False


def _zeroed(raw: str) -> str:
    return re.sub(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", "0", raw)


def _json_body(raw: str, values: Mapping[str, str]) -> str:
    """Put values into JSON: inside a text escaped, elsewhere only numbers and true, false, null."""
    body = "".join(_pieces(raw, values))
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise BadMessage("The body would be no JSON; nothing was sent.") from None
    return body


def _pieces(raw: str, values: Mapping[str, str]) -> list[str]:
    """Cut the template at its quotes: every second piece is inside a text."""
    pieces = re.split(r'((?<!\\)(?:\\\\)*")', raw)
    made, is_text = [], False
    for piece in pieces:
        if piece.endswith('"') and set(piece[:-1]) <= {"\\"}:
            made.append(piece)
            is_text = not is_text
        else:
            made.append(replace_marks(piece, values, _escaped if is_text else _bare))
    return made


def _escaped(_name: str, value: str) -> str:
    return json.dumps(value)[1:-1]


def _bare(name: str, value: str) -> str:
    if not _BARE.fullmatch(value):
        raise BadMessage(f"The value of {name} stands outside quotes and is no number, true, false or null.")
    return value

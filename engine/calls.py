"""What a machine says when it calls a hook: named values, and perhaps a signature. Pure; anything at all may arrive.

The danger is a caller who sends what was never asked for: a value for a variable that is not theirs, a body that takes
minutes to read, the same parameter twice with two values, of which one is checked and the other is used. The promise:
either exactly the parameters that the definition names, each once, or a sentence that says what is wrong. Values are
never looked into for ${name}: what comes from outside is put in as it is.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from engine.errors import Refused
from engine.fields import shown

MOST_BODY = 64 * 1024
"""Bytes."""
MOST_PARAMETERS = 50
LONGEST_VALUE = 4096
SIGNATURE_HOLDS = timedelta(minutes=5)
TIMESTAMP_HEADER = "X-Sluice-Timestamp"
SIGNATURE_HEADER = "X-Sluice-Signature"
_FORM = "application/x-www-form-urlencoded"
_JSON = re.compile(r"application/(?:[a-z0-9.+-]*\+)?json", re.ASCII)
_UNKEPT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class BadCall(Refused):
    """What was sent is not what the hook takes."""


class NotAllowed(Refused):
    """Whoever called may not: the signature or the network is not the one that the definition asks for."""


def read_parameters(query: str, body: bytes, content_type: str) -> dict[str, str]:
    """Read the parameters of a query and of a body, which is a form or a JSON object. Raises `BadCall`."""
    pairs = [*_form(query, "query"), *_body(body, content_type)]
    if len(pairs) > MOST_PARAMETERS:
        raise BadCall(f"A call has {MOST_PARAMETERS} parameters at most.")
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise BadCall(f"The parameter {shown(name)} stands there twice.")
        found[name] = _value(name, value)
    return found


def values_for(given: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that the parameters `given` set; `wanted` maps parameters to variables. Raises `BadCall`."""
    unknown = sorted(name for name in given if name not in wanted)
    if unknown:
        takes = f"It takes {', '.join(sorted(wanted))}." if wanted else "It takes none."
        raise BadCall(f"This hook has no parameter {shown(unknown[0])}. {takes}")
    missing = sorted(name for name in wanted if name not in given)
    if missing:
        raise BadCall(f"The parameter {missing[0]} is missing.")
    return {variable: given[name] for name, variable in wanted.items()}


def signature(secret: str, timestamp: str, query: str, body: bytes) -> str:
    """Give the signature of a call: ``sha256=`` and the HMAC over timestamp, query and body, a line each."""
    text = f"{timestamp}\n{query}\n".encode() + body
    return "sha256=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def check_signature(secret: str, headers: Mapping[str, str], query: str, body: bytes, now: datetime) -> str:
    """Check the signature of a call and return it. `headers` by small letters. Raises `NotAllowed`."""
    timestamp, given = headers.get(TIMESTAMP_HEADER.lower(), ""), headers.get(SIGNATURE_HEADER.lower(), "")
    expected = signature(secret, timestamp, query, body)
    is_right = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    if not is_right or not _SECONDS.fullmatch(timestamp):
        raise NotAllowed("The call is not signed as this hook asks for.")
    if abs(now.timestamp() - int(timestamp)) > SIGNATURE_HOLDS.total_seconds():
        raise NotAllowed(f"The signature is not of this moment; it is {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} here.")
    return given


def mark_of(token: str) -> str:
    """Give the SHA-256 by which a token is found: how long that takes says nothing of any token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _body(body: bytes, content_type: str) -> Sequence[tuple[str, Any]]:
    if not body.strip():
        return []
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadCall("The body is not UTF-8.") from None
    if _JSON.fullmatch(kind):
        return _json(text)
    if kind == _FORM:
        return _form(text, "body")
    raise BadCall("The body is neither a form nor a JSON object.", f"Content-Type: {_FORM} or application/json")


def _json(text: str) -> Sequence[tuple[str, Any]]:
    try:
        found = json.loads(text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise BadCall("The body is no JSON.") from None
    if not isinstance(found, _Pairs):
        raise BadCall("The body is no JSON object.")
    return found.pairs


class _Pairs:
    """An object as its pairs, so that a name that stands there twice is seen."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _form(text: str, where: str) -> Sequence[tuple[str, Any]]:
    if not text:
        return []
    try:
        return parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_PARAMETERS, errors="strict"
        )
    except ValueError:
        raise BadCall(f"The {where} is no list of NAME=VALUE, or has more than {MOST_PARAMETERS} of them.") from None


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise BadCall(f"The value of {shown(name)} is no text, number or truth value.")
    if len(value) > LONGEST_VALUE:
        raise BadCall(f"The value of {shown(name)} is longer than {LONGEST_VALUE} characters.")
    if _UNKEPT.search(value):
        raise BadCall(f"The value of {shown(name)} holds a character that cannot be kept.")
    return value

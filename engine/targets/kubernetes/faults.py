"""What a cluster refuses and how it fails, as the house's own errors: sorted here and nowhere else.

Five questions: may the request be repeated (`Interrupted`), has an operator to do something (`Broken`), has the author
of the pipeline (`StageFailure`), does somebody else hold the field (`Held`), or has the cluster forgotten what was
asked for (`Gone`)? The API's own words are told when they are about the object; they are cut to a sane length. What was
sent is never repeated, since it may hold a token.
"""

import json
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from engine.errors import Broken, Interrupted, SluiceError, StageFailure
from engine.targets.kubernetes.exchange import Answer, Asked, sentence, short

_ROLE = "deploy/README.md says which Role Sluice needs; `sluice doctor` checks it."
_CREDENTIALS = (
    "Look at the kubeconfig that SLUICE_CLUSTERS names for it, or at the service account; `sluice doctor` checks it."
)
_CANNOT = re.compile(r'" cannot (\S+) resource ')
_STRANGER = 'User "system:anonymous"'
_HOLDER = re.compile(r'^conflict with ("(?:[^"\\]|\\.)*")')
_UNFIT = "failed to create typed patch object"
"""How the API says that a field does not exist or is of another type. It calls that an error of its own (500)."""
_A_DAY = 86_400
_TO_CORRECT = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class Gone(Interrupted):
    """The cluster has forgotten the version that was asked for; a new list is needed."""


class CredentialsUnread(Broken):
    """What Sluice shows to a cluster cannot be read. The reason is told by its kind only: it may quote a secret."""

    def __init__(self, cluster: str, reason: str) -> None:
        super().__init__(f"Sluice's credentials for cluster {cluster} cannot be read: {reason}.", _CREDENTIALS)


class Held(SluiceError):
    """Others hold fields that were to be applied. `fields` are pairs: the field's path, without leading dot; who."""

    def __init__(self, cluster: str, thing: str, fields: Sequence[tuple[str, str]]) -> None:
        self.fields = tuple(fields)
        told = "; ".join(f"{path} by {manager}" for path, manager in self.fields)
        super().__init__(short(f"{thing} in cluster {cluster} has fields that others hold: {told}."))


def content(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Read the object that a good answer holds; raises what any other means."""
    if not answer.is_good:
        raise refusal(asked, answer)
    try:
        read = json.loads(answer.body)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise Interrupted(f"Cluster {asked.cluster} answered with something that is no object ({_what(asked)}).")
    return read


def refusal(asked: Asked, answer: Answer) -> SluiceError:
    """Tell what an answer means that is not a good one."""
    if is_stranger(answer):
        return Broken(f"Cluster {asked.cluster} does not know Sluice's credentials.", _CREDENTIALS)
    special = _SPECIAL.get(answer.status)
    if special is not None:
        return special(asked, answer)
    if _is_to_correct(answer):
        return StageFailure(f"Cluster {asked.cluster} does not take {asked}: {sentence(answer.message)}")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _silent(asked, f"{answer.status}, {answer.message}", _asked_to_wait(answer))
    told = f"Cluster {asked.cluster} answered {answer.status} ({_what(asked)}): {sentence(answer.message)}"
    return Broken(told, "Look whether the address in the kubeconfig is that of a Kubernetes API.")


def is_stranger(answer: Answer) -> bool:
    """Whether the cluster does not know who asks; other credentials may help."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return True
    return answer.status == HTTPStatus.FORBIDDEN and _STRANGER in str(answer.said.get("message"))


def is_missing(asked: Asked, answer: Answer) -> bool:
    """Whether it is the one object that is not there: neither its namespace, nor the whole kind."""
    details = answer.details
    named = details.get("name") == asked.name and details.get("kind") != "namespaces"
    return answer.status == HTTPStatus.NOT_FOUND and named


def silence(asked: Asked, error: HTTPError | OSError) -> SluiceError:
    """Tell what it means that no answer came, or none that can be read."""
    cause = next((one for one in _causes(error) if isinstance(one, OSError)), None)
    if isinstance(cause, FileNotFoundError | PermissionError):
        return CredentialsUnread(asked.cluster, f"a file of the certificates ({_errno(cause)})")
    if _is_no_certificate(cause):
        return CredentialsUnread(asked.cluster, "what should be certificates is none")
    if isinstance(cause, ssl.SSLCertVerificationError):
        cure = "Look at certificate-authority in its kubeconfig: it has to be the cluster's own."
        return Broken(f"Sluice does not trust cluster {asked.cluster}: {short(cause.verify_message)}.", cure)
    if isinstance(error, LocationValueError):
        return Broken(f"The address of cluster {asked.cluster} is none.", "Look at server in its kubeconfig.")
    return _silent(asked, _how(error, cause))


def late(asked: Asked) -> Interrupted:
    """Tell that no answer came in time."""
    return _silent(asked, "nothing came in time")


def _silent(asked: Asked, how: str, after: timedelta = timedelta(0)) -> Interrupted:
    return Interrupted(f"Cluster {asked.cluster} does not answer: {how.rstrip('.')} ({_what(asked)}).", after=after)


def _how(error: Exception, cause: OSError | None) -> str:
    if isinstance(error, NameResolutionError) or isinstance(cause, socket.gaierror):
        return "nobody knows its host's name"
    if isinstance(error, ProxyError):
        return "the proxy before it cannot be reached"
    is_late = isinstance(error, ConnectTimeoutError | ReadTimeoutError | TimeoutError)
    if is_late and not isinstance(error, NewConnectionError):
        return "nothing came in time"
    if isinstance(cause, ssl.SSLError):
        return (
            f"TLS does not come about, {(getattr(cause, 'reason', None) or 'it broke off').replace('_', ' ').lower()}"
        )
    return _errno(cause) if cause is not None else "the connection broke off"


def _errno(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "the connection broke off"


def _is_no_certificate(cause: OSError | None) -> bool:
    """Whether a file was read that should hold certificates or a key."""
    return isinstance(cause, ssl.SSLError) and (
        "PEM" in str(cause) or getattr(cause, "library", None) in ("PEM", "X509")
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error itself and what led to it, in all the ways that the library keeps it."""
    left, seen = [error], set[int]()
    while left:
        one = left.pop(0)
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [each for each in (*one.args, one.__cause__, one.__context__) if isinstance(each, BaseException)]


def _is_to_correct(answer: Answer) -> bool:
    """Whether it is about what was sent. A 400 of anything but the API itself is about where it was sent to."""
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or answer.message.startswith(_UNFIT):
        return True
    return answer.status in _TO_CORRECT and answer.said.get("kind") == "Status"


def _forbidden(asked: Asked, answer: Answer) -> SluiceError:
    """Tell a missing right, which an operator gives, from a quota or a policy, which is about what was sent.

    The verb is the cluster's own: applying an object that is not there yet needs the right to create.
    """
    missing = _CANNOT.search(str(answer.said.get("message")))
    if missing is None and asked.kind is not None and answer.said:
        return StageFailure(f"Cluster {asked.cluster} does not allow {asked}: {sentence(answer.message)}")
    verb = missing.group(1) if missing else asked.verb
    resource = asked.right[1] + (f".{asked.kind.group}" if asked.kind and asked.kind.group else "")
    where = f" in namespace {asked.namespace}" if asked.namespace else ""
    named = f" ({asked.name})" if asked.kind and asked.name else ""
    return Broken(f"Cluster {asked.cluster} does not let Sluice {verb} {resource}{where}{named}.", _ROLE)


def _missing(asked: Asked, answer: Answer) -> SluiceError:
    if answer.details.get("kind") == "namespaces":
        cure = "Create it, or name another one at `namespace:` in the pipeline."
        return StageFailure(f"Cluster {asked.cluster} has no namespace {asked.namespace}.", cure)
    if asked.kind is None:
        told = f"What answers as cluster {asked.cluster} is no Kubernetes API: it has no {asked.name}."
        return Broken(told, "Look at server in its kubeconfig.")
    if is_missing(asked, answer):
        return Interrupted(f"Cluster {asked.cluster} has no {asked} (any more).")
    cure = "Install what brings it (Istio, the Gateway API), or choose a strategy that does without."
    return Broken(f"Cluster {asked.cluster} knows no {asked.kind.kind} ({asked.kind.api_version}).", cure)


def _conflict(asked: Asked, answer: Answer) -> SluiceError:
    causes = answer.details.get("causes") or ()
    holders = [one for one in causes if isinstance(one, dict) and one.get("reason") == "FieldManagerConflict"]
    if not holders:
        told = f"{asked} in cluster {asked.cluster} was changed by somebody at the same moment"
        return Interrupted(f"{told}: {sentence(answer.message)}")
    pairs = [(str(one.get("field", "")).removeprefix("."), _manager(str(one.get("message", "")))) for one in holders]
    return Held(asked.cluster, str(asked), pairs)


def _manager(message: str) -> str:
    found = _HOLDER.match(message)
    if found is None:
        return "somebody else"
    try:
        return str(json.loads(found.group(1)))
    except ValueError:
        return found.group(1).strip('"')


def _busy(asked: Asked, answer: Answer) -> Interrupted:
    after = _asked_to_wait(answer)
    wait = f" and asks to wait {after.total_seconds():g} s" if after else ""
    return _silent(asked, f"it has too much to do{wait}", after)


def _asked_to_wait(answer: Answer) -> timedelta:
    """For how long it wants to be left alone; not at all when it does not say."""
    said = answer.headers.get("retry-after") or str(answer.details.get("retryAfterSeconds", ""))
    return timedelta(seconds=min(int(said), _A_DAY) if said.isascii() and said.isdecimal() else 0)


def _gone(asked: Asked, _: Answer) -> Gone:
    return Gone(f"Cluster {asked.cluster} has forgotten that version of {asked}.")


def _what(asked: Asked) -> str:
    return f"{asked.verb} {asked}"


_SPECIAL: dict[int, Callable[[Asked, Answer], SluiceError]] = {
    HTTPStatus.FORBIDDEN: _forbidden,
    HTTPStatus.NOT_FOUND: _missing,
    HTTPStatus.CONFLICT: _conflict,
    HTTPStatus.GONE: _gone,
    HTTPStatus.TOO_MANY_REQUESTS: _busy,
}

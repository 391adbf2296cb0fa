"""Why a Deployment makes no pods, or gets nowhere: quotas, admission, a pause, and at last that it took too long."""

import re
from collections.abc import Iterable

from engine.model import Json
from engine.targets.kubernetes.happenings import happenings, latest
from engine.targets.kubernetes.lines import one_line, sentence
from engine.targets.kubernetes.quantities import amount
from engine.targets.kubernetes.sight import condition_of

_READ = 4000
_FORBIDDEN = re.compile(r'(?:Error creating: )?pods "[^"]*" is forbidden: (.*)', re.DOTALL)
_QUOTA = re.compile(r"exceeded quota: ([^,]+), requested: (.*), used: (.*), limited: (.*)", re.DOTALL)
_UNSET = re.compile(r"failed quota: ([^:]+): must specify (.*)", re.DOTALL)
_SECURITY = re.compile(r'violates PodSecurity "([^":]+)[^"]*": (.*)', re.DOTALL)
_ACCOUNT = re.compile(r'serviceaccount "([^"]+)" not found')
_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request(?: without explanation)?:?\s*(.*)', re.DOTALL)
_IN_BRACKETS = re.compile(r"\s*\((?:[^()]|\([^()]*\))*\)")


def refused(live: Json, events: Iterable[Json] = ()) -> str:
    """Say why no pods are made, or why nothing is replaced; empty when nothing stands in the way."""
    if live["spec"].get("paused"):
        return "is paused, so none of its instances is replaced until somebody resumes it"
    failure = condition_of(live, "ReplicaFailure")
    if failure.get("status") == "True":
        return f"gets no new instances: {_words(str(failure.get('message') or ''))}"
    told = latest(happenings(live, events), ("FailedCreate", "ReplicaSetCreateError"))
    return f"gets no new instances: {_words(told.message)}" if told is not None else ""


def late(live: Json) -> str:
    """Say that the Deployment itself has given up waiting; empty when it has not."""
    condition = condition_of(live, "Progressing")
    if condition.get("reason") != "ProgressDeadlineExceeded" or condition.get("status") != "False":
        return ""
    allowed = live["spec"].get("progressDeadlineSeconds", 600)
    return f"has got no further for {sentence(allowed)} s"


def _words(message: str) -> str:
    inner = _FORBIDDEN.match(message[:_READ])
    text = inner[1] if inner else message[:_READ]
    if found := _QUOTA.search(text):
        return one_line(f"quota {found[1]} is used up: {_used(found[2], found[3], found[4])}", 240)
    if found := _UNSET.search(text):
        return sentence(f"quota {found[1]} wants {found[2].replace(' for: ', ' set for container ')}")
    if found := _SECURITY.search(text):
        return sentence(f"the namespace's Pod Security ({found[1]}) forbids {_IN_BRACKETS.sub('', found[2])}", 240)
    if found := _ACCOUNT.search(text):
        return sentence(f"there is no ServiceAccount {found[1]}")
    if found := _WEBHOOK.search(text):
        return sentence(f"{found[1]} refuses them: {found[2] or 'no reason given'}", 240)
    return sentence(text, 240) or "no reason given"


def _used(requested: str, used: str, limited: str) -> str:
    """Name what does not fit: `requested`, `used` and `limited` are lists of ``resource=quantity``."""
    asked, taken, allowed = (
        dict(part.split("=", 1) for part in text.split(",") if "=" in part) for text in (requested, used, limited)
    )
    over = [name for name in allowed if _is_over(asked.get(name), taken.get(name), allowed[name])] or list(allowed)
    return "; ".join(
        f"{name}: {taken.get(name, '?')} of {allowed[name]} in use, {asked.get(name, '?')} more asked for"
        for name in over
    )


def _is_over(asked: str | None, taken: str | None, allowed: str) -> bool:
    more, there, most = amount(asked), amount(taken), amount(allowed)
    return more is not None and there is not None and most is not None and more + there > most

"""Why an image cannot be had, from what kubelets and container runtimes say of it.

containerd, CRI-O and Docker each nest the registry's answer in sentences of their own. Only the answer is of use to
somebody who has to act: it is looked for, and what is not known is shown as it came.
"""

import re
from collections.abc import Iterable

from engine.targets.kubernetes.lines import brief, sentence

_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(?:: )?')
_READ = 4000
_QUOTED = re.compile(r'"[^"]*"')
_ANSWERS = (
    (r"x509|certificate", "the registry's certificate is not trusted"),
    (r"lookup (\S+?)(?: on \S+)?: .*no such host|no such host", "there is no such host {0}"),
    (r"toomanyrequests|\b429\b|rate limit", "the registry gives no more pulls for now (rate limit)"),
    (r"qps exceeded", "its node pulls too many images at once"),
    (r"http response to https client", "the registry speaks HTTP where the node expects HTTPS"),
    (r"dial tcp (\S+): .*connection refused|connection refused", "the registry refuses connections {0}"),
    (r"no space left on device", "the node's disk is full"),
    (r"no match for platform|no matching manifest", "it is not made for the node's processor"),
    (r"repository does not exist or may require", "there is no such repository, or no permission to read it"),
    (
        r"\b401\b|unauthorized|authentication required|no basic auth",
        "no permission: the pull secret is missing or wrong",
    ),
    (r"\b403\b|forbidden|denied|insufficient_scope|authorization failed", "the registry gives no permission"),
    (r"(repository|repo) .*not found|name unknown", "there is no such repository in the registry"),
    (r"manifest unknown|not found|\b404\b", "there is no such image or tag in the registry"),
    (r"i/o timeout|handshake timeout|client\.timeout", "the registry does not answer in time"),
    (r"deadline exceeded|context canceled|no progress", "the pull does not end in time"),
    (r"\b(5\d\d [a-z ]+)", "the registry answers {0}"),
)
_KNOWN = tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), words) for pattern, words in _ANSWERS)


def reference(image: object) -> str:
    """An image's name as people read it, the digest cut."""
    return sentence(brief(image))


def not_pulled(image: object, said: Iterable[str]) -> str:
    """Say that `image` cannot be pulled and why, from the first of the remarks that knows more than that."""
    name = reference(image)
    for remark in said:
        reason = _reason(remark)
        if reason:
            return f"cannot pull image {name}: {reason}"
    return f"cannot pull image {name}"


def invalid_name(image: object, said: str) -> str:
    """Say that `image` is no name of an image."""
    reason = said.rpartition("invalid reference format")[2] or said.rpartition('": ')[2]
    return f"has an image name that cannot be one, {reference(image)}" + (f": {_tail(reason)}" if _tail(reason) else "")


def _reason(remark: str) -> str:
    remark = _BACK_OFF.sub("", remark[:_READ]).replace('\\"', '"')
    plain = _QUOTED.sub("", remark)
    if not plain.strip(" :"):
        return ""
    for pattern, words in _KNOWN:
        found = pattern.search(plain)
        if found is not None:
            return words.format(*(group or "" for group in (*found.groups(), "")), "").strip()
    return _tail(_QUOTED.sub("…", remark).rpartition("failed to ")[2] or plain)


def _tail(text: str) -> str:
    return sentence(text).lstrip(" :")

"""Why a pod has no node, from the scheduler's sentence.

The sentence counts nodes by what spoke against each: ``0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had
untolerated taint {disk: full}. preemption: ...``. What it says about preemption is of no use to whoever has to act.
"""

import re
from collections.abc import Iterator

from engine.model import Json
from engine.targets.kubernetes.lines import one_line, sentence

_NODES = re.compile(r"0/(\d+) nodes are available: ?(.*)", re.DOTALL)
_PREEMPTION = re.compile(r"[.,]? *(?:no new claims to deallocate|preemption:).*", re.DOTALL)
_PART = re.compile(r" *(?:(\d+) )?((?:[^,{(]|\{[^}]*\}|\([^)]*\))+(?:, that the pod didn't tolerate)?)")
_MOST = 4
_KINDS = (
    (r"Insufficient (\S+)", "not enough {0}"),
    (r"untolerated taint(?:\(s\))? ?\{([^}]*)\}|had taint \{([^}]*)\}", "a taint that it does not tolerate ({0})"),
    (r"untolerated taint", "a taint that it does not tolerate"),
    (r"Too many pods", "no room for more pods"),
    (r"were unschedulable", "closed for new pods (cordoned)"),
    (r"didn't match Pod's node affinity/selector|didn't match node selector", "not what its node selector asks for"),
    (r"pod anti-affinity", "pods that it must not stand beside"),
    (r"pod affinity", "none of the pods that it must stand beside"),
    (r"topology spread", "against its spread over zones or nodes"),
    (r"volume node affinity conflict", "its volume is elsewhere"),
    (r"didn't have free ports|free ports", "its host port is taken"),
    (r"max volume count", "no room for more volumes"),
    (r"didn't find available persistent volumes", "no volume that suits its claim"),
    (r"not ready|unreachable", "not ready"),
)
_KNOWN = tuple((re.compile(pattern), words) for pattern, words in _KINDS)
_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" (not found|is being deleted)')


def no_node(pod: Json, message: str) -> str:
    """Say why `pod` fits on no node, from the scheduler's `message`."""
    if found := _CLAIM.search(message):
        fate = "does not exist" if found[2] == "not found" else "is being deleted"
        return one_line(f"fits on no node: its volume claim {found[1]} {fate}")
    if "unbound immediate" in message:
        claims = ", ".join(_claims(pod))
        return one_line(f"fits on no node: its volume claim{f' {claims}' if claims else ''} is not bound")
    found = _NODES.search(message)
    if found is None:
        return f"fits on no node: {sentence(message)}" if "no nodes" not in message else "the cluster has no nodes"
    alone = found[1] == "1"
    counted = [each for each in _PART.finditer(_PREEMPTION.sub("", found[2])) if each[2].strip(" .")]
    parts = [_part(each[2].strip(" ."), "" if alone or not each[1] else f" on {each[1]}", pod) for each in counted]
    listed = "; ".join(parts[:_MOST]) + (f"; and {len(parts) - _MOST} more" if len(parts) > _MOST else "")
    whole = "the only node" if alone else f"any of {found[1]} nodes"
    return one_line(f"does not fit on {whole}: {listed}" if listed else f"does not fit on {whole}", 240)


def _part(text: str, on: str, pod: Json) -> str:
    for pattern, words in _KNOWN:
        match = pattern.search(text)
        if match is not None:
            fact = next((group for group in match.groups() if group), "").strip(" :")
            asked = _asked(pod, fact) if words.startswith("not enough") else ""
            return f"{words.format(sentence(fact, 60))}{on}{asked}"
    return f"{sentence(text.removeprefix('node(s) '), 80)}{on}"


def _asked(pod: Json, resource: str) -> str:
    wanted = [
        str(each["resources"]["requests"][resource])
        for each in pod.get("spec", {}).get("containers", ())
        if resource in ((each.get("resources") or {}).get("requests") or {})
    ]
    return f" (it asks for {sentence(' + '.join(wanted), 40)})" if wanted else ""


def _claims(pod: Json) -> Iterator[str]:
    for volume in pod.get("spec", {}).get("volumes") or ():
        claim = volume.get("persistentVolumeClaim")
        if claim:
            yield sentence(claim.get("claimName", ""), 60)

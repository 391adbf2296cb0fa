"""What the caller may do in the Kubernetes API stand-in: Roles that a test loads, and the answer to a review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.kube_kinds import Json, Resource
from tests.support.kube_refusals import Refusal, about

Rule = Mapping[str, Any]

ANYBODY = "system:anonymous"
USER = "system:serviceaccount:sluice:sluice"
_ANYBODYS = ("selfsubjectaccessreviews",)


@dataclass
class Rights:
    """Everything is allowed until the first Role is loaded."""

    user: str = USER
    _rules: list[tuple[str, Rule]] = field(default_factory=list)
    _limited: bool = False

    def load(self, role: Mapping[str, Any], namespace: str = "") -> None:
        """Bind a Role (or only its rules) in a namespace; without one it is a ClusterRole bound everywhere."""
        self._limited = True
        self._rules += [(namespace, rule) for rule in role.get("rules") or ()]

    def may(self, verb: str, group: str, plural: str, namespace: str = "", name: str = "") -> bool:
        """Whether the caller may do that; `plural` with its subresource after a slash."""
        if not self._limited or plural in _ANYBODYS:
            return True
        return any(where in ("", namespace) and _allows(rule, verb, group, plural, name) for where, rule in self._rules)

    def check(
        self, verb: str, resource: Resource, subresource: str, namespace: str, name: str, *, who: str = ""
    ) -> None:
        """Refuse what the caller may not do, as a real server words it."""
        plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
        if who != ANYBODY and self.may(verb, resource.group, plural, namespace, name):
            return
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        quoted = f' "{name}"' if name else ""
        said = f'User "{who or self.user}" cannot {verb} resource "{plural}" in API group "{resource.group}" {where}'
        details = about(resource, name) if name else {key: one for key, one in about(resource, "").items() if one}
        raise Refusal(403, "Forbidden", f"{resource.name}{quoted} is forbidden: {said}", details)

    def review(self, asked: Json) -> Json:
        """The answer to a SelfSubjectAccessReview."""
        what = asked.get("spec", {}).get("resourceAttributes") or {}
        plural = what.get("resource", "") + (f"/{what['subresource']}" if what.get("subresource") else "")
        words = (what.get("verb", ""), what.get("group", ""), plural, what.get("namespace", ""), what.get("name", ""))
        allowed = self.may(*words)
        status = {"allowed": True} if allowed else {"allowed": False, "reason": ""}
        return {**asked, "metadata": {}, "status": {key: one for key, one in status.items() if one != ""}}


def _allows(rule: Rule, verb: str, group: str, plural: str, name: str) -> bool:
    names = rule.get("resourceNames")
    return (
        _has(rule.get("verbs", ()), verb)
        and _has(rule.get("apiGroups", ()), group)
        and _has(rule.get("resources", ()), plural)
        and (not names or name in names)
    )


def _has(words: Sequence[str], word: str) -> bool:
    return word in words or "*" in words

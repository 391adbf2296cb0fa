"""Lists of the Kubernetes API stand-in, page by page: each page continues what the first one saw."""

import secrets
from dataclasses import dataclass, field

from tests.support.kube_kinds import Json, Resource
from tests.support.kube_refusals import Refusal, bad_request, too_large
from tests.support.kube_selectors import Chooses
from tests.support.kube_store import Store

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter."
)


@dataclass
class Lists:
    """The lists that somebody has not read to the end."""

    store: Store
    _begun: dict[str, tuple[int, list[Json]]] = field(default_factory=dict)
    _expired: set[str] = field(default_factory=set)

    def page(
        self, resource: Resource, namespace: str, chooses: Chooses | None, *, limit: int, goes_on: str, version: str
    ) -> Json:
        """One page, as the API answers it. `limit` 0 is everything."""
        at, things = self._resumed(goes_on) if goes_on else self._seen(resource, namespace, chooses, version)
        shown, left = (things[:limit], things[limit:]) if limit else (things, [])
        meta: Json = {"resourceVersion": str(at)}
        if left:
            meta["continue"] = secrets.token_urlsafe(12)
            self._begun[meta["continue"]] = (at, left)
        if left and chooses is None:
            meta["remainingItemCount"] = len(left)
        listed = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta}
        return {**listed, "items": shown if resource.custom else [_bare(one) for one in shown]}

    def _seen(
        self, resource: Resource, namespace: str, chooses: Chooses | None, version: str
    ) -> tuple[int, list[Json]]:
        if version.isdigit() and int(version) > self.store.version:
            raise too_large(int(version), self.store.version)
        things = self.store.all(resource, namespace)
        return self.store.version, [one for one in things if chooses is None or chooses(one)]

    def _resumed(self, token: str) -> tuple[int, list[Json]]:
        if token in self._expired:
            raise Refusal(410, "Expired", _TOO_OLD)
        if token not in self._begun:
            raise bad_request("invalid continue token: continue key is not valid")
        return self._begun[token]

    def expire(self) -> None:
        """Forget every list that was begun: to go on with one is refused with 410."""
        self._expired |= set(self._begun)
        self._begun.clear()


def _bare(thing: Json) -> Json:
    """An object in a list of built-in kinds: its kind stands at the list."""
    return {key: one for key, one in thing.items() if key not in ("kind", "apiVersion")}

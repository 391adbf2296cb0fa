"""The Kubernetes API stand-in at the wire: `kmock`, and below it our own objects.

From `kmock` come the reading of requests (what a path names), discovery, and the promise that a mistake of the stand-in
fails the test instead of reaching the client as a strange 500. Its emulator of objects is not used: it merges dicts
only, has no versions, no owners of fields, no selectors and no pages, and keeps every state of every object for ever.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import kmock
from aiohttp import web

from tests.support.kube_kinds import REVIEW, Json, Resource
from tests.support.kube_lists import Lists
from tests.support.kube_merges import APPLY, change_of
from tests.support.kube_refusals import Refusal, invalid, not_served
from tests.support.kube_requests import ALL, NAMESPACES, asked_of, body_of, call_of, discovery, resource_named
from tests.support.kube_rights import ANYBODY, Rights
from tests.support.kube_selectors import chooser
from tests.support.kube_trouble import OF_WATCHES, Call, Fault, Trouble
from tests.support.kube_verbs import Verbs
from tests.support.kube_watch import Watch
from tests.support.kube_writing import Asked

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2",
    "gitCommit": "0",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_NOTHING = "404 page not found\n"
_OPTIONS = Resource("meta.k8s.io", "v1", "PatchOptions", "patchoptions")

Answer = tuple[int, Json]


class Front(Protocol):
    """What the wire needs of the cluster behind it."""

    verbs: Verbs
    rights: Rights
    lists: Lists
    token: str
    watches: set[Watch]
    served: set[str]

    def called(self, call: Call) -> Trouble | None: ...

    def watching(self, seconds: float) -> float: ...


class Api(kmock.KubernetesScaffold):
    """Requests in, answers out."""

    def __init__(self, front: Front) -> None:
        super().__init__(strict=True)
        self._front = front
        self["get /version"] << dict(VERSION)

    def serve(self, resource: Resource) -> None:
        """List a kind in discovery."""
        key = kmock.resource(resource.group, resource.version, resource.plural)
        self.resources[key] = kmock.ResourceInfo(kind=resource.kind, namespaced=resource.namespaced, verbs=set(_VERBS))

    def withhold(self, resource: Resource) -> None:
        """Know nothing of a kind any more."""
        del self.resources[kmock.resource(resource.group, resource.version, resource.plural)]

    async def __call__(self, raw_request: web.BaseRequest) -> web.StreamResponse:
        """Take a request. kmock knows no slash at the end, and cannot read the path of all namespaces."""
        path = raw_request.path.rstrip("/") or "/"
        path = f"{path}/{ALL}" if path == NAMESPACES else path
        if path != raw_request.path:
            raw_request = raw_request.clone(rel_url=raw_request.rel_url.with_path(path, keep_query=True))
        return await super().__call__(raw_request)

    async def _handle(self, request: kmock.Request) -> web.StreamResponse:
        try:
            return await self._answered(request)
        except Refusal as refusal:
            after = (refusal.details or {}).get("retryAfterSeconds")
            headers = {"Retry-After": str(after)} if after else {}
            return web.json_response(refusal.status, status=refusal.code, headers=headers)

    async def _answered(self, request: kmock.Request) -> web.StreamResponse:
        raw = request._raw_request
        assert raw is not None
        who = self._known(raw)
        resource = resource_named(request)
        call = call_of(request, resource) if resource else discovery(request)
        trouble = self._front.called(call)
        if trouble is not None and (refusal := await _befallen(trouble)):
            raise refusal
        if trouble is not None and trouble.fault is Fault.RESET:
            return _cut(raw)
        answer = await self._served(request, resource, call, who, trouble)
        return _cut(raw) if trouble is not None and trouble.fault is Fault.LOST else answer

    async def _served(
        self, request: kmock.Request, resource: Resource | None, call: Call, who: str, trouble: Trouble | None
    ) -> web.StreamResponse:
        """Answer, after the caller's rights; whoever has none is not even told that there is no such kind."""
        if resource is not None:
            self._front.rights.check(call.verb, resource, call.subresource, call.namespace, call.name, who=who)
        if request.resource is not None and request.resource.group not in self._front.served:
            return web.Response(status=404, text=_NOTHING)
        if resource is None and self._is_of_another_version(request):
            return web.Response(status=404, text=_NOTHING)
        if resource is None:
            return await super()._handle(request)
        if not resource.kind:
            raise not_served()
        if call.verb == "watch":
            assert request._raw_request is not None
            return await self._watch(request._raw_request, resource, call, trouble)
        status, answer = self._done(request, resource, call)
        return web.json_response(answer, status=status)

    def _is_of_another_version(self, request: kmock.Request) -> bool:
        """Whether discovery is asked of a group in a version that it is not served in."""
        assert request._raw_request is not None
        match request._raw_request.path.strip("/").split("/"):
            case ["apis", group, version]:
                return all((one.group, one.version) != (group, version) for one in self.resources)
            case _:
                return False

    def _known(self, raw: web.BaseRequest) -> str:
        """Who asks: the one user, or nobody."""
        said = raw.headers.get("Authorization")
        if said is not None and said != f"Bearer {self._front.token}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        return self._front.rights.user if said else ANYBODY

    def _done(self, request: kmock.Request, resource: Resource, call: Call) -> Answer:
        """Do what a request asks."""
        if resource == REVIEW:
            return 201, self._front.rights.review(call.body or {})
        doing: Mapping[str, Callable[[], Answer]] = {
            "list": lambda: (200, self._list(resource, call)),
            "get": lambda: (200, self._get(resource, call)),
            "create": lambda: (
                201,
                self._front.verbs.create(resource, call.namespace, body_of(call), asked_of(request, call)),
            ),
            "update": lambda: (200, self._update(resource, call, asked_of(request, call))),
            "patch": lambda: self._patch(request, resource, call),
            "delete": lambda: (200, self._delete(resource, call, call.name)),
            "deletecollection": lambda: (200, self._delete_all(resource, call)),
        }
        return doing[call.verb]()

    def _list(self, resource: Resource, call: Call) -> Json:
        query = call.query
        chooses = chooser(resource.plural, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        limit, version = int(query.get("limit") or 0), query.get("resourceVersion", "")
        return self._front.lists.page(
            resource, call.namespace, chooses, limit=limit, goes_on=query.get("continue", ""), version=version
        )

    def _get(self, resource: Resource, call: Call) -> Json:
        there = self._front.verbs.get(resource, call.namespace, call.name)
        return _scale(there) if call.subresource == "scale" else there

    def _update(self, resource: Resource, call: Call, asked: Asked) -> Json:
        if call.subresource == "scale":
            return self._scaled(resource, call, asked, lambda _scale: body_of(call))
        return self._front.verbs.replace(resource, call.namespace, call.name, body_of(call), asked)

    def _patch(self, request: kmock.Request, resource: Resource, call: Call) -> Answer:
        asked, kind = asked_of(request, call), request.headers.get("Content-Type", "").split(";")[0]
        if kind == APPLY:
            if not call.query.get("fieldManager"):
                needed = [("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")]
                raise invalid(_OPTIONS, "", needed)
            may_create = lambda: self._front.rights.check("create", resource, "", call.namespace, call.name)  # noqa: E731
            asked = Asked(asked.manager, asked.dry, asked.force, asked.strict, asked.subresource, may_create)
            thing, is_new = self._front.verbs.apply(resource, call.namespace, call.name, body_of(call), asked)
            return (201 if is_new else 200), thing
        change = change_of(resource, kind, call.body)
        if call.subresource == "scale":
            return 200, self._scaled(resource, call, asked, change)
        return 200, self._front.verbs.patch(resource, call.namespace, call.name, change, asked)

    def _scaled(self, resource: Resource, call: Call, asked: Asked, change: Callable[[Json], Json]) -> Json:
        there = self._front.verbs.get(resource, call.namespace, call.name)
        count = change(_scale(there)).get("spec", {}).get("replicas", 0)
        new = {**there, "spec": {**there["spec"], "replicas": count}}
        return _scale(self._front.verbs.replace(resource, call.namespace, call.name, new, asked))

    def _delete(self, resource: Resource, call: Call, name: str) -> Json:
        options = {**call.query, **(call.body or {})}
        is_dry = "All" in options.get("dryRun", ())
        return self._front.verbs.delete(resource, call.namespace, name, options, dry=is_dry)

    def _delete_all(self, resource: Resource, call: Call) -> Json:
        listed = self._list(resource, call)
        for one in listed["items"]:
            self._delete(resource, call, one["metadata"]["name"])
        return listed

    async def _watch(
        self, raw: web.BaseRequest, resource: Resource, call: Call, trouble: Trouble | None
    ) -> web.StreamResponse:
        query = call.query
        watch = Watch(
            self._front.verbs.store,
            resource,
            call.namespace,
            chooser(resource.plural, query.get("labelSelector", ""), query.get("fieldSelector", "")),
            query.get("resourceVersion", ""),
            self._front.watching(float(query.get("timeoutSeconds") or 1800)),
            query.get("allowWatchBookmarks") in ("true", "1", "True"),
            trouble.fault if trouble is not None and trouble.fault in OF_WATCHES else None,
        )
        self._front.watches.add(watch)
        try:
            return await watch.serve(raw)
        finally:
            self._front.watches.discard(watch)


def _scale(thing: Json) -> Json:
    meta = {key: thing["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    labels = ",".join(f"{key}={value}" for key, value in thing["spec"]["selector"].get("matchLabels", {}).items())
    status = {"replicas": thing.get("status", {}).get("replicas", 0), "selector": labels}
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta}
    return {**scale, "spec": {"replicas": thing["spec"].get("replicas", 0)}, "status": status}


async def _befallen(trouble: Trouble) -> Refusal | None:
    if trouble.fault is Fault.SLOW:
        await trouble.held()
    return trouble.refusal()


def _cut(raw: web.BaseRequest) -> web.Response:
    if raw.transport is not None:
        raw.transport.abort()
    return web.Response()

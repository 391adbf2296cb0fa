"""What the API does with each verb: from a request to objects in the store, or a refusal. No HTTP here."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.support.kube_apply import APPLY, UPDATE, Owner, Owners, applied, owners_of, updated, written
from tests.support.kube_checks import check, check_applied, check_written, tidied
from tests.support.kube_defaults import defaulted, skeleton
from tests.support.kube_kinds import NAMESPACE, POD, Json, Resource
from tests.support.kube_refusals import (
    Refusal,
    about,
    already_exists,
    another_uid,
    bad_request,
    forbidden,
    modified,
    no_namespace,
    not_found,
    unversioned,
)
from tests.support.kube_schema import shape_of
from tests.support.kube_store import Store
from tests.support.kube_writing import (
    ADDRESSED,
    Asked,
    after,
    born,
    bumps,
    ending,
    grace_of,
    keeps_status,
    timeless,
    unmanaged,
    with_finalizer,
    written_time,
)


@dataclass
class Verbs:
    """The API above a store. `clock` gives the time that is written into objects."""

    store: Store
    clock: Callable[[], datetime]
    _addresses: int = 1

    @property
    def now(self) -> str:
        return written_time(self.clock())

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        there = self.store.get(resource, namespace, name)
        if there is None:
            raise not_found(resource, name)
        return there

    def create(self, resource: Resource, namespace: str, thing: Json, asked: Asked) -> Json:
        thing = self._placed(resource, namespace, "", thing)
        self._admit(resource, namespace)
        if self.store.get(resource, namespace, thing["metadata"]["name"]) is not None:
            raise already_exists(resource, thing["metadata"]["name"])
        check_written(resource, thing, strict=asked.strict)
        return self._write(resource, None, born(resource, thing, self.now), asked, {})

    def replace(self, resource: Resource, namespace: str, name: str, thing: Json, asked: Asked) -> Json:
        thing = self._placed(resource, namespace, name, thing)
        old = self.get(resource, namespace, name)
        check_written(resource, thing, strict=asked.strict)
        if resource.custom and not thing["metadata"].get("resourceVersion"):
            raise unversioned(resource, name)
        self._same_version(resource, thing, old)
        return self._write(resource, old, after(resource, thing, old, asked), asked, self._said(thing, old, asked))

    def patch(
        self, resource: Resource, namespace: str, name: str, change: Callable[[Json], Json], asked: Asked
    ) -> Json:
        """Put in place what `change` makes of the object as it is."""
        old = self.get(resource, namespace, name)
        return self.replace(resource, namespace, name, change(old), asked)

    def apply(self, resource: Resource, namespace: str, name: str, config: Json, asked: Asked) -> tuple[Json, bool]:
        """Apply a configuration. Returns the object, and whether it is new."""
        config = self._placed(resource, namespace, name, config)
        if config["metadata"].get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        self._admit(resource, namespace)
        check_applied(resource, config)
        old = self.store.get(resource, namespace, name)
        if old is None:
            asked.may_create()
            self._without_uid(resource, config)
        else:
            self._same_version(resource, config, old)
        owner = Owner(asked.manager, APPLY, subresource=asked.subresource)
        live = unmanaged(old) if old else skeleton(resource)
        config = {key: one for key, one in config.items() if key != "status" or resource.custom}
        new, owners = applied(shape_of(resource), live, config, owner, self._owners(resource, old), force=asked.force)
        new = after(resource, new, old, asked) if old else born(resource, new, self.now)
        return self._write(resource, old, new, asked, owners, applier=owner), old is None

    def _said(self, thing: Json, old: Json, asked: Asked) -> Owners:
        """Who owns what before a write that is no apply: as it says itself, unless it says nobody."""
        return (not asked.subresource and owners_of(thing)) or owners_of(old)

    def _owners(self, resource: Resource, old: Json | None) -> Owners:
        """Who owns what; when nobody is written down, somebody who was there before."""
        owners = owners_of(old)
        if old is None or owners:
            return owners
        before = Owner("before-first-apply", UPDATE, resource.api_version)
        return updated(shape_of(resource), skeleton(resource), old, before, {})

    def _write(
        self,
        resource: Resource,
        old: Json | None,
        new: Json,
        asked: Asked,
        owners: Owners,
        *,
        applier: Owner | None = None,
    ) -> Json:
        """Put `new` in the place of `old`, with everything that the server sees to by itself."""
        shape = shape_of(resource)
        new = tidied(shape, defaulted(resource, tidied(shape, new)))
        check(resource, new, old)
        actor = applier or Owner(asked.manager, UPDATE, resource.api_version, asked.subresource)
        if applier is None:
            ignored = ("f:status",) if keeps_status(resource, asked) else ()
            before = unmanaged(old) if old else skeleton(resource)
            is_tracked = old is None or bool(owners)
            owners = updated(shape, before, unmanaged(new), actor, owners, ignored=ignored) if is_tracked else {}
        new = self._addressed(resource, new)
        new["metadata"] = {**new["metadata"], "managedFields": written(owners, new, old, actor, self.now)}
        if old is not None and timeless(new) == timeless(old):
            return old
        if old is not None and bumps(resource, old, new, asked):
            new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
        return new if asked.dry else self._kept(resource, new)

    def _kept(self, resource: Resource, new: Json) -> Json:
        kept = self.store.put(resource, new)
        meta = kept["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and resource not in {POD, NAMESPACE}:
            self.store.remove(resource, kept)
        return kept

    def delete(self, resource: Resource, namespace: str, name: str, options: Json, *, dry: bool = False) -> Json:
        """Delete, or begin to. Returns what the API answers."""
        there = self.get(resource, namespace, name)
        meta = there["metadata"]
        self._check_preconditions(resource, there, options.get("preconditions") or {})
        finalizers = with_finalizer(meta.get("finalizers") or [], options.get("propagationPolicy", "Background"))
        grace = grace_of(resource, there, options)
        details = about(resource, name, uid=meta["uid"])
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        if dry:
            return there if finalizers or grace else done
        if not finalizers and not grace and resource != NAMESPACE:
            last = self.store.remove(resource, there)
            return last if resource == POD else done
        if meta.get("deletionTimestamp"):
            return there
        return self.store.put(
            resource, ending(resource, there, finalizers, written_time(self.clock() + timedelta(seconds=grace)), grace)
        )

    def _check_preconditions(self, resource: Resource, there: Json, wanted: Json) -> None:
        meta = there["metadata"]
        if wanted.get("uid", meta["uid"]) != meta["uid"]:
            raise another_uid(resource, meta["name"], wanted["uid"], meta["uid"])
        if wanted.get("resourceVersion", meta["resourceVersion"]) != meta["resourceVersion"]:
            raise modified(resource, meta["name"])

    def _placed(self, resource: Resource, namespace: str, name: str, thing: Json) -> Json:
        """`thing` with the name, kind and namespace that it is written to."""
        meta = dict(thing.get("metadata") or {})
        if name and meta.get("name", name) != name:
            raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
        if meta.get("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if not name and not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + secrets.token_hex(3)[:5]
        meta["name"] = meta.get("name") or name
        said = (thing.get("apiVersion", resource.api_version), thing.get("kind", resource.kind))
        if said != (resource.api_version, resource.kind):
            raise bad_request(f"invalid object type: {said[0]}, Kind={said[1]}")
        meta |= {"namespace": namespace} if resource.namespaced else {}
        return {"apiVersion": resource.api_version, "kind": resource.kind, **thing, "metadata": meta}

    def _admit(self, resource: Resource, namespace: str) -> None:
        """Refuse to write into a namespace that is not there or is going."""
        if not resource.namespaced:
            return
        there = self.store.get(NAMESPACE, "", namespace)
        if there is None:
            raise no_namespace(namespace)
        if there["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(resource, "", why)

    def _addressed(self, resource: Resource, thing: Json) -> Json:
        """A Service with an address of its own."""
        spec = thing.get("spec") or {}
        if resource.name != "services" or spec.get("clusterIP") or spec["type"] == "ExternalName":
            return thing
        self._addresses += 1
        address = f"10.96.{self._addresses // 250}.{self._addresses % 250 + 1}"
        ports = [{**one, **self._node_port(spec["type"], one)} for one in spec["ports"]]
        return {**thing, "spec": {**spec, "ports": ports, **ADDRESSED, "clusterIP": address, "clusterIPs": [address]}}

    def _node_port(self, kind: str, port: Json) -> Json:
        if kind == "ClusterIP" or port.get("nodePort"):
            return {}
        self._addresses += 1
        return {"nodePort": 30000 + self._addresses}

    def _without_uid(self, resource: Resource, config: Json) -> None:
        meta = config["metadata"]
        if "uid" in meta:
            said = f"uid mismatch: the provided object specified uid {meta['uid']}, and no existing object was found"
            fulfilled = f'Operation cannot be fulfilled on {resource.name} "{meta["name"]}": {said}'
            raise Refusal(409, "Conflict", fulfilled, about(resource, meta["name"]))

    def _same_version(self, resource: Resource, thing: Json, old: Json) -> None:
        meta, there = thing["metadata"], old["metadata"]
        if meta.get("uid", there["uid"]) != there["uid"]:
            raise another_uid(resource, there["name"], meta["uid"], there["uid"])
        if meta.get("resourceVersion", there["resourceVersion"]) not in ("", there["resourceVersion"]):
            raise modified(resource, there["name"])

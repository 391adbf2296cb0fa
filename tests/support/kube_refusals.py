"""What the API answers when it refuses: the `Status` objects with the wording of a real server."""

from collections.abc import Iterable, Sequence

from tests.support.kube_kinds import NAMESPACE, Json, Resource


class Refusal(Exception):
    """An answer that is no success. `retry_after` becomes a header."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    @property
    def status(self) -> Json:
        """As it goes over the wire."""
        said = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        said |= {"reason": self.reason} if self.reason else {}
        said |= {} if self.details is None else {"details": self.details}
        return {**said, "code": self.code}


def about(resource: Resource, name: str, **more: object) -> Json:
    """The details that name an object."""
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural, **more}


def not_found(resource: Resource, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{resource.name} "{name}" not found', about(resource, name))


def no_namespace(name: str) -> Refusal:
    return not_found(NAMESPACE, name)


def not_served() -> Refusal:
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> Refusal:
    return Refusal(409, "AlreadyExists", f'{resource.name} "{name}" already exists', about(resource, name))


def modified(resource: Resource, name: str) -> Refusal:
    said = f'Operation cannot be fulfilled on {resource.name} "{name}": the object has been modified; please apply your'
    return Refusal(409, "Conflict", f"{said} changes to the latest version and try again", about(resource, name))


def another_uid(resource: Resource, name: str, asked: str, there: str) -> Refusal:
    said = (
        f'Operation cannot be fulfilled on {resource.kind_name} "{name}": the UID in the precondition ({asked}) does'
        f" not match the UID in record ({there}). The object might have been deleted and then recreated"
    )
    return Refusal(409, "Conflict", said, {**about(resource, name), "kind": resource.kind})


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def too_old(asked: int, oldest: int) -> Refusal:
    return Refusal(410, "Expired", f"too old resource version: {asked} ({oldest})")


def too_large(asked: int, current: int) -> Refusal:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    said = f"Timeout: Too large resource version: {asked}, current: {current}"
    return Refusal(504, "Timeout", said, {"causes": causes, "retryAfterSeconds": 1})


def invalid(resource: Resource, name: str, causes: Sequence[tuple[str, str, str]]) -> Refusal:
    """Refuse an object for some of its fields: each with the reason's word, the sentence and the field."""
    told = [f"{field}: {message}" for _reason, message, field in causes]
    said = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    listed = [{"reason": reason, "message": message, "field": field} for reason, message, field in causes]
    group = {"group": resource.group} if resource.group else {}
    details = {"name": name, **group, "kind": resource.kind, "causes": listed}
    return Refusal(422, "Invalid", f'{resource.kind_name} "{name}" is invalid: {said}', details)


def unversioned(resource: Resource, name: str) -> Refusal:
    """Refuse to replace an object of a custom kind by one that names no version."""
    message, field = "Invalid value: 0: must be specified for an update", "metadata.resourceVersion"
    cause = {"reason": "FieldValueInvalid", "message": message, "field": field}
    said = f'{resource.name} "{name}" is invalid: {field}: {message}'
    return Refusal(422, "Invalid", said, about(resource, name, causes=[cause]))


def held(conflicts: Sequence[tuple[str, str]]) -> Refusal:
    """Refuse an apply for fields that somebody else owns: who, and the field."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": field}
        for who, field in conflicts
    ]
    return Refusal(409, "Conflict", f"Apply failed with {_counted(conflicts)}", {"causes": causes})


def _counted(conflicts: Sequence[tuple[str, str]]) -> str:
    if len(conflicts) == 1:
        who, field = conflicts[0]
        return f"1 conflict: conflict with {who}: {field}"
    lines: list[str] = []
    for who in sorted({who for who, _ in conflicts}):
        lines += [f"conflicts with {who}:", *_dashed(field for one, field in conflicts if one == who)]
    return f"{len(conflicts)} conflicts: " + "\n".join(lines)


def _dashed(fields: Iterable[str]) -> list[str]:
    return [f"- {field}" for field in fields]


def forbidden(resource: Resource, name: str, why: str) -> Refusal:
    quoted = f' "{name}"' if name else ""
    return Refusal(403, "Forbidden", f"{resource.name}{quoted} is forbidden: {why}", about(resource, name))

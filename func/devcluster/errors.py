"""Refusals, worded as the Kubernetes API server words them.

Source: https://github.com/kubernetes/apimachinery/blob/v0.35.4/pkg/api/errors/errors.go
"""

from __future__ import annotations

from typing import Any

from func.devcluster.resources import Resource


class ApiError(Exception):
    """An answer other than success.

    Args:
        code: HTTP status.
        reason: Machine-readable word, empty where the real server has none.
        message: One sentence for a person.
        details: The `details` of the Status object; None leaves them out.

    """

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """Return the Status object of this refusal."""
        more = {"reason": self.reason} if self.reason else {}
        if self.details is not None:
            more["details"] = self.details  # type: ignore[assignment]
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        return {**status, **more, "code": self.code}


def _details(resource: Resource, name: str, kind: str) -> dict[str, Any]:
    named = {"name": name, "group": resource.group, "kind": kind}
    return {key: value for key, value in named.items() if value}


def _of_plural(code: int, reason: str, message: str, resource: Resource, name: str) -> ApiError:
    return ApiError(code, reason, message, _details(resource, name, resource.plural))


def not_found(resource: Resource, name: str) -> ApiError:
    return _of_plural(404, "NotFound", f'{resource.qualified} "{name}" not found', resource, name)


def already_exists(resource: Resource, name: str) -> ApiError:
    return _of_plural(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', resource, name)


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return _of_plural(409, "Conflict", message, resource, name)


def modified(resource: Resource, name: str) -> ApiError:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def failed_precondition(resource: Resource, name: str, what: str, asked: str, here: str) -> ApiError:
    """Return the refusal to delete an object of another uid or version.

    Args:
        resource: What the object is.
        name: Its name.
        what: `UID` or `ResourceVersion`.
        asked: What the client asked for.
        here: What the object has.

    """
    why = f"the {what} in the precondition ({asked}) does not match the {what} in record ({here})"
    message = f'Operation cannot be fulfilled on {resource.qualified_kind} "{name}": {why}.'
    return ApiError(409, "Conflict", message, _details(resource, name, resource.kind))


def invalid(
    resource: Resource, name: str, field: str, problem: str, *, cause: str = "FieldValueInvalid", kind: str = ""
) -> ApiError:
    """Return the refusal of an object because of one field.

    Args:
        resource: What the object is.
        name: Its name, empty where it has none.
        field: Path of the field, such as `metadata.name`.
        problem: The sentence after the path.
        cause: The word for the kind of problem.
        kind: What the message calls the object, if not by its kind.

    """
    kind = kind or resource.kind
    details = _details(resource, name, kind)
    details["causes"] = [{"reason": cause, "message": problem, "field": field}]
    named = f"{kind}.{resource.group}" if resource.group else kind
    return ApiError(422, "Invalid", f'{named} "{name}" is invalid: {field}: {problem}', details)


def patch_failed() -> ApiError:
    """Return the refusal of a JSON Patch that cannot be applied; the real server does not name the operation."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def patched_badly(result: str, problem: str) -> ApiError:
    """Return the refusal of a patch whose result is not an object of the kind.

    Args:
        result: The beginning of the result, as a JSON string.
        problem: Why it is not one.

    """
    problem = f"Invalid value: {result}: {problem}"
    causes = [{"reason": "FieldValueInvalid", "message": problem, "field": "patch"}]
    return ApiError(422, "Invalid", f' "" is invalid: patch: {problem}', {"causes": causes})


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(message: str) -> ApiError:
    return ApiError(403, "Forbidden", message)


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unsupported_media_type(accepted: tuple[str, ...]) -> ApiError:
    kinds = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {kinds}"
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable() -> ApiError:
    message = "only the following media types are accepted: application/json"
    return ApiError(406, "NotAcceptable", message)


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def request_too_large(problem: str) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {problem}")


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def object_too_large() -> ApiError:
    return ApiError(500, "", "etcdserver: request is too large")


def internal() -> ApiError:
    return ApiError(500, "InternalError", "Internal error occurred: see the log of the embedded cluster", {})

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
        """The Status object of this refusal."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


def _details(resource: Resource, name: str, *, kind: str | None = None) -> dict[str, Any]:
    named = {"name": name, "group": resource.group, "kind": kind or resource.plural}
    return {key: value for key, value in named.items() if value}


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def modified(resource: Resource, name: str) -> ApiError:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def invalid(
    resource: Resource, name: str, field: str, problem: str, *, cause: str = "FieldValueInvalid", kind: str = ""
) -> ApiError:
    """One field of an object is not as it has to be.

    Args:
        resource: What the object is.
        name: Its name, empty where it has none.
        field: Path of the field, such as `metadata.name`.
        problem: The sentence after the path.
        cause: The word for the kind of problem.
        kind: What the message calls the object, if not by its kind.

    """
    kind = kind or resource.kind
    details = _details(resource, name, kind=kind)
    details["causes"] = [{"reason": cause, "message": problem, "field": field}]
    named = f"{kind}.{resource.group}" if resource.group else kind
    return ApiError(422, "Invalid", f'{named} "{name}" is invalid: {field}: {problem}', details)


def patch_failed() -> ApiError:
    """A JSON Patch that could not be applied; the real server does not say which operation failed."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def patched_badly(result: str, problem: str) -> ApiError:
    """A patch that could be applied, but gave something that is no object of the kind.

    Args:
        result: The beginning of what it gave, as a JSON string.
        problem: Why that is none.

    """
    problem = f"Invalid value: {result}: {problem}"
    causes = [{"reason": "FieldValueInvalid", "message": problem, "field": "patch"}]
    return ApiError(422, "Invalid", f' "" is invalid: patch: {problem}', {"causes": causes})


def failed_precondition(resource: Resource, name: str, why: str) -> ApiError:
    named = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'Operation cannot be fulfilled on {named} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name, kind=resource.kind))


def future_version(version: int, current: int) -> ApiError:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    return ApiError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def unsupported_media_type(accepted: tuple[str, ...]) -> ApiError:
    kinds = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {kinds}"
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(message: str) -> ApiError:
    return ApiError(406, "NotAcceptable", message)


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def body_too_large(limit: int) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def object_too_large() -> ApiError:
    return ApiError(500, "", "etcdserver: request is too large")


def full(message: str) -> ApiError:
    return ApiError(507, "InsufficientStorage", message)

"""Errors, worded as the Kubernetes API server words them.

Source: https://github.com/kubernetes/apimachinery/blob/v0.35.4/pkg/api/errors/errors.go
"""

from __future__ import annotations

from typing import Any

from func.devcluster.resources import Resource


class ApiError(Exception):
    """An answer other than success: HTTP status, stable word, sentence, and the details of the Status object."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """Return the Status object of this error."""
        more = {"reason": self.reason} if self.reason else {}
        if self.details is not None:
            more["details"] = self.details  # type: ignore[assignment]
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        return {**status, **more, "code": self.code}


def _about(resource: Resource, name: str, kind: str) -> dict[str, Any]:
    named = {"name": name, "group": resource.group, "kind": kind}
    return {key: value for key, value in named.items() if value}


def not_found(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, _about(resource, name, resource.plural))


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _about(resource, name, resource.plural))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _about(resource, name, resource.plural))


def invalid(resource: Resource, name: str, field: str, problem: str) -> ApiError:
    """Return the error of an object with one field that is not valid.

    Args:
        name: of the object; empty where it has none.
        field: its path, such as `metadata.name`.
        problem: the sentence after the path.
    """
    details = _about(resource, name, resource.kind)
    details["causes"] = [{"reason": "FieldValueInvalid", "message": problem, "field": field}]
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {field}: {problem}', details)


def patch_failed() -> ApiError:
    """Return the error of a JSON Patch that cannot be applied; the real server does not name the operation."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def request_too_large(problem: str) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {problem}")


def unsupported_media_type(*accepted: str) -> ApiError:
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return ApiError(415, "UnsupportedMediaType", message)


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)

"""What the API server makes of an object that somebody creates or changes: pure functions.

Source: https://github.com/kubernetes/apiserver/tree/v0.35.4/pkg/registry/rest (create.go, update.go) and
https://github.com/kubernetes/apiextensions-apiserver/blob/v0.35.4/pkg/registry/customresource/strategy.go
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from func.embedded import errors, names
from func.embedded.documents import Document
from func.embedded.resources import Resource

_NAME_BASE_LENGTH = 58  # generated names are cut so that the five random characters still fit
_UNOWNED = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


def created(
    resource: Resource,
    document: Document,
    *,
    namespace: str,
    now: str,
    uid: str,
    suffix: Callable[[], str],
) -> Document:
    """The object as it is stored first, without a resourceVersion.

    Args:
        resource: What it is.
        document: What was sent.
        namespace: The namespace of the request, empty for cluster-wide resources.
        now: Time in RFC 3339, UTC, whole seconds.
        uid: A new UUID.
        suffix: Gives five random characters for `generateName`.

    Raises:
        ApiError: The object is refused.

    """
    document = typed(resource, document)
    metadata = in_namespace(metadata_of(document), namespace)
    if metadata.get("resourceVersion"):
        raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = metadata["generateName"][:_NAME_BASE_LENGTH] + suffix()
    for field in _UNOWNED:
        metadata.pop(field, None)
    metadata |= {"uid": uid, "creationTimestamp": now}
    if resource.custom:
        metadata["generation"] = 1
    return checked(resource, {**document, "metadata": metadata})


def loaded(resource: Resource, document: Document, *, now: str, uid: str) -> Document:
    """An object read from a file as it is stored: what it says of itself is kept, what is missing is filled in.

    Raises:
        ApiError: The object is refused.

    """
    document = typed(resource, document)
    metadata = metadata_of(document)
    metadata.pop("managedFields", None)
    metadata["uid"] = metadata.get("uid") or uid
    metadata["creationTimestamp"] = metadata.get("creationTimestamp") or now
    if resource.namespaced:
        metadata["namespace"] = metadata.get("namespace") or "default"
    if resource.custom:
        metadata.setdefault("generation", 1)
    return checked(resource, {**document, "metadata": metadata})


def updated(resource: Resource, old: Document, document: Document) -> Document:
    """The object after a change, with the fields restored that only the server may set.

    Args:
        resource: What it is.
        old: The object as it is stored.
        document: What somebody wants it to be.

    Raises:
        ApiError: The change is refused.

    """
    before = old["metadata"]
    document = typed(resource, document)
    metadata = in_namespace(metadata_of(document), before.get("namespace", ""))
    name = before["name"]
    if metadata.get("name") != name:
        message = f"the name of the object ({metadata.get('name', '')}) does not match the name on the URL ({name})"
        raise errors.bad_request(message)
    version = metadata.get("resourceVersion")
    if not version and resource.custom:
        field = "metadata.resourceVersion"
        raise errors.invalid(resource, name, field, "Invalid value: 0: must be specified for an update")
    if version and version != before["resourceVersion"]:
        raise errors.modified(resource, name)
    uid = metadata.get("uid") or before["uid"]
    if uid != before["uid"]:
        raise errors.invalid(resource, name, "metadata.uid", f"Invalid value: {json.dumps(uid)}: field is immutable")
    metadata |= {key: before[key] for key in ("uid", "creationTimestamp", "resourceVersion")}
    if resource.custom:
        metadata["generation"] = before.get("generation", 1) + (_content(document) != _content(old))
    return checked(resource, {**document, "metadata": metadata})


def typed(resource: Resource, document: Document) -> Document:
    """The document with its apiVersion and kind, which only custom resources have to name.

    Raises:
        ApiError: It is another kind of object.

    """
    if resource.custom and not document.get("kind"):
        raise errors.bad_request(f"Object 'Kind' is missing in '{json.dumps(document)[:200]}'")
    kind = document.get("kind") or resource.kind
    version = document.get("apiVersion") or resource.api_version
    if version != resource.api_version:
        expected = f"does not match the expected API version ({resource.api_version})"
        raise errors.bad_request(f"the API version in the data ({version}) {expected}")
    if kind != resource.kind:
        raise errors.bad_request(f"the object provided is unrecognized (must be of type {resource.kind}): it is {kind}")
    return {**document, "apiVersion": version, "kind": kind}


def metadata_of(document: Document) -> Document:
    """A copy of the metadata in which every known field has its right type.

    Raises:
        ApiError: A field has another type.

    """
    metadata = document.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise errors.bad_request("metadata must be an object")
    metadata = {key: value for key, value in metadata.items() if value is not None}
    for field in ("name", "namespace", "generateName", "uid", "resourceVersion", "creationTimestamp"):
        if not isinstance(metadata.get(field, ""), str):
            raise errors.bad_request(f"metadata.{field} must be a string")
    for field in ("labels", "annotations"):
        _check_map(field, metadata.get(field, {}))
    return metadata


def _check_map(field: str, entries: object) -> None:
    if not isinstance(entries, dict):
        raise errors.bad_request(f"metadata.{field} must be an object")
    for key, value in entries.items():
        if not isinstance(value, str):
            raise errors.bad_request(f"metadata.{field}.{key} must be a string")


def in_namespace(metadata: Document, namespace: str) -> Document:
    """The metadata with the namespace of the request.

    Raises:
        ApiError: It names another one.

    """
    if metadata.get("namespace", namespace) not in ("", namespace):
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.bad_request(message)
    return {**metadata, "namespace": namespace} if namespace else metadata


def checked(resource: Resource, document: Document) -> Document:
    """The document itself, if all of it is as it has to be.

    Raises:
        ApiError: The first field that is not, by name.

    """
    metadata: dict[str, Any] = document["metadata"]
    name = metadata.get("name", "")
    if not name:
        problem = "Required value: name or generateName is required"
        raise errors.invalid(resource, "", "metadata.name", problem, cause="FieldValueRequired")
    # Namespaces are DNS labels, because they become parts of host names.
    fault = names.label_problem(name) if resource.plural == "namespaces" else names.subdomain_problem(name)
    if fault:
        raise errors.invalid(resource, name, "metadata.name", f"Invalid value: {json.dumps(name)}: {fault}")
    for key, value in (metadata.get("labels") or {}).items():
        if problem_of_label := names.label_key_problem(key) or names.label_value_problem(value):
            raise errors.invalid(resource, name, "metadata.labels", problem_of_label)
    if annotations_problem := names.annotations_problem(metadata.get("annotations") or {}):
        raise errors.invalid(resource, name, "metadata.annotations", annotations_problem)
    for field in resource.required:
        if document.get(field) is None:
            raise errors.invalid(resource, name, field, "Required value", cause="FieldValueRequired")
    for field in resource.objects:
        if not isinstance(document.get(field, {}), dict):
            kind = _type_name(document[field])
            problem = f'Invalid value: "{kind}": {field} in body must be of type object: "{kind}"'
            raise errors.invalid(resource, name, field, problem, cause="FieldValueTypeInvalid")
    return document


def _type_name(value: object) -> str:
    kinds: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
    return kinds.get(type(value), "null")


def _content(document: Document) -> Document:
    return {key: value for key, value in document.items() if key != "metadata"}

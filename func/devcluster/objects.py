"""What the API server makes of an object that a client creates or changes: pure functions, which raise ApiError.

Source: https://github.com/kubernetes/apiserver/tree/v0.35.4/pkg/registry/rest (create.go, update.go) and
https://github.com/kubernetes/apiextensions-apiserver/blob/v0.35.4/pkg/registry/customresource/strategy.go
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from func.devcluster import errors, names
from func.devcluster.documents import Document
from func.devcluster.resources import Resource

_NAME_BASE_LENGTH = 58  # a generated name is this long at most, plus five random characters
_METADATA = (
    *("annotations", "creationTimestamp", "finalizers", "generateName", "generation", "labels"),
    *("managedFields", "name", "namespace", "ownerReferences", "resourceVersion", "uid"),
)


class MalformedError(ValueError):
    """A document is not an object of its kind; the message says why."""


def created(
    resource: Resource, document: Document, *, namespace: str, now: str, uid: str, name_suffix: str
) -> Document:
    """Return a new object as it is stored, without a resourceVersion.

    Args:
        document: what a client sent.
        namespace: of the request; empty for cluster-wide resources.
        now: RFC 3339.
        uid: a new UUID.
        name_suffix: five random characters for `generateName`.
    """
    document = sent(resource, document)
    metadata = _in_namespace(document["metadata"], namespace)
    if metadata.get("resourceVersion"):
        raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = metadata["generateName"][:_NAME_BASE_LENGTH] + name_suffix
    metadata |= {"uid": uid, "creationTimestamp": now}
    if resource.custom:
        metadata["generation"] = 1
    return _checked(resource, {**document, "metadata": metadata})


def loaded(resource: Resource, document: Document, *, now: str, uid: str) -> Document:
    """Return an object from a file as it is stored: its own metadata is kept, what is missing is filled in."""
    document = _cleaned(resource, document)
    metadata = {"uid": uid, "creationTimestamp": now, **document["metadata"]}
    if resource.namespaced:
        metadata.setdefault("namespace", "default")
    if resource.custom:
        metadata.setdefault("generation", 1)
    return _checked(resource, {**document, "metadata": metadata})


def updated(resource: Resource, old: Document, document: Document) -> Document:
    """Return the object after a change, with the fields restored that only the server may set.

    Args:
        old: the object as it is stored.
        document: what a client wants it to be, as `sent` or `patched` returns it.
    """
    before = old["metadata"]
    metadata = _in_namespace(document["metadata"], before.get("namespace", ""))
    name = before["name"]
    if metadata.get("name") != name:
        message = f"the name of the object ({metadata.get('name', '')}) does not match the name on the URL ({name})"
        raise errors.bad_request(message)
    version = metadata.get("resourceVersion")
    if not version and resource.custom:
        problem = "Invalid value: 0: must be specified for an update"
        raise errors.invalid(resource, name, "metadata.resourceVersion", problem)
    if version and version != before["resourceVersion"]:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise errors.conflict(resource, name, why)
    uid = metadata.get("uid") or before["uid"]
    if uid != before["uid"]:
        raise errors.invalid(resource, name, "metadata.uid", f"Invalid value: {json.dumps(uid)}: field is immutable")
    metadata |= {key: before[key] for key in ("uid", "creationTimestamp", "resourceVersion")}
    if resource.custom:
        is_changed = {**document, "metadata": None} != {**old, "metadata": None}
        metadata["generation"] = before.get("generation", 1) + is_changed
    return _checked(resource, {**document, "metadata": metadata})


def sent(resource: Resource, document: Document) -> Document:
    """Return what a client sent as a whole object, without the fields that the server drops; else raise 400."""
    try:
        document = _cleaned(resource, document)
    except MalformedError as problem:
        expected = f"the object provided is unrecognized (must be of type {resource.kind})"
        raise errors.bad_request(f"{expected}: {problem}") from None
    if document["apiVersion"] != resource.api_version:
        expected = f"does not match the expected API version ({resource.api_version})"
        raise errors.bad_request(f"the API version in the data ({document['apiVersion']}) {expected}")
    return document


def result_of_patch(resource: Resource, name: str, document: object) -> Document:
    """Return what a patch made of an object, without the fields that the server drops; else raise 422."""
    try:
        if not isinstance(document, dict):
            raise MalformedError("it is not an object")
        return _cleaned(resource, document)
    except MalformedError as problem:
        raise errors.invalid(resource, name, "patch", f"Invalid value: {problem}") from None


def _cleaned(resource: Resource, document: Document) -> Document:
    if resource.custom and not document.get("kind"):
        raise MalformedError("Object 'Kind' is missing")
    kind = document.get("kind") or resource.kind
    version = document.get("apiVersion") or resource.api_version
    if not isinstance(kind, str) or not isinstance(version, str):
        raise MalformedError("apiVersion and kind must be strings")
    kept = {key: value for key, value in document.items() if not resource.custom or key in resource.objects}
    return {**kept, "apiVersion": version, "kind": kind, "metadata": _metadata(document.get("metadata"))}


def _metadata(value: object) -> Document:
    if not isinstance(value, dict | None):
        raise MalformedError("metadata must be an object")
    # Empty fields are left out, and so are those that no object has.
    metadata = {key: each for key, each in (value or {}).items() if key in _METADATA and each not in (None, "", {}, [])}
    for field in ("name", "namespace", "generateName", "uid", "resourceVersion", "creationTimestamp"):
        if not isinstance(metadata.get(field, ""), str):
            raise MalformedError(f"metadata.{field} must be a string")
    for field in ("labels", "annotations"):
        entries = metadata.get(field, {})
        if not isinstance(entries, dict) or not all(isinstance(each, str | None) for each in entries.values()):
            raise MalformedError(f"metadata.{field} must be an object of strings")
        if entries:
            metadata[field] = {key: each or "" for key, each in entries.items()}
    return metadata


def _in_namespace(metadata: Document, namespace: str) -> Document:
    """Return the metadata with the namespace of the request."""
    if metadata.get("namespace", namespace) != namespace:
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.bad_request(message)
    return {**metadata, "namespace": namespace} if namespace else dict(metadata)


def _checked(resource: Resource, document: Document) -> Document:
    """Return the document itself; raise an ApiError for the first field that is not valid."""
    name = document["metadata"].get("name", "")
    for field, problem in _problems(resource, name, document):
        if problem:
            raise errors.invalid(resource, name, field, problem)
    return document


def _problems(resource: Resource, name: str, document: Document) -> Iterator[tuple[str, str | None]]:
    """Yield each field that is checked, with what is wrong with it."""
    metadata = document["metadata"]
    # Namespaces are DNS labels, because they become parts of host names.
    problem = names.label_problem(name) if resource.plural == "namespaces" else names.subdomain_problem(name)
    missing = "Required value: name or generateName is required"
    yield "metadata.name", problem and (f"Invalid value: {json.dumps(name)}: {problem}" if name else missing)
    for field, wanted in (("kind", resource.kind), ("apiVersion", resource.api_version)):
        is_wrong = document[field] != wanted
        yield field, f"Invalid value: {json.dumps(document[field])}: must be {wanted}" if is_wrong else None
    for key, value in metadata.get("labels", {}).items():
        yield "metadata.labels", names.label_key_problem(key) or names.label_value_problem(value)
    yield "metadata.annotations", names.annotations_problem(metadata.get("annotations", {}))
    for field in resource.required:
        yield field, "Required value" if document.get(field) is None else None
    for field in resource.objects:
        is_object = isinstance(document.get(field, {}), dict)
        yield field, None if is_object else f"Invalid value: {field} in body must be of type object"

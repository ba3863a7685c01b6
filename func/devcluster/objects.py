"""What the API server makes of an object that a client creates or changes: pure functions.

Source: https://github.com/kubernetes/apiserver/tree/v0.35.4/pkg/registry/rest (create.go, update.go) and
https://github.com/kubernetes/apiextensions-apiserver/blob/v0.35.4/pkg/registry/customresource/strategy.go
"""

from __future__ import annotations

import json

from func.devcluster import errors, names
from func.devcluster.documents import Document
from func.devcluster.resources import Resource

_NAME_BASE_LENGTH = 58  # a generated name is this long at most, plus five random characters
_KEPT = (
    *("annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers"),
    *("generateName", "generation", "labels", "managedFields", "name", "namespace", "ownerReferences"),
    *("resourceVersion", "selfLink", "uid"),
)
_UNOWNED = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


class MalformedError(ValueError):
    """A document is not an object of its kind; the message says why."""


def created(
    resource: Resource,
    document: Document,
    *,
    namespace: str,
    now: str,
    uid: str,
    suffix: str,
) -> Document:
    """Return a new object as it is stored, without a resourceVersion.

    Args:
        resource: What it is.
        document: What was sent.
        namespace: The namespace of the request, empty for cluster-wide resources.
        now: Time in RFC 3339, UTC, whole seconds.
        uid: A new UUID.
        suffix: Five random characters for `generateName`.

    Raises:
        ApiError: The object is refused.

    """
    document = sent(resource, document)
    metadata = in_namespace(document["metadata"], namespace)
    if metadata.get("resourceVersion"):
        raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = metadata["generateName"][:_NAME_BASE_LENGTH] + suffix
    for field in _UNOWNED:
        metadata.pop(field, None)
    metadata |= {"uid": uid, "creationTimestamp": now}
    if resource.custom:
        metadata["generation"] = 1
    return checked(resource, {**document, "metadata": metadata})


def loaded(resource: Resource, document: Document, *, now: str, uid: str) -> Document:
    """Return an object from a file as it is stored: its own metadata is kept, what is missing is filled in.

    Raises:
        ApiError: The object is refused.
        MalformedError: It is not an object.

    """
    document = cleaned(resource, document)
    metadata = dict(document["metadata"])
    metadata.pop("managedFields", None)
    metadata["uid"] = metadata.get("uid") or uid
    metadata["creationTimestamp"] = metadata.get("creationTimestamp") or now
    if resource.namespaced:
        metadata["namespace"] = metadata.get("namespace") or "default"
    if resource.custom:
        metadata.setdefault("generation", 1)
    return checked(resource, {**document, "metadata": metadata})


def updated(resource: Resource, old: Document, document: Document) -> Document:
    """Return the object after a change, with the fields restored that only the server may set.

    Args:
        resource: What it is.
        old: The object as it is stored.
        document: What a client wants it to be, as `sent` or `patched` returns it.

    Raises:
        ApiError: The change is refused.

    """
    before = old["metadata"]
    metadata = in_namespace(document["metadata"], before.get("namespace", ""))
    name = before["name"]
    if metadata.get("name") != name:
        message = f"the name of the object ({metadata.get('name', '')}) does not match the name on the URL ({name})"
        raise errors.bad_request(message)
    version = metadata.get("resourceVersion")
    if not version and resource.custom:
        field = "metadata.resourceVersion"
        problem = "Invalid value: 0: must be specified for an update"
        raise errors.invalid(resource, name, field, problem, kind=resource.plural)
    if version and version != before["resourceVersion"]:
        raise errors.modified(resource, name)
    uid = metadata.get("uid") or before["uid"]
    if uid != before["uid"]:
        raise errors.invalid(resource, name, "metadata.uid", f"Invalid value: {json.dumps(uid)}: field is immutable")
    metadata |= {key: before[key] for key in ("uid", "creationTimestamp", "resourceVersion")}
    if resource.custom:
        metadata["generation"] = before.get("generation", 1) + (_content(document) != _content(old))
    return checked(resource, {**document, "metadata": metadata})


def sent(resource: Resource, document: Document) -> Document:
    """Return what a client sent as a whole object, cleaned.

    Raises:
        ApiError: 400, it is not an object of this kind.

    """
    try:
        document = cleaned(resource, document)
    except MalformedError as problem:
        expected = f"the object provided is unrecognized (must be of type {resource.kind})"
        raise errors.bad_request(f"{expected}: {problem}") from None
    version = document["apiVersion"]
    if version != resource.api_version:
        expected = f"does not match the expected API version ({resource.api_version})"
        raise errors.bad_request(f"the API version in the data ({version}) {expected}")
    return document


def patched(resource: Resource, name: str, document: Document) -> Document:
    """Return what a patch made of an object of this name, cleaned.

    Raises:
        ApiError: It is not an object of this kind any more.

    """
    if not document.get("metadata"):
        message = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        if document.get("kind"):
            raise errors.bad_request(message)
        raise not_an_object(document, "Object 'Kind' is missing")
    try:
        return cleaned(resource, document)
    except MalformedError as problem:
        raise not_an_object(document, str(problem)) from None


def not_an_object(result: object, problem: str) -> errors.ApiError:
    """Return the refusal of a patch whose result is not an object of the kind."""
    return errors.patched_badly(json.dumps(json.dumps(result)[:500]), problem)


def cleaned(resource: Resource, document: Document) -> Document:
    """Return the document without the fields that the server drops.

    Raises:
        MalformedError: A field that every object has is of another type, or a custom resource does not name its kind.

    """
    if resource.custom and not document.get("kind"):
        raise MalformedError(f"Object 'Kind' is missing in '{json.dumps(document)[:200]}'")
    kind = document.get("kind") or resource.kind
    version = document.get("apiVersion") or resource.api_version
    if not isinstance(kind, str) or not isinstance(version, str):
        raise MalformedError("apiVersion and kind must be strings")
    rest = {key: value for key, value in document.items() if not resource.fields or key in resource.fields}
    return {**rest, "apiVersion": version, "kind": kind, "metadata": _metadata(document.get("metadata"))}


def _metadata(value: object) -> Document:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedError("metadata must be an object")
    # Empty fields are left out, and so are those that no object has.
    metadata = {key: each for key, each in value.items() if key in _KEPT and each not in (None, "", {}, [])}
    for field in ("name", "namespace", "generateName", "uid", "resourceVersion", "creationTimestamp"):
        if not isinstance(metadata.get(field, ""), str):
            raise MalformedError(f"metadata.{field} must be a string")
    for field in ("labels", "annotations"):
        if field in metadata:
            metadata[field] = _texts(field, metadata[field])
    return metadata


def _texts(field: str, entries: object) -> dict[str, str]:
    if not isinstance(entries, dict):
        raise MalformedError(f"metadata.{field} must be an object")
    for key, value in entries.items():
        if not isinstance(value, str | None):
            raise MalformedError(f"metadata.{field}.{key} must be a string")
    return {key: value or "" for key, value in entries.items()}


def in_namespace(metadata: Document, namespace: str) -> Document:
    """Return the metadata with the namespace of the request.

    Raises:
        ApiError: It names another one.

    """
    if metadata.get("namespace", namespace) not in ("", namespace):
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.bad_request(message)
    return {**metadata, "namespace": namespace} if namespace else dict(metadata)


def checked(resource: Resource, document: Document) -> Document:
    """Return the document itself, if all of it is valid.

    Raises:
        ApiError: The first field that is not valid, by name.

    """
    name = document["metadata"].get("name", "")
    if not name:
        problem = "Required value: name or generateName is required"
        raise errors.invalid(resource, "", "metadata.name", problem, cause="FieldValueRequired")
    _check_type(resource, name, document)
    _check_metadata(resource, name, document["metadata"])
    for field in resource.required:
        if document.get(field) is None:
            raise errors.invalid(resource, name, field, "Required value", cause="FieldValueRequired")
    for field in resource.objects:
        if not isinstance(document.get(field, {}), dict):
            kind = _type_name(document[field])
            problem = f'Invalid value: "{kind}": {field} in body must be of type object: "{kind}"'
            raise errors.invalid(resource, name, field, problem, cause="FieldValueTypeInvalid")
    return document


def _check_type(resource: Resource, name: str, document: Document) -> None:
    kind, version = document["kind"], document["apiVersion"]
    if kind != resource.kind:
        problem = f"Invalid value: {json.dumps(kind)}: must be {resource.kind}"
        raise errors.invalid(resource, name, "kind", problem, kind=kind)
    if version != resource.api_version:
        problem = f"Invalid value: {json.dumps(version)}: must be {resource.api_version}"
        raise errors.invalid(resource, name, "apiVersion", problem)


def _check_metadata(resource: Resource, name: str, metadata: Document) -> None:
    # Namespaces are DNS labels, because they become parts of host names.
    fault = names.label_problem(name) if resource.plural == "namespaces" else names.subdomain_problem(name)
    if fault:
        raise errors.invalid(resource, name, "metadata.name", f"Invalid value: {json.dumps(name)}: {fault}")
    for key, value in metadata.get("labels", {}).items():
        if problem := names.label_key_problem(key) or names.label_value_problem(value):
            raise errors.invalid(resource, name, "metadata.labels", problem)
    if problem := names.annotations_problem(metadata.get("annotations", {})):
        raise errors.invalid(resource, name, "metadata.annotations", problem)


def _type_name(value: object) -> str:
    kinds: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
    return kinds.get(type(value), "null")


def _content(document: Document) -> Document:
    return {key: value for key, value in document.items() if key != "metadata"}

"""Events of events.k8s.io/v1, which the function creates, and the Events of v1 as which the API server stores them.

Source: https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/apis/core/validation/events.go and
https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/apis/events/v1/conversion.go
"""

from __future__ import annotations

import json

from func.devcluster import errors, names, objects
from func.devcluster.documents import Document
from func.devcluster.resources import EVENTS, NEW_EVENTS

_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_KEPT = ("eventTime", "type", "reason", "action", "related", "series", "reportingInstance")
_REQUIRED = ("eventTime", "reportingController", "reportingInstance", "action", "reason")
_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128, "note": 1024}  # bytes


def to_core(document: Document, namespace: str) -> Document:
    """Return an Event as it is stored.

    Raises:
        ApiError: The first field that is not valid.

    """
    document = objects.sent(NEW_EVENTS, document)
    metadata = objects.in_namespace(document["metadata"], namespace)
    name = str(metadata.get("name", ""))
    about = document.get("regarding") or {}
    # An Event is in the namespace of its object.
    if about.get("namespace", "") != namespace and not (not about.get("namespace") and namespace == "default"):
        raise _invalid(name, "involvedObject.namespace", about.get("namespace", ""), "does not match event.namespace")
    for field in _REQUIRED:
        if not document.get(field):
            raise errors.invalid(NEW_EVENTS, name, field, "Required value", cause="FieldValueRequired")
    problem = names.label_key_problem(str(document["reportingController"]))
    if problem:
        raise _invalid(name, "reportingController", document["reportingController"], problem)
    for field, limit in _LIMITS.items():
        if len(str(document.get(field, "")).encode()) > limit:
            raise _invalid(name, "message" if field == "note" else field, "", f"can have at most {limit} characters")
    if document.get("type") not in ("Normal", "Warning"):
        raise _invalid(name, "type", "", f"has invalid value: {document.get('type', '')}")
    for field in ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount", "deprecatedSource"):
        if document.get(field):
            raise _invalid(name, _NAMES[field], "", "needs to be unset")
    kept = {_NAMES.get(key, key): value for key, value in document.items() if key in _NAMES or key in _KEPT}
    unset: Document = {"source": {}, "firstTimestamp": None, "lastTimestamp": None}
    return {"apiVersion": EVENTS.api_version, "kind": EVENTS.kind, "metadata": metadata, **unset, **kept}


def from_core(document: Document) -> Document:
    """Return a stored Event as its creator sees it."""
    back = {core: name for name, core in _NAMES.items()}
    return {back.get(key, key): value for key, value in document.items()} | {"apiVersion": NEW_EVENTS.api_version}


def _invalid(name: str, field: str, value: object, problem: str) -> errors.ApiError:
    return errors.invalid(NEW_EVENTS, name, field, f"Invalid value: {json.dumps(value)}: {problem}")

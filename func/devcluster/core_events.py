"""Events of events.k8s.io/v1, which the function creates, and the Events of v1 as which the API server stores them.

Source: https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/apis/core/validation/events.go and
https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/apis/events/v1/conversion.go
"""

from __future__ import annotations

from func.devcluster import errors, objects
from func.devcluster.documents import Document
from func.devcluster.resources import EVENTS, NEW_EVENTS

_NAMES = {"regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent"}
_REQUIRED = ("eventTime", "reportingController", "reportingInstance", "action", "reason")
_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128, "note": 1024}  # bytes


def to_core(document: Document, namespace: str) -> Document:
    """Return an Event as it is stored.

    Raises:
        ApiError: the first field that is not valid.
    """
    document = objects.sent(NEW_EVENTS, document)
    metadata = document["metadata"]
    name = str(metadata.get("name", ""))
    # An Event is in the namespace of its object.
    if (document.get("regarding") or {}).get("namespace") != namespace:
        raise errors.invalid(NEW_EVENTS, name, "involvedObject.namespace", "does not match event.namespace")
    for field in _REQUIRED:
        if not document.get(field):
            raise errors.invalid(NEW_EVENTS, name, field, "Required value")
    for field, limit in _LIMITS.items():
        if len(str(document.get(field, "")).encode()) > limit:
            raise errors.invalid(NEW_EVENTS, name, _NAMES.get(field, field), f"can have at most {limit} bytes")
    if document.get("type") not in ("Normal", "Warning"):
        raise errors.invalid(NEW_EVENTS, name, "type", f"has invalid value: {document.get('type', '')}")
    core = {_NAMES.get(key, key): value for key, value in document.items()}
    unset: Document = {"source": {}, "firstTimestamp": None, "lastTimestamp": None}
    return {**core, "apiVersion": EVENTS.api_version, "metadata": metadata, **unset}


def from_core(document: Document) -> Document:
    """Return a stored Event as its creator sees it."""
    back = {core: name for name, core in _NAMES.items()}
    return {back.get(key, key): value for key, value in document.items()} | {"apiVersion": NEW_EVENTS.api_version}

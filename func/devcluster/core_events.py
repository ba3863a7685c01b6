"""Events of events.k8s.io/v1, which the function creates, and the Events of v1 as which the API server stores them.

Source: https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/apis/events/v1/conversion.go
"""

from __future__ import annotations

from func.devcluster import errors, objects
from func.devcluster.documents import Document
from func.devcluster.resources import EVENTS, NEW_EVENTS

_NAMES = {"regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent"}


def to_core(document: Document, namespace: str) -> Document:
    """Return an Event as it is stored.

    Raises:
        ApiError: it is not an Event about an object in this namespace.
    """
    document = objects.sent(NEW_EVENTS, document)
    if (document.get("regarding") or {}).get("namespace") != namespace:
        name = str(document["metadata"].get("name", ""))
        raise errors.invalid(NEW_EVENTS, name, "involvedObject.namespace", "does not match event.namespace")
    core = {_NAMES.get(key, key): value for key, value in document.items()}
    return {**core, "apiVersion": EVENTS.api_version, "source": {}, "firstTimestamp": None, "lastTimestamp": None}


def from_core(document: Document) -> Document:
    """Return a stored Event as its creator sees it."""
    back = {core: name for name, core in _NAMES.items()}
    return {back.get(key, key): value for key, value in document.items()} | {"apiVersion": NEW_EVENTS.api_version}

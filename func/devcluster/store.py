"""Objects in memory: every write is atomic, gets the next version, and is passed to all subscribers."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from func.core.label_selectors import Selector
from func.devcluster import documents, errors, objects
from func.devcluster.documents import Document
from func.devcluster.resources import NAMESPACES, Resource

Key: TypeAlias = tuple[str, str]
"""Namespace (empty for cluster-wide resources) and name."""

_EVERYTHING = Selector(())
_FIRST_VERSION = 1000  # not 1, so that a client that watches from version 1 gets 410, as on a real server
_MAX_OBJECT_BYTES = 1_572_864  # etcd's limit of a request
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, eq=False)
class Stored:
    """One version of one object. The document belongs to the store: read it, never change it."""

    resource: Resource
    document: Document
    version: int

    @property
    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = self.document["metadata"]
        return metadata

    @property
    def key(self) -> Key:
        return str(self.metadata.get("namespace", "")), str(self.metadata["name"])

    @property
    def name(self) -> str:
        return self.key[1]

    @property
    def uid(self) -> str:
        return str(self.metadata["uid"])

    @cached_property
    def body(self) -> bytes:
        """The object as JSON."""
        return documents.encode(self.document)

    @cached_property
    def partial(self) -> bytes:
        """The object as PartialObjectMetadata."""
        kind = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        return documents.encode({**kind, "metadata": self.metadata})


def _stored_at(resource: Resource, document: Document, version: int) -> Stored:
    metadata = {**document["metadata"], "resourceVersion": str(version)}
    return Stored(resource, {**document, "metadata": metadata}, version)


@dataclass(frozen=True)
class View:
    """A selection of objects: those that the selector selects, in one namespace or (empty) in all.

    Args:
        name: of the only object that is meant; None for all.
    """

    namespace: str = ""
    selector: Selector = _EVERYTHING
    name: str | None = None

    def shows(self, stored: Stored | None) -> bool:
        """Return whether an object is selected."""
        if stored is None or self.namespace not in ("", stored.key[0]) or self.name not in (None, stored.name):
            return False
        return self.selector.matches(stored.metadata.get("labels") or {})


@dataclass(frozen=True, eq=False)
class Event:
    """One write: `old` is None where the object is new, `new` where it was deleted."""

    version: int
    resource: Resource
    old: Stored | None
    new: Stored | None

    def seen(self, view: View) -> tuple[str, Stored] | None:
        """Return the type and the object of the watch event; None if the write is not in view.

        An object that comes into view is ADDED. One that leaves it is DELETED, as it was, at the version of the write.

        Source: https://github.com/kubernetes/apiserver/blob/v0.35.4/pkg/storage/cacher/cache_watcher.go
        (convertToWatchEvent)
        """
        before, after = view.shows(self.old), view.shows(self.new)
        if after and self.new:
            return ("MODIFIED" if before else "ADDED"), self.new
        if before and self.old:
            return "DELETED", _stored_at(self.resource, self.old.document, self.version)
        return None


class Page(NamedTuple):
    """All objects of a list, in the order of namespace and name, and the version that they are of."""

    items: list[Stored]
    version: int


@dataclass(frozen=True, eq=False)
class Subscription:
    """A running subscription; after `close` the callback is not called again."""

    store: Store
    callback: Callable[[Event], None]
    resource: Resource

    def close(self) -> None:
        self.store.unsubscribe(self)


class Store:
    """All objects of one cluster. Safe to use from several threads.

    Args:
        history: how many writes are kept for watches that begin at an earlier version.
    """

    def __init__(self, *, history: int = 1000) -> None:
        self._lock = threading.RLock()
        self._objects: dict[Resource, dict[Key, Stored]] = {}
        self.version = _FIRST_VERSION  # of the newest write
        self._history: deque[Event] = deque(maxlen=history)
        self._forgotten = _FIRST_VERSION
        self.subscriptions: list[Subscription] = []

    def get(self, resource: Resource, namespace: str, name: str) -> Stored:
        """Return one object, or raise an ApiError (404)."""
        stored = self._of(resource).get((namespace, name))
        if stored is None:
            raise errors.not_found(resource, name)
        return stored

    def select(self, resource: Resource, view: View | None = None) -> Page:
        """Return all objects in a view; None for all objects."""
        view = view or View()
        with self._lock:
            found = [stored for stored in self._of(resource).values() if view.shows(stored)]
            return Page(sorted(found, key=lambda stored: stored.key), self.version)

    def create(self, resource: Resource, namespace: str, document: Document) -> Stored:
        """Add an object that a client sent, or raise an ApiError."""
        with self._lock:
            if resource.namespaced and ("", namespace) not in self._of(NAMESPACES):
                raise errors.not_found(NAMESPACES, namespace)
            suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
            new = objects.created(
                resource, document, namespace=namespace, now=_now(), uid=str(uuid.uuid4()), name_suffix=suffix
            )
            name = new["metadata"]["name"]
            if (namespace, name) in self._of(resource):
                raise errors.already_exists(resource, name)
            return self._write(resource, None, new)

    def load(self, resource: Resource, document: Document) -> Stored:
        """Add an object from a file, or replace the one of that name; create its namespace where it is missing."""
        with self._lock:
            new = objects.loaded(resource, document, now=_now(), uid=str(uuid.uuid4()))
            namespace = new["metadata"].get("namespace", "")
            if resource.namespaced:
                self.ensure_namespace(namespace)
            old = self._of(resource).get((namespace, new["metadata"]["name"]))
            return self._write(resource, old, new)

    def ensure_namespace(self, name: str) -> None:
        """Create a namespace unless it exists."""
        with self._lock:
            if ("", name) not in self._of(NAMESPACES):
                labels = {"kubernetes.io/metadata.name": name}
                self.create(NAMESPACES, "", {"metadata": {"name": name, "labels": labels}})

    def replace(self, resource: Resource, namespace: str, name: str, document: Document) -> Stored:
        """Replace an object, as PUT does, or raise an ApiError: 409 if its resourceVersion or uid is another one."""
        with self._lock:
            document = objects.sent(resource, document)
            uid = document["metadata"].get("uid")
            old = self.get(resource, namespace, name)
            if uid and uid != old.uid:
                why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old.uid}"
                raise errors.conflict(resource, name, why)
            return self._update(old, document)

    def change(self, resource: Resource, namespace: str, name: str, changed: Callable[[Document], object]) -> Stored:
        """Read, change and write one object as one step, as PATCH does.

        Args:
            changed: returns the new document and leaves the old one as it is; what it raises is passed on.
        """
        with self._lock:
            old = self.get(resource, namespace, name)
            return self._update(old, objects.result_of_patch(resource, name, changed(old.document)))

    def delete(self, resource: Resource, namespace: str, name: str) -> Stored:
        """Remove an object, and with a namespace all that is in it."""
        with self._lock:
            old = self.get(resource, namespace, name)
            if resource is NAMESPACES:
                for table in list(self._objects.values()):
                    for stored in [each for each in table.values() if each.key[0] == name]:
                        self._remove(stored)
            self._remove(old)
            return old

    def subscribe(
        self, resource: Resource, callback: Callable[[Event], None], *, since: int | None = None
    ) -> Subscription:
        """Call back with every write to a resource, in order.

        The callback runs inside the write, so it must be quick and must not write: put the event in a queue.

        Args:
            since: begin with the writes after this version; None for only those to come.

        Raises:
            ApiError: 410, the writes after that version are no longer kept.
        """
        with self._lock:
            if since is not None and since < self._forgotten:
                raise errors.expired(f"too old resource version: {since} ({self._forgotten})")
            subscription = Subscription(self, callback, resource)
            for event in self._history if since is not None else ():
                if event.resource is resource and event.version > (since or 0):
                    callback(event)
            self.subscriptions.append(subscription)
            return subscription

    def snapshot(self, resource: Resource, callback: Callable[[Event], None]) -> tuple[Page, Subscription]:
        """Return all objects of a resource, and a subscription to every write after that list."""
        with self._lock:
            return self.select(resource), self.subscribe(resource, callback)

    def _of(self, resource: Resource) -> dict[Key, Stored]:
        return self._objects.setdefault(resource, {})

    def _update(self, old: Stored, document: Document) -> Stored:
        new = objects.updated(old.resource, old.document, document)
        return old if documents.same(new, old.document) else self._write(old.resource, old, new)

    def _write(self, resource: Resource, old: Stored | None, document: Document) -> Stored:
        new = _stored_at(resource, document, self.version + 1)
        if len(new.body) > _MAX_OBJECT_BYTES:
            raise errors.ApiError(500, "", "etcdserver: request is too large")
        self._of(resource)[new.key] = new
        self._publish(Event(new.version, resource, old, new))
        return new

    def _remove(self, old: Stored) -> None:
        del self._of(old.resource)[old.key]
        self._publish(Event(self.version + 1, old.resource, old, None))

    def _publish(self, event: Event) -> None:
        self.version = event.version
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].version
        self._history.append(event)
        for subscription in tuple(self.subscriptions):
            if subscription.resource is event.resource:
                subscription.callback(event)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        with self._lock:
            if subscription in self.subscriptions:
                self.subscriptions.remove(subscription)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

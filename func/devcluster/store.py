"""Objects in memory: every write is atomic, gets the next version, and is told to whoever subscribed."""

from __future__ import annotations

import bisect
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from random import SystemRandom
from typing import Any, Self, TypeAlias

from func.devcluster import documents, errors, objects
from func.devcluster.documents import Document
from func.devcluster.label_selectors import EVERYTHING, Selector
from func.devcluster.resources import NAMESPACES, Resource

Key: TypeAlias = tuple[str, str]
"""Namespace (empty for cluster-wide resources) and name."""

# Not 1, so that a client that watches from version 1 meets a version that is gone, as on a real server.
FIRST_VERSION = 1000
# etcd's own limit of a request.
MAX_OBJECT_BYTES = 1_572_864
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, eq=False)
class Stored:
    """One version of one object. The document belongs to the store: read it, never change it."""

    resource: Resource
    document: Document
    version: int
    namespace: str
    name: str
    labels: Mapping[str, str]
    body: bytes

    @classmethod
    def at(cls, resource: Resource, document: Document, version: int) -> Self:
        """A document as it is at a version."""
        metadata = {**document["metadata"], "resourceVersion": str(version)}
        document = {**document, "metadata": metadata}
        labels = metadata.get("labels") or {}
        where = metadata.get("namespace", "")
        return cls(resource, document, version, where, metadata["name"], labels, documents.encode(document))

    @property
    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = self.document["metadata"]
        return metadata

    @property
    def uid(self) -> str:
        return str(self.metadata["uid"])

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @cached_property
    def partial(self) -> bytes:
        """The object as PartialObjectMetadata."""
        kind = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        return documents.encode({**kind, "metadata": self.metadata})

    def selected(self, selector: Selector) -> bool:
        return selector.matches(self.namespace, self.name, self.labels, self.document)


@dataclass(frozen=True, eq=False)
class Event:
    """One write: `old` is None where the object is new, `new` where it is gone.

    `gone` is the deleted object as a watcher sees it, at the version of its deletion.
    """

    version: int
    resource: Resource
    old: Stored | None
    new: Stored | None
    gone: Stored | None = None

    @property
    def subject(self) -> Stored:
        subject = self.new or self.gone
        assert subject is not None  # noqa: S101 - one of them is set by construction
        return subject


@dataclass(frozen=True)
class Page:
    """Part of a list.

    Args:
        items: Objects in the order of namespace and name.
        version: The version that the whole list is of.
        after: The key of the last item where more follow, else None.
        remaining: How many follow, None where that is not known.

    """

    items: list[Stored]
    version: int
    after: Key | None = None
    remaining: int | None = None


class _Table:
    """All objects of one resource, with an index over their labels."""

    def __init__(self) -> None:
        self.objects: dict[Key, Stored] = {}
        self.order: list[Key] = []
        self.by_label: dict[tuple[str, str], set[Key]] = {}

    def put(self, stored: Stored) -> None:
        old = self.objects.get(stored.key)
        if old is None:
            bisect.insort(self.order, stored.key)
        elif old.labels != stored.labels:
            self._forget_labels(old)
        self.objects[stored.key] = stored
        if old is None or old.labels != stored.labels:
            for pair in stored.labels.items():
                self.by_label.setdefault(pair, set()).add(stored.key)

    def drop(self, stored: Stored) -> None:
        del self.objects[stored.key]
        del self.order[bisect.bisect_left(self.order, stored.key)]
        self._forget_labels(stored)

    def _forget_labels(self, stored: Stored) -> None:
        for pair in stored.labels.items():
            keys = self.by_label[pair]
            keys.discard(stored.key)
            if not keys:
                del self.by_label[pair]

    def candidates(self, selector: Selector) -> list[Key]:
        """Keys, in order, of all objects that may be selected: the fewest that the index can tell."""
        best: set[Key] | None = None
        for requirement in selector.labels:
            if requirement.operator == "in" and len(requirement.values) == 1:
                keys = self.by_label.get((requirement.key, next(iter(requirement.values))), set())
                if best is None or len(keys) < len(best):
                    best = keys
        # Sorting most of all keys again takes longer than looking at all of them.
        return self.order if best is None or 2 * len(best) > len(self.order) else sorted(best)


class Subscription:
    """A running subscription; after `close` the callback is not called again."""

    def __init__(
        self, close: Callable[[Subscription], None], callback: Callable[[Event], None], source: Resource
    ) -> None:
        self._close = close
        self.callback = callback
        self.resource = source

    def close(self) -> None:
        self._close(self)


class Store:
    """All objects of one cluster. Safe to use from several threads.

    Args:
        max_objects: More objects than this are refused.
        max_bytes: More bytes of JSON in all objects than this are refused.
        history: So many writes are remembered for watches and for continued lists.
        history_bytes: So many bytes of JSON at most are remembered that way.
        clock: Gives the time for creationTimestamp.

    """

    def __init__(
        self,
        *,
        max_objects: int = 100_000,
        max_bytes: int = 1 << 30,
        history: int = 20_000,
        history_bytes: int = 128 << 20,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lock = threading.RLock()
        self._tables: dict[Resource, _Table] = {}
        self._version = FIRST_VERSION
        self._history: deque[Event] = deque()
        self._history_size = 0
        self._forgotten = FIRST_VERSION
        self._max_history = (history, history_bytes)
        self._limits = (max_objects, max_bytes)
        self._count = 0
        self._bytes = 0
        self._subscriptions: list[Subscription] = []
        self._clock = clock
        self._random = SystemRandom()

    @property
    def version(self) -> int:
        """The version of the newest write."""
        return self._version

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are open."""
        return len(self._subscriptions)

    def get(self, resource: Resource, namespace: str, name: str) -> Stored:
        """One object.

        Raises:
            ApiError: 404, there is none.

        """
        stored = self._table(resource).objects.get((namespace, name))
        if stored is None:
            raise errors.not_found(resource, name)
        return stored

    def create(self, resource: Resource, namespace: str, document: Document, *, dry_run: bool = False) -> Stored:
        """Add an object.

        Args:
            resource: What it is.
            namespace: Where, empty for cluster-wide resources.
            document: What was sent.
            dry_run: Check and answer, but store nothing.

        Raises:
            ApiError: It exists, its namespace does not, or it is not as it has to be.

        """
        with self._lock:
            if resource.namespaced and ("", namespace) not in self._table(NAMESPACES).objects:
                raise errors.not_found(NAMESPACES, namespace)
            new = objects.created(
                resource,
                document,
                namespace=namespace,
                now=self._now(),
                uid=str(uuid.uuid4()),
                suffix=self._suffix,
            )
            name = new["metadata"]["name"]
            if (namespace, name) in self._table(resource).objects:
                raise errors.already_exists(resource, name)
            return self._write(resource, None, new, dry_run=dry_run)

    def load(self, resource: Resource, document: Document) -> Stored:
        """Add an object from a file, or put it in the place of the one of that name; its namespace comes with it.

        Raises:
            ApiError: It is not as it has to be.

        """
        with self._lock:
            new = objects.loaded(resource, document, now=self._now(), uid=str(uuid.uuid4()))
            namespace = new["metadata"].get("namespace", "")
            if resource.namespaced:
                self.ensure_namespace(namespace)
            old = self._table(resource).objects.get((namespace, new["metadata"]["name"]))
            return self._write(resource, old, new)

    def ensure_namespace(self, name: str) -> None:
        """Create a namespace unless it is there.

        Raises:
            ApiError: The name is none.

        """
        with self._lock:
            if ("", name) not in self._table(NAMESPACES).objects:
                labels = {"kubernetes.io/metadata.name": name}
                self.create(NAMESPACES, "", {"metadata": {"name": name, "labels": labels}})

    def replace(
        self, resource: Resource, namespace: str, name: str, document: Document, *, dry_run: bool = False
    ) -> Stored:
        """Put a document in the place of an object, as PUT does.

        Raises:
            ApiError: 404 where there is none, 409 where its resourceVersion or uid is another one, 422, 400.

        """
        with self._lock:
            document = objects.sent(resource, document)
            uid = document["metadata"].get("uid")
            old = self.get(resource, namespace, name)
            if uid and uid != old.uid:
                why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old.uid}"
                raise errors.conflict(
                    resource, name, f"StorageError: invalid object, Code: 4, AdditionalErrorMsg: {why}"
                )
            return self._update(old, document, dry_run=dry_run)

    def change(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        changed: Callable[[Document], Document],
        *,
        dry_run: bool = False,
    ) -> Stored:
        """Read, change and write one object as one step, as PATCH does.

        Args:
            resource: What it is.
            namespace: Where it is.
            name: Its name.
            changed: Gives the new document and leaves the old one as it is; what it raises is passed on.
            dry_run: Check and answer, but store nothing.

        Raises:
            ApiError: 404 where there is none, or the change is refused.

        """
        with self._lock:
            old = self.get(resource, namespace, name)
            document = objects.patched(resource, name, changed(old.document))
            return self._update(old, document, dry_run=dry_run)

    def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str = "", version: str = "", dry_run: bool = False
    ) -> Stored:
        """Remove an object, and with a namespace all that is in it.

        Args:
            resource: What it is.
            namespace: Where it is.
            name: Its name.
            uid: Only the object with this uid, if given.
            version: Only the object at this resourceVersion, if given.
            dry_run: Check and answer, but remove nothing.

        Raises:
            ApiError: 404 where there is none, 409 where it is another one.

        """
        with self._lock:
            old = self.get(resource, namespace, name)
            if uid and uid != old.uid:
                theirs = f"the UID in the precondition ({uid}) does not match the UID in record ({old.uid})"
                why = f"{theirs}. The object might have been deleted and then recreated"
                raise errors.failed_precondition(resource, name, why)
            if version and version != str(old.version):
                theirs = (
                    f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record"
                )
                why = f"{theirs} ({old.version}). The object might have been modified"
                raise errors.failed_precondition(resource, name, why)
            if dry_run:
                return old
            if resource is NAMESPACES:
                for table in list(self._tables.values()):
                    for stored in [each for each in table.objects.values() if each.namespace == name]:
                        self._remove(stored)
            return self._remove(old)

    def select(
        self,
        resource: Resource,
        namespace: str = "",
        selector: Selector = EVERYTHING,
        *,
        limit: int = 0,
        after: Key | None = None,
        version: int = 0,
    ) -> Page:
        """Objects in the order of namespace and name.

        Args:
            resource: What they are.
            namespace: Where, empty for everywhere.
            selector: Which.
            limit: So many at most, 0 for all.
            after: Only those whose key comes after this one.
            version: As they were at this version, 0 for now.

        Raises:
            ApiError: 410, that version is no longer remembered.

        """
        with self._lock:
            found = self._at(resource, version) if version and version != self._version else None
            table = self._table(resource)
            where, order = (table.objects, table.candidates(selector)) if found is None else (found, sorted(found))
            start = 0 if after is None else bisect.bisect_right(order, after)
            if namespace:
                start = max(start, bisect.bisect_left(order, (namespace, "")))
            items: list[Stored] = []
            for position in range(start, len(order)):
                stored = where[order[position]]
                if namespace and stored.namespace != namespace:
                    break
                if not stored.selected(selector):
                    continue
                if limit and len(items) == limit:
                    left = self._left(order, position, namespace) if selector.empty else None
                    return Page(items, version or self._version, items[-1].key, left)
                items.append(stored)
            return Page(items, version or self._version)

    def subscribe(
        self,
        resource: Resource,
        callback: Callable[[Event], None],
        *,
        since: int | None = None,
    ) -> Subscription:
        """Be told of every write to a resource, in order.

        The callback runs inside the write, so it must be quick and must not write itself: put the event in a queue.

        Args:
            resource: Which resource.
            callback: Called with each event.
            since: First the writes after this version, as far as they are remembered; None for only those to come.

        Raises:
            ApiError: 410, that version is no longer remembered.

        """
        with self._lock:
            subscription = Subscription(self._unsubscribe, callback, resource)
            for event in [] if since is None else self.events_since(since):
                if event.resource is resource:
                    callback(event)
            self._subscriptions.append(subscription)
            return subscription

    def snapshot(self, resource: Resource, callback: Callable[[Event], None]) -> tuple[Page, Subscription]:
        """All objects of a resource, and a subscription to every write after that list."""
        with self._lock:
            return self.select(resource), self.subscribe(resource, callback)

    def events_since(self, version: int) -> list[Event]:
        """All remembered writes after a version, oldest first.

        Raises:
            ApiError: 410, some of them are no longer remembered.

        """
        with self._lock:
            if version < self._forgotten:
                raise errors.expired(f"too old resource version: {version} ({self._forgotten})")
            newer: list[Event] = []
            for event in reversed(self._history):
                if event.version <= version:
                    break
                newer.append(event)
            return newer[::-1]

    def _table(self, resource: Resource) -> _Table:
        return self._tables.setdefault(resource, _Table())

    def _now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _suffix(self) -> str:
        return "".join(self._random.choices(_SUFFIX_LETTERS, k=5))

    def _at(self, resource: Resource, version: int) -> dict[Key, Stored]:
        """All objects as they were at an earlier version: now, with all later writes undone."""
        if version > self._version:
            raise errors.future_version(version, self._version)
        if version < self._forgotten:
            message = "The provided continue parameter is too old to display a consistent list result."
            raise errors.expired(f"{message} You must start a new list without the continue parameter.")
        found = dict(self._table(resource).objects)
        for event in reversed(self.events_since(version)):
            if event.resource is resource:
                if event.old is None:
                    found.pop(event.subject.key, None)
                else:
                    found[event.old.key] = event.old
        return found

    @staticmethod
    def _left(order: list[Key], position: int, namespace: str) -> int:
        end = bisect.bisect_left(order, (namespace + "\0", "")) if namespace else len(order)
        return end - position

    def _update(self, old: Stored, document: Document, *, dry_run: bool) -> Stored:
        new = objects.updated(old.resource, old.document, document)
        if documents.same(new, old.document):
            return old
        return self._write(old.resource, old, new, dry_run=dry_run)

    def _write(self, resource: Resource, old: Stored | None, document: Document, *, dry_run: bool = False) -> Stored:
        version = self._version + 1
        new = Stored.at(resource, document, version)
        self._check_room(old, new)
        if dry_run:
            return new
        self._table(resource).put(new)
        self._account(old, new)
        self._tell(Event(version, resource, old, new))
        return new

    def _remove(self, old: Stored) -> Stored:
        version = self._version + 1
        gone = Stored.at(old.resource, old.document, version)
        self._table(old.resource).drop(old)
        self._account(old, None)
        self._tell(Event(version, old.resource, old, None, gone))
        return old

    def _check_room(self, old: Stored | None, new: Stored) -> None:
        max_objects, max_bytes = self._limits
        if len(new.body) > MAX_OBJECT_BYTES:
            raise errors.object_too_large()
        if old is None and self._count >= max_objects:
            raise errors.full(f"this cluster holds at most {max_objects} objects")
        if self._bytes + len(new.body) - (len(old.body) if old else 0) > max_bytes:
            raise errors.full(f"this cluster holds at most {max_bytes} bytes of objects")

    def _account(self, old: Stored | None, new: Stored | None) -> None:
        self._count += (new is not None) - (old is not None)
        self._bytes += (len(new.body) if new else 0) - (len(old.body) if old else 0)

    def _tell(self, event: Event) -> None:
        self._version = event.version
        self._history.append(event)
        self._history_size += len(event.subject.body)
        while len(self._history) > self._max_history[0] or self._history_size > self._max_history[1]:
            forgotten = self._history.popleft()
            self._history_size -= len(forgotten.subject.body)
            self._forgotten = forgotten.version
        for subscription in tuple(self._subscriptions):
            if subscription.resource is event.resource:
                subscription.callback(event)

    def _unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

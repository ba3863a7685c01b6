"""A watch over HTTP: one JSON line for each event until time is up, the client goes or the cluster stops.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from func.devcluster import changes, documents
from func.devcluster.changes import View
from func.devcluster.errors import ApiError
from func.devcluster.negotiation import Form
from func.devcluster.resources import Resource
from func.devcluster.store import Event, Store, Stored

# A client that falls so far behind starts again, as on a real server.
MAX_WAITING = 10_000
BOOKMARK_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """What a client wants to watch.

    Args:
        since: Only writes after this version; None begins with all objects that are there.
        seconds: How long.
        bookmarks: Send the newest version now and then.
        initial_end: Mark the end of the objects that were there at first.

    """

    resource: Resource
    view: View
    form: Form
    since: int | None
    seconds: float
    bookmarks: bool = False
    initial_end: bool = False


class Watch:
    """One running watch; `end` may be called from any thread."""

    def __init__(self, store: Store, request: Request) -> None:
        self._store = store
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()

    def end(self) -> None:
        """Let the stream end after what is already waiting in it."""
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)

    def _take(self, event: Event) -> None:
        if self._queue.qsize() > MAX_WAITING:
            self.end()
        else:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of the stream."""
        request = self._request
        try:
            if request.since is None:
                page, subscription = self._store.snapshot(request.resource, self._take)
                first, version = [each for each in page.items if request.view.shows(each)], page.version
            else:
                subscription = self._store.subscribe(request.resource, self._take, since=request.since)
                first, version = [], request.since
        except ApiError as error:
            # Once a watch has begun, errors are events of it.
            yield _line("ERROR", documents.encode(error.status()))
            return
        try:
            for stored in first:
                yield self._event("ADDED", stored)
            if request.initial_end:
                yield self._bookmark(version, initial=True)
            async for line in self._events(version):
                yield line
        finally:
            subscription.close()

    async def _events(self, version: int) -> AsyncIterator[bytes]:
        deadline = self._loop.time() + self._request.seconds
        while (left := deadline - self._loop.time()) > 0:
            try:
                event = await asyncio.wait_for(self._queue.get(), min(left, BOOKMARK_SECONDS))
            except TimeoutError:
                if self._request.bookmarks:
                    yield self._bookmark(version)
                continue
            if event is None:
                return
            version = event.version
            if shown := changes.seen(event, self._request.view):
                yield self._event(*shown)

    def _event(self, kind: str, stored: Stored) -> bytes:
        return _line(kind, stored.body if self._request.form is Form.FULL else stored.partial)

    def _bookmark(self, version: int, *, initial: bool = False) -> bytes:
        partial = self._request.form is not Form.FULL
        resource = self._request.resource
        metadata: dict[str, object] = {"resourceVersion": str(version), "creationTimestamp": None}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        mark = {
            "kind": "PartialObjectMetadata" if partial else resource.kind,
            "apiVersion": "meta.k8s.io/v1" if partial else resource.api_version,
            "metadata": metadata,
        }
        return _line("BOOKMARK", documents.encode(mark))


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)

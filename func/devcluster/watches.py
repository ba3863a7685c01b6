"""A watch over HTTP: one JSON line for each event until the time is up, the client leaves or the cluster stops.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from func.devcluster import documents
from func.devcluster.errors import ApiError
from func.devcluster.resources import Resource
from func.devcluster.store import Event, Store, Stored, View

MAX_WAITING = 10_000  # a client that falls so far behind starts again, as on a real server


@dataclass(frozen=True)
class Request:
    """What a client wants to watch.

    Args:
        partial: whether to send only the metadata.
        since: only writes after this version; None begins with all objects that exist.
        seconds: how long.
        initial_end: whether to mark the end of the objects that existed at first, with a bookmark.
    """

    resource: Resource
    view: View
    partial: bool
    since: int | None
    seconds: float
    initial_end: bool = False


class Watch:
    """One running watch; `end` may be called from any thread."""

    def __init__(self, store: Store, request: Request) -> None:
        self._store = store
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()

    def end(self) -> None:
        """End the stream after what is queued already."""
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)

    def _put(self, event: Event) -> None:
        if self._queue.qsize() > MAX_WAITING:
            self.end()
        else:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of the stream."""
        request = self._request
        try:
            if request.since is None:
                page, subscription = self._store.snapshot(request.resource, self._put)
            else:
                page, subscription = None, self._store.subscribe(request.resource, self._put, since=request.since)
        except ApiError as error:
            # Once a watch has begun, errors are events of it.
            yield _line("ERROR", documents.encode(error.status()))
            return
        try:
            for stored in page.items if page else ():
                if request.view.shows(stored):
                    yield self._event("ADDED", stored)
            if page and request.initial_end:
                yield self._initial_end(page.version)
            async for line in self._events():
                yield line
        finally:
            subscription.close()

    async def _events(self) -> AsyncIterator[bytes]:
        deadline = self._loop.time() + self._request.seconds
        while (left := deadline - self._loop.time()) > 0:
            try:
                event = await asyncio.wait_for(self._queue.get(), left)
            except TimeoutError:
                return
            if event is None:
                return
            if shown := event.seen(self._request.view):
                yield self._event(*shown)

    def _event(self, kind: str, stored: Stored) -> bytes:
        return _line(kind, stored.partial if self._request.partial else stored.body)

    def _initial_end(self, version: int) -> bytes:
        resource = self._request.resource
        annotations = {"k8s.io/initial-events-end": "true"}
        metadata = {"resourceVersion": str(version), "creationTimestamp": None, "annotations": annotations}
        kind = {"kind": resource.kind, "apiVersion": resource.api_version}
        return _line("BOOKMARK", documents.encode({**kind, "metadata": metadata}))


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)

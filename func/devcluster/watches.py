"""A watch over HTTP: one JSON line for each event until the time is up, the client leaves or the cluster stops.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from func.devcluster import documents
from func.devcluster.errors import ApiError
from func.devcluster.resources import Resource
from func.devcluster.store import Event, Store, Stored, View

MAX_WAITING = 10_000  # a client that falls so far behind starts again, as on a real server


@dataclass(eq=False)
class Watch:
    """One running watch, made in the event loop that reads it.

    Args:
        partial: whether to send only the metadata.
        since: only writes after this version; None begins with all objects that exist.
        seconds: how long.
        initial_end: whether to mark the end of the objects that existed at first, with a bookmark.
    """

    store: Store
    resource: Resource
    view: View
    partial: bool
    since: int | None
    seconds: float
    initial_end: bool = False
    _queue: asyncio.Queue[Event | None] = field(default_factory=asyncio.Queue)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def end(self) -> None:
        """End the stream after what is queued already; from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)

    def _put(self, event: Event) -> None:
        if self._queue.qsize() > MAX_WAITING:
            self.end()
        else:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of the stream."""
        try:
            if self.since is None:
                page, subscription = self.store.snapshot(self.resource, self._put)
            else:
                page, subscription = None, self.store.subscribe(self.resource, self._put, since=self.since)
        except ApiError as error:
            # Once a watch has begun, errors are events of it.
            yield _line("ERROR", documents.encode(error.status()))
            return
        try:
            for stored in page.items if page else ():
                if self.view.shows(stored):
                    yield self._event("ADDED", stored)
            if page and self.initial_end:
                annotations = {"k8s.io/initial-events-end": "true"}
                metadata = {"resourceVersion": str(page.version), "annotations": annotations}
                kind = {"kind": self.resource.kind, "apiVersion": self.resource.api_version}
                yield _line("BOOKMARK", documents.encode({**kind, "metadata": metadata}))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.seconds):
                    while (event := await self._queue.get()) is not None:
                        if shown := event.seen(self.view):
                            yield self._event(*shown)
        finally:
            subscription.close()

    def _event(self, kind: str, stored: Stored) -> bytes:
        return _line(kind, stored.partial if self.partial else stored.body)


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)

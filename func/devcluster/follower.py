"""Follows the Workflows of a store in a thread, so that the callback may take its time and may write."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from func.devcluster.documents import Document
from func.devcluster.resources import WORKFLOWS
from func.devcluster.store import Event, Store, View


class Change(NamedTuple):
    """One change of a Workflow.

    Args:
        type: ADDED, MODIFIED or DELETED, as in a watch with the same selector.
        object: the Workflow after the write (of DELETED: as it was last).
        old: the Workflow before the write; None where there was none.
    """

    type: str
    object: Document
    old: Document | None


class Follower:
    """A thread that passes the changes of a view to a callback, in order.

    Args:
        existing: begin with an ADDED for each Workflow that is there.
    """

    def __init__(self, store: Store, view: View, callback: Callable[[Change], None], *, existing: bool) -> None:
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._view = view
        self._callback = callback
        page, self._subscription = store.snapshot(WORKFLOWS, self._queue.put)
        self._first = [stored for stored in page.items if existing and view.shows(stored)]
        self._thread = threading.Thread(target=self._run, name="embedded-cluster-follower", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for stored in self._first:
            self._callback(Change("ADDED", stored.document, None))
        while (event := self._queue.get()) is not None:
            if shown := event.seen(self._view):
                self._callback(Change(shown[0], shown[1].document, event.old.document if event.old else None))

    def close(self) -> None:
        """End it, and return when the last callback has returned."""
        self._subscription.close()
        self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

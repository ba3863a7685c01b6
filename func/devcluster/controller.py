"""The stand-in workflow controller: it watches the store and writes what a turn returns, as Argo's controller does."""

from __future__ import annotations

import logging
import queue
import threading
from datetime import UTC, datetime

from func.devcluster import workflows
from func.devcluster.errors import ApiError
from func.devcluster.resources import WORKFLOWS
from func.devcluster.store import Event, Key, Store

_log = logging.getLogger(__name__)


class Controller:
    """Advances Workflows in a thread of its own, from `start` until `stop`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[Key | None] = queue.SimpleQueue()
        self._reported: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="embedded-controller", daemon=True)

    def start(self) -> None:
        """Begin with all Workflows that exist."""
        page, self._subscription = self._store.snapshot(WORKFLOWS, self._changed)
        for stored in page.items:
            self._queue.put(stored.key)
        self._thread.start()

    def stop(self) -> None:
        """End, and return when the last turn is over."""
        if self._thread.is_alive():
            self._subscription.close()
            self._queue.put(None)
            self._thread.join()

    def _changed(self, event: Event) -> None:
        if event.new:
            self._queue.put(event.new.key)

    def _run(self) -> None:
        while (key := self._queue.get()) is not None:
            try:
                self._advance(key)
            except Exception:
                # One malformed Workflow must not stop all others.
                _log.exception("cannot advance the Workflow %s/%s", *key)

    def _advance(self, key: Key) -> None:
        try:
            stored = self._store.get(WORKFLOWS, *key)
            workflow = workflows.advance(stored.document, datetime.now(UTC))
            if workflow is not None:
                self._store.replace(WORKFLOWS, *key, workflow)
        except workflows.UnsupportedError as problem:
            if (stored.uid, str(problem)) not in self._reported:
                self._reported.add((stored.uid, str(problem)))
                _log.warning("the Workflow %s/%s stays as it is: %s", *key, problem)
        except ApiError as error:
            # 404: it was deleted. 409: a client wrote in between, and that write is in the queue.
            if error.code not in (404, 409):
                _log.warning("cannot write the Workflow %s/%s: %s", *key, error.message)

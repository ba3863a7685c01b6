"""The workflow controller: watches the store and writes back what a turn gives, as Argo's controller does."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from func.devcluster import workflows
from func.devcluster.errors import ApiError
from func.devcluster.resources import WORKFLOWS
from func.devcluster.store import Event, Key, Store, Stored

_log = logging.getLogger(__name__)


class Controller:
    """Moves Workflows on in a thread of its own.

    Args:
        store: Where the Workflows are.
        delay: Seconds from a write to the turn that it causes.
        clock: Gives the time that is written into Workflows.

    """

    def __init__(
        self, store: Store, *, delay: float = 0.05, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._delay = delay
        self._clock = clock
        self._wake = threading.Condition()
        self._queue: list[tuple[float, Key]] = []
        self._queued: dict[Key, float] = {}
        self._stopped = False
        self._said: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="embedded-controller", daemon=True)

    def start(self) -> None:
        """Begin, with all Workflows that are there."""
        page, self._subscription = self._store.snapshot(WORKFLOWS, self._seen)
        for stored in page.items:
            self._later(stored.key, 0)
        self._thread.start()

    def stop(self) -> None:
        """End, and return when the last turn is over."""
        self._subscription.close()
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join()

    def _seen(self, event: Event) -> None:
        if event.new:
            self._later(event.new.key, self._delay)

    def _later(self, key: Key, seconds: float) -> None:
        due = time.monotonic() + seconds
        with self._wake:
            if self._queued.get(key, due + 1) > due:
                self._queued[key] = due
                heapq.heappush(self._queue, (due, key))
                self._wake.notify()

    def _run(self) -> None:
        while (key := self._next()) is not None:
            try:
                self._turn(key)
            except Exception:
                # One odd Workflow must not stop all others.
                _log.exception("the Workflow %s/%s could not be looked at", *key)

    def _next(self) -> Key | None:
        with self._wake:
            while not self._stopped:
                wait = self._queue[0][0] - time.monotonic() if self._queue else None
                if wait is not None and wait <= 0:
                    due, key = heapq.heappop(self._queue)
                    if self._queued.get(key) == due:
                        del self._queued[key]
                        return key
                    continue
                self._wake.wait(wait)
            return None

    def _turn(self, key: Key) -> None:
        try:
            stored = self._store.get(WORKFLOWS, *key)
        except ApiError:
            return
        turn = workflows.advance(stored.document, self._clock())
        for problem in turn.left_alone:
            self._say(stored, problem)
        if turn.due:
            self._later(key, max(0.0, (turn.due - self._clock()).total_seconds()))
        if turn.workflow is None:
            return
        try:
            self._store.replace(WORKFLOWS, *key, turn.workflow)
        except ApiError as error:
            if error.code == 409:
                # Somebody wrote in between: look again at what is there now.
                self._later(key, self._delay)
            elif error.code != 404:
                _log.warning("the Workflow %s/%s cannot be written: %s", *key, error.message)

    def _say(self, stored: Stored, problem: str) -> None:
        if (stored.uid, problem) not in self._said:
            self._said.add((stored.uid, problem))
            _log.warning("the Workflow %s/%s is left alone: %s", stored.namespace, stored.name, problem)

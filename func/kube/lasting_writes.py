"""Writes that may take longer than the event that needs them.

An API server stops what it does for a client that hangs up. A large Workflow whose write takes longer than an event may
would so never be written, however often the event is delivered again. So such a write goes on in a thread of its own
when the event's time is over, and nobody begins another one on the same Workflow until it has ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field

AT_ONCE = 2  # each on a connection of its own: more would only make an API server slower than its own time limit
_SECONDS = 60.0  # an API server gives up then too

Reply = tuple[int, bytes, Mapping[str, str]]
"""Status, body and headers of an answer, whatever they are."""
Send = Callable[[float], Reply]
"""Sends a request, whose answer must have come by a time on the monotonic clock."""


@dataclass(slots=True)
class LastingWrites:
    """Those of one process, by the name of what they write to."""

    _running: dict[str, Future[Reply]] = field(default_factory=dict)
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))

    def wait(self, name: str, until: float) -> bool | None:
        """Wait for a write that an earlier event began.

        Returns:
            None where there is none, else whether it has ended by then.
        """
        running = self._running.get(name)
        if running is None:
            return None
        try:
            running.exception(max(0.0, until - time.monotonic()))
        except FutureTimeoutError:
            return False
        return True

    def send(self, name: str, send: Send, until: float) -> Reply:
        """Begin a write, and wait for it for so long.

        Raises:
            TimeoutError: it goes on, or could not begin because others do.
        """
        if not self._free.acquire(timeout=max(0.0, until - time.monotonic())):
            raise TimeoutError("other large writes are in progress")
        done: Future[Reply] = Future()
        if self._running.setdefault(name, done) is not done:
            self._free.release()
            return send(until)  # two events of one Workflow at once: one of them loses the race

        def work() -> None:
            try:
                reply = send(until + _SECONDS)
            except Exception as error:
                self._running.pop(name)
                done.set_exception(error)
            else:
                self._running.pop(name)
                done.set_result(reply)
            finally:
                self._free.release()

        threading.Thread(target=work, name="write", daemon=True).start()
        return done.result(max(0.0, until - time.monotonic()))

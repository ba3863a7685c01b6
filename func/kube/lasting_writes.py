"""Writes that may outlast their event.

An API server stops a write when its client disconnects. A large Workflow whose write takes longer than an event may
would never be written, however often the event is delivered. So such a write continues in its own thread after the
deadline of the event, and no other write to the same Workflow begins until it has ended.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field

AT_ONCE = 2  # each on its own connection: more would slow the API server down beyond its own timeout
_SECONDS = 60.0  # an API server gives up then too

Reply = tuple[int, bytes, Mapping[str, str]]
"""Status, body and headers of an answer."""
Send = Callable[[float], Reply]
"""Sends a request whose answer must have come by a time on the monotonic clock."""


@dataclass(slots=True)
class LastingWrites:
    """The writes of one process, by the name of the Workflow."""

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
        """Begin a write, and wait for it until then.

        Raises:
            TimeoutError: it continues, or it could not begin because others are in progress.
            OSError: there is no thread for it.
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

        try:
            threading.Thread(target=work, name="write", daemon=True).start()
        except RuntimeError:
            self._running.pop(name)
            self._free.release()
            raise OSError(errno.EAGAIN, "no more threads") from None
        return done.result(max(0.0, until - time.monotonic()))

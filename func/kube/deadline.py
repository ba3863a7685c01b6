"""The time by which an event must be answered."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from func.kube.call_log import CallLog
from func.kube.errors import Unavailable


@dataclass(slots=True)
class Deadline:
    """When an event must be answered, and the log of the calls that were made for it by then.

    Args:
        at: on the monotonic clock, in seconds.
    """

    at: float
    log: CallLog = field(default_factory=CallLog)

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that is this many seconds away."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Return the seconds that are left; less than 0 when it has passed."""
        return self.at - time.monotonic()

    def timeout(self, most: float) -> float:
        """Return the seconds that a call may take now.

        Args:
            most: seconds, however much time is left.

        Raises:
            Unavailable: when no time is left.
        """
        timeout = min(most, self.left())
        if timeout <= 0:
            raise Unavailable("The time for this event is used up.")
        return timeout

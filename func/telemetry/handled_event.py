"""One handled event, as the log, the metrics and the traces report it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from func.core.cloud_event import RELEASE_TYPES
from func.core.outcomes import Answer
from func.kube.call_log import ApiCall

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(NamedTuple):
    """A span of a trace.

    Args:
        trace_id: 32 hexadecimal digits.
        span_id: 16 of them.
        is_sampled: whether the caller keeps this trace.
    """

    trace_id: str
    span_id: str
    is_sampled: bool


def read_traceparent(text: str | None) -> Trace | None:
    """Return the caller's span of a `traceparent` header; None for one that is not valid.

    Source: https://www.w3.org/TR/trace-context/#traceparent-header
    """
    match = _TRACEPARENT.fullmatch(text or "")
    if not match or (match[1] == "00" and match[5]):  # later versions may have more fields
        return None
    return Trace(match[2], match[3], bool(int(match[4], 16) & 1))


@dataclass(eq=False, repr=False)  # as in metrics.py
class HandledEvent:
    """One event that was answered.

    Args:
        calls: to Kubernetes and Argo Server.
        started: on `time.perf_counter`, in seconds.
        seconds: from the first byte of the request to the answer.
        cold_start: whether it was the first event of this process.
        trace: the sender's span.
    """

    answer: Answer
    calls: Sequence[ApiCall]
    started: float
    seconds: float
    cold_start: bool = False
    trace: Trace | None = None

    @property
    def parked(self) -> bool:
        """Whether a signal was written to wait on the Workflow; the same event again writes nothing."""
        return self.answer.outcome == "parked" and self.answer.written

    @property
    def released(self) -> bool:
        """Whether a signal that waited has moved its gate."""
        event = self.answer.event
        return self.answer.outcome in ("opened", "failed") and event is not None and event.type in RELEASE_TYPES

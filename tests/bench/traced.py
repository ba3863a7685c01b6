"""`python -P traced.py ARGUMENTS`: runs `python -m func ARGUMENTS`, and counts what the interpreter executes.

SIGUSR1 begins to count, another one ends it and writes one line: the bytecode instructions by source file. It stands
alone, for it runs with the packages of the container.
"""

from __future__ import annotations

import json
import runpy
import signal
import sys
import threading
from collections import Counter
from types import FrameType
from typing import Any

COUNTED = "instructions: "  # before the line's JSON
_counts: Counter[str] = Counter()
_counting = False


def _trace(frame: FrameType, what: str, _: Any) -> Any:  # noqa: ANN401 - as sys.settrace wants it
    if not _counting:
        return None
    frame.f_trace_lines, frame.f_trace_opcodes = False, True
    if what == "opcode":
        _counts[frame.f_code.co_filename] += 1
    return _trace


def _toggle(_number: int, _frame: FrameType | None) -> None:
    global _counting
    _counting = not _counting
    if not _counting:
        sys.stderr.write(f"{COUNTED}{json.dumps(_counts)}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _toggle)
    sys.settrace(_trace)
    threading.settrace(_trace)
    runpy.run_module("func", run_name="__main__")

"""What `python -X importtime` writes."""

from __future__ import annotations

import re

_LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)$", re.MULTILINE)


def imports(log: str) -> list[tuple[str, float]]:
    """Each module that was imported, or asked for in vain, and the seconds of it alone.

    Args:
        log: may have other lines in between.
    """
    return [(module, int(microseconds) / 1e6) for microseconds, module in _LINE.findall(log)]

"""Moves Workflows on after a gate has been opened."""

from __future__ import annotations

from func.embedded.store import Store


class Controller:
    def __init__(self, store: Store, *, delay: float) -> None:
        self._store = store
        self._delay = delay

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""

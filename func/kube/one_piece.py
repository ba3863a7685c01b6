"""Requests to the API server in one piece: http.client sends the head by itself, and the server wakes for nothing.

Source: https://urllib3.readthedocs.io/en/stable/reference/urllib3.connection.html
"""

from __future__ import annotations

from typing import Any

from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection


def send_in_one_piece(manager: PoolManager) -> None:
    """Let all connections that this manager will make send each request in one piece."""
    classes = manager.pool_classes_by_scheme.items()
    manager.pool_classes_by_scheme = {scheme: _in_one_piece(pool) for scheme, pool in classes}


class _OnePiece(HTTPConnection):
    _pieces: list[bytes] | None = None

    def request(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as they come
        self._pieces = []
        try:
            super().request(*args, **more)
            whole = b"".join(self._pieces)
        finally:
            self._pieces = None
        self.send(whole)

    def send(self, data: Any) -> None:  # noqa: ANN401 - bytes, or what else http.client takes
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)


def _in_one_piece(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type("OnePieceConnection", (_OnePiece, pool.ConnectionCls), {})
    return type("OnePiecePool", (pool,), {"ConnectionCls": connection})

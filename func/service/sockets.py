"""Listening sockets, and the names of loopback."""

from __future__ import annotations

import re
import socket

_BACKLOG = 2048
_LOOPBACK_HOST = re.compile(r"(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address of IPv4 or IPv6.

    Args:
        host: an address, or a name.
        port: 0 for any free one.

    Raises:
        OSError: when the address is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol. Otherwise every answer on a kept
    # connection waits 40 ms for the client's acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def is_loopback_host(header: str) -> bool:
    """Return whether a Host header names this machine's loopback.

    A page of another site can make its own name resolve to 127.0.0.1 (DNS rebinding), and its requests then reach a
    server that listens on loopback. It cannot change the Host header, which names its site.

    Args:
        header: The value of the header, with or without a port; empty where the request has none.

    """
    return _LOOPBACK_HOST.fullmatch(header) is not None

"""Bytes on a connection that are no HTTP, or almost."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.soak.mutations import Case

_HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
_JSON = b"Content-Type: application/cloudevents+json\r\n"
_LENGTHS = (b"abc", b"-1", b"1e3", b"9" * 40, b"", b"+5", b"5, 5", b"0x5")
_HEADERS = (b"no colon\r\n", b"A\0: b\r\n", b"\xff: x\r\n", b" folded: x\r\n", b": x\r\n")
_OTHER_HTTP = (b"POST / HTTP/0.9\r\n\r\n", b"POST /\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n" * 99)
_PROTOCOLS = (b"websocket\r\n", b"h2c\r\n", b"TLS/1.0\r\n")
_PATIENCE = 0.4  # seconds; who waits for the rest of a request longer than that answers nothing


def framed(case: Case, method: bytes = b"POST", path: bytes = b"/") -> bytes:
    """A case as it should be sent."""
    headers, body = case.written()
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    return method + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + lines + length + body


def spoiled(case: Case, chance: random.Random) -> bytes:
    """A case with something wrong about its framing."""
    body = case.written()[1][:20_000]
    whole = framed(case)
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    chunked = _HEAD + _JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    ways: Sequence[Callable[[], bytes]] = (
        lambda: whole.replace(b"Connection: close\r\n", b"") * 3 + whole,
        lambda: whole[: chance.randrange(len(whole))],
        lambda: _flipped(whole, chance),
        lambda: chunked + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
        lambda: chunked + b"".join(b"1\r\n%c\r\n" % byte for byte in body[:500]) + b"0\r\nX: y\r\n\r\n",
        lambda: chunked + chance.choice((b"-1", b"g", b"", b"f" * 40, b"5;" + b"x" * 9000, b"0x5")) + b"\r\nhello\r\n",
        lambda: chunked + _in_chunks(body, chance) + b"0\r\n\r\n",
        lambda: chunked + b"5\r\nhello",
        lambda: _HEAD + _JSON + b"Transfer-Encoding: chunked\r\n" + length + body,
        lambda: _HEAD + _JSON + b"Content-Length: " + chance.choice(_LENGTHS) + b"\r\n\r\nx",
        lambda: _HEAD + _JSON + b"Content-Length: 3\r\n" + length + body,
        lambda: _HEAD + _JSON + b"Content-Length: %d\r\n\r\n" % (len(body) + 100) + body,
        lambda: _HEAD + _JSON + b"Content-Length: %d\r\n\r\n" % (len(body) // 2) + body,
        lambda: _HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(3000)) + length + body,
        lambda: _HEAD + b"X: " + b"y" * 200_000 + b"\r\n" + length + body,
        lambda: _HEAD + chance.choice(_HEADERS) + length,
        lambda: b"POST " + b"/" + b"x" * chance.choice((10, 70_000)) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        lambda: chance.choice((b"GET", b"PUT", b"post", b"PRI", b"\x16\x03\x01", b"X" * 999)) + whole[4:],
        lambda: chance.choice(_OTHER_HTTP),
        lambda: b"POST http://evil/ HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n" + length + body,
        lambda: b"POST /%2e%2e/%00 HTTP/1.1\r\nHost: localhost\r\n" + length + body,
        lambda: _HEAD + _JSON + b"Expect: 100-continue\r\n" + length + body,
        lambda: _HEAD + b"Connection: Upgrade\r\nUpgrade: " + chance.choice(_PROTOCOLS) + length + body,
        lambda: bytes(chance.randrange(256) for _ in range(chance.randrange(2000))),
    )  # fmt: skip
    return chance.choice(ways)()


def send(port: int, sent: bytes) -> list[tuple[int, bytes]]:
    """Send these bytes on a connection of their own.

    Returns: the answers, each with its status and all the bytes that follow it.
    """
    answer = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with suppress(OSError):  # the function may have had enough before all is sent
            connection.sendall(sent)
        connection.settimeout(_PATIENCE)
        with suppress(OSError):
            while piece := connection.recv(1 << 16):
                answer += piece
    parts = bytes(answer).split(b"HTTP/1.1 ")[1:]
    return [(int(part[:3]), part) for part in parts]


def _in_chunks(body: bytes, chance: random.Random) -> bytes:
    """Chunks of all sizes, with and without extensions."""
    found = bytearray()
    while body:
        size = chance.choice((1, 2, 7, 64, 1000, 5000))
        piece, body = body[:size], body[size:]
        found += b"%x%b\r\n%b\r\n" % (len(piece), chance.choice((b"", b"", b';a="b"')), piece)
    return bytes(found)


def _flipped(sent: bytes, chance: random.Random) -> bytes:
    changed = bytearray(sent)
    for _ in range(chance.randint(1, 5)):
        changed[chance.randrange(min(len(changed), 2000))] = chance.randrange(256)
    return bytes(changed)

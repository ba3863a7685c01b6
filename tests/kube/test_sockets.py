"""A request to the API server is one TLS record: a second one would wake the server a second time."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
import urllib3

from func.kube.sockets import prepare

_CERTIFICATE = Path(__file__).parents[1] / "data" / "loopback.pem"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("body", [None, b"[]" * 2000], ids=["head alone", "head and body"])
@pytest.mark.parametrize("requests", [1, 2], ids=["new connection", "kept connection"])
def test_head_and_body_come_together(body: bytes | None, requests: int) -> None:
    records: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=_serve, args=(listener, records, requests))
        server.start()
        manager = urllib3.PoolManager(ca_certs=str(_CERTIFICATE), retries=False, timeout=urllib3.Timeout(60))
        prepare(manager)
        for _ in range(requests):
            answer = manager.urlopen("PATCH", f"https://127.0.0.1:{listener.getsockname()[1]}/it", body=body)
            assert (answer.status, answer.data) == (200, b"{}")
        server.join()
    assert records[-1].startswith(b"PATCH /it HTTP/1.1\r\n")
    assert records[-1].endswith(b"\r\n\r\n" + (body or b""))


def _serve(listener: socket.socket, records: list[bytes], count: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE)
    connection, _ = listener.accept()
    with context.wrap_socket(connection, server_side=True) as wrapped:
        for _ in range(count):
            records.append(wrapped.recv(1 << 16))  # never more than one record
            wrapped.sendall(_ANSWER)

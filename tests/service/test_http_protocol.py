"""What one connection may take: how much of it is parsed, and when it ends; over real sockets."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import h11
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from func.service import http_protocol
from func.service.http_protocol import EVENTS_PER_TURN, LINGER_BYTES, BoundedProtocol

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The events that h11 parsed, in order."""
    events: list[object] = []
    real = h11.Connection.next_event

    def counted(connection: h11.Connection) -> Any:  # noqa: ANN401 - h11's own type
        event = real(connection)
        if connection.our_role is h11.SERVER:
            events.append(event)
        return event

    monkeypatch.setattr(h11.Connection, "next_event", counted)
    return events


async def _start(send: Send, status: int, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def refuses(_scope: Message, _receive: Receive, send: Send) -> None:
    """Answer 401 before the body is read."""
    await _start(send, 401, b"no token")


class Reads:
    """An application that reads the body, and answers with what it has read."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.turns: list[int] = []
        self.disconnected = False
        self._turn = 0

    async def __call__(self, _scope: Message, receive: Receive, send: Send) -> None:
        others = asyncio.create_task(self._others())
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected = True
                others.cancel()
                return
            self.pieces.append(message["body"])
            self.turns.append(self._turn)
            body += message["body"]
            if not message["more_body"]:
                break
        others.cancel()
        await _start(send, 200, body)

    async def _others(self) -> None:
        """Somebody else who wants the event loop."""
        while True:
            self._turn += 1
            await asyncio.sleep(0)


@asynccontextmanager
async def connected(app: App, patience: int = 5) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to an application.

    Args:
        patience: seconds that it may take until a request has its head.
    """
    config = Config(app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_keep_alive=patience)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()


def exchange(app: App, sent: bytes, patience: int = 5) -> bytes:
    """Send bytes on one connection, which the sender leaves open.

    Returns: all that came back until the function closed it.
    """

    async def run() -> bytes:
        async with connected(app, patience) as (reader, writer):
            writer.write(sent)
            received = bytearray()
            while piece := await reader.read(1 << 16):
                received += piece
            return bytes(received)

    return asyncio.run(run())


def heads(received: bytes) -> list[tuple[int, dict[bytes, bytes], bytes]]:
    """The answers: status, headers and body."""
    connection = h11.Connection(h11.CLIENT)
    found: list[tuple[int, dict[bytes, bytes], bytes]] = []
    while received:
        connection.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(received)
        body = b""
        response = connection.next_event()
        assert isinstance(response, h11.Response), response
        while isinstance(event := connection.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage), event
        found.append((response.status_code, dict(response.headers), body))
        received = bytes(connection.trailing_data[0])
        connection = h11.Connection(h11.CLIENT)
    return found


def test_after_an_early_answer_nothing_more_is_parsed_and_the_connection_is_closed(parsed: list[object]) -> None:
    ((status, headers, body),) = heads(exchange(refuses, CHUNKED + b"1\r\nx\r\n" * 200_000))
    assert (status, headers[b"connection"], body) == (401, b"close", b"no token")
    assert len(parsed) <= EVENTS_PER_TURN


def test_a_sender_that_never_ends_is_cut_off(parsed: list[object]) -> None:
    async def run() -> int:
        count = 0
        async with connected(refuses) as (_, writer):
            writer.write(CHUNKED + b"7fffffff\r\n")
            with suppress(ConnectionError):
                while count < 4 * LINGER_BYTES:
                    writer.write(b"x" * (1 << 20))
                    await writer.drain()
                    count += 1 << 20
        return count

    assert LINGER_BYTES <= asyncio.run(run()) < 2 * LINGER_BYTES
    assert len(parsed) <= EVENTS_PER_TURN


def test_a_sender_that_goes_during_an_early_answer_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(_: object) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr("asyncio.selector_events._SelectorSocketTransport.write_eof", gone)
    with caplog.at_level(logging.INFO), suppress(ConnectionError):
        exchange(refuses, CHUNKED + b"1\r\nx\r\n")
    assert caplog.records == []


def test_a_body_of_tiny_chunks_is_read_in_turns_with_others(parsed: list[object]) -> None:
    app = Reads()
    text = bytes(range(256)) * 40
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in text) + b"0\r\n\r\n"
    goodbye = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    first, second = heads(exchange(app, CHUNKED + chunks + goodbye))
    assert (first[0], first[2]) == (200, text)
    assert (second[0], second[2]) == (200, b"")
    assert len(parsed) > len(text)
    assert max(map(len, app.pieces)) <= EVENTS_PER_TURN
    assert len(set(app.turns[:-1])) == len(app.turns) - 1, "between two pieces, others have a turn"


def test_a_large_body_and_pipelined_requests_come_whole() -> None:
    text = b"0123456789abcdef" * (1 << 16)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text)
    goodbye = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answers = heads(exchange(Reads(), post + text + GET * 50 + post + text + goodbye))
    assert [(status, len(body)) for status, _, body in answers] == [
        (200, len(text)), *[(200, 0)] * 50, (200, len(text)), (200, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # without a Host
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"GET http://other.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        CHUNKED + b"-1\r\nx\r\n",
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 50_000,
    ],
    ids=range(12),
)
def test_what_is_not_http_is_answered_once_with_json_and_closed(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ((status, headers, body),) = heads(exchange(Reads(), sent + GET))
    assert (status, headers[b"connection"], headers[b"content-type"]) == (400, b"close", b"application/json")
    assert json.loads(body)["outcome"] == "invalid"
    (record,) = caplog.records
    assert record.exc_info is None


def test_the_head_of_an_answer_is_sent_with_its_body() -> None:
    async def run() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def app(_scope: Message, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            begun.set()
            await go_on.wait()
            await send({"type": "http.response.body", "body": b"{}"})

        async with connected(app) as (reader, writer):
            writer.write(GET)
            await begun.wait()
            received = asyncio.create_task(reader.read(1 << 16))
            assert not (await asyncio.wait([received], timeout=0.05))[0]
            go_on.set()
            assert (await received).endswith(b"\r\n\r\n{}")

    asyncio.run(run())


def test_what_turns_out_not_to_be_http_while_its_answer_is_on_the_way_is_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def half(_scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        while (await receive())["type"] != "http.disconnect":
            pass

    with caplog.at_level(logging.INFO):
        received = exchange(half, CHUNKED + b"1\r\nx\r\n" * EVENTS_PER_TURN + b"nonsense\r\n")
    assert received == b""  # the head of an answer waits for its body
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)


def test_the_application_is_told_at_once_when_its_body_turns_out_not_to_be_http() -> None:
    app = Reads()
    exchange(app, CHUNKED + b"1\r\nx\r\n" + b"nonsense\r\n")
    assert app.disconnected


def test_an_upgrade_is_not_made_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    upgrade = (
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}"
    )
    with caplog.at_level(logging.INFO):
        ((status, _, body),) = heads(exchange(Reads(), upgrade))
    assert (status, body, caplog.records) == (200, b"{}", [])


@pytest.mark.parametrize("sent", [b"", b"GET / HT"])
def test_a_connection_that_brings_no_head_is_closed(sent: bytes) -> None:
    assert exchange(Reads(), sent, patience=1) == b""


def test_no_event_is_lost_at_the_end_of_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    goodbye = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for events in range(1, 8):
        monkeypatch.setattr(http_protocol, "EVENTS_PER_TURN", events)
        first, second, third = heads(exchange(Reads(), CHUNKED + b"1\r\nx\r\n" * 5 + b"0\r\n\r\n" + GET + goodbye))
        assert (first[2], second[2], third[0]) == (b"xxxxx", b"", 200)

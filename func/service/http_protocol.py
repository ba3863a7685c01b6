"""HTTP/1.1 on one connection, by uvicorn and h11, with a bound on what one connection may take from the others.

uvicorn parses all that a read brings before another connection gets its turn, goes on parsing a body after its request
was answered, and has no limit on the time for the head of a first request. This class bounds all three.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from func.core.cloud_event import write_reply
from func.core.outcomes import Answer

READ_BYTES = 32 * 1024  # of one connection in one turn of the event loop
_HEAD_BYTES = 16 * 1024  # of a head or trailers that is not complete yet
EVENTS_PER_TURN = 64  # of h11, about 0.5 ms; a body in chunks of one byte has one for every six bytes
LINGER_BYTES = 64 * 1024 * 1024  # discarded after an early answer, before the connection is closed
_MALFORMED_BYTES = 1024 * 1024  # the same, from a sender that does not send HTTP
LINGER_SECONDS = 5.0
_MALFORMED = "The request is not valid HTTP/1.1."
_CLOSE = (b"connection", b"close")


class BoundedProtocol(H11Protocol, asyncio.BufferedProtocol):
    """uvicorn's protocol, which yields to other connections and stops reading after an early answer."""

    conn: _Connection
    # Shared by all connections: its bytes are copied before the next read.
    _buffer: ClassVar = memoryview(bytearray(READ_BYTES))

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - as uvicorn gives them
        super().__init__(*arguments, **named)
        self.conn = _Connection(h11.SERVER, _HEAD_BYTES)
        self.is_behind = False  # h11 has bytes that are not parsed yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start, with a limit on the time until the first request has its head."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self)
        self._lingering = _Lingering(transport, self)
        self.transport = self._lingering  # type: ignore[assignment] # it wraps one
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as asyncio calls it
        """Return the buffer for the next read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read; after an early answer discard it unparsed."""
        if self._lingering.is_begun:
            self._lingering.discard(nbytes)
            return
        # uvicorn would restart the time limit of the head here, at each byte of it.
        self.conn.receive_data(bytes(self._buffer[:nbytes]))
        self.handle_events()

    def handle_events(self) -> None:
        """Parse some of what was read; the rest when the application asks for more."""
        self.conn.left = EVENTS_PER_TURN
        super().handle_events()
        if self.conn.left == 0 and not self.transport.is_closing():
            self.is_behind = True
            self.flow.pause_reading()

    def go_on(self) -> None:
        """Parse more of what was read, then read more."""
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self.handle_events()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - h11's words hold parts of the request
        """Answer what is not HTTP, unless an answer was begun, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers, body = write_reply(Answer("invalid", "malformed", _MALFORMED))
            headers |= {"content-length": str(len(body)), "connection": "close"}
            response = h11.Response(status_code=400, headers=list(headers.items()), reason=b"Bad Request")
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def shutdown(self) -> None:
        """Close, now or after the answer."""
        if self._lingering.is_begun:
            self._lingering.end()
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers of a connection that has ended."""
        self._lingering.end()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _should_upgrade(self) -> bool:
        return False  # and without a warning, which uvicorn logs in two lines


class _Connection(h11.Connection):
    """h11's connection, with a limit of events for each turn; it closes where the end of a request is ambiguous."""

    left = EVENTS_PER_TURN
    _head = b""  # of an answer; sent with its body, so that the sender wakes up once

    def next_event(self) -> Any:  # noqa: ANN401 - h11's own type
        """Return the next event, or NEED_DATA at the limit."""
        if self.left == 0:
            return h11.NEED_DATA
        self.left -= 1
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name.lower() for name, _ in event.headers.raw_items()}
            # A proxy that follows the other header, or does not know chunks, would see a request where we see a body
            # (request smuggling): https://www.rfc-editor.org/rfc/rfc9112#section-6.1
            if b"transfer-encoding" in names and (b"content-length" in names or event.http_version != b"1.1"):
                raise h11.RemoteProtocolError("the end of the body is ambiguous")
            if not event.target.startswith(b"/"):  # a URL, whose host may differ from the header's
                raise h11.RemoteProtocolError("the target is not a path")
        elif event is h11.NEED_DATA or event is h11.PAUSED:
            self.left = EVENTS_PER_TURN
        return event

    def send(self, event: Any) -> Any:  # noqa: ANN401 - h11's own types
        """Return the bytes of an event; an answer before the end of its request gets `Connection: close`."""
        if isinstance(event, h11.Response):
            if self.their_state is h11.SEND_BODY and _CLOSE not in event.headers:
                headers = [*event.headers.raw_items(), _CLOSE]
                event = h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
            self._head = super().send(event) or b""
            return b""
        head, self._head = self._head, b""
        return head + (super().send(event) or b"")


class _Flow(FlowControl):
    """uvicorn's flow control, which parses what was read before it reads more."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        """Read more, or parse what was read first."""
        if self._protocol.is_behind:
            self._protocol.is_behind = False
            self._protocol.loop.call_soon(self._protocol.go_on)  # later: other connections come first
        else:
            super().resume_reading()


class _Lingering:
    """A transport whose `close` waits for the sender, which would otherwise lose the answer to a connection reset.

    Source: https://www.rfc-editor.org/rfc/rfc9112#section-9.6
    """

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None
        self.is_begun = False
        self.write = transport.write

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return whether it is closing, or closed."""
        return self.is_begun or self._transport.is_closing()

    def close(self) -> None:
        """Close; at once unless the sender is still sending."""
        if self.is_begun:
            return
        self.is_begun = True
        cycle: RequestResponseCycle | None = self._protocol.cycle
        if cycle and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        sender = self._protocol.conn.their_state
        if sender not in (h11.SEND_BODY, h11.ERROR) or self._transport.is_closing():
            self._transport.close()
            return
        self._left = LINGER_BYTES if sender is h11.SEND_BODY else _MALFORMED_BYTES
        try:
            self._transport.write_eof()
        except OSError:  # the sender has gone
            self._transport.abort()
            return
        self._transport.resume_reading()
        self._timer = self._protocol.loop.call_later(LINGER_SECONDS, self._transport.abort)

    def discard(self, count: int) -> None:
        """Count discarded bytes, and abort at the limit."""
        self._left -= count
        if self._left < 0:
            self._transport.abort()

    def end(self) -> None:
        """Close without waiting for the sender any longer."""
        if self._timer:
            self._timer.cancel()
        self._transport.close()

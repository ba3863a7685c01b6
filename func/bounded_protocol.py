"""What a connection of a sender may take: the server reads a request's head and trailers into memory, whole."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 64 * 1024  # bytes of a request that are none of its body


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it with llhttp, which itself knows no bound.

    Source: https://www.uvicorn.org/settings/#implementation and https://github.com/MagicStack/httptools
    """

    _beside = 0  # bytes of this request that are none of its body

    def data_received(self, data: bytes) -> None:
        """Read on, and close the connection when there is no end to it."""
        self._beside += len(data)
        super().data_received(data)
        if self._beside <= MAX_HEAD or self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle and not cycle.response_complete:
            self.transport.close()  # these are the trailers of a request that is in work
        else:
            self.send_400_response(f"The head of the request has more than {MAX_HEAD >> 10} KiB.")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._beside = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """A piece of its body has come."""
        self._beside -= len(body)
        super().on_body(body)

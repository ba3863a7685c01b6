"""Answers of HTTP whose headers are read without the parser for e-mail that http.client uses.

It was 6 % of the instructions of a warm event: `python -m tests.bench profile`.
"""

from __future__ import annotations

import http.client
from types import FunctionType
from typing import IO

_MAX_LINE = 65536  # bytes; this and the number of headers are http.client's own limits
_MAX_HEADERS = 100


def read_headers(stream: IO[bytes], **_limits: object) -> http.client.HTTPMessage:
    """Return the headers of an answer, as `parse_headers` of http.client does.

    Args:
        stream: after the status line; it is read up to the empty line.
        _limits: that a later Python may pass on; those here stay.

    Raises:
        http.client.HTTPException: a line is no header or too long, or there are too many.

    Source: https://www.rfc-editor.org/rfc/rfc9112#section-5
    """
    message = http.client.HTTPMessage()
    name, value = "", ""
    for _ in range(_MAX_HEADERS + 1):
        line = stream.readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise http.client.LineTooLong("header line")
        text = line.decode("iso-8859-1").rstrip("\r\n")
        if name and text.startswith((" ", "\t")):  # the value goes on
            value = f"{value} {text.strip()}"
            continue
        if name:
            message[name] = value
        if not text:
            return message
        name, colon, value = text.partition(":")
        if not colon or not name or name != name.strip():
            raise http.client.HTTPException("a line of the headers is none")
        value = value.strip()
    raise http.client.HTTPException(f"got more than {_MAX_HEADERS} headers")


class Response(http.client.HTTPResponse):
    """An answer as http.client reads it: by its own `begin`, which finds `read_headers` in place of `parse_headers`."""

    begin = FunctionType(
        http.client.HTTPResponse.begin.__code__, {**vars(http.client), "parse_headers": read_headers}, "begin"
    )
    begin.__kwdefaults__ = http.client.HTTPResponse.begin.__kwdefaults__

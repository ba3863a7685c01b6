"""Headers of answers: read as http.client reads them, or refused."""

from __future__ import annotations

import io
from http.client import HTTPException, parse_headers

import pytest

from func.kube.responses import read_headers

# Of the real API server, of a proxy, and what RFC 9112 allows besides.
_ANSWERS = {
    "real": (
        b"Audit-Id: 5b3f0c52-8d5f-4d0c-9a0e-1f6a3c1d2e3f\r\nCache-Control: no-cache, private\r\n"
        b'Content-Type: application/json\r\nWarning: 299 - "unknown field \\"spec.foo\\""\r\n'
        b"X-Kubernetes-Pf-Flowschema-Uid: 8a5e\r\nDate: Sat, 28 Nov 2026 09:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "none": b"\r\n{}",
    "line feeds alone": b"Content-Length: 2\nRetry-After: 1\n\n{}",
    "spaces around a value": b"Retry-After: \t 1 \t\r\n\r\n",
    "no value": b"Retry-After:\r\nContent-Length: 2\r\n\r\n{}",
    "a colon in a value": b"Location: https://api.example:6443/\r\n\r\n",
    "twice": b"Warning: one\r\nWarning: two\r\n\r\n",
    "not ASCII": b"Warning: caf\xe9\r\n\r\n",
    "cut short": b"Content-Length: 2\r\n",
    "as many as there may be": b"X-Many: 1\r\n" * 99 + b"\r\n",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in _ANSWERS.items()])
def test_headers_are_those_of_http_client(text: bytes) -> None:
    ours, theirs = io.BytesIO(text), io.BytesIO(text)
    assert [(name, value.strip()) for name, value in parse_headers(theirs).items()] == read_headers(ours).items()
    assert ours.read() == theirs.read()


def test_a_value_in_several_lines_is_one() -> None:
    found = read_headers(io.BytesIO(b"Warning: one\r\n  two\r\n\tthree\r\nContent-Length: 2\r\n\r\n"))
    assert found.items() == [("Warning", "one two three"), ("Content-Length", "2")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"Content-Length 2\r\n\r\n", id="no colon"),
        pytest.param(b"Content-Length : 2\r\n\r\n", id="space before the colon"),
        pytest.param(b": 2\r\n\r\n", id="no name"),
        pytest.param(b" Content-Length: 2\r\n\r\n", id="space before the name"),
        pytest.param(b"X-Many: 1\r\n" * 101 + b"\r\n", id="too many"),
        pytest.param(b"X-Long: " + b"1" * 65_536 + b"\r\n\r\n", id="too long"),
    ],
)
def test_what_is_no_header_is_refused(text: bytes) -> None:
    with pytest.raises(HTTPException):
        read_headers(io.BytesIO(text))

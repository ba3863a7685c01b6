"""The HTTP application, with the limits that keep the process alive."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from func.core.cloud_event import OWN_TYPES, Reserve, check_repeated, read_cloudevent, write_reply
from func.core.outcomes import Answer
from func.core.reasons import Rejection
from func.kube.deadline import Deadline
from func.service.pipeline import EVENT_SECONDS, Pipeline, answer_of
from func.telemetry.facade import PROCESS, Telemetry
from func.telemetry.log import log_line

if TYPE_CHECKING:
    from starlette.requests import Request

    from func.service.authentication import Authenticator

MAX_BODY = 25 * 1024 * 1024  # GitHub's own cap for a webhook
MAX_BODIES = 2 * MAX_BODY  # bytes of all bodies in progress
MAX_MEMORY = 320 * 1024 * 1024  # of all parsed bodies in progress, by an estimate that errs upwards
MAX_EVENTS = 100  # in progress; beyond it an immediate 503 serves senders better than a queue
THREADS = 16
BODY_SECONDS = 10.0
RETRY_AFTER = 2  # seconds, unless the answer has its own
T = TypeVar("T")
_METRICS = "/metrics"
_READ = ("GET", "HEAD")
_METHODS = {"/": ("POST",), "/healthz": _READ, "/readyz": _READ, _METRICS: _READ}


class App:
    """The function as an application: an HTTP request in, an HTTP response out.

    Args:
        pipeline: handles each event.
        authenticator: decides who may send.
        telemetry: records each event.
    """

    def __init__(self, pipeline: Pipeline, authenticator: Authenticator, telemetry: Telemetry) -> None:
        self._pipeline = pipeline
        self._authenticator = authenticator
        self._telemetry = telemetry
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="event")
        self._events = 0
        self._bytes = 0
        self._memory = _Memory()

    def ready(self) -> None:
        """Record that the process can take requests."""
        self._telemetry.ready()

    async def __call__(self, request: Request) -> Response:
        """Answer a probe, a scrape of the metrics, or a CloudEvent that is posted to `/`."""
        path, method = request.scope["path"], request.method
        methods = _METHODS.get(path)
        if not methods:
            return JSONResponse({"reason": f"There is nothing at {path[:100]}: post CloudEvents to /."}, 404)
        if method not in methods:
            reason = f"{path} takes {' and '.join(methods)}; CloudEvents are posted to /."
            return JSONResponse({"reason": reason}, 405, {"Allow": ", ".join(methods)})
        if path == "/":
            return await self._limited(request)
        return await self._scrape(request) if path == _METRICS else JSONResponse({"status": "ok"})

    async def _limited(self, request: Request) -> Response:
        """Answer a CloudEvent, unless too many are in progress."""
        started = time.perf_counter()
        deadline = Deadline.after(EVENT_SECONDS)
        # Not request.headers itself, which searches all headers for each name. The first of a name counts, except for
        # attributes of a CloudEvent, which `check_repeated` refuses.
        headers = dict(reversed(request.headers.items()))
        answer: Answer | None
        if self._events >= MAX_EVENTS:
            answer = answer_of(Rejection("busy", detail=f"{MAX_EVENTS} events are in progress; try again."))
        else:
            self._events += 1
            self._telemetry.begin()
            try:
                answer = await self._answer(request, headers, deadline)
            except ClientDisconnect:
                return Response(status_code=400)  # the sender has gone
            finally:
                self._events -= 1
                self._telemetry.end()
        if answer is None:
            return Response(status_code=204)
        self._telemetry.answered(answer, started, deadline, headers.get("traceparent"))
        return _reply(answer)

    async def _answer(self, request: Request, headers: Mapping[str, str], deadline: Deadline) -> Answer | None:
        """Return the answer to an event; None for one that gets no answer."""
        try:
            inquiry = self._authenticator.admit(headers.get("authorization"))
            if inquiry:
                await self._in_thread(lambda: inquiry(deadline))
            if len(headers) < len(request.headers.raw):
                check_repeated(request.headers.items())
            body = await self._read_body(request, headers.get("content-length", ""), deadline)
            try:
                return await self._in_thread(lambda: self._handle(headers, body, deadline))
            finally:
                self._bytes -= len(body)
        except Rejection as rejection:
            return answer_of(rejection)
        except ClientDisconnect:
            raise
        except Exception:
            # A defect: the sender retries or keeps a dead letter, and the log has the traceback.
            log_line("ERROR", "The function failed on an event.", {"exception.stacktrace": traceback.format_exc()})
            return answer_of(Rejection("defect"))

    async def _read_body(self, request: Request, declared: str, deadline: Deadline) -> bytearray:
        """Return the body. The deadline moves by the time that the sender takes.

        Args:
            declared: its length, as the request says.

        Raises:
            Rejection: as soon as the body is too large or too slow, or all bodies in progress are too large.
        """
        if declared.isdecimal() and int(declared[:20]) > MAX_BODY:
            raise _too_large()
        body, started = bytearray(), time.monotonic()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    self._bytes += len(chunk)
                    if len(body) > MAX_BODY:
                        raise _too_large()
                    if self._bytes > MAX_BODIES:
                        detail = f"Bodies of {MAX_BODIES >> 20} MiB are in progress; try again."
                        raise Rejection("busy", detail=detail)
        except BaseException as error:
            self._bytes -= len(body)
            if isinstance(error, TimeoutError):
                raise Rejection(
                    "body-too-slow", detail=f"The body did not arrive within {BODY_SECONDS:.0f} s; try again."
                ) from None
            raise
        deadline.at += time.monotonic() - started
        return body

    async def _scrape(self, request: Request) -> Response:
        from func.telemetry.prometheus import scrape  # imports prometheus_client, which only a scrape needs

        headers, body = await self._in_thread(lambda: scrape(PROCESS, request.headers.get("accept", "")))
        return Response(body, 200, headers)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _handle(self, headers: Mapping[str, str], body: bytearray, deadline: Deadline) -> Answer | None:
        """Return the answer to a request whose sender may send; None for one that gets no answer.

        Raises:
            Rejection: when it is not a CloudEvent.
        """
        with self._memory.reserving() as reserve:
            incoming = read_cloudevent(headers, body, reserve)
            if incoming.ref.type.startswith(OWN_TYPES):
                return None  # a Broker can send our own replies back
            return self._pipeline.handle(incoming, deadline)


class _Memory:
    """The memory that the bodies in progress take, counted for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reserved = 0

    @contextmanager
    def reserving(self) -> Iterator[Reserve]:
        """Yield a function that reserves bytes until the end of `with`; it raises Rejection when too few are free."""
        mine = 0

        def reserve(count: int) -> None:
            nonlocal mine
            if mine + count > MAX_MEMORY:
                raise Rejection("json-too-large", limit=MAX_MEMORY >> 20)
            with self._lock:
                if self._reserved + count > MAX_MEMORY:
                    raise Rejection("busy", detail="Bodies that take much memory are in progress; try again.")
                self._reserved += count
            mine += count

        try:
            yield reserve
        finally:
            with self._lock:
                self._reserved -= mine


def _too_large() -> Rejection:
    return Rejection("body-too-large", detail=f"The body has more than {MAX_BODY >> 20} MiB: send a smaller event.")


def _reply(answer: Answer) -> Response:
    headers, body = write_reply(answer)
    if answer.outcome == "unavailable":
        headers["retry-after"] = str(answer.retry_after or RETRY_AFTER)
    if answer.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(body, answer.status, headers)

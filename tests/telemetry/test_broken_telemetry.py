"""Log, metrics and traces that fail: every event has the same answer, and leaves its place to the next."""

from __future__ import annotations

import fcntl
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NoReturn, TextIO

import pytest

from func.telemetry.log import log_line
from tests.payloads import approved, cloudevent_structured
from tests.recorded_workflows import waiting_workflow
from tests.service.site import Site

PLACES = 3  # fewer than the events that are sent


class Raises:
    """Stands for an exporter or a stream that fails, whatever is done with it."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def fail(*_: object) -> NoReturn:
            raise ZeroDivisionError(name)

        return fail


@pytest.fixture
def check(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Send more events than there are places, and hold each answer to what it is without a fault."""
    monkeypatch.setattr("func.service.app.MAX_EVENTS", PLACES)
    tasks = range(1, 2 * PLACES + 1)
    site.load(*(waiting_workflow(task) for task in tasks))

    def send_all() -> None:
        assert {site.send(cloudevent_structured(approved(task=task))).outcome for task in tasks} == {"opened"}
        assert site.request("POST", "/", {}, b"").status == 400

    return send_all


def test_an_exporter_that_raises(
    site: Site, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(site.function._telemetry, "_observer", Raises())
    check()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    events = [line for line in lines if "taskgate.outcome" in line["attributes"]]
    assert len(events) == 2 * PLACES + 1, "each event has its line all the same"
    assert {line["severity_text"] for line in lines if line not in events} == {"WARN"}


def _closed() -> Iterator[TextIO]:
    stream = io.StringIO()
    stream.close()
    yield stream


def _full_disk() -> Iterator[TextIO]:
    stream = open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123, SIM115 - closing it fails too
    yield stream
    with suppress(OSError):
        stream.close()


def _none() -> Iterator[None]:
    yield None


@pytest.mark.parametrize("broken", [_closed, _full_disk, _none])
def test_a_standard_error_that_is_broken(
    broken: Callable[[], Iterator[TextIO | None]], check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = broken()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", next(stream))
        check()
    list(stream)


def test_a_pipe_that_nobody_reads(check: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(reading, False)
    seen = bytearray()

    def read() -> None:
        with suppress(BlockingIOError):
            while piece := os.read(reading, 1 << 16):
                seen.extend(piece)

    ended = threading.Event()

    def end() -> None:
        if not ended.wait(30):  # a function that blocks would never end
            while not ended.wait(0.01):
                read()

    threading.Thread(target=end).start()
    with os.fdopen(writing, "w", encoding="utf-8") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        log_line("WARN", "x" * 10_000, {})  # cut
        check()
        ended.set()
        assert not seen
        read()
        log_line("INFO", "Somebody reads again.", {})
        read()
    os.close(reading)
    cut, *lines = seen.decode().splitlines()
    assert cut.endswith("xxx")
    told = [json.loads(line)["body"] for line in lines]
    assert told == [f"Nobody read standard error: {2 * PLACES + 2} lines of the log are lost.", "Somebody reads again."]


def test_a_kubernetes_event_that_can_not_be_written(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(TASKGATE_KUBERNETES_EVENTS="true")
    site.load(waiting_workflow(3))
    monkeypatch.setattr("func.telemetry.kubernetes_events.event_of", Raises().event_of)
    assert site.send(cloudevent_structured(approved())).outcome == "opened"

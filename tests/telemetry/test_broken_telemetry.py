"""Log, metrics and traces that fail: every event has the same answer, and leaves its place to the next."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NoReturn, TextIO

import pytest

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


def test_a_kubernetes_event_that_can_not_be_written(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(TASKGATE_KUBERNETES_EVENTS="true")
    site.load(waiting_workflow(3))
    monkeypatch.setattr("func.telemetry.kubernetes_events.event_of", Raises().event_of)
    assert site.send(cloudevent_structured(approved())).outcome == "opened"

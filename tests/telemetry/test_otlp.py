"""Metrics and traces that are pushed: what a collector gets of a real process, and what happens when there is none."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import func
from func.core.errors import SettingError
from func.devcluster import EmbeddedCluster
from func.service.build import build_app
from func.telemetry.metrics import BOUNDS
from func.telemetry.settings import read_exports
from tests.payloads import approved, cloudevent_structured
from tests.recorded_workflows import fleet
from tests.service.site import Site, make_function
from tests.service.test_process import ask, serving
from tests.telemetry.collector import Collector, attributes
from tests.telemetry.test_log import SPAN, TRACE, TRACEPARENT

WORKFLOW = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows/{name}"
Lines = list[dict[str, Any]]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def kubeconfig(cluster: EmbeddedCluster, tmp_path: Path) -> Path:
    """Of a cluster with eight waiting tasks."""
    Site(cluster, make_function(cluster, tmp_path)).load(*fleet(8))
    return tmp_path / "kubeconfig"


def ended(process: subprocess.Popen[str]) -> Lines:
    """The log of a process that is told to end, and does so in order."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == -signal.SIGTERM
    assert process.stderr
    return [json.loads(line) for line in process.stderr.read().splitlines()]


def one_event(kubeconfig: Path, traceparent: str | None, **settings: str) -> dict[str, Any]:
    """An event for a process of its own, which ends at once.

    Returns: its line of the log.
    """
    with serving(kubeconfig, **settings) as (url, process):
        headers, body = cloudevent_structured(approved(), delivery="d-1")
        reply = ask(url, headers | ({"traceparent": traceparent} if traceparent else {}), body)
        assert reply.outcome == "opened"
        (line,) = ended(process)
    assert isinstance(line, dict)
    return line


def test_a_process_that_ends_has_told_all(kubeconfig: Path, collector: Collector) -> None:
    line = one_event(kubeconfig, TRACEPARENT, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, K_REVISION="taskgate-00007")
    event, *calls = collector.spans()
    assert (event.trace_id.hex(), event.parent_span_id.hex()) == (TRACE, SPAN)
    assert (line["trace_id"], line["span_id"]) == (TRACE, event.span_id.hex())
    assert (event.name, event.kind) == ("POST /", Span.SPAN_KIND_SERVER)
    told = attributes(event.attributes)
    assert (
        told.items()
        >= {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "cloudevents.event_id": "d-1",
            "taskgate.outcome": "opened",
            "taskgate.workflow.name": "play-task-3-workflow",
            "faas.coldstart": True,
        }.items()
    )
    assert told.items() >= line["attributes"].items()
    assert [call.name for call in calls] == [f"GET {WORKFLOW}", f"PATCH {WORKFLOW}"]
    for call in calls:
        assert (call.trace_id, call.parent_span_id) == (event.trace_id, event.span_id)
        assert call.kind == Span.SPAN_KIND_CLIENT
        assert attributes(call.attributes) == {
            "http.request.method": call.name.partition(" ")[0],
            "url.template": WORKFLOW,
            "http.response.status_code": 200,
            "peer.service": "kubernetes",
        }
        assert event.start_time_unix_nano < call.start_time_unix_nano < call.end_time_unix_nano
        assert call.end_time_unix_nano < event.end_time_unix_nano
    assert abs(event.end_time_unix_nano / 1e9 - time.time()) < 60
    resource = attributes(collector.traces[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "taskgate"
    assert resource["faas.version"] == "taskgate-00007"
    assert resource["service.instance.id"]


def test_the_metrics_are_those_that_can_be_scraped(kubeconfig: Path, collector: Collector) -> None:
    one_event(kubeconfig, None, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    metrics = collector.last_metrics()
    (events,) = metrics["taskgate.events"].sum.data_points
    gate = "wait-pr-approved"
    assert attributes(events.attributes) == {"outcome": "opened", "code": "opened", "status": "200", "gate": gate}
    assert events.as_int == 1
    assert metrics["taskgate.events"].sum.is_monotonic
    (duration,) = metrics["taskgate.event.duration"].histogram.data_points
    assert attributes(duration.attributes) == {"outcome": "opened"}
    assert (duration.count, tuple(duration.explicit_bounds)) == (1, BOUNDS)
    calls = {
        tuple(attributes(point.attributes).values()): point.as_int
        for point in metrics["taskgate.api.calls"].sum.data_points
    }
    assert calls == {
        ("kubernetes", "GET", "workflows", "200"): 1,
        ("kubernetes", "PATCH", "workflows", "200"): 1,
    }
    assert metrics["taskgate.active_events"].sum.data_points[0].as_int == 0
    assert metrics["taskgate.cold_starts"].sum.data_points[0].as_int == 1
    assert 0 < metrics["taskgate.start.duration"].gauge.data_points[0].as_double < 60
    assert metrics["taskgate.event.duration"].unit == "s"


def test_an_event_that_came_without_a_trace_begins_one(kubeconfig: Path, collector: Collector) -> None:
    line = one_event(kubeconfig, None, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="gates")
    event, *_ = collector.spans()
    assert (line["trace_id"], line["span_id"]) == (event.trace_id.hex(), event.span_id.hex())
    assert event.parent_span_id == b""
    assert attributes(collector.traces[0].resource_spans[0].resource.attributes)["service.name"] == "gates"


def test_a_trace_that_nobody_keeps_is_not_kept(kubeconfig: Path, collector: Collector) -> None:
    line = one_event(kubeconfig, f"00-{TRACE}-{SPAN}-00", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert collector.spans() == []
    assert line["trace_id"] == TRACE
    assert collector.metrics


def test_one_of_the_two_can_be_left_out(kubeconfig: Path, collector: Collector) -> None:
    endpoint = f"{collector.url}/v1/metrics"
    line = one_event(kubeconfig, TRACEPARENT, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=endpoint)
    assert (collector.traces, len(collector.metrics)) == ([], 1)
    assert (line["trace_id"], line["span_id"]) == (TRACE, SPAN)


def test_a_call_and_an_event_that_fail_are_errors(tmp_path: Path, collector: Collector) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    (tmp_path / "kubeconfig").write_text(_NOWHERE.format(port))
    with serving(tmp_path / "kubeconfig", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as (url, process):
        assert ask(url, *cloudevent_structured(approved())).outcome == "unavailable"
        ended(process)
    event, *calls = collector.spans()
    assert event.status.code == Status.STATUS_CODE_ERROR
    assert "does not answer" in event.status.message
    assert len(calls) == 3
    for call in calls:
        assert call.status.code == Status.STATUS_CODE_ERROR
        assert attributes(call.attributes)["error.type"] == "no-answer"
    (point,) = collector.last_metrics()["taskgate.api.calls"].sum.data_points
    assert attributes(point.attributes)["result"] == "no-answer"
    assert point.as_int == 3


@pytest.mark.parametrize("answers", [False, True], ids=["refuses", "is silent"])
def test_a_dead_collector_holds_up_neither_an_event_nor_the_end(kubeconfig: Path, *, answers: bool) -> None:
    with ExitStack() as stack:
        server = socket.create_server(("127.0.0.1", 0))
        port = server.getsockname()[1]
        stack.enter_context(server) if answers else server.close()
        endpoint = f"http://127.0.0.1:{port}"
        # Often, so that it is being sent to while events come.
        often = {"OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_METRIC_EXPORT_INTERVAL": "10"}
        # Whatever waits for the collector waits this long.
        often["OTEL_EXPORTER_OTLP_TIMEOUT"] = "600"
        url, process = stack.enter_context(serving(kubeconfig, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **often))
        began = time.monotonic()
        for _ in range(20):
            assert ask(url, *cloudevent_structured(approved())).status == 200
        assert time.monotonic() - began < 300
        began = time.monotonic()
        lines = ended(process)
        assert time.monotonic() - began < 300
    events = [line for line in lines if "taskgate.outcome" in line["attributes"]]
    assert len(events) == 20
    for line in lines:
        if line not in events:
            assert (line["severity_text"], line["attributes"]["otel.scope.name"].partition(".")[0]) == (
                "WARN",
                "opentelemetry",
            )


def test_without_the_extra_the_start_says_what_is_missing(
    cluster: EmbeddedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.delitem(sys.modules, "func.telemetry.otlp", raising=False)
    monkeypatch.delattr(func, "otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics", None)
    with pytest.raises(SystemExit) as stopped:
        build_app({"KUBECONFIG": str(kubeconfig), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert str(stopped.value) == (
        "taskgate: OTEL_EXPORTER_OTLP_ENDPOINT is set, and opentelemetry.sdk.metrics is not installed: "
        "expected the image whose tag ends with -otlp, or "
        "pip install 'taskgate[otlp]'"
    )


URL = "http://collector:4318"


@pytest.mark.parametrize(
    ("settings", "pushed"),
    [
        ({}, set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, {"traces", "metrics"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, {"traces", "metrics"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "none"}, {"metrics"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_METRICS_EXPORTER": "none"}, {"traces"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "true"}, set()),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{URL}/v1/traces"}, {"traces"}),
    ],
)
def test_what_is_pushed(settings: dict[str, str], pushed: set[str]) -> None:
    assert read_exports(settings) == pushed


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT is 'collector:4317'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "PROTOCOL is 'grpc'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'"),
    ],
)
def test_a_wrong_variable_is_named(settings: dict[str, str], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        read_exports(settings)


_NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{}"}}}}]
users: [{{name: u, user: {{}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u, namespace: default}}}}]
current-context: x
"""

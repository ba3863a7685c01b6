"""The metrics: the numbers after known events, as Prometheus reads them, and what they cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from func.core.outcomes import Answer, EventRef
from func.devcluster import EmbeddedCluster
from func.kube.call_log import ApiCall
from func.telemetry.facade import PROCESS
from func.telemetry.handled_event import HandledEvent
from func.telemetry.metrics import ACTIVE, BOUNDS, CATALOGUE, EVENTS, PARKED, RELEASED, Measurement, Metrics, measure
from tests.payloads import REX, approved, closed, cloudevent_structured, release_argo
from tests.recorded_workflows import fleet, waiting_workflow
from tests.service.site import Site, make_function
from tests.service.test_process import ROOT, ask, serving

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
GATES = frozenset({"wait-pr-approved"})
PATCH = ApiCall("kubernetes", "PATCH", "/apis/x/v1/namespaces/{namespace}/workflows/{name}", 0.0, 0.004, "200")


def samples(text: str) -> Samples:
    """Every sample, by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def named(found: Samples, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one metric by the values of its labels, in the order of their names."""
    return {tuple(value for _, value in labels): number for (each, labels), number in found.items() if each == name}


def test_prometheus_reads_what_known_events_did(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    site = Site(cluster, make_function(cluster, tmp_path))
    site.load(*fleet(8))
    (tmp_path / "tokens").write_text("s3cret")
    known = {"authorization": "Bearer s3cret"}
    with serving(tmp_path / "kubeconfig", TASKGATE_TOKEN_FILE=str(tmp_path / "tokens")) as (url, _):
        for request, status, outcome in (
            (cloudevent_structured(approved()), 200, "opened"),
            (cloudevent_structured(approved(by=REX)), 200, "refused"),
            (cloudevent_structured(closed(task=7, number=127)), 202, "parked"),
            (cloudevent_structured(closed(task=7, number=127)), 202, "parked"),  # the same again: nothing is written
            (cloudevent_structured(approved(task=100, number=200)), 200, "no-workflow"),
            (release_argo("agent-platform", "play-task-7-workflow"), 200, "ignored"),
        ):
            headers, body = request
            reply = ask(url, headers | known, body)
            assert (reply.status, reply.outcome) == (status, outcome), reply.reason
        assert ask(url, {}, b"").status == 401
        assert ask(url, {}, None).status == 405
        scraped = ask(f"{url}/metrics", {}, None)  # no token
    assert scraped.headers["content-type"].startswith("text/plain; version=")
    found = samples(scraped.body.decode())
    assert named(found, "taskgate_events_total") == {
        ("opened", "wait-pr-approved", "opened", "200"): 1,
        ("person-not-allowed", "wait-pr-approved", "refused", "200"): 1,
        ("not-reached", "wait-pr-merged", "parked", "202"): 2,
        ("no-workflow", "wait-pr-approved", "no-workflow", "200"): 1,
        ("nothing-to-release", "", "ignored", "200"): 1,
        ("no-token", "", "invalid", "401"): 1,
    }
    assert named(found, "taskgate_signals_parked_total") == {("wait-pr-merged",): 1}
    assert named(found, "taskgate_cold_starts_total") == {(): 1}
    assert named(found, "taskgate_active_events") == {(): 0}
    assert named(found, "taskgate_event_duration_seconds_count")["parked",] == 2
    assert 0 < named(found, "taskgate_event_duration_seconds_sum")["opened",] < 10
    assert 0 < named(found, "taskgate_start_duration_seconds")[()] < 60
    calls = named(found, "taskgate_api_calls_total")
    assert calls["kubernetes", "PATCH", "workflows", "200"] == 2
    assert calls["kubernetes", "GET", "workflows", "404"] == 1
    assert sum(calls.values()) == 2 + 2 + 1 + 2 + 1  # opened; parked; again; no-workflow; release
    durations = named(found, "taskgate_api_call_duration_seconds_count")
    assert sum(durations.values()) == sum(calls.values())


def test_every_sample_is_of_the_catalogue(site: Site) -> None:
    site.load(waiting_workflow(3))
    site.send(cloudevent_structured(approved()))
    text = site.request("GET", "/metrics", {}).body.decode()
    for family in text_string_to_metric_families(text):
        (metric,) = [each for each in CATALOGUE if each.prometheus.removesuffix("_total") == family.name]
        assert family.documentation == metric.help
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == set(metric.labels)


def test_metrics_name_nobody(site: Site) -> None:
    site.load(waiting_workflow(3))
    site.send(cloudevent_structured(approved(), delivery="d-1"))
    site.send(cloudevent_structured(approved(by=REX)))
    text = site.request("GET", "/metrics", {}).body.decode()
    assert "wait-pr-approved" in text
    assert not [
        word for word in ("5dlabs", "Tess", "Rex", "play-task", "task-3", "d-1", "agent-platform") if word in text
    ]


def test_openmetrics_is_spoken_where_it_is_asked_for(site: Site) -> None:
    reply = site.request("GET", "/metrics", {"accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.body.endswith(b"# EOF\n")


def test_events_in_work_are_counted_while_they_are(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object) -> None:
        seen.append(PROCESS.numbers(ACTIVE)[()])

    seen = [PROCESS.numbers(ACTIVE).get((), 0)]
    monkeypatch.setattr("func.service.app.read_cloudevent", look)
    with pytest.raises(AssertionError, match="defect"):
        site.send(cloudevent_structured(approved()))
    seen.append(PROCESS.numbers(ACTIVE)[()])
    assert seen == [0, 1, 0]


def measured(answer: Answer, *calls: ApiCall) -> list[Measurement]:
    return list(measure(HandledEvent(answer, calls, 0.0, 0.01), GATES))


def test_a_gate_that_the_rules_do_not_have_is_no_label() -> None:
    answer = Answer("parked", "not-reached", "A reason.", gate="written-by-somebody-on-a-workflow")
    for metric, labels, _ in measured(answer, PATCH):
        assert "written" not in str(labels)
        assert len(labels) == len(metric.labels)
    assert Measurement(EVENTS, ("parked", "not-reached", "202", ""), 1) in measured(answer)


def test_a_signal_is_counted_when_it_was_written() -> None:
    answer = Answer("parked", "not-reached", "A reason.", gate="wait-pr-approved")
    assert [each.value for each in measured(answer._replace(written=True), PATCH) if each.metric is PARKED] == [1]
    assert [each.value for each in measured(answer) if each.metric is PARKED] == []


def test_a_signal_that_waited_is_told_from_one_that_came_in_time() -> None:
    for kind, count in (("io.argoproj.workflow.updated", 1), ("com.github.pull_request_review", 0)):
        answer = Answer("opened", "opened", "A reason.", EventRef("1", kind, "x"), gate="wait-pr-approved")
        assert sum(each.value for each in measured(answer, PATCH) if each.metric is RELEASED) == count


def test_a_value_is_in_the_bucket_that_it_is_not_greater_than() -> None:
    metrics = Metrics()
    (histogram, *_) = [each for each in CATALOGUE if each.kind == "histogram"]
    metrics.add(Measurement(histogram, ("x",), value) for value in (0.0, BOUNDS[0], BOUNDS[-1], BOUNDS[-1] + 1))
    spread = metrics.histograms(histogram)["x",]
    assert spread.counts == [2, *[0] * (len(BOUNDS) - 2), 1, 1]
    assert spread.total == pytest.approx(sum((BOUNDS[0], BOUNDS[-1], BOUNDS[-1] + 1)))


_FIRST_EVENT = """
import asyncio, sys
from starlette.requests import Request
from func.main import taskgate

async def receive():
    return {"type": "http.request", "body": b"{}", "more_body": False}

scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
assert asyncio.run(taskgate(Request(scope, receive))).status_code == 400
print("\\n".join(sys.modules))
"""


def test_nothing_that_only_watchers_need_is_loaded_before_somebody_watches(
    cluster: EmbeddedCluster, tmp_path: Path
) -> None:
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    ran = subprocess.run(
        [sys.executable, "-c", _FIRST_EVENT],
        cwd=ROOT,
        env={"KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(ran.stdout.split())
    assert {"func.telemetry.metrics", "func.telemetry.facade"} <= loaded
    assert not [
        name
        for name in loaded
        if name.startswith(("prometheus_client", "opentelemetry", "func.telemetry.prometheus", "func.telemetry.otlp"))
    ]

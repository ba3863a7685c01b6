"""All example payloads of GitHub, each with a rule that names it: the function answers every one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from func.core.cloud_event import read_cloudevent
from func.devcluster import EmbeddedCluster
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.workflows import Workflows
from func.service.pipeline import Pipeline
from tests.core.test_github_events import named, rules_for
from tests.payloads import cloudevent_structured


def test_no_payload_of_github_is_a_failure(tmp_path: Path) -> None:
    statuses: Counter[int] = Counter()
    with EmbeddedCluster(controller=False) as cluster:
        cluster.store.ensure_namespace("a")
        workflows = Workflows(connect(cluster.write_kubeconfig(tmp_path / "kubeconfig"), 1), "a")
        for kind, name, payload in named():
            function = Pipeline(rules_for(name), workflows, clock=lambda: datetime(2030, 1, 1, tzinfo=UTC))
            headers, body = cloudevent_structured(payload, event=kind, delivery=name)
            answer = function.handle(read_cloudevent(headers, body), Deadline.after(5))
            statuses[answer.status] += 1
            assert answer.status < 400 or answer.outcome == "ambiguous", (name, answer)
    assert statuses.total() >= 329

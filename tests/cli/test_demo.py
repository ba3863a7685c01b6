"""`taskgate demo`: many waiting tasks, one event, one open gate."""

import json
import os
import re
import signal
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from func.core.events import read_event
from func.core.outcomes import EventRef
from func.devcluster import workflows
from func.devcluster.comparison import compare
from func.devcluster.sample_events import EVENTS, approved, approved_by_a_stranger
from func.devcluster.sample_workflows import fleet
from func.service.settings import read_rules
from tests.cli.running import running, taskgate
from tests.recorded_workflows import recorded, waiting_workflow

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


def test_exactly_one_gate_opens() -> None:
    result = taskgate("demo")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    (changed,) = [line for line in lines if line.startswith(">")]
    assert changed.split() == [">", "3", "Rex", "wait-pr-approved", "wait-pr-merged", "opened"]
    assert max(len(line) for line in lines if "unchanged" in line) < 80
    assert sum("unchanged" in line for line in lines) == 9
    assert "Reply: HTTP 200" in lines
    assert "ce-type: dev.taskgate.opened" in lines
    assert lines[-1] == "One event opened one gate of one Workflow. The other 99 Workflows keep their resourceVersion."
    assert "\x1b" not in result.output


def test_json_for_scripts_whatever_the_callers_settings_are(tmp_path: Path) -> None:
    theirs = {
        "TASKGATE_CONFIG": str(tmp_path / "none.yaml"),
        "TASKGATE_AUTH": "token",
        "TASKGATE_MODE": "observe",
        "KUBECONFIG": str(tmp_path / "none"),
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "ARGO_SERVER": "none",
        "PORT": "1",
    }
    result = taskgate("demo", "--tasks", 7, "--output", "json", environment=theirs)
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert shown["good"] is True
    assert shown["unchanged"] == 6
    assert shown["changed"] == [
        {
            "workflow": "play-task-3-workflow",
            "task": "3",
            "waited_at": ["wait-pr-approved"],
            "waits_at": ["wait-pr-merged"],
            "opened": ["wait-pr-approved"],
        }
    ]
    assert shown["reply"]["status"] == 200
    assert shown["reply"]["body"]["outcome"] == "opened"


def test_stays_up_for_curl_and_ends_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    (tmp_path / "func.py").write_text("raise SystemExit('not the one that was meant')\n", encoding="utf-8")
    arguments = (
        "--stay",
        "--tasks",
        3,
        "--port",
        0,
        "--cluster-port",
        0,
        "--board-port",
        0,
        "--folder",
        tmp_path / "demo",
    )
    with running("demo", *arguments, folder=tmp_path) as demo, urllib3.PoolManager() as pool:
        cluster = demo.line_with("Kubernetes API:").split()[2]
        command = demo.line_with("approved.json")
        curl = re.search(r"curl -i (\S+) -H '([^:]+): ([^']+)' -d @(\S+)", command)
        assert curl
        url, header, value, approved_file = curl.groups()
        # Where no shell would find taskgate, the screen says where it is.
        assert demo.line_with("export PATH=").strip() == f"export PATH={Path(sys.executable).parent}:$PATH"
        assert demo.line_with("export KUBECONFIG=").strip() == f"export KUBECONFIG={tmp_path}/demo/kubeconfig"
        demo.line_with("Ctrl-C ends")

        def post(name: str) -> Any:  # noqa: ANN401  any JSON
            body = Path(approved_file).with_name(name).read_bytes()
            return json.loads(pool.request("POST", url, body=body, headers={header: value}).data)

        assert post("stranger.json")["outcome"] == "refused"
        # The key of an event that comes early waits, and opens its gate as soon as that is reached.
        assert post("merged.json")["outcome"] == "parked"
        assert post("approved.json")["outcome"] == "opened"
        assert post("approved.json")["outcome"] == "duplicate"
        demo.line_with("task 3 goes on: has come to its end, Succeeded")

        assert demo.end(signal.SIGTERM) == 0
        for address in (url, f"{cluster}/version"):
            with pytest.raises(urllib3.exceptions.MaxRetryError):
                pool.request("GET", address, retries=urllib3.Retry(0))
    assert any('"taskgate.outcome": "opened"' in line for line in demo.errors)


def test_anything_else_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("func.devcluster.demo.approved", approved_by_a_stranger)
    result = taskgate("demo", "--tasks", 4)
    assert result.exit_code == 1
    verdict = "Expected one open gate. Opened gates: none. Changed Workflows: none. Unchanged: 4."
    assert result.output.splitlines()[-1] == verdict


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        of_function = taskgate("demo", "--tasks", 3, "--port", port)
        of_cluster = taskgate("demo", "--tasks", 3, "--cluster-port", port)
    assert of_function.exit_code == 1
    assert of_function.output.startswith(f"Error: the function did not start: --port {port} at --host 127.0.0.1")
    assert of_cluster.exit_code == 1
    assert of_cluster.output.startswith(f"Error: port {port} for the Kubernetes API cannot be used")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = taskgate("demo", "--folder", tmp_path / "file" / "folder")
    assert result.exit_code == 1
    assert "cannot be created" in result.output


def test_the_fleet_is_as_the_controller_leaves_it() -> None:
    made = list(fleet(100, NOW))
    assert [workflows.advance(workflow, NOW) for workflow in made] == [None] * 100
    waits_at = [snapshot.place for snapshot in compare(made_versions(made), ()).before.values()]
    assert {place: waits_at.count(place) for place in waits_at} == {
        "wait-pr-created": 25,
        "wait-ready-for-qa": 25,
        "wait-pr-approved": 25,
        "wait-pr-merged": 25,
    }
    assert waits_at[2] == "wait-pr-approved"


def test_the_fleet_has_the_shape_of_the_recordings() -> None:
    first = next(iter(fleet(1, NOW)))
    real = recorded("steps-first-gate")

    def shape(value: Any) -> Any:  # noqa: ANN401  any JSON
        return {name: shape(item) for name, item in value.items()} if isinstance(value, dict) else type(value)

    left_out = {"artifactGCStatus", "artifactRepositoryRef", "progress"}  # by the controller here
    assert set(shape(first["status"])) == set(shape(real["status"])) - left_out
    assert first["spec"]["templates"] == real["spec"]["templates"]
    for node, recording in zip(first["status"]["nodes"].values(), real["status"]["nodes"].values(), strict=True):
        assert shape(node) == {name: each for name, each in shape(recording).items() if name not in left_out}
    assert set(first["metadata"]["labels"]) == set(real["metadata"]["labels"]) - {"current-stage"}


def made_versions(made: list[dict[str, Any]], version: str = "1") -> list[dict[str, Any]]:
    """As if they had been stored."""
    return [{**workflow, "metadata": {**workflow["metadata"], "resourceVersion": version}} for workflow in made]


def test_every_unexpected_change_shows() -> None:
    before = made_versions([waiting_workflow(task, "wait-pr-approved") for task in (3, 7)])
    other = made_versions([waiting_workflow(7, "wait-pr-merged")], "2")
    comparison = compare(before, [before[0], *other])
    assert comparison.changed == ["play-task-7-workflow"]
    assert comparison.opened == [("play-task-7-workflow", "wait-pr-approved")]

    touched = compare(before, [before[0], *made_versions([before[1]], "2")])
    assert touched.changed == ["play-task-7-workflow"]
    assert touched.opened == []
    assert touched.rows()[0].cells[-1] == "changed"

    gone = compare(before, before[:1])
    assert gone.changed == ["play-task-7-workflow"]
    assert gone.rows()[0].cells[-1] == "deleted"


def test_the_events_are_whole_payloads_of_now() -> None:
    for _, make in EVENTS.values():
        event = make(NOW)
        ref = EventRef(event["id"], event["type"], event["source"])
        facts = read_event(ref, None, event["data"], read_rules(None), NOW).signal
        assert facts.pull_request == "5dlabs/cto#123"
        assert abs(facts.happened - NOW) <= timedelta(minutes=1)
        assert not facts.fork
        assert facts.fresh
    assert approved(NOW)["id"] != approved(NOW)["id"]


def test_the_approval_has_every_field_of_a_real_one() -> None:
    real_file = Path(__file__).parents[1] / "data" / "github" / "pull_request_review.submitted.3.json"
    real = json.loads(real_file.read_text(encoding="utf-8"))

    def fields(value: Any, path: str = "") -> set[str]:  # noqa: ANN401  any JSON
        if not isinstance(value, dict):
            return {path}
        return {path}.union(*(fields(item, f"{path}.{name}") for name, item in value.items()))

    # Lists of people may be empty; repositories inside a pull request have no custom properties.
    missing = fields(real) - fields(approved(NOW)["data"])
    assert {path for path in missing if "custom_properties" not in path} == set()

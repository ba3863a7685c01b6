"""`taskgate cluster`: the embedded Kubernetes API as a command."""

import json
import re
import signal
import socket
from pathlib import Path

import pytest
import urllib3

from func.kube.connection import connect
from func.kube.workflows import Workflows
from tests.cli.running import running, taskgate
from tests.recorded_workflows import fleet, write


def test_serves_what_was_loaded_and_ends_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    first, second, third = write(fleet(3), folder)
    kubeconfig = tmp_path / "kubeconfig"
    # One --load for several paths, and one for each: both are read.
    loads = ("--load", first, second, "--load", third)
    with running("cluster", "--port", 0, *loads, "--kubeconfig", kubeconfig) as cluster:
        line = cluster.line_with("ready")
        assert re.search(r"http://127\.0\.0\.1:\d+ with 3 objects", line)
        names = [item["metadata"]["name"] for item in Workflows(connect(kubeconfig, 1), "agent-platform").list_all("")]
        assert names == ["play-task-1-workflow", "play-task-2-workflow", "play-task-3-workflow"]
        assert cluster.end(signal.SIGTERM) == 0
        assert cluster.errors == []


@pytest.mark.parametrize("controller", [True, False])
def test_moves_workflows_on_unless_told_not_to(tmp_path: Path, *, controller: bool) -> None:
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "new", "namespace": "default"},
        "spec": {
            "entrypoint": "main",
            "templates": [
                {"name": "main", "steps": [[{"name": "wait", "template": "gate"}]]},
                {"name": "gate", "suspend": {}},
            ],
        },
    }
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(workflow), encoding="utf-8")
    kubeconfig = tmp_path / "kubeconfig"
    switch = () if controller else ("--no-controller",)
    with running("cluster", "--load", file, "--kubeconfig", kubeconfig, *switch) as cluster:
        cluster.line_with("ready")
        url = json.loads(kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]["server"]
        path = "/apis/argoproj.io/v1alpha1/namespaces/default/workflows?watch=1&timeoutSeconds="
        with urllib3.PoolManager() as pool:
            watch = pool.request("GET", f"{url}{path}{10 if controller else 1}", preload_content=False)
            phases = []
            for line in watch:
                phases.append(json.loads(line)["object"].get("status", {}).get("phase"))
                if phases[-1] == "Running":
                    break
            watch.close()
        assert ("Running" in phases) is controller
        assert cluster.end(signal.SIGINT) == 0


def test_wrong_input_is_one_sentence(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    missing = taskgate("cluster", "--load", tmp_path / "none", "--kubeconfig", kubeconfig)
    assert (missing.exit_code, missing.output) == (1, f"Error: {tmp_path / 'none'}: there is no such file or folder\n")

    unwritable = taskgate("cluster", "--kubeconfig", tmp_path / "none" / "kubeconfig")
    assert unwritable.exit_code == 1
    assert "cannot be written (No such file or directory)" in unwritable.output

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = taskgate("cluster", "--port", port, "--kubeconfig", kubeconfig)
    assert taken.exit_code == 1
    assert taken.output.startswith(f"Error: --port is {port}: cannot listen there (Address already in use)")
    assert not kubeconfig.exists()


def test_wrong_usage_is_exit_code_2() -> None:
    assert taskgate("cluster").exit_code == 2
    assert taskgate("cluster", "--port", "70000", "--kubeconfig", "x").exit_code == 2

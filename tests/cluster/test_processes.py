"""Nothing that the tests start outlives them, and what they start sees only what it should."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.processes import ClusterError, Process, wait_for

SANDBOX = Path(__file__).with_name("sandbox.py")
ROOT = Path(__file__).parents[2]


def alive(pid: int) -> bool:
    """Whether the process is there and not just waiting to be reaped."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: list[int]) -> bool | None:
    return not any(alive(pid) for pid in pids) or None


def group(leader: int) -> list[int]:
    """The processes of a process group."""
    found = subprocess.run(["ps", "-e", "-o", "pid=,pgid="], text=True, capture_output=True, check=True).stdout
    return [int(pid) for pid, pgid in map(str.split, found.splitlines()) if int(pgid) == leader]


def sandboxed(folder: Path, script: str, files: dict[str, str] | None = None) -> list[str]:
    """The command that runs a shell script in a sandbox that has the machine's programs."""
    spec = folder / "sandbox.json"
    root = folder / "root"
    root.mkdir()
    spec.write_text(
        json.dumps(
            {
                "root": str(root),
                "show": {path: path for path in ("/usr", "/bin", "/lib", "/lib64") if Path(path).exists()},
                "files": files or {},
                "network": True,
                "inward": [],
                "outward": [],
                "command": ["/bin/sh", "-c", script],
                "environment": {"PATH": "/usr/bin:/bin"},
            }
        )
    )
    return [sys.executable, "-I", str(SANDBOX), str(spec)]


def test_a_sandbox_has_files_that_the_machine_has_not(tmp_path: Path) -> None:
    secret = "/argo-events/secrets/of-this-test/key"
    command = sandboxed(tmp_path, f"cat {secret}; exit 3", {secret: "from the inside"})
    result = subprocess.run(command, text=True, capture_output=True, check=False)
    assert (result.stdout, result.returncode) == ("from the inside", 3), result.stderr
    assert not Path(secret).exists()


def test_a_sandbox_asks_its_program_to_end_and_waits(tmp_path: Path) -> None:
    command = sandboxed(tmp_path, "trap 'echo goodbye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    process = Process("polite", command, tmp_path / "log")
    process.start()
    wait_for("the program", lambda: "up" in process.tail() or None, process)
    pids = group(process.pid)
    assert len(pids) >= 3
    process.stop()
    assert process.tail().endswith("goodbye\n")
    assert gone(pids)


def test_all_end_when_the_test_process_is_killed(tmp_path: Path) -> None:
    driver = (
        "import sys, time; from pathlib import Path; from tests.cluster.processes import Process\n"
        "process = Process('victim', sys.argv[2:], Path(sys.argv[1])); process.start()\n"
        "print(process.pid, flush=True); time.sleep(600)"
    )
    log = tmp_path / "log"
    command = [sys.executable, "-c", driver, str(log), *sandboxed(tmp_path, "echo up; exec sleep 600")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as test_process:
        assert test_process.stdout is not None
        leader = int(test_process.stdout.readline())
        wait_for("the program", lambda: (log.exists() and "up" in log.read_text()) or None)
        pids = group(leader)
        assert len(pids) == 3
        test_process.kill()
    wait_for("the end of all", lambda: gone(pids), timeout=5)


def test_one_that_does_not_want_to_end_is_killed(tmp_path: Path) -> None:
    process = Process("stubborn", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done"], tmp_path / "log")
    process.start()
    wait_for("the program", lambda: "up" in process.tail() or None, process)
    pid = process.pid
    process.stop(patience=0.1)
    assert not alive(pid)
    assert not process.running()


def test_waiting_for_one_that_ended_shows_its_log(tmp_path: Path) -> None:
    process = Process("short", ["sh", "-c", "echo no such flag; exit 1"], tmp_path / "log")
    process.start()
    with pytest.raises(ClusterError, match=r"(?s)short ended while waiting for the port.*no such flag"):
        wait_for("the port", lambda: None, process)
    process.stop()


def test_waiting_ends_in_time() -> None:
    with pytest.raises(ClusterError, match=r"timed out after 0\.05 s waiting for nothing"):
        wait_for("nothing", lambda: None, timeout=0.05)


def run_pytest(folder: Path, body: str, **environment: str) -> str:
    """The output of a test session of one test that has real components."""
    test = folder / "test_inner.py"
    test.write_text(body)
    command = [sys.executable, "-m", "pytest", "-p", "tests.cluster.fixtures", "--rootdir", str(folder), str(test)]
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("TASKGATE_", "PYTEST_", "COV_"))}
    inner: dict[str, str] = {**outer, "TMPDIR": str(folder), **environment}
    return subprocess.run(command, cwd=ROOT, env=inner, text=True, capture_output=True, check=False).stdout


TALKS = """
from tests.cluster.processes import wait_for

def test_talk(processes):
    process = processes.add("talker", ["sh", "-c", "echo a word; exec sleep 600"])
    process.start()
    wait_for("a word", lambda: "word" in process.tail() or None, process)
    print("the pid is", process.pid)
    assert {}
"""


def test_logs_of_a_failed_test_are_shown_and_kept(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, TALKS.format("False"))
    kept = list(tmp_path.glob("taskgate-cluster-logs-*/*"))
    assert [log.read_text() for log in kept] == ["a word\n"]
    assert f"talker: the end of {kept[0]}" in output
    assert f"Logs of the real components: {kept[0].parent}" in output
    assert "1 failed" in output
    pid = int(re.findall(r"the pid is (\d+)", output)[-1])
    assert not alive(pid)


def test_logs_of_tests_that_pass_are_removed(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, TALKS.format("True"))
    assert "1 passed" in output
    assert not list(tmp_path.glob("taskgate-cluster-logs-*"))


@pytest.mark.parametrize(("required", "outcome"), [("0", "1 skipped"), ("1", "1 error")])
def test_without_the_tools_a_test_says_how_to_build_them(tmp_path: Path, required: str, outcome: str) -> None:
    output = run_pytest(
        tmp_path,
        "def test_needs_them(tools): pass",
        TASKGATE_CLUSTER_TOOLS=str(tmp_path / "nothing"),
        TASKGATE_REQUIRE_CLUSTER=required,
        PYTEST_ADDOPTS="-ra",
    )
    assert "the real components are not built: run 'make cluster-tools'" in output
    assert outcome in output
